"""Conditions on the data, compiled, say what the CESQL functions say of the same data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omnibridge.routing import sql
from omnibridge.routing.readings import reading

SCALARS = st.sampled_from(["5", "5.0", "005", "-1e2", "x", "", "true", " 5", "1e999999", "NaN"]) | st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)
)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "0", ""]), inner)
)
CONDITIONS = st.builds(
    lambda name, pointer, limit: f"{name}('{pointer}', {limit})",
    st.sampled_from(["DATA_EQ", "DATA_NE", "DATA_GT", "DATA_GE", "DATA_LT", "data_le"]),
    st.sampled_from(["", "/a", "/a/0", "/0", "/", "/a~1b"]),
    st.sampled_from(["'5'", "'5.00'", "5", "'-1e1'", "'0.1'"]),
) | st.builds(
    lambda pointer, text: f"DATA('{pointer}') = '{text}'",
    st.sampled_from(["", "/a", "/a/0", "/0"]),
    st.sampled_from(["5", "5.0", "true", "", "x", "[]", "{}"]),
)


@given(CONDITIONS, CONDITIONS, DATA)
@example("DATA('/a') = '[]'", "DATA('/b') = '{}'", {"a": [], "b": {}})
@example("DATA_GT('/a', '5')", "DATA('/a') = '5'", {"a": True})
@example("DATA_EQ('/a', '5')", "DATA_EQ('/a', '5.0')", {"a": 5.0})
def test_the_same_as_the_functions(first: str, second: str, data: Any) -> None:
    memory: dict[object, object] = {}
    for text in (first, second, first):
        expression = sql(text).expression
        check = reading(expression.tree)
        assert check is not None
        assert check({}, lambda: data, memory) is expression.matches({}, data), text


@pytest.mark.parametrize("text", ["DATA('/a') > 5", "DATA(x) = 'y'", "DATA_EXISTS('/a')", "DATA_GT('/a', x)", "TRUE"])
def test_anything_else_is_left_to_cesql(text: str) -> None:
    assert reading(sql(text).expression.tree) is None


def test_a_place_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    memory: dict[object, object] = {}
    for text in ["DATA_GT('/a', '1')", "DATA_LT('/a', '9')", "DATA('/a') = '5'"]:
        check = reading(sql(text).expression.tree)
        assert check is not None
        assert check({}, lambda: calls.append(1) or {"a": "5"}, memory)
    assert len(calls) == 1


def test_malformed_and_missing_data_match_nothing() -> None:
    def broken() -> object:
        raise ValueError("not JSON")

    check = reading(sql("DATA_NE('/a', '1')").expression.tree)
    assert check is not None
    assert not check({}, broken, {})
    assert not check({}, None, {})
