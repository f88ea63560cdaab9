"""Customers to Square: found by what is known of them, else made once; changed under optimistic locking."""

from __future__ import annotations

from omnibridge.connector import Delivery, Http, NativeKey, Receipt, Reference, Response, Snapshot, Upsert
from omnibridge.errors import Permanent, Retryable
from omnibridge.model import Address, Customer, EraseCustomer, email_or_none, phone_or_none
from omnibridge_square.classify import missing, stale, succeeded
from omnibridge_square.entities import customer as customer_snapshots
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Fields, Json, Node, parsed

__all__ = ["erase_customer", "normal_customer", "upsert_customer"]

_PLAIN = {
    "email": "email_address",
    "phone": "phone_number",
    "given_name": "given_name",
    "family_name": "family_name",
    "company": "company_name",
    "note": "note",
}
_ADDRESS = {
    "street": "address_line_1",
    "street2": "address_line_2",
    "city": "locality",
    "region": "administrative_district_level_1",
    "postal_code": "postal_code",
    "country": "country",
}
_IDENTIFYING = ("given_name", "family_name", "company_name", "email_address", "phone_number")


def normal_customer(settings: SquareSettings, customer: Customer) -> Customer:
    """What Square would keep: the fields that it has, one address, no company or phone inside it."""
    kept = {*_PLAIN, "birthday", "addresses", "merged_into"} & customer.model_fields_set
    fields = {name: getattr(customer, name) for name in kept}
    if "addresses" in fields:
        fields["addresses"] = tuple(_normal_address(one) for one in customer.addresses[:1])
    for name in _PLAIN:
        if fields.get(name) == "":
            fields[name] = None
    if customer.id is not None:
        fields["id"] = customer.id
    return Customer(**fields)


def _normal_address(address: Address) -> Address:
    fields = {name: getattr(address, name) for name in (*_ADDRESS, "name") if getattr(address, name)}
    if "name" in fields:
        fields["name"] = " ".join(fields["name"].split())
    return Address(**fields)


def _wire(customer: Customer) -> Json:
    """The canonical fields that are set, as Square names them; None clears a field."""
    told = customer.model_fields_set
    out: Json = {theirs: getattr(customer, name) or None for name, theirs in _PLAIN.items() if name in told}
    if "birthday" in told:
        out["birthday"] = customer.birthday.isoformat() if customer.birthday else None
    if "addresses" in told:
        out["address"] = _wire_address(customer.addresses[0]) if customer.addresses else None
    return out


def _wire_address(address: Address) -> Json:
    out = {theirs: value for name, theirs in _ADDRESS.items() if (value := getattr(address, name))}
    first, _, last = " ".join((address.name or "").split()).rpartition(" ")
    if last:
        out["last_name" if first else "first_name"] = last
    if first:
        out["first_name"] = first
    return out


def _differs(wanted: Json, there: Node, region: str | None) -> Json:
    """The part of `wanted` that the profile does not say yet; an address with the parts that go."""
    changes: Json = {}
    for name, value in wanted.items():
        if name == "address":
            known = there.node(name)
            whole = _address_over(value or {}, dict(known.raw)) if known is not None else value
            if (dict(known.raw) if known is not None else None) != (whole or None):
                changes[name] = whole
            continue
        said = there.text(name)
        if name == "email_address":
            said = email_or_none(said) or said
        elif name == "phone_number":
            said = phone_or_none(said, region) or said
        if (said or None) != (value or None):
            changes[name] = value
    return changes


def _address_over(wanted: Json, known: Json) -> Json:
    """The address to write over a known one: what is not wanted is null, but the country, which Square never clears."""
    kept = {"country": known["country"]} if "country" in known else {}
    gone = {name: None for name in known if name not in wanted and name != "country"}
    return {**kept, **gone, **wanted}


def _clears(changes: Json) -> bool:
    return None in changes.values() or None in (changes.get("address") or {}).values()


async def upsert_customer(settings: SquareSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    """Make the profile say what the customer says. Square has no upsert of its own (Square, Customers API).

    Known here: read, and change what differs. Else found by `reference_id` (our id), then by exact email, then by
    exact phone number; a found profile without a reference gets ours. Else created under an idempotency key with our
    id as `reference_id`. The search index lags by up to a minute, so a create that was not seen in time is caught by
    the key and the kept reference, never by the search. Raises Permanent for a refusal.
    """
    if customer.merged_into is not None:
        return Receipt(note="merged into another customer; that one is delivered")
    id_ = customer.id or delivery.event.subject
    wanted = _wire(customer)
    own = delivery.own or (delivery.references.get(("customer", id_)) if id_ else None)
    if own is None:
        own = await _find(wanted, id_, http)
    if own is None:
        return await _create(settings, wanted, id_, http)
    return await _change(settings, wanted, own, id_, http, found=delivery.own is None)


async def erase_customer(settings: SquareSettings, command: EraseCustomer, delivery: Delivery, http: Http) -> Receipt:
    """Delete the profiles. Square keeps payments and orders, which the law asks it to (Square, DeleteCustomer).

    One that is gone already is done. A loyalty account holds the person's phone number, and no call deletes one
    (Square, Loyalty API). Raises Permanent for a refusal, and for such an account that is still there.
    """
    for number, id_ in enumerate(command.ids("customer")):
        response = await http.delete(f"/v2/customers/{id_}", step=f"erase-{number}", protection=Upsert())
        if not missing(response):
            succeeded("to delete a customer", response)
    for id_ in command.ids("loyalty"):
        if not missing(await http.get(f"/v2/loyalty/accounts/{id_}")):
            raise Permanent(
                f"the loyalty account {id_} is still at Square, with a phone number",
                code="LOYALTY_KEPT",
                remedy="delete it in the Square dashboard, then replay",
            )
    return Receipt()


async def _find(wanted: Json, id_: str | None, http: Http) -> str | None:
    """The profile to use: the oldest one where several match, as an email address is not unique at Square."""
    for field, value in (
        ("reference_id", id_),
        ("email_address", wanted.get("email_address")),
        ("phone_number", wanted.get("phone_number")),
    ):
        if not value:
            continue
        ask = {
            "limit": 10,
            "query": {"filter": {field: {"exact": value}}, "sort": {"field": "CREATED_AT", "order": "ASC"}},
        }
        response = await http.query("/v2/customers/search", json=ask)
        if response.status == 400 and field == "phone_number":
            continue  # a number that Square takes for none at all matches nobody
        for one in succeeded("to search customers", response).nodes("customers"):
            found = one.text("id")
            if found:
                return found
    return None


async def _create(settings: SquareSettings, wanted: Json, id_: str | None, http: Http) -> Receipt:
    body = {name: value for name, value in wanted.items() if value is not None}
    if not any(body.get(name) for name in _IDENTIFYING):
        raise Permanent(
            "Square takes no customer without a name, company, email address or phone number",
            remedy="filter such customers out in the route",
        )
    if id_:
        body["reference_id"] = id_
    body["idempotency_key"] = http.key("create")
    response = await http.post("/v2/customers", json=body, step="create", protection=NativeKey())
    made = succeeded("the new customer", response).node("customer")
    if made is None:
        raise Permanent("Square answered without a customer", code="NO_CUSTOMER")
    reference = Reference("customer", made.need("id"))
    await http.keep(reference)
    return Receipt((reference,), _told(settings, made, None))


async def _change(
    settings: SquareSettings, wanted: Json, own: str, id_: str | None, http: Http, *, found: bool
) -> Receipt:
    """Read, change what differs, and once more from the reading on when somebody else was faster."""
    for turn in (1, 2):
        response = await http.get(f"/v2/customers/{own}")
        if missing(response):
            raise Permanent(
                f"the customer {own} was deleted at Square",
                code="NOT_FOUND",
                remedy="erase the reference to have the customer made again",
            )
        there = succeeded("to show a customer", response).node("customer")
        if there is None:
            raise Permanent("Square answered without a customer", code="NO_CUSTOMER")
        actual = there.need("id")  # of a merged profile: the id of the one that it became
        taken = _taken(there)
        changes = _differs(wanted, there, settings.region)
        if found and id_ and not taken:
            changes["reference_id"] = id_
        reference = Reference("customer", actual)
        if found or actual != own:
            await http.keep(reference)
        if not changes:
            return Receipt((reference,), _told(settings, there, wanted))
        answer = await _put(actual, changes, there.whole("version"), turn, http)
        if stale(answer):
            continue
        after = succeeded("the change of a customer", answer).node("customer")
        return Receipt((reference,), _told(settings, after, wanted) if after is not None else ())
    raise Retryable(f"the customer {own} is being changed at Square by somebody else")


def _taken(there: Node) -> str | None:
    """Whose reference the profile carries: an application's own, or ours."""
    value = there.text("reference_id")
    there.leave("reference_id")
    return value or None


async def _put(own: str, changes: Json, version: int | None, turn: int, http: Http) -> Response:
    body = dict(changes)
    if version is not None:
        body["version"] = version
    headers = {"X-Clear-Null": "true"} if _clears(changes) else {}
    step = "change" if turn == 1 else "change-again"
    return await http.put(f"/v2/customers/{own}", json=body, headers=headers, step=step, protection=Upsert())


def _told(settings: SquareSettings, there: Node, wanted: Json | None) -> tuple[Snapshot, ...]:
    """The answer as a snapshot, restricted to what was written; of a new profile everything is our doing."""
    fresh = Node(dict(there.raw), "answer.customer")
    seen = parsed("answer.customer", lambda: customer_snapshots(fresh, settings.region))
    told = seen[0]
    if not isinstance(told, Snapshot) or not isinstance(told.entity, Customer):
        return ()
    if wanted is None:
        return (told,)
    names = {name for name, theirs in _PLAIN.items() if theirs in wanted}
    names |= {"birthday"} & wanted.keys() | ({"addresses"} if "address" in wanted else set[str]())
    fields = {name: getattr(told.entity, name) for name in names if name in told.entity.model_fields_set}
    # A field that was cleared is absent in Square's answer; that it is empty now is what the answer says.
    cleared: Fields = {name: None for name, theirs in _PLAIN.items() if wanted.get(theirs, "") is None}
    if wanted.get("address", "") is None:
        cleared["addresses"] = ()
    return (Snapshot(Customer(**{**cleared, **fields}), told.external_id, told.version, ours=told.ours),)
