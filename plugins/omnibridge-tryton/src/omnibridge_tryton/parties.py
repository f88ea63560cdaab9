"""Customers to Tryton: one party each, found again by our id before another is made.

A party carries the canonical id as an identifier without a type (`omnibridge:<id>`). Nothing but the fields that are
given is written. Every change goes out under Tryton's optimistic lock (`_timestamp` in the context): a change that was
made there in between, and equally a repetition of the same request, is refused as a `ConcurrencyException`, after
which the delivery runs again from what is there by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from omnibridge.connector import Delivery, Http, Receipt, Reference, Snapshot, Upsert
from omnibridge.errors import InvalidMessage
from omnibridge.model import Address, ContactPoint, Customer, email_or_none, phone_or_none
from omnibridge_tryton import inbound
from omnibridge_tryton.rows import AddressRow, Code, Mechanism, PartyRow
from omnibridge_tryton.rpc import Rpc
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.wire import Row

__all__ = [
    "Places",
    "add_addresses",
    "create_party",
    "find_customer",
    "find_party",
    "key_of",
    "normal",
    "normal_address",
    "party_snapshot",
    "places_of",
    "put_customer",
    "read_party",
]

_MECHANISMS = {"email": "email", "phone": "phone", "mobile": "mobile", "sms": "mobile", "whatsapp": "mobile"}
_NAMES = {"given_name", "family_name", "company"}
_KEPT = ("email", "phone", "given_name", "family_name", "addresses", "contact_points")


class _PartyOf(Row):
    party: int
    value: str | None = None


class _Region(Row):
    code: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Tryton's ids of countries by ISO code; of regions, by `<country>-<region>`, the id and how it is read back."""

    countries: dict[str, int] = field(default_factory=dict[str, int])
    regions: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])


def key_of(customer_id: str) -> str:
    """The identifier that a party carries for a canonical id."""
    return f"{inbound.OURS}{customer_id}"


# ── What a customer looks like in Tryton ─────────────────────────────────────────────────────────────────────────


def normal_address(address: Address, owner: str | None = None) -> Address:
    """An address as Tryton would give it back, when it knows the country and the region.

    The name of the party itself (`owner`) is not written into its addresses.
    """
    return inbound.address(AddressRow.model_validate({"id": 0, **_lines(address, owner)})).model_copy(
        update={"country": address.country, "region": address.region}
    )


def normal(settings: TrytonSettings, customer: Customer) -> Customer:
    """What Tryton keeps of a customer: one name, contact mechanisms, addresses."""
    told = customer.model_fields_set
    kept: dict[str, object] = {name: getattr(customer, name) for name in _KEPT if name in told}
    if told & _NAMES:
        kept["given_name"], kept["family_name"] = inbound.split_name(_name(customer))
    if "addresses" in kept:
        kept["addresses"] = tuple(normal_address(address, _name(customer)) for address in customer.addresses)
    if "contact_points" in kept:
        points = (_mechanism(settings, point) for point in customer.contact_points)
        kept["contact_points"] = tuple(
            ContactPoint(medium=kind, value=value) for kind, value in dict.fromkeys(p for p in points if p)
        )
    return Customer().model_copy(update=kept)


def _name(customer: Customer) -> str | None:
    return customer.name or customer.company


def _lines(address: Address, owner: str | None) -> dict[str, object]:
    street = "\n".join(line for line in (address.street, address.street2) if line)
    both = bool(address.company and address.name)
    named = address.company if both else address.name or address.company
    return {
        "party_name": named if named != owner else None,
        "attn": address.name if both and address.name != owner else None,
        "street": street or None,
        "city": address.city,
        "postal_code": address.postal_code,
    }


def _address_values(address: Address, places: Places, owner: str | None) -> dict[str, object]:
    values = _lines(address, owner)
    country = places.countries.get(address.country or "")
    if country is not None:
        values["country"] = country
        region = places.regions.get(f"{address.country}-{address.region}")
        if region is not None:
            values["subdivision"] = region[0]
    return values


def _mechanism(settings: TrytonSettings, point: ContactPoint) -> tuple[str, str] | None:
    kind = _MECHANISMS.get(point.medium)
    if kind is None or not point.value:
        return None
    if kind == "email":
        value = email_or_none(point.value)
    else:
        value = phone_or_none(point.value, settings.phone_region)
    return (kind, value) if value else None


def _mechanisms(settings: TrytonSettings, customer: Customer) -> list[tuple[str, str]]:
    points = [
        ContactPoint(medium="email", value=customer.email),
        ContactPoint(medium="phone", value=customer.phone),
        *customer.contact_points,
    ]
    return list(dict.fromkeys(found for point in points if (found := _mechanism(settings, point))))


# ── Finding ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def places_of(rpc: Rpc, addresses: Iterable[Address]) -> Places:
    """The countries and regions of `addresses`, as far as Tryton knows them."""
    wanted = list(addresses)
    countries = sorted({address.country for address in wanted if address.country})
    if not countries:
        return Places()
    found = await rpc.find("country.country", Code, [["code", "in", countries]], ["code"])
    places = Places({row.code: row.id for row in found if row.code})
    for country, region in sorted({(a.country, a.region) for a in wanted if a.country and a.region}):
        if country not in places.countries:
            continue
        either = ["OR", [["code", "=", f"{country}-{region}"]], [["code", "=", region]], [["name", "ilike", region]]]
        domain = [["country", "=", places.countries[country]], either]
        states = await rpc.find("country.subdivision", _Region, domain, ["code", "name"], limit=1)
        if states:
            back = inbound.region_of(states[0].code, country)
            places.regions[f"{country}-{region}"] = (states[0].id, back or region)
    return places


async def read_party(rpc: Rpc, id_: int) -> PartyRow | None:
    """One party, or None where it is gone. Of a merged one, the survivor."""
    for _ in range(5):
        found = await rpc.find("party.party", PartyRow, [["id", "=", id_]], PartyRow.FIELDS, limit=1)
        if not found or found[0].replaced_by is None:
            return found[0] if found else None
        id_ = found[0].replaced_by
    raise InvalidMessage("parties that replace each other in a circle", where=f"party.party.{id_}")


async def find_party(rpc: Rpc, *, own: str | None, key: str | None, email: str | None) -> PartyRow | None:
    """The party of a customer: by its id here, else by our identifier, else the one with the email address.

    A party that several share, or that carries the id of another customer, is not taken for its email address.
    """
    if own is not None and own.isdigit():
        party = await read_party(rpc, int(own))
        if party is not None:
            return party
    if key is not None:
        held = await rpc.find("party.identifier", _PartyOf, [["code", "=", key]], ["party"], limit=1)
        if held:
            return await read_party(rpc, held[0].party)
    if email is None or not rpc.settings.adopt_by_email:
        return None
    pattern = email.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    domain = [["type", "=", "email"], ["value", "ilike", pattern], ["active", "=", True], ["party.active", "=", True]]
    reached = await rpc.find("party.contact_mechanism", _PartyOf, domain, ["party", "value"], limit=20)
    parties = {row.party for row in reached if email_or_none(row.value) == email}
    if len(parties) != 1:
        return None
    party = await read_party(rpc, parties.pop())
    guest = key is None or key.startswith(inbound.GUEST)
    if party is not None and not guest and inbound.ours_of(party.identifiers) is not None:
        return None
    return party


# ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def create_party(rpc: Rpc, customer: Customer, key: str | None, places: Places, step: str) -> int:
    """Make a party and return its id."""
    name = _name(customer) or customer.email or customer.phone or key
    values: dict[str, object] = {
        "name": name,
        "contact_mechanisms": [["create", [_created(m) for m in _mechanisms(rpc.settings, customer)]]],
        "addresses": [["create", [_address_values(address, places, name) for address in customer.addresses]]],
    }
    if key is not None:
        values["identifiers"] = [["create", [{"code": key}]]]
    return await rpc.create(step, "party.party", values)


def _created(mechanism: tuple[str, str]) -> dict[str, object]:
    kind, value = mechanism
    return {"type": kind, "value": value}


def _reaches(settings: TrytonSettings, row: Mechanism, mechanism: tuple[str, str]) -> bool:
    kind, value = mechanism
    if kind == "email":
        return row.type == "email" and email_or_none(row.value) == value
    return row.type in ("phone", "mobile") and phone_or_none(row.value, settings.phone_region) == value


def _mechanism_changes(
    settings: TrytonSettings, row: PartyRow, customer: Customer, known: Customer | None
) -> list[object]:
    """What has to happen to a party's contact mechanisms. A primary one takes the place of the one known before."""
    told = customer.model_fields_set
    active = [mechanism for mechanism in row.mechanisms if mechanism.active]
    wanted: list[tuple[tuple[str, str], str | None]] = []
    gone: list[tuple[str, str]] = []
    for kind, now, before in (
        ("email", customer.email, known.email if known else None),
        ("phone", customer.phone, known.phone if known else None),
    ):
        if kind not in told:
            continue
        if now is not None:
            wanted.append(((kind, now), before))
        elif before is not None:
            gone.append((kind, before))
    if "contact_points" in told:
        wanted += [(found, None) for point in customer.contact_points if (found := _mechanism(settings, point))]
    changes: list[object] = []
    for mechanism, before in wanted:
        if any(_reaches(settings, found, mechanism) for found in active):
            continue
        old = next((f for f in active if before and _reaches(settings, f, (mechanism[0], before))), None)
        if old is not None:
            changes.append(["write", [old.id], {"value": mechanism[1]}])
        else:
            changes.append(["create", [_created(mechanism)]])
    ended = [found.id for found in active if any(_reaches(settings, found, mechanism) for mechanism in gone)]
    if ended:
        changes.append(["write", ended, {"active": False}])
    return changes


def _address_changes(row: PartyRow, customer: Customer, known: Customer | None, places: Places) -> list[object]:
    """New addresses are added; those that the channel knew of and that are no longer told become inactive."""
    held = [(found.id, inbound.address(found)) for found in row.addresses if found.active]
    owner = _name(customer) or row.name
    wanted = [seen_address(address, places, owner) for address in customer.addresses]
    there = [address for _, address in held]
    new = [
        _address_values(address, places, owner)
        for address, seen in zip(customer.addresses, wanted, strict=True)
        if seen not in there
    ]
    before = [seen_address(address, places, row.name) for address in known.addresses] if known else []
    ended = [id_ for id_, address in held if address in before and address not in wanted]
    changes: list[object] = []
    if new:
        changes.append(["create", new])
    if ended:
        changes.append(["write", ended, {"active": False}])
    return changes


def seen_address(address: Address, places: Places, owner: str | None) -> Address:
    """An address as it will be read back, given the countries and regions that Tryton knows."""
    country = address.country if address.country in places.countries else None
    region = places.regions.get(f"{address.country}-{address.region}")
    return normal_address(address, owner).model_copy(
        update={"country": country, "region": region[1] if region else None}
    )


def _changes(
    settings: TrytonSettings,
    row: PartyRow,
    customer: Customer,
    known: Customer | None,
    key: str | None,
    places: Places,
) -> dict[str, object]:
    changes: dict[str, object] = {}
    told = customer.model_fields_set
    name = _name(customer)
    if told & _NAMES and name and name != row.name:
        changes["name"] = name
    if mechanisms := _mechanism_changes(settings, row, customer, known):
        changes["contact_mechanisms"] = mechanisms
    if "addresses" in told and (addresses := _address_changes(row, customer, known, places)):
        changes["addresses"] = addresses
    if key is not None and all(found.code != key for found in row.identifiers):
        changes["identifiers"] = [["create", [{"code": key}]]]
    return changes


def _lock(row: PartyRow) -> dict[str, object]:
    return {f"party.party,{row.id}": row.stamp}


async def add_addresses(rpc: Rpc, row: PartyRow, addresses: Sequence[Address], places: Places, step: str) -> PartyRow:
    """The party with `addresses` among its own: what is missing is added, under the lock, and the party read anew."""
    there = [inbound.address(found) for found in row.addresses if found.active]
    new = [address for address in dict.fromkeys(addresses) if seen_address(address, places, row.name) not in there]
    if not new:
        return row
    values = {"addresses": [["create", [_address_values(address, places, row.name) for address in new]]]}
    await rpc.do(step, "party.party.write", [row.id], values, protection=Upsert(), _timestamp=_lock(row))
    return await read_party(rpc, row.id) or row


def party_snapshot(settings: TrytonSettings, row: PartyRow, written: Iterable[str] | None) -> Snapshot:
    """What a party is now, restricted to the fields that were `written` (None: all, it was made)."""
    seen = inbound.customer(settings, row)
    if written is None:
        return seen
    told = {*written, "updated_at"}  # a write moves it
    if told & _NAMES:
        told |= _NAMES
    fields = {name: getattr(seen.entity, name) for name in sorted(told) if name in seen.entity.model_fields_set}
    entity = Customer().model_copy(update=fields)
    return Snapshot(entity, seen.external_id, seen.version, ours=seen.ours)


async def put_customer(settings: TrytonSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    """Write a customer as a party: into the one that is it, else into a new one."""
    rpc = Rpc(settings, http)
    ours = customer.id or delivery.event.subject
    key = key_of(ours) if ours else None
    known = delivery.known if isinstance(delivery.known, Customer) else None
    row = await find_party(rpc, own=delivery.own, key=key, email=customer.email)
    places = await places_of(rpc, (*customer.addresses, *(known.addresses if known else ())))
    if row is None:
        made = await create_party(rpc, customer, key, places, "create")
        reference = Reference(Customer.KIND, str(made))
        await http.keep(reference)
        row = await read_party(rpc, made)
        snapshots = (party_snapshot(settings, row, None),) if row else ()
        return Receipt((reference,), snapshots)
    reference = Reference(Customer.KIND, str(row.id))
    await http.keep(reference)
    changes = _changes(settings, row, customer, known, key, places)
    if changes:
        lock = _lock(row)
        await rpc.do("write", "party.party.write", [row.id], changes, protection=Upsert(), _timestamp=lock)
        row = await read_party(rpc, row.id) or row
    return Receipt((reference,), (party_snapshot(settings, row, customer.model_fields_set),))


async def find_customer(settings: TrytonSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | None:
    """Whether a party was made for the customer by an attempt whose answer was lost: it carries our identifier then."""
    ours = customer.id or delivery.event.subject
    if not ours:
        return None
    rpc = Rpc(settings, http)
    row = await find_party(rpc, own=None, key=key_of(ours), email=None)
    if row is None or _changes(settings, row, customer, None, None, await places_of(rpc, customer.addresses)):
        return None  # delivering again completes it
    return Receipt((Reference(Customer.KIND, str(row.id)),), (party_snapshot(settings, row, None),))
