"""Customers, consents and orders on their way to Mailchimp: what is asked, what is kept, and what is never done."""

from __future__ import annotations

import pytest

from omnibridge.connector import Response
from omnibridge.errors import Permanent, Retryable
from omnibridge.model import Address, Consent, Customer, Medium, Purpose

OLD, NEW = "anna@example.com", "anna.new@example.com"


def calls(done):
    return [f"{request.method} {request.path.rsplit('/members/', 1)[-1]}" for request in done.requests]


def customer(**fields):
    return Customer(**{"id": "c-1", "email": OLD, "given_name": "Anna", "family_name": "Example", **fields})


def consent(state, **fields):
    return Consent(contact=OLD, medium=Medium.EMAIL, purpose=Purpose.MARKETING, state=state, **fields)


def test_first(channel, sandbox):
    done = channel.deliver(customer(tags=("vip", "web")), "created")
    member = sandbox.audience.find(OLD)
    assert member["status"] == "transactional"
    print(done)
