"""Forgetting somebody: as a member of the audience, and as a buyer in the store."""

from __future__ import annotations

from omnibridge.connector import Delivery, Http, Receipt, Upsert
from omnibridge.model import Customer, EraseCustomer, Order
from omnibridge_mailchimp.outbound import path_of
from omnibridge_mailchimp.products import safe_id, store_path
from omnibridge_mailchimp.refusals import refusal
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Json, subscriber_hash

__all__ = ["erase_person"]


async def erase_person(settings: MailchimpSettings, command: EraseCustomer, delivery: Delivery, http: Http) -> Receipt:
    """Delete members for good, by id and by address (Mailchimp, actions/delete-permanent). Who is gone is done.

    Mailchimp never takes such an address back by import; the person may sign up again. What the store has of them goes
    as well. Raises Permanent for a refusal.
    """
    members = dict.fromkeys((*command.ids(Customer.KIND), *map(subscriber_hash, command.emails)))
    for number, key in enumerate(members):
        path = f"{path_of(settings, key)}/actions/delete-permanent"
        answer = await http.post(path, step=f"erase-{number}", protection=Upsert())
        if not answer.ok and answer.status not in (404, 405):
            raise refusal(answer, "to erase a member")
    if settings.store_id is not None:
        await _erase_buyer(settings, command, http)
    return Receipt()


async def _erase_buyer(settings: MailchimpSettings, command: EraseCustomer, http: Http) -> None:
    """Delete a buyer and their orders, which hold names and postal addresses (Mailchimp, DELETE of a store's customer
    and order): nothing says that deleting a member reaches the store.

    An order tells who its buyer is there: one written before two customers became one has the id of then. The buyers go
    first, so that who does it again still learns of them.
    """
    orders = command.ids(Order.KIND)
    buyers = dict.fromkeys(map(subscriber_hash, command.emails))
    if command.customer is not None and command.customer.id:
        buyers[safe_id(command.customer.id)] = None
    for id_ in orders:
        answer = await http.get(store_path(settings, "orders", id_))
        if answer.status == 404:
            continue
        if not answer.ok:
            raise refusal(answer, "to show an order")
        order: Json = answer.json()
        buyer: Json = order.get("customer") or {}
        if buyer.get("id"):
            buyers[str(buyer["id"])] = None
    for what, ids in (("customers", buyers), ("orders", orders)):
        for number, id_ in enumerate(ids):
            gone = await http.delete(store_path(settings, what, id_), step=f"{what}-{number}", protection=Upsert())
            if not gone.ok and gone.status != 404:
                raise refusal(gone, f"to delete of the store's {what}")
