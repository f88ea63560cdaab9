"""JSON may spell half a character; no text can hold one, so it is refused where it comes in."""

from __future__ import annotations

import pytest

from omnibridge.connector import parse_json
from omnibridge.errors import InvalidMessage


@pytest.mark.parametrize("half", [rb"\ud800", rb"\uDC00", rb"\udc00\ud800", rb"\uD83D x"])
@pytest.mark.parametrize("around", [b'"%b"', b'{"%b": 1.50}', b'{"a": [1.50, {"b": "%b"}]}'])
def test_half_a_character_is_refused(half: bytes, around: bytes) -> None:
    with pytest.raises(InvalidMessage, match="half a character"):
        parse_json(around % half)


def test_a_whole_one_and_a_backslash_are_taken() -> None:
    assert parse_json(rb'["\ud83d\ude00", "\\ud800"]') == ["\U0001f600", "\\ud800"]
