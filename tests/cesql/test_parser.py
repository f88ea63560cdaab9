"""Texts become trees, or errors that say where and what to do."""

from __future__ import annotations

import pytest

from omnibridge import cesql
from omnibridge.cesql import Arithmetic, Attribute, Comparison, In, Like, Literal, Logic, Negate, Not
from omnibridge.errors import ExpressionError


def shape(text):
    """The tree of an expression as nested brackets, so that grouping can be read."""

    def show(node):
        match node:
            case Literal():
                return repr(node.value)
            case Attribute():
                return node.name
            case Not():
                return f"[NOT {show(node.operand)}]"
            case Negate():
                return f"[- {show(node.operand)}]"
            case Comparison() | Arithmetic():
                return f"[{show(node.left)} {node.operator} {show(node.right)}]"
            case Logic():
                return "[" + f" {node.operator} ".join(show(operand) for operand in node.operands) + "]"
            case Like():
                return f"[{show(node.operand)} {'NOT ' * node.negated}LIKE {node.pattern}]"
            case In():
                return f"[{show(node.operand)} {'NOT ' * node.negated}IN {', '.join(map(show, node.elements))}]"
            case _:
                return type(node).__name__

    return show(cesql.compile(text).tree)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3 = 7", "[[1 + [2 * 3]] = 7]"),
        ("8 - 4 - 2", "[[8 - 4] - 2]"),
        ("8-4", "[8 - 4]"),
        ("-a LIKE 'x'", "[[- a] LIKE x]"),
        ("NOT a = b", "[[NOT a] = b]"),
        ("NOT (a = b)", "[NOT [a = b]]"),
        ("NOT EXISTS a", "[NOT Exists]"),
        ("a = b AND c < d AND e", "[[a = b] AND [c < d] AND e]"),
        ("(a AND b) OR c", "[[a AND b] OR c]"),
        ("a * b IN (1, 2) + 3", "[[a * [b IN 1, 2]] + 3]"),
        ("a NOT LIKE 'x' = b NOT IN (c)", "[[a NOT LIKE x] = [b NOT IN c]]"),
        ("a <> b = c", "[[a != b] = c]"),
        ("- 5", "[- 5]"),
        ("-5 + +5", "[-5 + 5]"),
        ("--2147483648", "[- -2147483648]"),
        ("00000000000000000000007", "7"),
        ("1a = TYPE", "[1a = type]"),
        (r"'it\'s' = " + r'"say \"it\""', """["it's" = 'say "it"']"""),
        (r"'a\b\\' = 'a\"b'", r"""['a\\b\\\\' = 'a\\"b']"""),
        ("'' = '='", "['' = '=']"),
    ],
)
def test_precedence_and_literals(text, expected):
    assert shape(text) == expected


@pytest.mark.parametrize(
    ("text", "position", "what", "remedy"),
    [
        ("", 0, "empty", "TRUE"),
        (" \n", 0, "empty", "TRUE"),
        ("a AND b OR c", 8, "AND and OR", "(a AND b) OR c"),
        ("a XOR b AND c OR d", 8, "XOR and AND", "parentheses"),
        ("a = ", 4, "ends where a value", "complete"),
        ("(a = 1", 6, "parenthesis at 0", "close it"),
        ("a = 1)", 5, ")", "open a parenthesis"),
        ("f(a,)", 4, ")", "value is missing"),
        ("f(a", 3, "list that opens at 1", "close the list"),
        ("f(a b)", 4, "without a comma", "comma"),
        ("a b", 2, "b does not fit", "AND or OR"),
        ("a == 1", 2, "==", "single ="),
        ("a && b", 2, "'&'", "AND"),
        ("a | b", 2, "'|'", "CONCAT"),
        ("!a", 0, "'!'", "NOT"),
        ("data.total = 1", 4, "'.'", "DATA("),
        ("my_ext = 1", 0, "letters a-z and digits", "remove the underscore"),
        ("f1(a)", 0, "letters and underscores", "correct the name"),
        ("f_1 = 1", 0, "f_1", "digits"),
        ("a = 'b", 4, "no end", r"\'"),
        ("a = 'it''s'", 8, "does not fit", "not doubled"),
        ("a LIKE b", 7, "pattern in quotes", "use ="),
        ("a LIKE 1", 7, "pattern in quotes", "LIKE 'abc%'"),
        ("a IN ()", 6, "at least one", "IN ('a', 'b')"),
        ("a IN 'b'", 5, "list in parentheses", "IN ('a', 'b')"),
        ("a NOT 'IN'", 2, "NOT", "missing"),
        ("a IS NULL", 2, "IS", "EXISTS"),
        ("EXISTS 'a'", 7, "name of an attribute", "EXISTS subject"),
        ("EXISTS LOWER(a)", 7, "not for the result", "DATA_EXISTS"),
        ("EXISTS my_ext", 7, "name of an attribute", "EXISTS subject"),
        ("2147483648", 0, "32-bit", "DATA_GT"),
        ("a > -2147483649", 4, "32-bit", "DATA_GT"),
        ("1" * 6000, 0, "32-bit", "DATA_GT"),
        ("+ 5", 0, "plus sign", "remove"),
        ("é = 1", 0, "'é'", "remove"),
        ("a\x00", 1, "unexpected", "remove"),
        ("a\u00a0= 1", 1, "unexpected", "remove"),
        ("AND a", 0, "AND", "missing"),
    ],
)
def test_errors_name_position_and_remedy(text, position, what, remedy):
    with pytest.raises(ExpressionError) as caught:
        cesql.compile(text)
    assert caught.value.position == position
    assert what in caught.value.what
    assert remedy in (caught.value.remedy or "")


def test_the_length_is_bounded():
    longest = "'" + "a" * (cesql.MAX_LENGTH - 2) + "'"
    assert cesql.compile(longest).evaluate({}).value == longest[1:-1]
    with pytest.raises(ExpressionError, match="8193 characters"):
        cesql.compile(longest + " ")


NESTED = {
    "parentheses": "({})",
    "NOT": "NOT {}",
    "NOT in parentheses": "NOT ({})",
    "minus": "-{}",
    "minus, spaced": "- {}",
    "LIKE": "{} LIKE 'a%b%c'",
    "IN on the left": "{} IN (1, a)",
    "IN on the right": "a IN (1, {}, b)",
    "chain of =": "a = {}",
    "chain of +": "{} + 1",
    "function": "LOWER({})",
    "functions and casts": "ABS(LOWER({}))",
    "many arguments": "SUBSTRING(a, {}, 3)",
    "AND and OR": "(a AND (b OR {}))",
    "XOR": "(a XOR {})",
    "data": "DATA_EQ('/a', {})",
    "unknown function": "NOTHING({})",
    "all": "LOWER((NOT -ABS({} IN (a, 'b'))) LIKE 'x_%y')",
}


@pytest.mark.parametrize("pattern", NESTED.values(), ids=NESTED.keys())
def test_every_depth_compiles_and_runs_or_is_refused(pattern):
    """From a bare attribute up to the bound, and far beyond it: nothing but results and ExpressionError."""
    text, refused = "a", False
    for _ in range(60):
        text = pattern.format(text)
        try:
            expression = cesql.compile(text)
        except ExpressionError:
            refused = True
            break
        event = {"a": "1", "b": "0"}
        result, clause = expression.evaluate(event, {}), expression.explain(event, {})
        assert (clause.value, clause.error) == (result.value, result.error)
    before, _, after = pattern.partition("{}")
    repeats = cesql.MAX_LENGTH // len(pattern)
    with pytest.raises(ExpressionError, match="levels deep"):
        cesql.compile(before * repeats + "a" + after * repeats)
    assert refused or pattern == "({})"


def test_a_chain_of_one_operator_may_be_long():
    for operator, expected in (("AND", False), ("OR", True), ("XOR", False)):
        expression = cesql.compile(f" {operator} ".join(["a", "b"] * 400))
        assert expression.evaluate({"a": True, "b": False}).value is expected
        assert expression.explain({"a": True, "b": False}).value is expected


@pytest.mark.parametrize(
    ("text", "position", "what", "remedy"),
    [
        ("a = 1 AND NOT type = 'x'", 10, "negates type alone", "NOT (...)"),
        ("NOT a LIKE 'x'", 0, "tighter than LIKE", "NOT (...)"),
        ("lenght(a) = 1", 0, "no function LENGHT", "LENGTH"),
        ("LEFT(a) = 'x'", 0, "no function LEFT for 1", "takes 2"),
        ("data = 1", 0, "data is not an attribute", "DATA('/pointer')"),
        ("a > 'high'", 4, "not a 32-bit integer", "type Integer"),
        ("NOT 'no'", 4, "neither true nor false", "type Boolean"),
    ],
)
def test_cautions_name_what_is_hardly_meant(text, position, what, remedy):
    [caution] = cesql.compile(text).cautions
    assert caution.position == position
    assert what in caution.what
    assert remedy in caution.remedy


@pytest.mark.parametrize("text", ["(NOT a) = b", "NOT (a = b)", "NOT a AND b", "NOT EXISTS a", "time > '5'"])
def test_no_caution_without_need(text):
    assert cesql.compile(text).cautions == ()


def test_nodes_know_their_text():
    text = "(type = 'a\\'b') AND  priority NOT IN (1, -2) AND LENGTH( subject )>3"
    texts = {text[node.span.start : node.span.end] for node in cesql.walk(cesql.compile(text).tree)}
    assert texts == {
        text,
        "type = 'a\\'b'",
        "type",
        "'a\\'b'",
        "priority NOT IN (1, -2)",
        "priority",
        "1",
        "-2",
        "LENGTH( subject )>3",
        "LENGTH( subject )",
        "subject",
        "3",
    }


def test_the_attributes_that_are_mentioned():
    assert cesql.compile("EXISTS Time AND type = LOWER(source)").attributes == {"time", "type", "source"}
