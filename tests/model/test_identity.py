"""Ids that come out the same wherever they are computed."""

from __future__ import annotations

from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnibridge.model.identity import name_uuid


@given(st.uuids(), st.text())
def test_a_uuid_by_name_is_the_one_of_the_standard(space: UUID, name: str) -> None:
    assert name_uuid(space.bytes, name) == str(uuid5(space, name))


def test_half_a_character_has_no_uuid() -> None:
    with pytest.raises(UnicodeEncodeError):
        name_uuid(b"\0" * 16, "\ud800")
