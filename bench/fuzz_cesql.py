"""Throws random and mutated expressions at CESQL for a while: python bench/fuzz_cesql.py --seconds 60.

It reports how many were executed, and every text that broke a promise: compiling raises nothing but ExpressionError,
evaluating raises nothing, the three ways to evaluate agree, no match is lost to the index, nothing takes long.
"""

from __future__ import annotations

import argparse
import random
import string
import sys
import time

from omnibridge import cesql
from omnibridge.errors import ExpressionError

NAMES = ["type", "source", "subject", "n", "b", "s", "missing", "123", "data"]
FUNCTIONS = ["LENGTH", "LOWER", "ABS", "INT", "BOOL", "STRING", "CONCAT", "CONCAT_WS", "LEFT", "RIGHT", "SUBSTRING"]
FUNCTIONS += ["TRIM", "UPPER", "DATA", "DATA_EXISTS", "DATA_EQ", "DATA_GT", "NOTHING"]
STRINGS = ["", "a", "order.placed", "05", "5", "-1", "TRUE", "true", "/a", "/a/0", "/n", "%", "a%", "%a_%", "_", "\\%"]
STRINGS += ["2147483648", "é", "\x00", "\ud800", "{", "#}", "a\nb", "ſ", "1e5", "x'); import os"]
OPERATORS = ["AND", "OR", "XOR", "=", "!=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"]
VALUES = [*STRINGS, 0, 1, 5, -1, 2**31 - 1, -(2**31), 2**40, True, False, None, 1.5, b"x", "a" * 3000, "order.placed"]
DATA = [None, {"a": ["1", 2], "n": 100, "": 1}, {"a": {"0": None}, "n": 1.25}, [], "text", 7, lambda: {"a": "5"}]
PIECES = [*NAMES, *FUNCTIONS, *OPERATORS, *"()',\"\\%_.;&|! \t\n", "NOT", "IN", "LIKE", "EXISTS", "99999999999", "'a'"]
SLOW = 2.0


class Writer:
    """Writes expressions by the grammar, of bounded depth."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def quoted(self, text: str) -> str:
        quote = self._chance.choice("'\"")
        return quote + text.replace(quote, "\\" + quote) + quote

    def expression(self, depth: int) -> str:
        pick, one = self._chance.random(), self._chance.choice
        if depth <= 0 or pick < 0.2:
            kind = self._chance.random()
            if kind < 0.5:
                return one(NAMES)
            return self.quoted(one(STRINGS)) if kind < 0.8 else one(["0", "1", "-5", "2147483647", "TRUE", "false"])
        below = self.expression
        if pick < 0.35:
            return f"({below(depth - 1)})"
        if pick < 0.42:
            return f"{one(['NOT ', '-', '- '])}{below(depth - 1)}"
        if pick < 0.5:
            return f"{below(depth - 1)} {one(['', 'NOT '])}LIKE {self.quoted(one(STRINGS) + one(STRINGS))}"
        if pick < 0.57:
            items = ", ".join(below(depth - 2) for _ in range(self._chance.randint(1, 4)))
            return f"{below(depth - 1)} {one(['', 'NOT '])}IN ({items})"
        if pick < 0.6:
            return f"EXISTS {one(NAMES)}"
        if pick < 0.72:
            items = ", ".join(below(depth - 1) for _ in range(self._chance.randint(0, 3)))
            return f"{one(FUNCTIONS)}({items})"
        if pick < 0.8:
            return f"{one(NAMES)} = {self.quoted(one(STRINGS))}"
        if pick < 0.88:
            joint = f" {one(['AND', 'OR', 'XOR'])} "
            return "(" + joint.join(f"({below(depth - 1)})" for _ in range(self._chance.randint(2, 4))) + ")"
        return f"{below(depth - 1)} {one(OPERATORS)} {below(depth - 1)}"

    def mutated(self, text: str) -> str:
        for _ in range(self._chance.randint(1, 4)):
            at, size = self._chance.randint(0, len(text)), self._chance.randint(0, 6)
            match self._chance.randrange(4):
                case 0:
                    text = text[:at] + text[at + size :]
                case 1:
                    text = text[:at] + self._chance.choice(PIECES) + text[at:]
                case 2:
                    text = text[:at] + chr(self._chance.randrange(0x110000)) + text[at:]
                case _:
                    text = text[:at] + text[at : at + size] * self._chance.randint(2, 60) + text[at + size :]
        return text

    def noise(self) -> str:
        if self._chance.random() < 0.5:
            return "".join(self._chance.choices(string.printable, k=self._chance.randint(0, 60)))
        return self._chance.choice(["", " "]).join(self._chance.choices(PIECES, k=self._chance.randint(0, 40)))


def necessary_holds(expression: cesql.Expression, attributes: dict[str, object]) -> bool:
    """Whether an event that matches is one that the index would have found."""
    needed = expression.necessary()
    texts = {name: cesql.attribute_text(value) for name, value in attributes.items()}
    return all(texts.get(name) in allowed for name, allowed in needed.equals.items()) and all(
        (texts.get(name) or "").startswith(tuple(beginnings)) for name, beginnings in needed.prefixes.items()
    )


def broken_promise(text: str, chance: random.Random) -> tuple[str | None, bool]:
    """What went wrong with a text, if anything did, and whether it compiled."""
    try:
        expression = cesql.compile(text)
    except ExpressionError as error:
        inside = 0 <= error.position <= len(text) and bool(error.remedy)
        return (None if inside else f"an error without a place or remedy: {error!r}"), False
    for _ in range(3):
        attributes = {name: chance.choice(VALUES) for name in NAMES if chance.random() < 0.8}
        data = chance.choice(DATA)
        result, clause = expression.evaluate(attributes, data), expression.explain(attributes, data)
        matched = expression.matches(attributes, data)
        if type(result.value) not in (str, int, bool):
            return f"a value of another type: {result!r}", True
        if (type(clause.value), clause.value, clause.error) != (type(result.value), result.value, result.error):
            return f"explain says {clause!s}, evaluate {result!r}", True
        if matched is not (result.value is True and result.error is None):
            return f"matches says {matched}, evaluate {result!r}", True
        if matched and not necessary_holds(expression, attributes):
            return f"a match that the index loses: {attributes!r}", True
    return None, True


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--seed", type=int, default=None, help="repeats a run")
    arguments.add_argument(
        "--part",
        choices=["all", "parser", "evaluator"],
        default="all",
        help="parser: damaged texts and noise only; evaluator: texts of the grammar only",
    )
    options = arguments.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    chance = random.Random(seed)
    writer = Writer(chance)
    end = time.monotonic() + options.seconds
    executed, compiled, findings, slowest = 0, 0, 0, 0.0
    noise, damage = {"all": (0.2, 0.5), "parser": (0.4, 1.0), "evaluator": (0.0, 0.0)}[options.part]
    print(f"{options.part}, seed {seed}, {options.seconds:g} s", flush=True)
    while time.monotonic() < end:
        text = writer.expression(chance.randint(1, 7))
        way = chance.random()
        text = writer.noise() if way < noise else writer.mutated(text) if way < damage else text
        start = time.monotonic()
        try:
            finding, usable = broken_promise(text, chance)
        except Exception as error:
            finding, usable = f"{type(error).__name__} came out: {error}", False
        took = time.monotonic() - start
        if finding is None and took > SLOW:
            finding = f"took {took:.1f} s"
        slowest = max(slowest, took)
        executed, compiled = executed + 1, compiled + usable
        if finding is not None:
            findings += 1
            print(f"FOUND {text!r}\n      {finding}", flush=True)
    print(
        f"{executed:,} executions, {compiled:,} compiled and were evaluated three times, three ways each;"
        f" slowest {slowest * 1000:.0f} ms; {findings} findings"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
