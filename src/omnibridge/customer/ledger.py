"""The ledger of a contact point: every decision about it with its proof, and who has been told of a withdrawal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from omnibridge.channel import Channel
from omnibridge.errors import UnknownItem
from omnibridge.journal import DeliveryRow, Journal
from omnibridge.model import (
    Basis,
    Consent,
    ConsentState,
    Instant,
    Medium,
    Model,
    Proof,
    Purpose,
    canonical_id,
    consent_key,
    email_or_none,
    phone_or_none,
)

__all__ = ["Decision", "Notice", "Permission", "contact_point", "in_force", "permissions"]

_ENDED = frozenset({ConsentState.WITHDRAWN, ConsentState.DENIED, ConsentState.EXPIRED})


class Decision(Model):
    """What a channel said about a permission. `at` is when the person decided, `recorded` when we heard of it.

    `refused` says why it does not count (a copy, an old one); None where it does. `origin` is how it came: `webhook`,
    `poll`, `read`, `event`; None for one from before there was a ledger. `event` is the id of the event it caused.
    """

    state: ConsentState
    channel: str
    origin: str | None = None
    at: Instant | None = None
    recorded: Instant
    basis: Basis | None = None
    proof: Proof | None = None
    refused: str | None = None
    event: str | None = None


class Notice(Model):
    """Whether a channel has been told that a permission ended.

    `state` is that of the delivery (`done` is the receipt), or `source` for the channel that told us, `cannot` for one
    that keeps no permissions, `not sent` where there is no delivery: the channel is newer, or retention has removed it.
    """

    channel: str
    state: str
    at: Instant | None = None
    text: str | None = None


class Permission(Model):
    """The state in force of one medium and purpose, and how it came to be, oldest decision first."""

    contact: str
    medium: Medium
    purpose: Purpose
    state: ConsentState
    since: Instant | None = None
    decisions: tuple[Decision, ...] = ()
    notices: tuple[Notice, ...] = ()


class _Gone(BaseModel):
    """What is left where somebody was erased."""

    model_config = ConfigDict(extra="forbid")


class _Document(BaseModel):
    """A consent as the journal keeps it; what else stands there is not for us."""

    entity: Consent | _Gone
    ledger: tuple[Decision, ...] = ()


def contact_point(text: str) -> str:
    """An email address or phone number as permissions know it. Raises UnknownItem for anything else."""
    found = email_or_none(text) or phone_or_none(text)
    if found is None:
        raise UnknownItem(
            "that is no email address and no phone number",
            remedy="write a number with its country code, such as +4533123456",
        )
    return found


async def permissions(journal: Journal, channels: Mapping[str, Channel], contact: str) -> Sequence[Permission]:
    """What is known about a contact point, by medium and purpose; empty where nobody ever said anything.

    Raises UnknownItem for what is no email address or phone number.
    """
    found = await _stored(journal, [contact_point(contact)])
    return [await _whole(journal, channels, consent, decisions) for consent, decisions in found]


async def in_force(journal: Journal, contacts: Sequence[str]) -> Sequence[Permission]:
    """The states in force of some contact points, without how they came to be; one read, whatever there is."""
    return [_permission(consent, decisions) for consent, decisions in await _stored(journal, contacts)]


async def _stored(journal: Journal, contacts: Sequence[str]) -> Sequence[tuple[Consent, tuple[Decision, ...]]]:
    keys = [
        (Consent.KIND, canonical_id("", Consent.KIND, consent_key(contact, medium, purpose)))
        for contact in contacts
        for medium in Medium
        for purpose in Purpose
    ]
    documents = [_Document.model_validate_json(content) for content, _ in (await journal.entities(keys)).values()]
    return [(document.entity, document.ledger) for document in documents if isinstance(document.entity, Consent)]


def _permission(consent: Consent, decisions: Sequence[Decision]) -> Permission:
    return Permission(
        contact=consent.contact,
        medium=consent.medium,
        purpose=consent.purpose,
        state=consent.state,
        since=_since(consent, decisions),
    )


async def _whole(
    journal: Journal, channels: Mapping[str, Channel], consent: Consent, decisions: tuple[Decision, ...]
) -> Permission:
    ended = next((d for d in reversed(decisions) if d.refused is None and d.event and d.state in _ENDED), None)
    notices: tuple[Notice, ...] = ()
    if consent.state in _ENDED and ended is not None:
        sent = {row.channel: row for row in await journal.deliveries(event=ended.event, limit=1000)}
        notices = tuple(_notice(name, channel, sent.get(name), ended) for name, channel in sorted(channels.items()))
    return _permission(consent, decisions).model_copy(update={"decisions": decisions, "notices": notices})


def _since(consent: Consent, decisions: Sequence[Decision]) -> datetime | None:
    proven = consent.proof.at if consent.proof is not None else None
    return consent.changed_at or proven or next((d.recorded for d in reversed(decisions) if d.refused is None), None)


def _notice(name: str, channel: Channel, row: DeliveryRow | None, ended: Decision) -> Notice:
    if row is not None:
        last = row.last
        return Notice(
            channel=name, state=row.state.value, at=last.at if last else row.created, text=last.text if last else None
        )
    if name == ended.channel:
        return Notice(channel=name, state="source", at=ended.recorded)
    slot = channel.slot_for("consent.withdrawn")
    return Notice(channel=name, state="not sent" if slot is not None and slot.accepts is Consent else "cannot")
