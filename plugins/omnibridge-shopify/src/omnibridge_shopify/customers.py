"""From a customer's body to a Customer and its Consents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from omnibridge.connector import Snapshot
from omnibridge.errors import InvalidMessage
from omnibridge.model import (
    Basis,
    Consent,
    ConsentState,
    Customer,
    Medium,
    consent_key,
    email_or_none,
    phone_or_none,
)
from omnibridge_shopify.parts import Values, address, ref, split_tags, utc
from omnibridge_shopify.settings import Shopify
from omnibridge_shopify.wire import AddressIn, ConsentIn, CustomerIn
from omnibridge_shopify.wire_notices import ConsentUpdateIn

__all__ = ["consent", "consents_of", "customer", "customer_within_order", "email_consent", "sms_consent"]

_PLAIN = {
    "first_name": "given_name",
    "last_name": "family_name",
    "note": "note",
}
_STATES = {
    "subscribed": ConsentState.GRANTED,
    "unsubscribed": ConsentState.WITHDRAWN,
    "pending": ConsentState.PENDING,
}
_LEVELS = {"single_opt_in": Basis.SINGLE_OPT_IN, "confirmed_opt_in": Basis.DOUBLE_OPT_IN}
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def _personal(settings: Shopify, body: CustomerIn) -> Values:
    values: Values = {ours: body[theirs] or None for theirs, ours in _PLAIN.items() if theirs in body}
    if "verified_email" in body:
        values["email_verified"] = body["verified_email"]
    odd: list[Values] = []
    if "email" in body:
        raw = body["email"]
        email = email_or_none(raw)
        if email is not None or not raw:
            values["email"] = email
        else:
            odd.append({"medium": "email", "raw": raw})
    if "phone" in body:
        raw = body["phone"]
        phone = phone_or_none(raw, settings.phone_region)
        if phone is not None or not raw:
            values["phone"] = phone
        else:
            odd.append({"medium": "phone", "raw": raw})
    if odd:
        values["contact_points"] = odd
    if "tags" in body:
        values["tags"] = split_tags(body["tags"])
    for name in ("created_at", "updated_at"):
        if name in body:
            values[name] = utc(body.get(name))
    return values


def _id(body: CustomerIn) -> str:
    id_ = body.get("id")
    if not id_:
        raise InvalidMessage("no id", where="body")
    return str(id_)


def _addresses(body: CustomerIn) -> list[Values]:
    listed = body.get("addresses")
    every: list[AddressIn] = list(listed) if isinstance(listed, list) else []
    default = body.get("default_address")
    found = [value for item in ([default] if default else []) + every if (value := address(item)) is not None]
    return [value for index, value in enumerate(found) if value not in found[:index]]


def customer(settings: Shopify, body: CustomerIn) -> list[Snapshot]:
    """The customer, and the consents that bodies before version 2025-01 carry. The default address comes first.

    The company is told by the default address alone, so an address without one says nothing about it.
    """
    values = _personal(settings, body)
    if "addresses" in body or "default_address" in body:
        values["addresses"] = _addresses(body)
    default = body.get("default_address")
    if default and default.get("company"):
        values["company"] = default.get("company")
    kept = {name: body.get(name) for name in ("state", "tax_exempt") if name in body}
    if kept:
        values["vendor"] = kept
    found = [Snapshot(Customer.model_validate(values), _id(body), utc(body.get("updated_at")))]
    found.extend(consents_of(settings, body))
    return found


def customer_within_order(settings: Shopify, body: CustomerIn, at: datetime | None) -> list[Snapshot]:
    """What an order tells about its customer: who it is, not where they live, as it names one address of several."""
    if not body.get("id"):
        return []  # a customer who has been erased, say
    version = utc(body.get("updated_at")) or at
    found = [Snapshot(Customer.model_validate(_personal(settings, body)), _id(body), version)]
    found.extend(consents_of(settings, body))
    return found


def consents_of(settings: Shopify, body: CustomerIn) -> Iterator[Snapshot]:
    """The email and SMS permissions of a customer's body, where it has them."""
    created = utc(body.get("created_at"))
    if (said := body.get("email_marketing_consent")) is not None:
        yield from email_consent(settings, body.get("email"), said, body.get("id"), created)
    if (said := body.get("sms_marketing_consent")) is not None:
        yield from sms_consent(settings, body.get("phone"), said, body.get("id"), created)


def email_consent(
    settings: Shopify, raw: str | None, said: ConsentIn, customer_id: int | str | None, created: datetime | None = None
) -> Iterator[Snapshot]:
    """The permission for one email address; nothing where there is no address it could be about."""
    if (contact := email_or_none(raw)) is not None:
        yield _consent(settings, contact, Medium.EMAIL, said, customer_id, created)


def sms_consent(
    settings: Shopify, raw: str | None, said: ConsentIn, customer_id: int | str | None, created: datetime | None = None
) -> Iterator[Snapshot]:
    """The permission for one phone number; nothing where there is no number it could be about."""
    if (contact := phone_or_none(raw, settings.phone_region)) is not None:
        yield _consent(settings, contact, Medium.SMS, said, customer_id, created)


def _consent(
    settings: Shopify,
    contact: str,
    medium: Medium,
    said: ConsentIn,
    customer_id: int | str | None,
    created: datetime | None,
) -> Snapshot:
    raw = (said.get("state") or "").lower()
    state = _STATES.get(raw, ConsentState.UNKNOWN)
    at = utc(said.get("consent_updated_at"))
    level = said.get("opt_in_level")
    values: Values = {
        "contact": contact,
        "medium": medium,
        "state": state,
        "basis": _LEVELS.get(level.lower(), Basis.OTHER) if level else None,
        "changed_at": at,
        "proof": {"source": f"shopify:{settings.shop}", "at": at, "detail": said.get("consent_collected_from")},
        "vendor": {"state": said.get("state")},
    }
    if customer_id:
        values["customer"] = ref("customer", customer_id)
    # A state without a date was there from the beginning, so every dated one is newer. A withdrawal never counts
    # as old.
    version = at or (None if state is ConsentState.WITHDRAWN else created or _NEVER)
    return Snapshot(Consent.model_validate(values), consent_key(contact, medium), version)


def consent(settings: Shopify, body: ConsentUpdateIn) -> list[Snapshot]:
    """The bodies of `customers_email_marketing_consent/update` and `customers_marketing_consent/update` (SMS)."""
    id_ = body.get("customer_id") or body.get("id")
    found: list[Snapshot] = []
    if (said := body.get("email_marketing_consent")) is not None:
        found.extend(email_consent(settings, body.get("email_address"), said, id_))
    if (said := body.get("sms_marketing_consent")) is not None:
        found.extend(sms_consent(settings, body.get("phone"), said, id_))
    return found
