"""What can go wrong while an expression is evaluated: the kinds of the specification and the carrier of one."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["ErrorKind", "EvaluationFault"]


class ErrorKind(StrEnum):
    """The specification's error kinds. PARSE never comes out of an evaluation: `compile` raises instead."""

    PARSE = "parse"
    MATH = "math"
    CAST = "cast"
    MISSING_ATTRIBUTE = "missingAttribute"
    MISSING_FUNCTION = "missingFunction"
    FUNCTION_EVALUATION = "functionEvaluation"
    GENERIC = "generic"


class EvaluationFault(Exception):
    """Raised by a function that cannot answer; it never leaves `Expression`.

    `value` is what the call itself evaluates to (None: the zero value of its type). `position` is filled in by the
    caller of the function: the offset of the call in the expression.
    """

    def __init__(self, kind: ErrorKind, detail: str, *, value: str | int | bool | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.value = value
        self.position: int | None = None
