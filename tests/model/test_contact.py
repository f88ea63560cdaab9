"""Email addresses and phone numbers: normalised once and for all, or none at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from omnibridge.model import Customer, Email, Phone, email_or_none, phone_or_none


@pytest.mark.parametrize(
    ("raw", "email"),
    [
        ("A.B+c@Example.COM", "a.b+c@example.com"),
        ("  a@example.com\n", "a@example.com"),
        ("æ@example.com", "æ@example.com"),
        ("a@b", "a@b"),
        (None, None),
        ("", None),
        ("a", None),
        ("@example.com", None),
        ("a@", None),
        ("a@b@c", None),
        ("a b@example.com", None),
        ("<a@example.com>", None),
        ("a@example.com,b@example.com", None),
        ("a\x00@example.com", None),
        ("a" * 65 + "@example.com", None),
    ],
)
def test_email_addresses(raw, email):
    assert email_or_none(raw) == email


@given(st.emails() | st.text())
def test_an_email_address_is_normalised_once_and_for_all(raw):
    email = email_or_none(raw)
    if email is not None:
        assert email_or_none(email) == email
        assert TypeAdapter(Email).validate_python(email) == email


@pytest.mark.parametrize(
    ("raw", "region", "phone"),
    [
        ("+45 33 12 34 56", None, "+4533123456"),
        ("0045 33123456", "DK", "+4533123456"),
        ("33 12 34 56", "DK", "+4533123456"),
        ("33 12 34 56", None, None),
        ("(030) 901820", "DE", "+4930901820"),
        ("+1 (212) 555-0100", None, "+12125550100"),
        ("+45 1", None, None),
        ("none", "DK", None),
        ("", "DK", None),
        (None, "DK", None),
        ("33123456", "XX", None),
    ],
)
def test_phone_numbers(raw, region, phone):
    assert phone_or_none(raw, region) == phone


@given(
    st.text() | st.integers(0, 10**20).map(lambda n: f"+{n}") | st.integers(0, 10**16).map(str),
    st.sampled_from([None, "DK", "US", "DE", "JP", "XX", ""]),
)
def test_a_phone_number_is_e164_once_and_for_all(raw, region):
    phone = phone_or_none(raw, region)
    if phone is not None:
        assert phone_or_none(phone) == phone
        assert TypeAdapter(Phone).validate_python(phone) == phone


@pytest.mark.parametrize("wrong", ["33123456", "+0123", "+", "+45 33", "+4533123456x", "+" + "1" * 16, "+4٣", "+45\n"])
def test_a_customers_phone_is_e164(wrong):
    with pytest.raises(ValidationError):
        Customer(phone=wrong)
