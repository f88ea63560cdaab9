"""From tokens to the syntax tree: precedence climbing, with bounds on length and depth.

Tightest first: function calls; NOT and unary -; LIKE; EXISTS; IN; * / %; + -; comparisons; AND, OR, XOR. The last
three stand on one level, and the specification leaves open how they group: where they mix, parentheses are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from omnibridge.cesql.lexer import Token, TokenKind, tokenize
from omnibridge.cesql.syntax import (
    Arithmetic,
    Attribute,
    Call,
    Comparison,
    Exists,
    In,
    Like,
    Literal,
    Logic,
    Negate,
    Node,
    Not,
    Span,
    deepest,
)
from omnibridge.cesql.values import INTEGER_MAX, INTEGER_MIN
from omnibridge.errors import ExpressionError

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "Caution", "Parsed", "parse"]

MAX_LENGTH = 8192
"""The longest text accepted, in characters."""

MAX_DEPTH = 40
"""The deepest tree accepted. A chain of one logical operator is one level, however long."""

# Parentheses around a condition count here, and not in the tree; so they may go deeper.
_MAX_NESTING = 2 * MAX_DEPTH

_LOGIC, _COMPARE, _ADD, _MULTIPLY, _IN, _LIKE, _UNARY = range(10, 80, 10)

_POWERS = {
    "AND": _LOGIC,
    "OR": _LOGIC,
    "XOR": _LOGIC,
    "=": _COMPARE,
    "!=": _COMPARE,
    "<": _COMPARE,
    "<=": _COMPARE,
    ">": _COMPARE,
    ">=": _COMPARE,
    "+": _ADD,
    "-": _ADD,
    "*": _MULTIPLY,
    "/": _MULTIPLY,
    "%": _MULTIPLY,
    "IN": _IN,
    "LIKE": _LIKE,
}


@dataclass(frozen=True, slots=True)
class Caution:
    """Something that compiles but is hardly meant; `position` is an offset in characters."""

    position: int
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """The tree, and what its author may want to reconsider."""

    tree: Node
    cautions: tuple[Caution, ...]


def parse(text: str) -> Parsed:
    """Parse one expression. Raises ExpressionError with position and remedy; the depth of its recursion is bounded."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"the expression has {len(text)} characters; {MAX_LENGTH} are allowed",
            position=MAX_LENGTH,
            remedy="split it into several filters",
        )
    parser = _Parser(text, tokenize(text))
    tree = parser.whole()
    levels, last = deepest(tree)
    if levels > MAX_DEPTH:
        raise _too_deep(last.span.start)
    return Parsed(tree, tuple(parser.cautions))


class _Parser:
    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._next = 0
        self._depth = 0
        self.cautions: list[Caution] = []

    # -- tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _advance(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _at(self, text: str) -> bool:
        token = self._token
        return token.text == text and token.kind in (TokenKind.SYMBOL, TokenKind.KEYWORD)

    def _expect(self, text: str, what: str, remedy: str) -> Token:
        if not self._at(text):
            raise ExpressionError(f"{what}, but found {self._found()}", position=self._token.start, remedy=remedy)
        return self._advance()

    def _found(self) -> str:
        token = self._token
        if token.kind is TokenKind.END:
            return "the end of the expression"
        return self._text[token.start : min(token.end, token.start + 30)]

    # -- grammar

    def whole(self) -> Node:
        if len(self._tokens) == 1:
            raise ExpressionError(
                "the expression is empty", position=0, remedy="write a condition, or TRUE to match every event"
            )
        tree = self._expression(0)
        if self._token.kind is not TokenKind.END:
            raise self._misplaced()
        return tree

    def _expression(self, least: int) -> Node:
        self._depth += 1
        if self._depth > _MAX_NESTING:
            raise _too_deep(self._token.start)
        opening = self._token
        left = self._prefix()
        while (power := self._power()) > least:
            if power > _LOGIC:
                self._doubt_not(opening, left)
            left = self._infix(left, opening.start, power)
        self._depth -= 1
        return left

    def _power(self) -> int:
        token = self._token
        if token.kind not in (TokenKind.SYMBOL, TokenKind.KEYWORD):
            return 0
        if token.text == "NOT":  # x NOT IN (...), x NOT LIKE '...'
            after = self._tokens[self._next + 1]
            return _POWERS[after.text] if after.kind is TokenKind.KEYWORD and after.text in ("IN", "LIKE") else 0
        return _POWERS.get(token.text, 0)

    def _infix(self, left: Node, start: int, power: int) -> Node:
        if power == _LOGIC:
            return self._logic(left, start)
        negated = self._at("NOT")
        if negated:
            self._advance()
        operator = self._advance().text
        if power == _LIKE:
            return self._like(left, start, negated)
        if power == _IN:
            elements, end = self._list()
            if not elements:
                raise ExpressionError("IN needs at least one value", position=end - 1, remedy="write IN ('a', 'b')")
            return In(Span(start, end), left, elements, negated)
        right = self._expression(power)
        span = Span(start, self._end())
        if power == _COMPARE:
            return Comparison(span, operator, left, right)
        return Arithmetic(span, operator, left, right)

    def _logic(self, left: Node, start: int) -> Node:
        first = self._token
        operands = [left]
        while self._power() == _LOGIC:
            token = self._token
            if token.text != first.text:
                raise ExpressionError(
                    f"{first.text} and {token.text} stand side by side, and nothing says which comes first",
                    position=token.start,
                    remedy=f"add parentheses: (a {first.text} b) {token.text} c, or a {first.text} (b {token.text} c)",
                )
            self._advance()
            operands.append(self._expression(_LOGIC))
        return Logic(Span(start, self._end()), first.text, tuple(operands))

    def _like(self, left: Node, start: int, negated: bool) -> Node:
        token = self._token
        if token.kind is not TokenKind.STRING:
            raise ExpressionError(
                f"LIKE needs a pattern in quotes, but found {self._found()}",
                position=token.start,
                remedy="write LIKE 'abc%'; to compare with an attribute use =",
            )
        self._advance()
        return Like(Span(start, token.end), left, token.text, negated)

    def _prefix(self) -> Node:
        token = self._token
        match token.kind:
            case TokenKind.STRING:
                self._advance()
                return Literal(Span(token.start, token.end), token.text)
            case TokenKind.INTEGER:
                self._advance()
                return _integer(token.text, token.start, token.end)
            case TokenKind.NAME:
                self._advance()
                return self._name(token)
            case TokenKind.KEYWORD | TokenKind.SYMBOL:
                return self._operator_or_group(token)
            case TokenKind.END:
                raise ExpressionError(
                    "the expression ends where a value is expected",
                    position=token.start,
                    remedy="complete the last condition, or remove its operator",
                )

    def _operator_or_group(self, token: Token) -> Node:
        match token.text:
            case "TRUE" | "FALSE":
                self._advance()
                return Literal(Span(token.start, token.end), token.text == "TRUE")
            case "NOT":
                self._advance()
                operand = self._expression(_UNARY)
                return Not(Span(token.start, self._end()), operand)
            case "-" | "+":
                return self._sign(token)
            case "EXISTS":
                return self._exists()
            case "(":
                self._advance()
                inner = self._expression(0)
                self._expect(
                    ")", f"the parenthesis at {token.start} is not closed", "close it, or remove the opening one"
                )
                return inner
            case _:
                raise self._misplaced()

    def _sign(self, token: Token) -> Node:
        self._advance()
        digits = self._token
        # A sign that touches its digits is part of the number, so that -2147483648 can be written at all.
        if digits.kind is TokenKind.INTEGER and digits.start == token.end:
            self._advance()
            return _integer(token.text + digits.text, token.start, digits.end)
        if token.text == "+":
            raise ExpressionError(
                "a plus sign needs a number right behind it", position=token.start, remedy="remove the plus sign"
            )
        operand = self._expression(_UNARY)
        return Negate(Span(token.start, self._end()), operand)

    def _exists(self) -> Node:
        start = self._advance().start
        name = self._token
        if name.kind not in (TokenKind.NAME, TokenKind.INTEGER) or "_" in name.text:
            raise ExpressionError(
                f"EXISTS needs the name of an attribute, but found {self._found()}",
                position=name.start,
                remedy="write EXISTS subject; DATA_EXISTS('/pointer') asks for a part of the data",
            )
        self._advance()
        if self._at("("):
            raise ExpressionError(
                "EXISTS asks for an attribute, not for the result of a function",
                position=name.start,
                remedy="write EXISTS subject; DATA_EXISTS('/pointer') asks for a part of the data",
            )
        return Exists(Span(start, name.end), name.text.lower())

    def _name(self, token: Token) -> Node:
        if self._at("("):
            if any(character.isdigit() for character in token.text):
                raise ExpressionError(
                    f"{token.text!r} cannot be a function: their names have letters and underscores only",
                    position=token.start,
                    remedy="correct the name, or write the operator that is missing before the parenthesis",
                )
            arguments, end = self._list()
            return Call(Span(token.start, end), token.text.upper(), arguments)
        if "_" in token.text:
            raise ExpressionError(
                f"{token.text!r} cannot be an attribute: their names have letters a-z and digits only",
                position=token.start,
                remedy="remove the underscore, or write the parentheses of the function",
            )
        name = token.text.lower()
        if name == "data":
            remedy = "read a part of the data with DATA('/pointer')"
            self.cautions.append(Caution(token.start, "data is not an attribute, so this always fails", remedy))
        return Attribute(Span(token.start, token.end), name)

    def _list(self) -> tuple[tuple[Node, ...], int]:
        opening = self._expect("(", "a list in parentheses is expected", "write IN ('a', 'b')")
        items: list[Node] = []
        while not self._at(")"):
            if items:
                self._expect(
                    ",",
                    f"the list that opens at {opening.start} goes on without a comma",
                    "put a comma between the values, or close the list",
                )
            items.append(self._expression(0))
        return tuple(items), self._advance().end

    def _end(self) -> int:
        return self._tokens[self._next - 1].end

    def _doubt_not(self, opening: Token, left: Node) -> None:
        if isinstance(left, Not) and opening.kind is TokenKind.KEYWORD and opening.text == "NOT":
            inside = self._text[left.operand.span.start : left.operand.span.end]
            self.cautions.append(
                Caution(
                    opening.start,
                    f"NOT binds tighter than {self._token.text}: it negates {inside} alone",
                    "write NOT (...) around the whole condition, or (NOT ...) if this is meant",
                )
            )

    def _misplaced(self) -> ExpressionError:
        token, before = self._token, self._tokens[self._next - 1]
        remedy = "write AND or OR between two conditions, or remove it"
        if token.kind is TokenKind.STRING and self._next and before.kind is TokenKind.STRING:
            remedy = "a quote inside a string is written \\' or \\\", not doubled"
        elif token.text.upper() == "IS":
            remedy = "write EXISTS name, or NOT EXISTS name"
        elif token.text == ")" and (not self._next or before.text not in (",", "NOT", *_POWERS)):
            remedy = "remove it, or open a parenthesis before it"
        elif token.kind in (TokenKind.SYMBOL, TokenKind.KEYWORD):
            remedy = "a value is missing before or after an operator"
        return ExpressionError(f"{self._found()} does not fit here", position=token.start, remedy=remedy)


def _integer(digits: str, start: int, end: int) -> Literal:
    # Leading zeros are dropped before the conversion, which refuses very long numbers.
    sign, number = (digits[0], digits[1:]) if digits[0] in "+-" else ("", digits)
    number = number.lstrip("0") or "0"
    if len(number) <= len(str(INTEGER_MAX)):
        value = int(sign + number)
        if INTEGER_MIN <= value <= INTEGER_MAX:
            return Literal(Span(start, end), value)
    raise ExpressionError(
        "the number does not fit into a 32-bit integer",
        position=start,
        remedy="compare large numbers and decimals in the data with DATA_GT('/pointer', '100') and its kin",
    )


def _too_deep(position: int) -> ExpressionError:
    return ExpressionError(
        f"the expression is nested more than {MAX_DEPTH} levels deep",
        position=position,
        remedy="remove parentheses, split a long sum, or use several filters",
    )
