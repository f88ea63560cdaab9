"""Values, casts, errors and functions, beyond what the specification's own cases ask."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

import pytest

from omnibridge import cesql
from omnibridge.cesql import ErrorKind, EvaluationFault, Function, Kind, Result
from omnibridge.errors import ExpressionError


def value(text, event=None, data=None, **more):
    result = cesql.compile(text, **more).evaluate(event or {}, data)
    assert result.error is None, result
    return result.value


def error(text, event=None, data=None, **more):
    expression = cesql.compile(text, **more)
    result = expression.evaluate(event or {}, data)
    assert not expression.matches(event or {}, data)
    assert bool(result.detail) is (result.error is not None)
    return result.error, result.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-7 / 2", -3),
        ("7 / -2", -3),
        ("-7 % 2", -1),
        ("7 % -2", 1),
        ("-8 / 2", -4),
        ("TRUE XOR TRUE XOR TRUE", True),
        ("5 = '5'", True),
        ("'05' = 5", True),
        ("'05' = '5'", False),
        ("'+5' = 5", True),
        ("5 = TRUE", True),
        ("'00000000000000000000000005' + 0", 5),
        ("TRIM('\u2003\t a \x1f')", "a \x1f"),
        ("RIGHT('abc', 0)", ""),
        ("SUBSTRING('abc', -3)", "abc"),
        ("SUBSTRING('abc', 3, 9)", "c"),
        ("SUBSTRING('abc', 2, 0)", ""),
        ("LENGTH('a😀')", 2),
        ("1 IN (a, b, '1')", True),
        ("'x' IN ('x', missing)", True),
    ],
)
def test_values(text, expected):
    result = value(text, {"a": "0", "b": 7})
    assert (type(result), result) == (type(expected), expected)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("2147483647 + 1", "math", 0),
        ("-2147483648 - 1", "math", 0),
        ("65536 * 65536", "math", 0),
        ("-2147483648 / -1", "math", 0),
        ("--2147483648", "math", 0),
        ("1 % 0 = 1", "math", False),
        ("'1_0' + 0", "cast", 0),
        ("' 1' + 0", "cast", 0),
        ("'\u0661' + 0", "cast", 0),
        ("'1.0' + 0", "cast", 0),
        ("'' + 0", "cast", 0),
        ("'2147483648' + 0", "cast", 0),
        ("'yes' AND TRUE", "cast", False),
        ("'FAL\u017fE' AND TRUE", "cast", False),
        ("1 IN ('a', '1')", "cast", False),
        ("TRUE AND missing", "missingAttribute", False),
        ("missing OR TRUE", "missingAttribute", False),
        ("LOWER(missing)", "missingAttribute", ""),
        ("LENGTH(missing)", "missingAttribute", 0),
        ("missing NOT IN ('a')", "missingAttribute", False),
        ("missing NOT LIKE 'a'", "missingAttribute", False),
        ("null", "missingAttribute", False),
        ("NOTHING(1 / 0)", "missingFunction", False),
        ("LENGTH()", "missingFunction", False),
        ("SUBSTRING('abc', 1, -1)", "functionEvaluation", ""),
        ("LEFT('abc', -1) = 'abc'", "functionEvaluation", False),
        ("LEFT(LEFT('abc', -1), 1)", "functionEvaluation", ""),
        ("ABS(-2147483648) + 1", "math", 0),
    ],
)
def test_errors_give_the_zero_value(text, kind, expected):
    assert error(text, {"null": None}) == (kind, expected)


class Region(StrEnum):
    NORTH = "north"


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("text", "text"),
        (Region.NORTH, "north"),
        (True, True),
        (5, 5),
        (2**31, "2147483648"),
        (b"\x00\xff", "AP8="),
        (datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC), "2026-05-04T03:02:01Z"),
    ],
)
def test_attributes_become_values(raw, expected):
    result = value("x", {"x": raw})
    assert (type(result), result) == (type(expected), expected)
    text = cesql.attribute_text(raw)
    assert text == {True: "true", 5: "5"}.get(expected, expected)
    assert value(f"x = '{text}'", {"x": raw}) is True
    assert value(f"x LIKE '{text}%'", {"x": raw}) is True
    assert value(f"x IN ('{text}', '?')", {"x": raw}) is True


def test_what_cannot_be_read_is_a_generic_error():
    assert error("x = 'a'", {"x": Hostile()}) == ("generic", False)


def test_a_filter_must_be_boolean():
    for text in ("1", "'true'", "LENGTH('a')"):
        assert not cesql.compile(text).matches({})
    assert cesql.compile("TRUE").matches({})


def test_parts_that_are_decided_are_not_evaluated():
    calls = []
    seen = Function("SEEN", (Kind.BOOLEAN,), Kind.BOOLEAN, lambda given: calls.append(given) or given)
    expression = cesql.compile("SEEN(FALSE) AND SEEN(TRUE) AND SEEN(TRUE)", functions=[seen])
    assert expression.evaluate({}) == Result(False)
    assert calls == [False]


# -- functions of the caller


def double(number: int) -> int:
    return number * 2


def fail() -> str:
    raise ZeroDivisionError


def give_up() -> str:
    raise EvaluationFault(ErrorKind.GENERIC, "no luck", value="instead")


def test_custom_functions_are_cast_to_and_dispatched_by_count():
    functions = [
        Function("DOUBLE", (Kind.INTEGER,), Kind.INTEGER, double),
        Function("DOUBLE", (Kind.INTEGER, Kind.INTEGER), Kind.INTEGER, lambda one, other: 2 * (one + other)),
        Function("KIND_OF", (Kind.ANY,), Kind.STRING, lambda given: type(given).__name__),
    ]
    assert value("double('4') + Double(1, TRUE)", functions=functions) == 12
    assert value("KIND_OF(a)", {"a": True}, functions=functions) == "bool"


def give_up_wrongly() -> int:
    raise EvaluationFault(ErrorKind.GENERIC, "no luck", value="a text where an integer belongs")


def test_custom_functions_may_fail_in_every_way():
    functions = [
        Function("FAIL", (), Kind.STRING, fail),
        Function("GIVE_UP", (), Kind.STRING, give_up),
        Function("GIVE_UP_WRONGLY", (), Kind.INTEGER, give_up_wrongly),
        Function("LIE", (), Kind.INTEGER, lambda: "text"),
        Function("NONE", (), Kind.STRING, lambda: None),  # type: ignore[arg-type,return-value]
        Function("BIG", (), Kind.INTEGER, lambda: 2**40),
    ]
    assert error("FAIL()", functions=functions) == ("functionEvaluation", "")
    assert error("GIVE_UP()", functions=functions) == ("generic", "instead")
    assert error("GIVE_UP() = 'instead'", functions=functions) == ("generic", False)
    assert error("GIVE_UP_WRONGLY()", functions=functions) == ("generic", 0)
    assert error("LIE() + 1", functions=functions) == ("functionEvaluation", 0)
    assert error("NONE()", functions=functions) == ("functionEvaluation", "")
    assert error("BIG()", functions=functions) == ("functionEvaluation", 0)


def test_a_call_has_one_meaning():
    rest = Function("F", (Kind.ANY,), Kind.STRING, lambda *_: "", rest=Kind.ANY)
    three = Function("F", (Kind.ANY,) * 3, Kind.STRING, lambda *_: "")
    none = Function("F", (), Kind.STRING, lambda: "none")
    for clash in ([rest, three], [three, rest], [three, three], [rest, rest]):
        with pytest.raises(ValueError, match="F is defined twice"):
            cesql.compile("F()", functions=clash)
    with pytest.raises(ValueError, match="LOWER"):
        cesql.compile("TRUE", functions=[Function("LOWER", (Kind.ANY,), Kind.STRING, str)])
    with pytest.raises(ValueError, match="upper-case"):
        Function("lower2", (), Kind.STRING, str)
    assert value("F()", functions=[none, rest]) == "none"


# -- data

ORDER = {
    "totals": {"total": {"amount": "129.50", "currency": "DKK"}},
    "lines": [{"sku": "A-1"}, {"sku": "A/2"}],
    "count": 2,
    "paid": True,
    "rate": 0.25,
    "big": 2**40,
    "note": None,
    "a/b": {"~": "odd keys"},
    "nan": float("nan"),
    "exact": Decimal("0.10"),
    "signal": Decimal("sNaN"),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DATA('/totals/total/currency')", "DKK"),
        ("DATA('/count') + 1", 3),
        ("DATA('/paid')", True),
        ("DATA('/rate')", "0.25"),
        ("DATA('/big')", "1099511627776"),
        ("DATA('/lines/1/sku') LIKE 'A/%'", True),
        ("DATA(CONCAT('/lines/', idx, '/sku'))", "A-1"),
        ("DATA('/a~1b/~0')", "odd keys"),
        ("DATA('/count') = '2' AND DATA('/paid')", True),
        ("DATA_EXISTS('/totals')", True),
        ("DATA_EXISTS('')", True),
        ("DATA_EXISTS('/note')", False),
        ("DATA_EXISTS('/lines/2')", False),
        ("DATA_EXISTS('/lines/-')", False),
        ("DATA_EXISTS('/lines/00')", False),
        ("DATA_EXISTS('/count/x')", False),
        ("DATA_EQ('/totals/total/amount', '129.5')", True),
        ("DATA_NE('/totals/total/amount', '129.50')", False),
        ("DATA_GT('/totals/total/amount', '129.49999999999999999999')", True),
        ("DATA_GE('/totals/total/amount', 130)", False),
        ("DATA_LT('/rate', '1e-1')", False),
        ("DATA_LE('/big', 2147483647)", False),
        ("DATA_EQ('/count', '+2.00')", True),
        ("DATA_EQ('/exact', '0.1')", True),
        ("DATA('/exact')", "0.10"),
    ],
)
def test_data(text, expected):
    event = {"idx": 0}
    result = value(text, event, ORDER)
    assert (type(result), result) == (type(expected), expected)
    assert value(text, event, lambda: ORDER) == expected


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("DATA('/note')", "missingAttribute", False),
        ("LENGTH(DATA('/nothing'))", "missingAttribute", 0),
        ("DATA('/lines')", "cast", False),
        ("DATA('/totals') = 'x'", "cast", False),
        ("DATA(path)", "functionEvaluation", False),
        ("DATA_GT('/nothing', '1')", "missingAttribute", False),
        ("DATA_GT('/paid', '0')", "cast", False),
        ("DATA_GT('/totals/total/currency', '1')", "cast", False),
        ("DATA_NE('/nan', '1')", "cast", False),
        ("DATA_NE('/signal', '1')", "cast", False),
        ("DATA_EQ('/count', path)", "cast", False),
    ],
)
def test_data_errors(text, kind, expected):
    assert error(text, {"path": "no/slash"}, ORDER) == (kind, expected)


def test_no_data_has_nothing_anywhere():
    assert error("DATA('')") == ("missingAttribute", False)
    assert value("DATA_EXISTS('/a')") is False


def test_data_is_fetched_once_and_only_if_needed():
    calls = []
    fetch = lambda: calls.append(1) or ORDER  # noqa: E731
    expression = cesql.compile("type = 'a' AND DATA_EXISTS('/count') AND DATA('/count') = 2")
    assert not expression.matches({"type": "b"}, fetch)
    assert calls == []
    assert expression.matches({"type": "a"}, fetch)
    assert calls == [1]


def test_data_that_cannot_be_fetched_is_an_error():
    def broken():
        raise OSError("gone")

    assert error("DATA_EXISTS('/a')", {}, broken) == ("generic", False)


@pytest.mark.parametrize(
    ("text", "position", "remedy"),
    [
        ("DATA('totals')", 5, "slash"),
        ("DATA_EXISTS('/a~')", 12, "~0"),
        ("DATA_GT('/a', 'much')", 14, "DATA('/a') = 'text'"),
        ("DATA_GT('/a', '1e9999999')", 14, "12.50"),
        ("DATA_GT('/a', 'NaN')", 14, "12.50"),
    ],
)
def test_literals_that_cannot_work_are_refused_at_once(text, position, remedy):
    with pytest.raises(ExpressionError) as caught:
        cesql.compile(text)
    assert caught.value.position == position
    assert remedy in (caught.value.remedy or "")
