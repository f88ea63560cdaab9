"""What is recorded holds nobody: canaries go in, and none comes out; structure and types stay."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnibridge.errors import InvalidMessage
from omnibridge.testing.dev.scrub import Scrubber

SECRET = "s3cret-canary-0815"
CANARIES = {
    "email": "Canary.Bird@example.org",
    "first_name": "Canaria Finch",
    "note": "please ring at Birdsong 7",
    "phone": "+4520123456",
    "tel": "20 12 34 56",
    "customer_id": "881122334455",
    "ip": "198.51.100.23",
    "birthday": "1981-02-03",
    "card_number": "4111111111111111",
    "zip": "8000",
    "avatar": "https://birds.example/canaria.png?u=canaria",
    "token": SECRET,
    "unheard_of": "Canaria-like",
}


def scrubbed(value: object, secrets: tuple[str, ...] = (SECRET,)) -> Any:
    text, form = Scrubber(b"key", secrets).body(json.dumps(value).encode())
    assert not form
    return json.loads(text)


def shape(value: object) -> object:
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else type(value).__name__


@pytest.mark.parametrize("name", CANARIES)
def test_no_canary_leaves(name: str) -> None:
    canary = CANARIES[name]
    given = {"customer": {name: canary, f"{name}s": [canary]}, "inside": json.dumps({name: canary}), f"x {canary}": 1}
    text = json.dumps(scrubbed(given)).lower()
    assert canary.lower() not in text
    assert "canaria" not in text


def test_a_secret_is_replaced_wherever_it_stands() -> None:
    found = scrubbed({"type": SECRET, "url": f"https://x.example/?k={SECRET}", "status": f"a.{SECRET}.b", SECRET: 1})
    assert SECRET not in json.dumps(found)


def test_what_a_translator_reads_stays() -> None:
    kept = {
        "type": "customer.updated",
        "financial_status": "paid",
        "currency": "DKK",
        "updated_at": "2026-03-01T11:59:00Z",
        "total": "99.50",
        "quantity": 3,
        "gift": True,
        "nothing": None,
    }
    assert scrubbed(kept) == kept


def test_numbers_are_written_as_they_came() -> None:
    text, _ = Scrubber(b"key").body(b'{"points": 12.50, "big": 820982911946154508, "rate": 1e5}')
    assert '"points": 12.50' in text
    assert "820982911946154508" not in text
    assert isinstance(json.loads(text)["big"], int)


def test_the_same_value_is_the_same_everywhere_and_with_another_key_another() -> None:
    found = scrubbed({"a": "Canaria", "b": {"c": ["Canaria"]}, "m1": "A@example.org", "m2": "a@example.org"})
    assert found["a"] == found["b"]["c"][0] != "Canaria"
    assert found["m1"] == found["m2"]
    other, _ = Scrubber(b"other").body(b'{"a": "Canaria"}')
    assert json.loads(other)["a"] != found["a"]


def test_a_form_stays_a_form() -> None:
    body = urlencode(
        [("From", "+4520123456"), ("Body", "Canaria, 1 + 1 = 2"), ("MessageStatus", "sent"), ("Empty", "")]
    )
    text, form = Scrubber(b"key").body(body.encode())
    found = dict(parse_qsl(text, keep_blank_values=True))
    assert form
    assert list(found) == ["From", "Body", "MessageStatus", "Empty"]
    assert found["From"].startswith("+1202555")
    assert "Canaria" not in text
    assert (found["MessageStatus"], found["Empty"]) == ("sent", "")


@pytest.mark.parametrize("body", [b"<a>Canaria</a>", b"\xff\xfe", b"Dear Canaria, a = b", b"", b"Canaria"])
def test_what_has_no_structure_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidMessage):
        Scrubber(b"key").body(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef_", min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_structure_and_types_stay(value: object) -> None:
    assert shape(scrubbed(value)) == shape(json.loads(json.dumps(value)))


@given(st.text(min_size=8, max_size=40).filter(lambda text: any(sign.isalpha() for sign in text)), st.text("abxyz"))
def test_no_text_of_letters_survives_in_an_unknown_field(text: str, around: str) -> None:
    canary = f"{text}canary{text}"
    assert canary not in json.dumps(scrubbed({f"f_{around}": canary}), ensure_ascii=False)
