"""Functions as records, the table an expression resolves its calls in, and the one place where they are called."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from omnibridge.cesql.faults import ErrorKind, EvaluationFault
from omnibridge.cesql.values import Kind, Value, convert, kind_of

__all__ = ["Argument", "Complaint", "Function", "FunctionTable", "invoke"]

Argument: TypeAlias = Value | None
"""An argument as seen while compiling: its value where it is a literal, else None."""

_NAME = re.compile(r"[A-Z][A-Z_]*")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with the literal argument of that number (from 0)."""

    argument: int
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language.

    `name` is upper-case letters and underscores; calls may write it in any case. Arguments are cast to `parameters`,
    further ones to `rest` where the function is variadic, before `call` sees them; `call` answers with a value of type
    `returns`. With `needs_data`, `call` gets a `Document` as its first argument. `check` may refuse literal arguments
    while compiling. `call` raises EvaluationFault to fail with a kind and a value; any other exception is a
    functionEvaluation error. It must be pure: no clock, no input or output, no state.
    """

    name: str
    parameters: tuple[Kind, ...]
    returns: Kind
    call: Callable[..., Value]
    rest: Kind | None = None
    needs_data: bool = False
    check: Callable[[Sequence[Argument]], Complaint | None] | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no function name: write upper-case letters and underscores")

    def kind_at(self, index: int) -> Kind:
        """The type of the argument of that number (from 0)."""
        if index < len(self.parameters):
            return self.parameters[index]
        return self.rest or Kind.ANY


class FunctionTable:
    """Functions by name and number of arguments. Raises ValueError where two could answer the same call."""

    def __init__(self, functions: Iterable[Function]) -> None:
        self._overloads: dict[str, list[Function]] = {}
        for function in functions:
            overloads = self._overloads.setdefault(function.name, [])
            for other in overloads:
                if _clash(function, other):
                    raise ValueError(
                        f"{function.name} is defined twice for the same number of arguments: use another name"
                    )
            overloads.append(function)

    def resolve(self, name: str, count: int) -> Function | None:
        """The function that a call with so many arguments means, or None."""
        for function in self._overloads.get(name, ()):
            fixed = len(function.parameters)
            if count == fixed or (function.rest is not None and count > fixed):
                return function
        return None

    def advice(self, name: str) -> str:
        """What to do about a call that nothing answers."""
        overloads = self._overloads.get(name)
        if overloads:
            counts = sorted(f"{len(one.parameters)}{' or more' if one.rest else ''}" for one in overloads)
            return f"{name} takes {', or '.join(counts)} argument(s)"
        near = difflib.get_close_matches(name, self._overloads, 1)
        return f"did you mean {near[0]}?" if near else "register the function, or correct its name"


def invoke(function: Function, position: int, arguments: tuple[object, ...]) -> Value:
    """Call a function with cast arguments; `position` is where the call stands. Raises nothing but EvaluationFault."""
    try:
        return _checked(function, function.call(*arguments))
    except EvaluationFault as fault:
        fault.position = position
        fault.value = _fallback(function, fault.value)
        raise
    except Exception as error:
        raise EvaluationFault(
            ErrorKind.FUNCTION_EVALUATION, f"{function.name} failed: {type(error).__name__}"
        ) from error


def _checked(function: Function, value: object) -> Value:
    # Authors of functions can get it wrong, whatever the annotation of `call` says.
    if not isinstance(value, str | int):
        raise EvaluationFault(ErrorKind.FUNCTION_EVALUATION, f"{function.name} answered with a {type(value).__name__}")
    result = convert(value, Kind.ANY)
    if function.returns not in (Kind.ANY, kind_of(result)):
        raise EvaluationFault(
            ErrorKind.FUNCTION_EVALUATION, f"{function.name} answered with a {kind_of(result)}, not {function.returns}"
        )
    return result


def _fallback(function: Function, value: Value | None) -> Value | None:
    try:
        return None if value is None else _checked(function, value)
    except EvaluationFault:
        return None


def _clash(one: Function, other: Function) -> bool:
    low, high = sorted((one, other), key=lambda function: len(function.parameters))
    if len(low.parameters) == len(high.parameters) or (low.rest and high.rest):
        return True
    return low.rest is not None
