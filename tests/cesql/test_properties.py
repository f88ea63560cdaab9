"""What holds for every text and every event."""

from __future__ import annotations

import ast

from hypothesis import example, given
from hypothesis import strategies as st

from omnibridge import cesql
from omnibridge.cesql import compiler
from omnibridge.errors import ExpressionError

WORDS = """
    AND OR XOR NOT LIKE IN EXISTS TRUE false = != <> < <= > >= + - * / % ( ) , 'a' '%' 'a%b' '5' "x\\"" 0 1 -5
    2147483647 type source n b missing data LOWER( LENGTH( CONCAT( SUBSTRING( ABS( INT( BOOL( DATA( DATA_GT(
    DATA_EXISTS( '/a' F(
""".split()  # noqa: SIM905 - the words of the language, to be read as such
VALUES = st.one_of(
    st.text(max_size=8), st.integers(-(2**33), 2**33), st.booleans(), st.none(), st.sampled_from(["5", "true", "/a"])
)
EVENTS = st.dictionaries(st.sampled_from(["type", "source", "n", "b"]), VALUES)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "0"]), inner)),
    max_leaves=5,
)


def attempt(text):
    try:
        return cesql.compile(text)
    except ExpressionError as error:
        return error


def check(text, event, data):
    expression = attempt(text)
    if isinstance(expression, ExpressionError):
        assert 0 <= expression.position <= len(text)
        assert expression.remedy
        return
    result = expression.evaluate(event, data)
    assert type(result.value) in (str, int, bool)
    assert type(result.value) is not int or -(2**31) <= result.value < 2**31
    assert expression.matches(event, data) is (result.value is True and result.error is None)
    clause = expression.explain(event, data)
    assert (type(clause.value), clause.value, clause.error) == (type(result.value), result.value, result.error)
    assert expression.evaluate(event, data) == result


@given(st.text(max_size=40), EVENTS, JSON)
@example("'\ud800' = n", {"n": "\ud800"}, None)
@example("'\x00{}' = n", {"n": 1}, None)
def test_any_text_compiles_or_is_refused(text, event, data):
    check(text, event, data)


@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join), EVENTS, JSON)
@example("DATA( '/a' )", {}, {"a": float("inf")})
@example("- INT( n )", {"n": -(2**31)}, None)
def test_any_words_compile_or_are_refused(text, event, data):
    check(text, event, data)


@given(st.text(min_size=1, max_size=30))
@example("'); import os  #")
@example("\\")
@example("{0}")
def test_a_literal_stays_a_literal(text):
    """Whatever stands in quotes comes out as it went in."""
    written = '"' + text.replace("\\", "").replace('"', '\\"') + '"'
    expected = text.replace("\\", "")
    assert cesql.compile(written).evaluate({}).value == expected
    assert cesql.compile(f"x = {written}").matches({"x": expected})
    assert cesql.compile(f"x IN ({written}, 'b')").matches({"x": expected})
    assert cesql.compile(f"CONCAT('a', {written}) = CONCAT('a', x)").matches({"x": expected})


def test_emitted_code_reaches_nothing_but_its_runtime(monkeypatch):
    """Names in the emitted code are those handed to it; attribute access is limited to three methods."""
    seen = []

    def spy(source, *arguments):
        seen.append(source)
        return compile(source, *arguments)

    monkeypatch.setattr(compiler, "compile", spy, raising=False)
    text = (
        "'__import__(1)' = class AND a LIKE '__x%' AND EVAL(DATA('/__class__')) AND x IN (b, 'c')"
        " AND LOWER(import) LIKE 'a%b_c%' AND NOT (EXISTS exec) AND -a + 1 > 2 AND (a XOR b) AND a = b AND x LIKE '%z'"
    )
    cesql.compile(text).explain({})
    assert len(seen) == 2
    for source in seen:
        tree = ast.parse(source)
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        constants = {name for name in names if name[0] in "kt" and name[1:].isdigit()}
        assert names - constants <= {*compiler._RUNTIME, "a", "d", "v", "see"}
        methods = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert methods <= {"__class__", "get", "startswith", "endswith"}


def test_exports_are_sorted_and_there():
    assert cesql.__all__ == sorted(cesql.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert all(hasattr(cesql, name) for name in cesql.__all__)
