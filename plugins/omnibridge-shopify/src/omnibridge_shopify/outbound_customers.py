"""Customers to Shopify: an upsert of what they are, and tags added and taken away one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from omnibridge.connector import Delivery, Http, Receipt, Reference, Snapshot, Upsert
from omnibridge.errors import Permanent
from omnibridge.model import Address, Customer
from omnibridge_shopify.documents import CUSTOMER_BY_IDENTIFIER, CUSTOMER_SET, TAGS_ADD, TAGS_REMOVE
from omnibridge_shopify.graphql import Json, ask, change, problems
from omnibridge_shopify.parts import gid, gid_number
from omnibridge_shopify.reads import observe_customer
from omnibridge_shopify.settings import Shopify

__all__ = ["address_input", "find_customer", "normal_customer", "normal_tags", "upsert_customer"]

_NAMES = {
    "email": "email",
    "phone": "phone",
    "given_name": "firstName",
    "family_name": "lastName",
    "note": "note",
}
_COUNTRY = re.compile(r"[A-Z]{2}")
_REGION = re.compile(r"[A-Z0-9]{1,3}")
_LONGEST_TAG = 255


def normal_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as Shopify keeps them: parted at commas, trimmed, each once whatever its case, in order."""
    found: dict[str, str] = {}
    for tag in (part.strip()[:_LONGEST_TAG].strip() for raw in tags for part in raw.split(",")):
        if tag:
            found.setdefault(tag.casefold(), tag)
    return tuple(found[key] for key in sorted(found))


def _address(address: Address) -> Address | None:
    values = {name: (value or "").strip() or None for name, value in address.model_dump().items()}
    values["name"] = " ".join((values["name"] or "").split()) or None
    return Address(**values) if any(values.values()) else None


def normal_customer(settings: Shopify, customer: Customer) -> Customer:
    """What Shopify keeps of a customer: names, email, phone, note, addresses, tags; nothing else is written."""
    kept: dict[str, object] = {
        name: getattr(customer, name) or None for name in _NAMES if name in customer.model_fields_set
    }
    if "addresses" in customer.model_fields_set:
        kept["addresses"] = [found for item in customer.addresses if (found := _address(item)) is not None]
    if "tags" in customer.model_fields_set:
        kept["tags"] = normal_tags(customer.tags)
    return Customer.model_validate(kept)


def address_input(address: Address) -> dict[str, str]:
    """A `MailingAddressInput`. Codes go where they are codes, names to the older fields that still take them."""
    given, _, family = (address.name or "").rpartition(" ")
    country, region = address.country or "", address.region or ""
    values = {
        "firstName": given,
        "lastName": family,
        "company": address.company,
        "address1": address.street,
        "address2": address.street2,
        "city": address.city,
        "zip": address.postal_code,
        "phone": address.phone,
        "countryCode" if _COUNTRY.fullmatch(country) else "country": country,
        "provinceCode" if _REGION.fullmatch(region) else "province": region,
    }
    return {name: value for name, value in values.items() if value}


def _custom_id(settings: Shopify, customer: Customer) -> dict[str, str] | None:
    if settings.id_metafield is None or customer.id is None:
        return None
    namespace, _, key = settings.id_metafield.rpartition(".")
    return {"namespace": namespace, "key": key, "value": customer.id}


async def find_customer(
    settings: Shopify,
    http: Http,
    *,
    email: str | None = None,
    phone: str | None = None,
    custom: dict[str, str] | None = None,
) -> Json | None:
    """The shop's customer with this email address, else this phone number, else our id; None where there is none."""
    for name, value in (("emailAddress", email), ("phoneNumber", phone), ("customId", custom)):
        if value:
            data = await ask(settings, http, CUSTOMER_BY_IDENTIFIER, {"identifier": {name: value}})
            found: Json | None = data["customerByIdentifier"]
            if found is not None:
                return found
    return None


async def upsert_customer(settings: Shopify, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    """Make or change the customer with `customerSet`.

    One that Shopify knows already under the email address, or under the phone number without another email address, is
    taken over and never doubled; without either, and without `id_metafield`, a lost answer cannot be looked up.
    Addresses are written whole, so they go only to a customer that is new, or whose addresses are known here; tags are
    added and removed one by one, so that other apps' tags stay. Raises Permanent for what Shopify refuses.
    """
    wanted = normal_customer(settings, customer)
    number = delivery.own
    custom = _custom_id(settings, customer)
    if number is None:
        found = await find_customer(settings, http, email=wanted.email, phone=wanted.phone, custom=custom)
        if found is not None and not _somebody_else(found, wanted):
            number = gid_number(found["id"])
    fields = {ours: getattr(wanted, ours) for ours in _NAMES if ours in wanted.model_fields_set}
    if number is None:
        fields = {name: value for name, value in fields.items() if value is not None}
    values: dict[str, object] = {_NAMES[name]: value for name, value in fields.items()}
    known = delivery.known
    listed = isinstance(known, Customer) and "addresses" in known.model_fields_set
    if "addresses" in wanted.model_fields_set and (listed or (number is None and wanted.addresses)):
        values["addresses"] = [address_input(item) for item in wanted.addresses]
    if number is None and not values:
        raise Permanent("a customer without a name, an email address and a phone number", code="BLANK")
    node, left_out = await _set(settings, http, number, custom, values)
    await http.keep(Reference("customer", gid_number(node["id"])))
    if "tags" in wanted.model_fields_set:
        node = await _retag(settings, http, node, wanted, known)
    written = {name for name in wanted.model_fields_set if name != "addresses" or "addresses" in values} - left_out
    return _receipt(settings, node, written, left_out)


def _somebody_else(found: Json, wanted: Customer) -> bool:
    """Whether only the phone number is the same: families share one, and two email addresses are two people."""
    held: Json | None = found["defaultEmailAddress"]
    return held is not None and wanted.email is not None and held["emailAddress"].lower() != wanted.email


async def _set(
    settings: Shopify, http: Http, number: str | None, custom: dict[str, str] | None, values: dict[str, object]
) -> tuple[Json, set[str]]:
    """`customerSet`; a phone number that Shopify will not have is left out, as families share one and shops do not."""
    identifier, protected = _identifier(number, custom, values)
    protection = Upsert() if protected else None
    variables = {"identifier": identifier, "input": values}
    payload = await change(settings, http, CUSTOMER_SET, variables, step="customer", protection=protection)
    found = problems(payload)
    left_out: set[str] = set()
    if found and values.get("phone") and all(field.endswith("phone") for _, field, _ in found):
        fewer = {name: value for name, value in values.items() if name != "phone"}
        identifier, protected = _identifier(number, custom, fewer)
        payload = await change(
            settings,
            http,
            CUSTOMER_SET,
            {"identifier": identifier, "input": fewer},
            step="customer-without-phone",
            protection=Upsert() if protected else None,
        )
        found, left_out = problems(payload), {"phone"}
    if found or payload["customer"] is None:
        raise _refusal(found)
    return payload["customer"], left_out


def _identifier(
    number: str | None, custom: dict[str, str] | None, values: dict[str, object]
) -> tuple[dict[str, object] | None, bool]:
    """By what `customerSet` finds the customer, and whether sending it twice makes only one."""
    if number is not None:
        return {"id": gid("Customer", number)}, True
    for name in ("email", "phone"):
        if values.get(name):
            return {name: values[name]}, True
    return ({"customId": custom}, True) if custom is not None else (None, False)


def _refusal(found: list[tuple[str, str, str]]) -> Permanent:
    code, field, message = found[0] if found else ("", "", "Shopify returned no customer")
    remedies = {
        "TAKEN": "another customer of the shop has it; merge the two in Shopify",
        "NOT_FOUND": "the customer was deleted in Shopify; it is not made anew by itself",
    }
    return Permanent(f"{field}: {message}" if field else message, code=code or None, remedy=remedies.get(code))


async def _retag(settings: Shopify, http: Http, node: Json, wanted: Customer, known: object) -> Json:
    """Add the tags that are missing; take away those that this channel had from us and that are wanted no more."""
    current = {tag.casefold(): tag for tag in node["tags"]}
    add = [tag for tag in wanted.tags if tag.casefold() not in current]
    before = known.tags if isinstance(known, Customer) and "tags" in known.model_fields_set else ()
    keep = {tag.casefold() for tag in wanted.tags}
    gone = {tag.casefold() for tag in before} - keep
    remove = [tag for folded, tag in current.items() if folded in gone]
    for document, step, tags, name in (
        (TAGS_ADD, "tags-add", add, "tagsAdd"),
        (TAGS_REMOVE, "tags-remove", remove, "tagsRemove"),
    ):
        if not tags:
            continue
        payload = await change(
            settings, http, document, {"id": node["id"], "tags": tags}, step=step, protection=Upsert()
        )
        if found := problems(payload):
            raise Permanent(f"{name}: {found[0][2]}", code=found[0][0] or None)
        if payload["node"]:
            node = {**node, "tags": payload["node"]["tags"], "updatedAt": payload["node"]["updatedAt"]}
    return node


def _receipt(settings: Shopify, node: Json, written: set[str], left_out: set[str]) -> Receipt:
    seen = observe_customer(settings, node)[0]
    told = {name: getattr(seen.entity, name) for name in sorted(written)}
    answer = Snapshot(Customer.model_validate(told), seen.external_id, seen.version)
    note = "the phone number was left out, as Shopify has it elsewhere or does not take it" if left_out else None
    return Receipt(references=(Reference("customer", seen.external_id),), snapshots=(answer,), note=note)
