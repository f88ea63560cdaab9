"""Whom a call or a touch is about, when all that is known of somebody is an address, and that the erased stay away."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from told import SHOP as CHANNEL

from omnibridge.connector import Snapshot
from omnibridge.journal import Known
from omnibridge.model import Call, Touch
from omnibridge.reconcile import prepare
from omnibridge.reconcile.graves import laid_to_rest
from omnibridge.reconcile.party import party_of

BURIED = datetime(2026, 3, 1, 12, tzinfo=UTC)
PERSON, SHOP = "+4533123456", "+4533000000"


@pytest.mark.parametrize(
    ("kind", "data", "party"),
    [
        ("call", {"direction": "inbound", "caller": PERSON, "callee": SHOP}, PERSON),
        ("call", {"direction": "outbound", "caller": SHOP, "callee": PERSON}, PERSON),
        ("message", {"direction": "inbound", "sender": PERSON, "recipient": SHOP}, PERSON),
        ("touch", {"kind": "opened", "contact": "Ann@example.com"}, "ann@example.com"),
    ],
)
def test_the_person_and_not_the_company_is_the_party(kind, data, party):
    assert party_of(kind, "id", data, Known(), lambda link: Known()) == f"contact:{party}"


@pytest.mark.parametrize(
    ("entity", "address"),
    [
        (Call.model_validate({"direction": "inbound", "caller": PERSON, "started_at": BURIED}), PERSON),
        (Touch.model_validate({"kind": "opened", "contact": "ann@example.com", "at": BURIED}), "ann@example.com"),
    ],
)
def test_what_an_erased_person_did_before_stays_away(entity, address):
    prepared = prepare(CHANNEL, Snapshot(entity, "1"))
    assert laid_to_rest(prepared, lambda *name: BURIED if name == ("contact", address) else None) is None
    later = {"started_at" if isinstance(entity, Call) else "at": BURIED.replace(hour=13)}
    again = prepare(CHANNEL, Snapshot(entity.model_copy(update=later), "2"))
    assert laid_to_rest(again, lambda *name: BURIED if name == ("contact", address) else None) == again
