"""CloudEvents SQL (CESQL) v1: compile a filter once, evaluate it against attributes and data in a microsecond."""

from omnibridge.cesql.document import Document
from omnibridge.cesql.explain import Clause
from omnibridge.cesql.expression import Expression, compile
from omnibridge.cesql.faults import ErrorKind, EvaluationFault
from omnibridge.cesql.functions import Argument, Complaint, Function
from omnibridge.cesql.necessary import Necessary
from omnibridge.cesql.parser import MAX_DEPTH, MAX_LENGTH, Caution
from omnibridge.cesql.result import Result
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
    walk,
)
from omnibridge.cesql.values import Kind, Value, attribute_text

__all__ = [
    "MAX_DEPTH",
    "MAX_LENGTH",
    "Argument",
    "Arithmetic",
    "Attribute",
    "Call",
    "Caution",
    "Clause",
    "Comparison",
    "Complaint",
    "Document",
    "ErrorKind",
    "EvaluationFault",
    "Exists",
    "Expression",
    "Function",
    "In",
    "Kind",
    "Like",
    "Literal",
    "Logic",
    "Necessary",
    "Negate",
    "Node",
    "Not",
    "Result",
    "Span",
    "Value",
    "attribute_text",
    "compile",
    "walk",
]
