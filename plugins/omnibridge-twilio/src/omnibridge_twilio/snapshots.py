"""What a message tells, whether a webhook or the API says it: the message, its person, and a change of consent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue

from omnibridge.connector import Snapshot
from omnibridge.model import (
    Basis,
    Consent,
    ConsentState,
    Customer,
    Direction,
    Media,
    Medium,
    Message,
    Proof,
    Purpose,
    Ref,
    consent_key,
    phone_or_none,
)
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.wire import MediaItem, MessageRecord, address, instant, state_of

__all__ = [
    "OPTED_OUT",
    "consent",
    "customer",
    "customer_ref",
    "is_stop_word",
    "medium_of",
    "message",
    "record_snapshot",
    "record_snapshots",
]

OPTED_OUT = "21610"
"""Twilio's error for a recipient who opted out of this sender."""

# Said elsewhere, or the same for every message of the channel.
_LEFT_OUT = frozenset({"account_sid", "api_version", "uri", "subresource_uris"})


def medium_of(sender: str | None, recipient: str | None) -> Medium:
    """The medium of a message: that of either address, as both have the same prefix, and one may be missing."""
    for raw in (recipient, sender):
        medium, _ = address(raw)
        if medium is not Medium.SMS:
            return medium
    return Medium.SMS


def message(sid: str, fields: Mapping[str, object], word: str, *, key: str | None = None) -> Snapshot:
    """A message in the state that Twilio calls `word`. `fields` are the other fields of `Message` that were told.

    `key` is the key of the request that sent it, which is the canonical id of the message that a command makes.
    The version is the state's rank, as callbacks come out of order and may come twice.
    """
    state = state_of(word)
    entity = Message.model_validate({**fields, "state": state, "state_raw": word})
    return Snapshot(entity, sid, version=state.rank, ours=key)


def customer_ref(raw: str | None) -> Ref | None:
    """The person at an address: known by the phone number, which is the same in SMS and WhatsApp; None without one."""
    medium, value = address(raw)
    phone = phone_or_none(value) if medium is not Medium.CHAT else None
    return Ref(kind="customer", external_id=phone) if phone else None


def customer(raw: str | None, vendor: Mapping[str, JsonValue]) -> Snapshot | None:
    """The person who wrote, as far as a message tells: the number, verified where the medium verifies it.

    WhatsApp registers a number only after a code sent to it; the sender of an SMS is what the networks say.
    """
    ref = customer_ref(raw)
    if ref is None or ref.external_id is None:
        return None
    fields: dict[str, object] = {"phone": ref.external_id}
    if address(raw)[0] is Medium.WHATSAPP:
        fields["phone_verified"] = True
    if vendor:
        fields["vendor"] = dict(vendor)
    return Snapshot(Customer.model_validate(fields), ref.external_id)


def consent(
    raw: str | None, state: ConsentState, basis: Basis, at: datetime, detail: str, *, person: Ref | None = None
) -> tuple[Snapshot, ...]:
    """What someone decided about marketing to the address `raw`, at `at`; nothing where there is no address.

    `at` is the version, so that an older report never undoes a newer decision.
    """
    medium, contact = address(raw)
    if contact is None:
        return ()
    fields: dict[str, object] = {
        "contact": contact,
        "medium": medium,
        "purpose": Purpose.MARKETING,
        "state": state,
        "basis": basis,
        "proof": Proof(source="twilio", at=at, detail=detail),
        "changed_at": at,
    }
    if person is not None:
        fields["customer"] = person
    return (Snapshot(Consent.model_validate(fields), consent_key(contact, medium), version=at),)


def is_stop_word(settings: Twilio, medium: Medium, body: str | None) -> bool:
    """Whether a whole SMS is a word that takes consent back: Twilio's keyword rule, which ignores case."""
    text = " ".join((body or "").split()).casefold()
    return medium is Medium.SMS and bool(text) and text in {word.casefold() for word in settings.stop_words}


def _direction(word: str) -> Direction:
    if word.startswith("outbound"):
        return Direction.OUTBOUND
    return Direction.INBOUND if word == "inbound" else Direction.OTHER


def record_snapshot(record: MessageRecord, media: Sequence[MediaItem] | None, root: str) -> Snapshot:
    """A Message resource as a snapshot. `media` are its media, None where they were not asked for; `root` the API."""
    told = record.model_fields_set
    direction = _direction(record.direction)
    fields: dict[str, object] = {"direction": direction, "medium": medium_of(record.from_, record.to)}
    vendor: dict[str, JsonValue] = {name: value for name, value in record.extra.items() if name not in _LEFT_OUT}
    vendor["direction"] = record.direction
    if "from_" in told:
        fields["sender"] = address(record.from_)[1]
    if "to" in told:
        fields["recipient"] = address(record.to)[1]
    if "body" in told:
        fields["body"] = record.body
    if media is not None:
        fields["media"] = tuple(
            Media(url=root + item.uri.removesuffix(".json"), content_type=item.content_type) for item in media
        )
    elif record.num_media == "0":
        fields["media"] = ()
    for name in ("num_media", "messaging_service_sid", "date_created"):
        if name in told:
            vendor[name] = getattr(record, name)
    for name, field in (("date_sent", "sent_at"), ("date_updated", "updated_at")):
        if name in told:
            raw = getattr(record, name)
            fields[field] = instant(raw)
            if raw and fields[field] is None:
                vendor[name] = raw
    if "error_code" in told:
        fields["error_code"] = None if record.error_code is None else str(record.error_code)
    if "error_message" in told:
        fields["error_text"] = record.error_message
    person = customer_ref(record.from_) if direction is Direction.INBOUND else None
    if person is not None:
        fields["customer"] = person
    fields["vendor"] = vendor
    return message(record.sid, fields, record.status)


def record_snapshots(
    settings: Twilio, record: MessageRecord, media: Sequence[MediaItem] | None, now: datetime
) -> list[Snapshot]:
    """All that a listed message tells: itself, who wrote it, and consent taken back by a stop word or refused by 21610.

    A list never says OptOutType, so it can take consent back but never grant it.
    """
    seen = [record_snapshot(record, media, settings.root)]
    at = min(instant(record.date_updated) or instant(record.date_sent) or instant(record.date_created) or now, now)
    if record.direction == "inbound":
        person = customer(record.from_, {})
        if person is not None:
            seen.insert(0, person)
        if is_stop_word(settings, medium_of(record.from_, record.to), record.body):
            detail = f"the message {record.sid} says {record.body!r}"
            written = instant(record.date_sent) or at
            seen += consent(
                record.from_,
                ConsentState.WITHDRAWN,
                Basis.VENDOR_OPT_OUT,
                min(written, now),
                detail,
                person=customer_ref(record.from_),
            )
    elif str(record.error_code) == OPTED_OUT:
        detail = f"error {OPTED_OUT} for the message {record.sid}"
        seen += consent(record.to, ConsentState.WITHDRAWN, Basis.VENDOR_OPT_OUT, at, detail)
    return seen
