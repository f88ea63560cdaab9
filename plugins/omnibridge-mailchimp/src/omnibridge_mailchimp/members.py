"""An audience member as a customer and a consent: one mapping for webhooks, reads, polls and answers to our writes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from omnibridge.connector import Snapshot
from omnibridge.model import (
    Address,
    Basis,
    Consent,
    ConsentState,
    ContactPoint,
    Customer,
    Medium,
    Proof,
    Purpose,
    Ref,
    consent_key,
    email_or_none,
    phone_or_none,
)
from omnibridge_mailchimp.segments import segment_customs
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Member, instant, plain, subscriber_hash

__all__ = [
    "ADDRESS",
    "MERGES",
    "basis_of",
    "consent_snapshot",
    "contact_of",
    "customer_fields",
    "customer_snapshot",
    "member_snapshots",
    "merge_customs",
    "proof_source",
    "state_of",
]

MERGES = {
    "EMAIL": "email",
    "FNAME": "given_name",
    "LNAME": "family_name",
    "COMPANY": "company",
    "PHONE": "phone",
    "ADDRESS": "addresses",
}
"""The merge tags of a new audience and the customer fields that they are; every other tag is a custom field."""

ADDRESS = {
    "addr1": "street",
    "addr2": "street2",
    "city": "city",
    "state": "region",
    "zip": "postal_code",
    "country": "country",
}
"""The parts of an address merge field and the fields of `Address` that they are."""

_STATES = {
    "subscribed": ConsentState.GRANTED,
    "unsubscribed": ConsentState.WITHDRAWN,
    "cleaned": ConsentState.WITHDRAWN,
    "pending": ConsentState.PENDING,
    "transactional": ConsentState.UNKNOWN,
}
# Mapped, or left out for the reason that `DROPPED` in connector.py gives.
_NOT_KEPT = frozenset(
    {
        "id",
        "email_address",
        "full_name",
        "language",
        "list_id",
        "merge_fields",
        "interests",
        "tags",
        "tags_count",
        "last_changed",
        "stats",
        "location",
        "email_client",
        "member_rating",
        "_links",
    }
)


def state_of(status: str | None) -> ConsentState:
    """The consent that a member's status is; a status that is not known grants nothing."""
    return _STATES.get(status or "", ConsentState.UNKNOWN)


def contact_of(raw: str) -> str:
    """The address that a consent is about: normalised, or as it came (lower-cased) when it is no valid address."""
    return email_or_none(raw) or raw.strip().lower()


def customer_fields(email: str, merges: Mapping[str, object], region: str | None) -> dict[str, object]:
    """The fields of a `Customer` that an address and merge fields tell: absent ones stay unset, empty ones are None.

    An address or number that cannot be read is kept raw in `contact_points`.
    """
    fields: dict[str, object] = {}
    raw: list[ContactPoint] = []
    if (valid := email_or_none(email)) is not None:
        fields["email"] = valid
    else:
        raw.append(ContactPoint(medium="email", raw=email))
    for tag in ("FNAME", "LNAME", "COMPANY"):
        value = merges.get(tag)
        if isinstance(value, str):
            fields[MERGES[tag]] = value.strip() or None
    phone = merges.get("PHONE")
    if isinstance(phone, str):
        number = phone_or_none(phone.strip(), region)
        if number is not None or not phone.strip():
            fields["phone"] = number
        else:
            raw.append(ContactPoint(medium="phone", raw=phone))
    if "ADDRESS" in merges and (addresses := _addresses(merges["ADDRESS"])) is not None:
        fields["addresses"] = addresses
    if raw:
        fields["contact_points"] = tuple(raw)
    return fields


def _addresses(value: object) -> tuple[Address, ...] | None:
    parts = plain(value)
    if parts == "":
        return ()
    if not isinstance(parts, dict):
        return None  # one line of text: kept as a custom field
    texts = {ADDRESS[name]: part.strip() for name, part in parts.items() if name in ADDRESS and isinstance(part, str)}
    filled = {field: text for field, text in texts.items() if text}
    return (Address(**filled),) if filled else ()


def merge_customs(merges: Mapping[str, object]) -> dict[str, JsonValue]:
    """The merge fields that are a company's own, as `merges.<TAG>`."""
    return {
        f"merges.{tag}": plain(value)
        for tag, value in merges.items()
        if tag not in MERGES or (tag == "ADDRESS" and _addresses(value) is None)
    }


def customer_snapshot(settings: MailchimpSettings, member: Member, at_least: datetime | None = None) -> Snapshot:
    """A member as a customer.

    The version is `last_changed`, or `at_least` when that is later (a read that a later webhook asked for). An
    archived member is gone from the audience. Tags are told only when all of them came (Mailchimp lists 50).
    Raises InvalidMessage when a time in it is none.
    """
    told = member.model_fields_set
    fields = customer_fields(member.email_address, member.merge_fields, settings.phone_region)
    if "language" in told:
        fields["locale"] = (member.language or "").replace("_", "-") or None
    if "tags" in told and (member.tags_count is None or member.tags_count <= len(member.tags)):
        fields["tags"] = tuple(sorted({tag.name for tag in member.tags}))
    if "timestamp_signup" in told:
        fields["created_at"] = instant(member.timestamp_signup)
    if "last_changed" in told:
        fields["updated_at"] = instant(member.last_changed)
    vendor = {
        name: plain(value)
        for name, value in member.model_dump(exclude_unset=True).items()
        if name not in _NOT_KEPT and value not in (None, "", [], {})
    }
    custom = merge_customs(member.merge_fields)
    custom |= {f"interests.{interest}": chosen for interest, chosen in member.interests.items()}
    custom |= segment_customs(settings, member)
    return Snapshot(
        entity=Customer.model_validate({**fields, "vendor": vendor}),
        external_id=subscriber_hash(member.email_address),
        version=version_of(member, at_least),
        deleted=member.status == "archived",
        custom=custom,
        aliases=(member.contact_id,) if member.contact_id else (),
    )


def version_of(member: Member, at_least: datetime | None = None) -> datetime | None:
    """The version of a member: when it last changed, or `at_least` when that is later."""
    changed = instant(member.last_changed)
    return max((at for at in (changed, at_least) if at is not None), default=None)


def consent_snapshot(settings: MailchimpSettings, member: Member, at_least: datetime | None = None) -> Snapshot | None:
    """The permission that a member's status is; None for an archived member, whose status says nothing.

    For a subscription Mailchimp has a proof: when and from which address it was confirmed. Of the other states it
    tells no more than the state, so a proof that a webhook brought is left alone. `transactional` says that Mailchimp
    was never told, which leaves the state unset: it must not overrule a permission given elsewhere.
    """
    if member.status is None or member.status == "archived":
        return None
    contact = contact_of(member.email_address)
    fields: dict[str, object] = {
        "contact": contact,
        "medium": Medium.EMAIL,
        "purpose": Purpose.MARKETING,
        "customer": Ref(kind=Customer.KIND, external_id=subscriber_hash(member.email_address)),
    }
    state = state_of(member.status)
    if state is not ConsentState.UNKNOWN:
        fields["state"] = state
    if (basis := basis_of(member.status, member.unsubscribe_reason)) is not None:
        fields["basis"] = basis
    if state is ConsentState.GRANTED:
        at = instant(member.timestamp_opt)
        ip, source = member.ip_opt or None, member.source or None
        fields["proof"] = Proof(source=proof_source(settings), at=at, ip=ip, detail=source)
        if at is not None:
            fields["changed_at"] = at
    return Snapshot(
        entity=Consent.model_validate(fields),
        external_id=consent_key(contact, Medium.EMAIL, Purpose.MARKETING),
        version=version_of(member, at_least),
    )


def basis_of(status: str, reason: str | None) -> Basis | None:
    """How a status came to be, where that is told: neither a confirmation nor who unsubscribed a member is."""
    if status == "unsubscribed" and "abuse" in (reason or "").lower():
        return Basis.COMPLAINT
    return Basis.BOUNCE if status == "cleaned" else None


def proof_source(settings: MailchimpSettings) -> str:
    """What names this audience in a proof."""
    return f"mailchimp:{settings.list_id}"


def member_snapshots(
    settings: MailchimpSettings, member: Member, at_least: datetime | None = None
) -> tuple[Snapshot, ...]:
    """A member as the snapshots of a customer and, where its status tells one, of a consent. Raises InvalidMessage."""
    customer = customer_snapshot(settings, member, at_least)
    consent = consent_snapshot(settings, member, at_least)
    return (customer,) if consent is None else (customer, consent)
