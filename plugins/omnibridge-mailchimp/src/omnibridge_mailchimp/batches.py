"""Many members at a time: one batch that Mailchimp works off by itself, instead of a request for each of them.

A batch is a list of requests; it answers each, by our id of it, in a packed archive at a signed address. Source:
Mailchimp Marketing API, "Run async requests with the batch endpoint", and the specification of `/batches`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from omnibridge.connector import (
    Alone,
    Class,
    Delivery,
    Http,
    Later,
    Receipt,
    Reference,
    Request,
    Response,
    Result,
    Upsert,
    json_bytes,
)
from omnibridge.errors import InvalidMessage, Permanent, Retryable
from omnibridge.model import Customer
from omnibridge_mailchimp.outbound import SKIP_VALIDATION, if_new, member_body, normal_customer, path_of, restricted
from omnibridge_mailchimp.refusals import classify, refusal
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Json, Member, is_array, is_object, read_model, subscriber_hash

__all__ = ["LEAST", "MOST", "find_batched", "upsert_members"]

LEAST = 100
"""A batch takes minutes, so that fewer are done sooner one by one."""
MOST = 500
_LOOK = timedelta(seconds=30)
_WAIT = timedelta(minutes=2)
"""Longer, as each of them asks for itself."""
_PAUSE = timedelta(minutes=5)
_PAGE = 1000

Items = Sequence[tuple[Customer, Delivery]]


async def upsert_members(settings: MailchimpSettings, items: Items, http: Http) -> Sequence[Result]:
    """Begin a batch for those that are one plain PUT, or settle each item of one that was begun.

    Who moves to another address, or has tags or segments to be written, takes several requests and goes alone; so does
    an item that the batch did not answer, or did for want of time or room. Nothing protects the beginning of a batch:
    a second one could overtake the first, and put back what had been changed meanwhile.
    """
    state = items[0][1].state
    if is_object(state) and isinstance(state.get("batch"), str):
        return await _settle(settings, items, state, http)
    results: list[Result] = []
    operations: list[Json] = []
    for customer, delivery in items:
        try:
            operation = _operation(settings, customer, delivery)
        except Permanent as error:
            results.append(error)
            continue
        results.append(Alone() if operation is None else Later(_LOOK))
        operations += [operation] if operation is not None else []
    if not operations:
        return results
    answer = await http.post("/batches", json={"operations": operations}, step="batch")
    begun = answer.json() if answer.ok else None
    if not is_object(begun):
        # Too many batches, or none allowed: each tells by itself what is wrong.
        return [Alone() if isinstance(result, Later) else result for result in results]
    waiting = Later(_LOOK, {"batch": begun["id"]})
    return [waiting if isinstance(result, Later) else result for result in results]


def _operation(settings: MailchimpSettings, customer: Customer, delivery: Delivery) -> Json | None:
    """The request for a member, None where one request is not all. Raises Permanent, as for one that goes alone."""
    if not customer.email:
        return None
    hashed, known = subscriber_hash(customer.email), delivery.known
    had = known.tags if isinstance(known, Customer) else ()
    tagged = "tags" in customer.model_fields_set and (normal_customer(settings, customer).tags or had)
    if tagged or delivery.own not in (None, hashed) or any(name.startswith("segments.") for name in delivery.custom):
        return None
    return {
        "method": "PUT",
        "path": path_of(settings, hashed),
        "params": SKIP_VALIDATION,
        "operation_id": delivery.key,
        "body": json_bytes(if_new(member_body(settings, customer, delivery.custom))).decode(),
    }


async def _settle(settings: MailchimpSettings, items: Items, state: Json, http: Http) -> Sequence[Result]:
    """What became of each item, when the batch has ended; `Later` until then."""
    answer = await http.get(f"/batches/{state['batch']}")
    if answer.status == 404:
        return [Alone() for _ in items]  # somebody took it away, which stops it
    batch = answer.json() if answer.ok else None
    if not is_object(batch):
        return [Retryable(f"the batch could not be looked at: {answer.status}", after=_PAUSE) for _ in items]
    if batch.get("status") != "finished":
        return [Later(_LOOK, state) for _ in items]
    told = await _answers(str(batch.get("response_body_url") or ""), {delivery.key for _, delivery in items}, http)
    now = await http.now()
    results: list[Result] = []
    for customer, delivery in items:
        response = told.get(delivery.key)
        if response is None:
            results.append(Alone())
            continue
        request = Request("PUT", path_of(settings, subscriber_hash(customer.email or "")), protection=Upsert())
        outcome = classify(request, response, now)
        if outcome.kind is Class.OK:
            results.append(_receipt(settings, customer, delivery, response))
        elif outcome.kind is Class.PERMANENT:
            results.append(refusal(response, "to write a member"))
        else:
            results.append(Alone(outcome.after or _LOOK))
    return results


def _receipt(settings: MailchimpSettings, customer: Customer, delivery: Delivery, response: Response) -> Result:
    try:
        member = read_model(Member, response.json(), "member")
    except InvalidMessage:
        return Alone()
    body = member_body(settings, customer, delivery.custom)
    reference = Reference(Customer.KIND, subscriber_hash(member.email_address))
    return Receipt((reference,), (restricted(settings, member, body, None, {}),))


async def _answers(url: str, wanted: set[str], http: Http) -> Mapping[str, Response]:
    """The answers to these operations; nothing of those that the result does not have, or that cannot be had."""
    found: dict[str, Response] = {}
    if not url:
        return found
    file = await http.download(url, signed=True, gzip=True)
    if not file.ok:
        return found
    async for part in file.tar():
        if not part.name.endswith(".json"):
            continue
        rows = await part.json()
        for row in rows if is_array(rows) else ():
            if not is_object(row) or row.get("operation_id") not in wanted:
                continue
            status, said = row.get("status_code"), row.get("response")
            if isinstance(status, int) and isinstance(said, str):
                found[str(row["operation_id"])] = Response(status, {}, said.encode())
    return found


async def find_batched(
    settings: MailchimpSettings, customer: Customer, delivery: Delivery, http: Http
) -> Receipt | None:
    """None, when no batch is under way: what one that we never heard of has written may be written again.

    Raises Retryable while there is one, as it may be that one, and it would overwrite what is written before it ends.
    """
    offset = 0
    while True:
        answer = await http.get("/batches", params={"count": _PAGE, "offset": offset})
        if not answer.ok:
            raise Retryable(f"the batches could not be listed: {answer.status}", after=_PAUSE)
        listed = answer.json()
        rows = listed.get("batches") if is_object(listed) else None
        if not is_array(rows) or not rows:
            return None
        if any(not is_object(row) or row.get("status") != "finished" for row in rows):
            raise Retryable("a batch is under way, and it may be the one whose answer was lost", after=_WAIT)
        offset += len(rows)
