"""Orders to the e-commerce store: the customer, the products, then the order, each made only where it is missing."""

from __future__ import annotations

from omnibridge.connector import Delivery, Http, Receipt, Reference, Response, Upsert
from omnibridge.errors import Permanent
from omnibridge.model import Customer, Order, OrderStatus, email_or_none
from omnibridge_mailchimp.order_map import line_bodies, order_body, order_snapshot
from omnibridge_mailchimp.products import ensure_products, item_of, safe_id, store_path
from omnibridge_mailchimp.refusals import already_exists, refusal
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Json, subscriber_hash

__all__ = ["write_order"]

_COMPARED = ("product_id", "product_variant_id", "quantity", "price", "discount")


async def write_order(settings: MailchimpSettings, order: Order, delivery: Delivery, http: Http) -> Receipt:
    """Write an order under our own id: PATCH it, POST it where it is missing, PATCH again where another was quicker.

    There is no PUT and no idempotency key, but an id is taken once only, so every request may be repeated. Buying
    subscribes nobody: a new customer is not opted in. Raises Permanent when Mailchimp refuses for good.
    """
    if settings.store_id is None:
        raise Permanent(
            "the channel has no store", where="store_id", remedy="set store_id and replay, or route no orders"
        )
    if order.test or order.status is OrderStatus.DRAFT:
        return Receipt(note="not written: a draft or a test")
    if not order.lines:
        return Receipt(note="not written: Mailchimp takes no order without lines")
    order_id = delivery.own or safe_id(order.id or delivery.key)
    path = store_path(settings, "orders", order_id)
    when = delivery.event.get_time() or order.updated_at
    body = order_body(order, when if when is not None else await http.now())
    lines = line_bodies(order, delivery)

    if delivery.own is not None:
        changed = await http.patch(path, json=body, step="update", protection=Upsert())
        if changed.ok:
            return await _settle(settings, order, delivery, lines, changed, http)
        if changed.status != 404:
            raise refusal(changed, "to change an order")

    email = _email(order, delivery)
    if email is None:
        return Receipt(note="not written: Mailchimp takes no order without the buyer's e-mail address")
    customer_id = await _customer(settings, order, email, delivery, http)
    await ensure_products(settings, [item_of(line, delivery) for line in order.lines], http)
    made = await http.post(
        store_path(settings, "orders"),
        json={"id": order_id, "customer": {"id": customer_id}, **body, "lines": list(lines.values())},
        step="create",
        protection=Upsert(),
    )
    if already_exists(made):
        made = await http.patch(path, json=body, step="update-again", protection=Upsert())
    if not made.ok:
        raise refusal(made, "to write an order")
    await http.keep(Reference(Order.KIND, order_id))
    return await _settle(settings, order, delivery, lines, made, http)


def _email(order: Order, delivery: Delivery) -> str | None:
    buyer = delivery.entity(order.buyer)
    known = buyer.email if isinstance(buyer, Customer) else None
    return known or email_or_none(order.buyer_email)


async def _customer(settings: MailchimpSettings, order: Order, email: str, delivery: Delivery, http: Http) -> str:
    """The buyer in the store, under the canonical id, or under the address where nobody is known.

    `opt_in_status` false makes a new member `transactional` and never changes the status of one who is there.
    """
    buyer = delivery.entity(order.buyer)
    customer_id = safe_id((order.buyer.id if order.buyer else None) or subscriber_hash(email))
    body: Json = {"id": customer_id, "email_address": email, "opt_in_status": False}
    if isinstance(buyer, Customer):
        names = {"first_name": buyer.given_name, "last_name": buyer.family_name, "company": buyer.company}
        body |= {name: text for name, text in names.items() if text}
    path = store_path(settings, "customers", customer_id)
    answer = await http.put(path, json=body, step="customer", protection=Upsert())
    if not answer.ok:
        raise refusal(answer, "to write the customer of an order")
    return customer_id


async def _settle(
    settings: MailchimpSettings,
    order: Order,
    delivery: Delivery,
    wanted: dict[str, Json],
    answer: Response,
    http: Http,
) -> Receipt:
    """Bring the lines to what the order has, as a PATCH of the order cannot, and say what Mailchimp has now."""
    seen: Json = answer.json()
    order_id = str(seen["id"])
    have: dict[str, Json] = {str(row.get("id")): row for row in seen.get("lines") or ()}
    differing = {
        key: body
        for key, body in wanted.items()
        if key not in have or any(have[key].get(name) != body[name] for name in _COMPARED if name in have[key])
    }
    if any(_product(body) != _product(have.get(key, {})) for key, body in differing.items()):
        items = {(item.product, item.variant): item for line in order.lines for item in [item_of(line, delivery)]}
        await ensure_products(settings, [items[_product(body)] for body in differing.values()], http)
    for key, body in differing.items():
        await _line(settings, order_id, key, body, exists=key in have, http=http)
    for key in have.keys() - wanted.keys():
        path = store_path(settings, "orders", order_id, "lines", key)
        gone = await http.delete(path, step=f"line-{key}", protection=Upsert())
        if not gone.ok and gone.status != 404:
            raise refusal(gone, "to take a line off an order")
    snapshot = order_snapshot(seen, wanted)
    return Receipt((Reference(Order.KIND, order_id),), (snapshot,))


def _product(body: Json) -> tuple[str, str]:
    return str(body.get("product_id")), str(body.get("product_variant_id"))


async def _line(settings: MailchimpSettings, order_id: str, key: str, body: Json, *, exists: bool, http: Http) -> None:
    lines = store_path(settings, "orders", order_id, "lines")
    if not exists:
        made = await http.post(lines, json=body, step=f"line-{key}", protection=Upsert())
        if made.ok:
            return
        if not already_exists(made):
            raise refusal(made, "to add a line to an order")
    changes = {name: value for name, value in body.items() if name != "id"}
    path = store_path(settings, "orders", order_id, "lines", key)
    changed = await http.patch(path, json=changes, step=f"line-{key}-change", protection=Upsert())
    if not changed.ok:
        raise refusal(changed, "to change a line of an order")
