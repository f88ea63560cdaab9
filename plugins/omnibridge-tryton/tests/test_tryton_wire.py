"""Typed values, the envelope, and the classes of Tryton's errors, most of which come with HTTP 200."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omnibridge_tryton.rows import PartyRow, SaleRow, StockRow, TemplateRow
from omnibridge_tryton.wire import PATH, answer, classify, envelope, fault, pack, rows, unpack

from omnibridge.connector import Class, Request, Response, Upsert, json_bytes, parse_json
from omnibridge.errors import InvalidMessage, Permanent

NOW = datetime(2026, 11, 22, tzinfo=UTC)
READ = Request("POST", PATH, reads=True)
CREATE = Request("POST", PATH, step="create")
LOCKED = Request("POST", PATH, step="write", protection=Upsert())


def said(value: object, status: int = 200, **headers: str) -> Response:
    return Response(status, headers, json_bytes(value))


def error(name: str, *texts: object) -> Response:
    return said({"id": 1, "error": [name, list(texts)]})


# ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.decimals(allow_nan=False, allow_infinity=False, places=6)
    | st.text(max_size=8)
    | st.dates()
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_values_come_back_as_they_went(value):
    assert unpack(parse_json(json_bytes(pack(value)))) == value


def test_types_are_written_as_tryton_writes_them():
    at = datetime(2026, 11, 22, 10, 30, 1, 5, tzinfo=UTC)
    assert pack([Decimal("12.50"), date(2026, 1, 2), at, (1, None)]) == [
        {"__class__": "Decimal", "decimal": "12.50"},
        {"__class__": "date", "year": 2026, "month": 1, "day": 2},
        {"__class__": "datetime", "year": 2026, "month": 11, "day": 22}
        | {"hour": 10, "minute": 30, "second": 1, "microsecond": 5},
        [1, None],
    ]
    assert unpack({"__class__": "timedelta", "seconds": 90}) == timedelta(seconds=90)
    assert unpack({"__class__": "bytes", "base64": "AAE="}) == b"\x00\x01"


@pytest.mark.parametrize(
    "value",
    [
        {"__class__": "Decimal", "decimal": "NaN"},
        {"__class__": "Decimal", "decimal": "twelve"},
        {"__class__": "Decimal"},
        {"__class__": "date", "year": 2026, "month": 13, "day": 1},
        {"__class__": "datetime", "year": "2026", "month": 1, "day": 1},
        {"__class__": "bytes", "base64": "?"},
        {"__class__": "Complex", "real": 1},
    ],
)
def test_malformed_values_are_invalid_messages(value):
    with pytest.raises(InvalidMessage):
        unpack([value])


def test_the_envelope_holds_three_keys_and_nothing_else():
    assert envelope("model.party.party.search", [[], {"company": 1}]) == {
        "id": 1,
        "method": "model.party.party.search",
        "params": [[], {"company": 1}],
    }


# ── Errors ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("request_", "response", "kind", "code"),
    [
        (CREATE, said({"id": 1, "result": [7]}), Class.OK, None),
        (CREATE, said({"id": 1, "result": None}), Class.OK, None),
        (CREATE, error("UserError", "No.", "", None), Class.PERMANENT, "UserError"),
        (CREATE, error("UserWarning", "a.key", "Sure?", ""), Class.PERMANENT, "UserWarning"),
        (LOCKED, error("ConcurrencyException", "modified"), Class.RETRY, "ConcurrencyException"),
        (CREATE, said({"id": 1, "error": ["ConcurrencyException", "modified"]}), Class.RETRY, "ConcurrencyException"),
        (CREATE, error("LoginException", "password", "Password"), Class.EXPIRED, "LoginException"),
        (CREATE, error("DatabaseOperationalError", "database is locked"), Class.RETRY, "DatabaseOperationalError"),
        (READ, said({"id": 1, "error": ["'bogus'", "Traceback\nKeyError: 'bogus'"]}), Class.PERMANENT, "'bogus'"),
        (READ, Response(401), Class.EXPIRED, "401"),
        (CREATE, Response(403), Class.PERMANENT, "403"),
        (READ, Response(404), Class.PERMANENT, "404"),
        (READ, Response(405), Class.PERMANENT, "405"),
        (CREATE, Response(429, {"retry-after": "3"}), Class.RETRY, "429"),
        (CREATE, Response(503), Class.RETRY, "503"),
        (READ, Response(500), Class.RETRY, "500"),
        (LOCKED, Response(502), Class.RETRY, "502"),
        (CREATE, Response(502), Class.AMBIGUOUS, "502"),
        (READ, Response(200, {}, b"<html>"), Class.RETRY, "unreadable"),
        (CREATE, Response(200, {}, b"<html>"), Class.AMBIGUOUS, "unreadable"),
    ],
)
def test_answers_are_classed_by_what_happens_next(request_, response, kind, code):
    outcome = classify(request_, response, NOW)
    assert (outcome.kind, outcome.code) == (kind, code)


def test_the_wish_of_the_server_is_kept():
    assert classify(READ, Response(429, {"retry-after": "3"}), NOW).after == timedelta(seconds=3)


def test_a_refusal_says_what_and_what_to_do():
    with pytest.raises(Permanent) as caught:
        answer("model.sale.sale.quote", error("UserWarning", "0a1b.key", "Stock is low.", "Count it."))
    assert (caught.value.code, caught.value.what) == (
        "UserWarning",
        "model.sale.sale.quote: Stock is low. Count it.",
    )
    assert "ignore the warning" in (caught.value.remedy or "")


def test_a_traceback_is_shown_by_its_last_line():
    found = fault({"error": ["KeyError", "Traceback (most recent call last)\n  File secret\nKeyError: 'x'\n"]})
    assert found is not None
    assert found.message == "KeyError: 'x'"


@pytest.mark.parametrize("body", [b"[]", b"7", b'{"id":1}', b"null", b'{"id":1,"result":[{"__class__":"date"}]}'])
def test_what_is_no_envelope_is_an_invalid_message(body):
    with pytest.raises(InvalidMessage):
        answer("model.x", Response(200, {}, body))


# ── Anything at all ──────────────────────────────────────────────────────────────────────────────────────────────

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=10,
)
NAMES = sorted(
    {field.partition(".")[0] + dot for row in (PartyRow, SaleRow) for field in row.FIELDS for dot in ("", ".")}
)
RECORDS = st.dictionaries(st.sampled_from(["id", *NAMES]), JSON, max_size=8)


@given(st.binary(max_size=60) | st.builds(json_bytes, st.fixed_dictionaries({"result": JSON | st.lists(RECORDS)})))
def test_any_answer_gives_records_or_an_invalid_message(body):
    for model in (PartyRow, SaleRow, TemplateRow, StockRow):
        with contextlib.suppress(InvalidMessage, Permanent):
            assert all(isinstance(row, model) for row in rows(model, answer("model.x", Response(200, {}, body))))


def test_deep_nesting_is_an_invalid_message():
    with pytest.raises(InvalidMessage):
        answer("model.x", Response(200, {}, b'{"result":' + b"[" * 5000 + b"]" * 5000 + b"}"))
    value: object = None
    for _ in range(2000):
        value = [value]
    with pytest.raises(InvalidMessage):
        unpack(value)
