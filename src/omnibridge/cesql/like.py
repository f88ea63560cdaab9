"""LIKE patterns: parsed once, matched in one walk from left to right.

No quantifier ever reaches the regular expression engine. A pattern is cut at its `%` into segments of fixed length;
each is looked for once, at the leftmost place after the one before, so nothing is ever tried again. The cost is at
most the length of the text times the length of the longest segment that has a `_`, and linear without `_`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Pattern", "Segment", "parse_pattern"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of pattern without `%`. `literal` is how it begins: all of it, unless an `expression` is needed."""

    length: int
    literal: str
    expression: re.Pattern[str] | None

    def find(self, text: str, start: int, stop: int) -> int:
        """The leftmost place in text[start:stop] where the segment fits, or -1."""
        if self.expression is None:
            return text.find(self.literal, start, stop)
        found = self.expression.search(text, start, stop)
        return found.start() if found else -1

    def fits(self, text: str, at: int) -> bool:
        """Whether the segment fits exactly at this place."""
        if self.expression is None:
            return text.startswith(self.literal, at)
        return self.expression.match(text, at) is not None


@dataclass(frozen=True, slots=True)
class Pattern:
    """The segments between the `%` of a pattern; a single one means that there is no `%`."""

    segments: tuple[Segment, ...]

    @property
    def prefix(self) -> str:
        """What every matching text begins with; the whole text if `is_exact`."""
        return self.segments[0].literal

    @property
    def is_exact(self) -> bool:
        """Whether the pattern has no wildcard."""
        return len(self.segments) == 1 and self.segments[0].expression is None

    def matches(self, text: str) -> bool:
        """Whether the whole text fits the pattern."""
        head, tail = self.segments[0], self.segments[-1]
        if len(self.segments) == 1:
            return len(text) == head.length and head.fits(text, 0)
        stop = len(text) - tail.length
        if stop < head.length or not head.fits(text, 0) or not tail.fits(text, stop):
            return False
        at = head.length
        for segment in self.segments[1:-1]:
            # The leftmost place leaves the most room for what follows: a later one could never save the match.
            at = segment.find(text, at, stop)
            if at < 0:
                return False
            at += segment.length
        return True


def parse_pattern(pattern: str) -> Pattern:
    r"""Read a pattern: `%` any run, `_` any one character, `\%` and `\_` themselves, any other `\` itself."""
    segments: list[Segment] = []
    current: list[str | None] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "\\" and pattern[position + 1 : position + 2] in ("%", "_"):
            current.append(pattern[position + 1])
            position += 2
            continue
        position += 1
        if character != "%":
            current.append(None if character == "_" else character)
        elif current or not segments:
            # Several % in a row are one; only the first segment may be empty here.
            segments.append(_segment(current))
            current = []
    segments.append(_segment(current))
    return Pattern(tuple(segments))


def _segment(characters: list[str | None]) -> Segment:
    start = ""
    for one in characters:
        if one is None:
            source = "".join("." if one is None else re.escape(one) for one in characters)
            return Segment(len(characters), start, re.compile(source, re.DOTALL))
        start += one
    return Segment(len(characters), start, None)
