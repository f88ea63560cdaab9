"""Consent: what a person allowed, for one contact point, one medium and one purpose, with its proof."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from omnibridge.model.base import Entity, Instant, Model, Ref
from omnibridge.model.contact import email_or_none, phone_or_none

__all__ = ["Basis", "Consent", "ConsentState", "Medium", "Proof", "Purpose", "consent_key"]


class Medium(StrEnum):
    """The way a message travels. `chat` is any chat application that has no member of its own."""

    EMAIL = "email"
    SMS = "sms"
    WHATSAPP = "whatsapp"
    RCS = "rcs"
    CHAT = "chat"
    VOICE = "voice"
    PUSH = "push"
    POST = "post"


class Purpose(StrEnum):
    """Why a message is sent. `transactional` needs no consent; `marketing` always does."""

    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"
    SERVICE = "service"


class ConsentState(StrEnum):
    """What is known. Only `granted` allows marketing; `unknown` never does."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    GRANTED = "granted"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Basis(StrEnum):
    """How a permission came to be."""

    SINGLE_OPT_IN = "single_opt_in"
    DOUBLE_OPT_IN = "double_opt_in"
    CONTRACT = "contract"
    VENDOR_OPT_OUT = "vendor_opt_out"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    OTHER = "other"


class Proof(Model):
    """What shows that the person decided so: where, when and how the vendor recorded it."""

    source: str
    at: Instant | None = None
    ip: str | None = None
    detail: str | None = None


class Consent(Entity):
    """The state of one permission. `contact` is the email address or E.164 number it is about.

    The external id of a consent is `consent_key(...)`, as no vendor gives consents ids of their own.
    """

    KIND: ClassVar[str] = "consent"

    contact: str
    medium: Medium
    purpose: Purpose = Purpose.MARKETING
    state: ConsentState = ConsentState.UNKNOWN
    basis: Basis | None = None
    proof: Proof | None = None
    customer: Ref | None = None
    changed_at: Instant | None = None


def consent_key(contact: str, medium: Medium, purpose: Purpose = Purpose.MARKETING) -> str:
    """The identity of a permission: the same in every channel, so that a withdrawal in one is found by all.

    However a vendor or a command writes the contact: an address in lower case, a number without its spaces.
    """
    plain = email_or_none(contact) or phone_or_none(contact) or contact
    return f"{medium}:{purpose}:{plain}"
