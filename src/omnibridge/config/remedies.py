"""What to do about what a reader of TOML or of a section's shape found wrong: one remedy for each kind of mistake."""

from __future__ import annotations

import re

__all__ = ["place_in_toml", "remedy_of_shape", "remedy_of_toml"]

_BY_KIND = (
    ("extra_forbidden", "check the spelling, or remove it"),
    ("missing", "add it"),
    ("string_too_short", "give a value, or remove the line"),
    ("string_too_long", "shorten it"),
    ("string_pattern_mismatch", "write it in the form of the pattern"),
    ("string", 'write text, in quotes: "..."'),
    ("int", "write a whole number"),
    ("float", "write a number"),
    ("finite_number", "write an ordinary number"),
    ("decimal", 'write a number, in quotes: "129.90"'),
    ("bool", "write true or false"),
    ("date", "write a date, such as 2030-01-31"),
    ("time", "write a time, such as 08:30"),
    ("list", 'write a list, in brackets: ["..."]'),
    ("tuple", 'write a list, in brackets: ["..."]'),
    ("set", 'write a list, in brackets: ["..."]'),
    ("dict", "write a table: { name = ... }, or lines below a header of its own in brackets"),
    ("model", "write a table: { name = ... }, or lines below a header of its own in brackets"),
    ("literal_error", "write one of them"),
    ("enum", "write one of them"),
    ("greater_than", "write a larger one"),
    ("less_than", "write a smaller one"),
    ("too_short", "give a value, or remove the line"),
    ("too_long", "leave some out"),
    ("url", "write an address such as https://shop.example.com"),
)
"""Kinds of pydantic's errors, by how their names begin; the first that fits counts."""
_TWICE = ("Cannot overwrite", "Cannot declare", "Cannot mutate", "Duplicate inline table key", "Cannot redefine")
_BY_TOML = (
    *((words, "something is set twice there; leave one of them") for words in _TWICE),
    ("Illegal character '\\n'", 'a text ends on the line where it began: write the closing "'),
    ("Unescaped '\\'", "in double quotes a backslash is written \\\\; in single quotes as it is"),
    ("Unterminated string", "close the quotes"),
    ("Invalid value", 'write text in quotes: "..."'),
    ("Expected '=' after a key", "write name = value, and the header of a table in brackets"),
    ("Expected ']'", "close the bracket"),
    ("Unclosed", "close the bracket"),
)
_IN_TOML = re.compile(r" \(at line (\d+), column \d+\)$")


def remedy_of_shape(kind: str, section: str) -> str:
    """What to do about one of pydantic's errors; where that is not known, `section` says where the shape is told."""
    return next((remedy for begin, remedy in _BY_KIND if kind.startswith(begin)), f"`{section}` says what it takes")


def remedy_of_toml(message: str) -> str:
    """What to do about a message of the standard library's reader."""
    return next((remedy for words, remedy in _BY_TOML if words in message), "mend the line")


def place_in_toml(message: str, text: str) -> int:
    """The line, from 1, that such a message is about; the last one where it names the end of the file."""
    found = _IN_TOML.search(message)
    return int(found[1]) if found else max(1, len(text.splitlines()))
