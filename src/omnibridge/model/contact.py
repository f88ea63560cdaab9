"""How a person is reached: email addresses, phone numbers in E.164, postal addresses."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

import phonenumbers
import phonenumbers.timezone
from pydantic import AfterValidator

from omnibridge.model.base import Model

__all__ = [
    "Address",
    "ContactPoint",
    "Email",
    "Phone",
    "country_zones",
    "email_or_none",
    "phone_or_none",
    "phone_zones",
]

_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f<>,;]{1,64}@[^\s@\x00-\x1f\x7f<>,;]{1,255}")


def email_or_none(raw: str | None) -> str | None:
    """A vendor's email address, trimmed and lower-cased, or None where it is none at all.

    Dots and plus signs stay: they are different mailboxes at most providers.
    """
    text = (raw or "").strip().lower()
    return text if _EMAIL.fullmatch(text) else None


@lru_cache(maxsize=4096)
def phone_or_none(raw: str | None, region: str | None = None) -> str | None:
    """A vendor's phone number as E.164 (`+4533123456`), or None where it is no possible number.

    `region` (ISO 3166 alpha-2) tells how to read a number without a country code.
    """
    if not raw:
        return None
    try:
        parsed = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return number if _E164.fullmatch(number) else None  # some plans allow more than E.164's fifteen digits


def phone_zones(number: str) -> tuple[str, ...]:
    """The time zones that an E.164 number may be in, by its country and area; empty where its digits do not say."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ()
    found = phonenumbers.timezone.time_zones_for_geographical_number(parsed)
    return () if phonenumbers.timezone.UNKNOWN_TIMEZONE in found else tuple(found)


def country_zones(country: str) -> tuple[str, ...]:
    """The time zones of a country (ISO 3166 alpha-2), and of those that it shares a calling code with."""
    code = phonenumbers.country_code_for_region(country.upper())
    return phone_zones(f"+{code}00000000") if code else ()


def _email(value: str) -> str:
    email = email_or_none(value)
    if email is None:
        raise ValueError("not an email address")
    return email


def _phone(value: str) -> str:
    if not _E164.fullmatch(value):
        raise ValueError("not an E.164 phone number, such as +4533123456")
    return value


Email = Annotated[str, AfterValidator(_email)]
"""An email address in lower case."""

Phone = Annotated[str, AfterValidator(_phone)]
"""A phone number in E.164."""


class ContactPoint(Model):
    """A further way to reach someone, beside the primary email and phone.

    `value` is normalised where that is possible; `raw` keeps what the vendor had when it is not.
    """

    medium: str
    value: str | None = None
    raw: str | None = None
    verified: bool | None = None


class Address(Model):
    """A postal address. `country` is ISO 3166 alpha-2, `region` the state or province, code or name."""

    name: str | None = None
    company: str | None = None
    street: str | None = None
    street2: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None
    phone: str | None = None
