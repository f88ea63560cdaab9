"""What an evaluation answers: a value of one of the three types, and the error there was, if any."""

from __future__ import annotations

from dataclasses import dataclass

from omnibridge.cesql.faults import ErrorKind, EvaluationFault
from omnibridge.cesql.syntax import Call, Node
from omnibridge.cesql.values import Kind, Value, zero

__all__ = ["Result", "failed"]


@dataclass(frozen=True, slots=True)
class Result:
    """`value` is always there; after an error it is the zero value of the type, or what the function made of it."""

    value: Value
    error: ErrorKind | None = None
    detail: str | None = None


def failed(reason: Exception, node: Node, kind: Kind) -> Result:
    """The result of a node of this type that an exception ended."""
    if isinstance(reason, EvaluationFault):
        own = isinstance(node, Call) and reason.position == node.span.start
        value = reason.value if own and reason.value is not None else zero(kind)
        return Result(value, reason.kind, reason.detail)
    if isinstance(reason, KeyError):  # only the look-up of an attribute raises it
        return Result(zero(kind), ErrorKind.MISSING_ATTRIBUTE, f"the event has no attribute {reason.args[0]!r}")
    return Result(zero(kind), ErrorKind.GENERIC, f"{type(reason).__name__} while reading the event")
