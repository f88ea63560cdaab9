"""The text of a CESQL expression, cut into tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from omnibridge.errors import ExpressionError

__all__ = ["Token", "TokenKind", "tokenize"]


class TokenKind(StrEnum):
    """What a token is; KEYWORD and SYMBOL carry which one in `Token.text`."""

    NAME = "name"
    INTEGER = "integer"
    STRING = "string"
    KEYWORD = "keyword"
    SYMBOL = "symbol"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is upper-case for keywords, unescaped for strings, as written for the rest; offsets in characters."""

    kind: TokenKind
    text: str
    start: int
    end: int


KEYWORDS = frozenset({"AND", "OR", "XOR", "NOT", "LIKE", "EXISTS", "IN", "TRUE", "FALSE"})

# The quantifiers are possessive, and the alternatives exclude each other: one pass, whatever the text.
_TOKEN = re.compile(
    r"""
      (?P<space> [\ \t\r\n]++ )
    | (?P<word> [A-Za-z0-9_]++ )
    | (?P<string> '(?: [^'\\] | \\. )*+' | "(?: [^"\\] | \\. )*+" )
    | (?P<symbol> != | <> | <= | >= | [=<>+\-*/%(),] )
    """,
    re.VERBOSE | re.DOTALL,
)
_FUNCTION_NAME = re.compile(r"[A-Za-z][A-Za-z_]*+")

_REMEDIES = {
    "!": "write NOT for a negation and != for unequal",
    "&": "write AND",
    "|": "write OR; CONCAT joins strings",
    ".": "attribute names have no dots; DATA('/totals/amount') reads the data",
    "`": "strings stand in single or double quotes, attribute names in none",
    "[": "lists stand in parentheses: type IN ('a', 'b')",
    ";": "an expression is one condition without a closing semicolon",
    "#": "comments are not part of the language",
}


def tokenize(text: str) -> list[Token]:
    """Cut a text into tokens, closed by one END token. Raises ExpressionError with the offset of what is no token."""
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _unreadable(text, position)
        start, position = position, found.end()
        match found.lastgroup:
            case "word":
                tokens.append(_word(text, start, position))
            case "string":
                tokens.append(_string(text, start, position))
            case "symbol":
                tokens.append(_symbol(tokens, text, start, position))
            case _:
                pass
    tokens.append(Token(TokenKind.END, "", len(text), len(text)))
    return tokens


def _word(text: str, start: int, end: int) -> Token:
    word = text[start:end]
    if word.upper() in KEYWORDS:
        return Token(TokenKind.KEYWORD, word.upper(), start, end)
    if word.isdecimal():
        return Token(TokenKind.INTEGER, word, start, end)
    # Underscores belong to function names only, and those have no digits.
    if "_" in word and not _FUNCTION_NAME.fullmatch(word):
        raise ExpressionError(
            f"{word!r} is neither an attribute nor a function name",
            position=start,
            remedy="attribute names have letters a-z and digits only; function names letters and underscores only",
        )
    return Token(TokenKind.NAME, word, start, end)


def _string(text: str, start: int, end: int) -> Token:
    quote = text[start]
    # Only the escape of the surrounding quote is undone here; LIKE undoes its own.
    return Token(TokenKind.STRING, text[start + 1 : end - 1].replace("\\" + quote, quote), start, end)


def _symbol(tokens: list[Token], text: str, start: int, end: int) -> Token:
    symbol = text[start:end]
    before = tokens[-1] if tokens else None
    if symbol == "=" and before == Token(TokenKind.SYMBOL, "=", start - 1, start):
        raise ExpressionError("== is not an operator", position=start - 1, remedy="write a single =")
    return Token(TokenKind.SYMBOL, "!=" if symbol == "<>" else symbol, start, end)


def _unreadable(text: str, position: int) -> ExpressionError:
    character = text[position]
    if character in "'\"":
        return ExpressionError(
            "the string that begins here has no end",
            position=position,
            remedy=f"close it with {character}; a quote inside is written \\{character}",
        )
    return ExpressionError(
        f"unexpected character {character!r}", position=position, remedy=_REMEDIES.get(character, "remove it")
    )
