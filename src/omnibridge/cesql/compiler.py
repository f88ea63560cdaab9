"""From the syntax tree to Python functions.

The emitted source consists of fixed text, offsets, and literals written by repr(): nothing of the expression's own text
is ever copied into it. Evaluation stops at the first error, which the emitted code raises; AND, OR and IN stop early.
Attributes are fetched and, where they are strings already, used without a call: this is what makes filters fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from omnibridge.cesql import values
from omnibridge.cesql.document import Document
from omnibridge.cesql.faults import ErrorKind, EvaluationFault
from omnibridge.cesql.functions import Argument, FunctionTable, invoke
from omnibridge.cesql.like import parse_pattern
from omnibridge.cesql.parser import Caution
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
    walk,
)
from omnibridge.cesql.values import INTEGER_MAX, INTEGER_MIN, Kind, Value
from omnibridge.errors import ExpressionError

__all__ = ["Observer", "Run", "TracedRun", "compile_traced", "compile_tree", "static_kind"]


class Run(Protocol):
    """The compiled expression: attributes and data to a value, or KeyError, EvaluationFault, or worse."""

    def __call__(self, attributes: Mapping[str, object], data: object, /) -> Value: ...


class Observer(Protocol):
    """Told of each node as it is evaluated: calls `thunk`, and passes on its value or its exception."""

    def __call__(self, index: int, thunk: Callable[[], Value], /) -> Value: ...


class TracedRun(Protocol):
    """The same expression, reporting every node to an observer by its number in the order of `walk`."""

    def __call__(self, attributes: Mapping[str, object], data: object, observer: Observer, /) -> Value: ...


def compile_tree(tree: Node, functions: FunctionTable) -> tuple[Run, tuple[Caution, ...]]:
    """Compile a tree of bounded depth. Raises ExpressionError where a function refuses a literal argument."""
    emitter = _Emitter(functions)
    return emitter.build(tree, "a, d"), tuple(emitter.cautions)


def compile_traced(tree: Node, functions: FunctionTable) -> TracedRun:
    """Compile a tree so that every node but the literals is reported while it runs."""
    emitter = _Emitter(functions, {id(node): index for index, node in enumerate(walk(tree))})
    return emitter.build(tree, "a, d, see")


def static_kind(node: Node, functions: FunctionTable) -> Kind:
    """The type of a node, as far as it is known before the evaluation."""
    match node:
        case Literal():
            return values.kind_of(node.value)
        case Attribute():
            return Kind.ANY
        case Negate() | Arithmetic():
            return Kind.INTEGER
        case Call():
            function = functions.resolve(node.name, len(node.arguments))
            return function.returns if function else Kind.ANY
        case _:
            return Kind.BOOLEAN


class _Emitter:
    """Writes one function. Every method answers with an expression of Python for a node."""

    def __init__(self, functions: FunctionTable, numbers: Mapping[int, int] | None = None) -> None:
        self._functions = functions
        self._numbers = numbers
        self._names: dict[str, object] = dict(_RUNTIME)
        self._uses_data = False
        self._temporaries = 0
        self.cautions: list[Caution] = []

    def build(self, tree: Node, parameters: str) -> Callable[..., Value]:
        body = self._value(tree)
        if self._uses_data:
            body = f"(lambda d: {body})(Document(d))"
        source = f"lambda {parameters}: {body}"
        return eval(compile(source, "<cesql>", "eval"), self._names)  # noqa: S307 - emitted by this class alone

    # -- values and casts

    def _kind(self, node: Node) -> Kind:
        return static_kind(node, self._functions)

    def _value(self, node: Node) -> str:
        """Code for the node's value, in its own type."""
        if isinstance(node, Literal):
            return f"({node.value!r})"
        code = self._plain(node)
        if self._numbers is not None:
            return f"see({self._numbers[id(node)]}, lambda: {code})"
        return code

    def _cast(self, node: Node, kind: Kind) -> str:
        """Code for the node's value, cast to the given type."""
        own = self._kind(node)
        if own is kind or kind is Kind.ANY:
            return self._value(node)
        if isinstance(node, Literal):
            try:
                return f"({values.convert(node.value, kind)!r})"
            except EvaluationFault as fault:
                self.cautions.append(
                    Caution(node.span.start, f"this always fails: {fault.detail}", f"write a value of type {kind}")
                )
        if isinstance(node, Attribute) and self._numbers is None:
            raw = f"a[{node.name!r}]"
            if kind is Kind.STRING:
                return f"(v if (v := {raw}).__class__ is str else text(v))"
            return f"{_CASTS[kind]}({raw})"
        return f"{_CASTS[kind]}({self._value(node)})"

    # -- nodes

    def _plain(self, node: Node) -> str:
        match node:
            case Literal():
                return f"({node.value!r})"
            case Attribute():
                return f"normal(a[{node.name!r}])"
            case Exists():
                return f"(a.get({node.name!r}) is not None)"
            case Not():
                return f"(not {self._cast(node.operand, Kind.BOOLEAN)})"
            case Negate():
                return f"negate({self._cast(node.operand, Kind.INTEGER)})"
            case Arithmetic():
                left, right = self._cast(node.left, Kind.INTEGER), self._cast(node.right, Kind.INTEGER)
                return f"{_ARITHMETIC[node.operator]}({left}, {right})"
            case Comparison():
                return self._comparison(node)
            case Logic():
                return self._logic(node)
            case Like():
                return self._like(node)
            case In():
                code = self._in(node)
                return f"(not {code})" if node.negated else code
            case Call():
                return self._call(node)

    def _comparison(self, node: Comparison) -> str:
        if node.operator not in ("=", "!="):
            left, right = self._cast(node.left, Kind.INTEGER), self._cast(node.right, Kind.INTEGER)
            return f"({left} {node.operator} {right})"
        kind = self._kind(node.right)
        if kind is Kind.ANY:
            code = f"equal({self._value(node.left)}, {self._value(node.right)})"
            return f"(not {code})" if node.operator == "!=" else code
        symbol = "==" if node.operator == "=" else "!="
        return f"({self._cast(node.left, kind)} {symbol} {self._value(node.right)})"

    def _logic(self, node: Logic) -> str:
        operands = [self._cast(operand, Kind.BOOLEAN) for operand in node.operands]
        if node.operator == "XOR":
            return f"odd(({', '.join(operands)}))"
        return f"({f' {node.operator.lower()} '.join(operands)})"

    def _like(self, node: Like) -> str:
        text, pattern = self._cast(node.operand, Kind.STRING), parse_pattern(node.pattern)
        head, tail = pattern.segments[0], pattern.segments[-1]
        simple = len(pattern.segments) == 2 and head.expression is None and tail.expression is None
        if pattern.is_exact:
            code = f"({text} == {head.literal!r})"
        elif simple and not tail.literal:
            code = f"{text}.startswith({head.literal!r})"
        elif simple and not head.literal:
            code = f"{text}.endswith({tail.literal!r})"
        else:
            code = f"{self._constant(pattern.matches)}({text})"
        return f"(not {code})" if node.negated else code

    def _in(self, node: In) -> str:
        literals = [element.value for element in node.elements if isinstance(element, Literal)]
        if len(literals) < len(node.elements):
            return self._in_expressions(node)
        kind = self._kind(node.operand)
        texts = "{" + ", ".join(repr(text) for text in sorted({values.text(one) for one in literals})) + "}"
        if kind is Kind.STRING:
            return f"({self._value(node.operand)} in {texts})"
        elements = "(" + ", ".join(repr(value) for value in literals) + ",)"
        if isinstance(node.operand, Attribute) and self._numbers is None:
            raw = f"a[{node.operand.name!r}]"
            return f"(v in {texts} if (v := {raw}).__class__ is str else is_one_of(v, {elements}))"
        return f"is_one_of({self._value(node.operand)}, {elements})"

    def _in_expressions(self, node: In) -> str:
        self._temporaries += 1
        left = f"t{self._temporaries}"
        first, *others = [self._value(element) for element in node.elements]
        tests = [f"same({left} := {self._value(node.operand)}, {first})"]
        tests += [f"same({left}, {other})" for other in others]
        return f"({' or '.join(tests)})"

    def _call(self, node: Call) -> str:
        function = self._functions.resolve(node.name, len(node.arguments))
        if function is None:
            advice = self._functions.advice(node.name)
            what = f"there is no function {node.name} for {len(node.arguments)} argument(s)"
            self.cautions.append(Caution(node.span.start, what, advice))
            return f"missing_function({what!r})"
        if function.check is not None:
            literals: list[Argument] = [
                argument.value if isinstance(argument, Literal) else None for argument in node.arguments
            ]
            complaint = function.check(literals)
            if complaint is not None:
                place = node.arguments[complaint.argument].span.start
                raise ExpressionError(complaint.what, position=place, remedy=complaint.remedy)
        arguments = [self._cast(argument, function.kind_at(index)) for index, argument in enumerate(node.arguments)]
        if function.needs_data:
            self._uses_data = True
            arguments.insert(0, "d")
        packed = f"({', '.join(arguments)},)" if arguments else "()"
        return f"invoke({self._constant(function)}, {node.span.start}, {packed})"

    def _constant(self, value: object) -> str:
        name = f"k{len(self._names)}"
        self._names[name] = value
        return name


# -- what the emitted code calls


def _in_range(number: int) -> int:
    if INTEGER_MIN <= number <= INTEGER_MAX:
        return number
    raise EvaluationFault(ErrorKind.MATH, f"{number} does not fit into 32 bits")


def _negate(number: int) -> int:
    return _in_range(-number)


def _add(left: int, right: int) -> int:
    return _in_range(left + right)


def _subtract(left: int, right: int) -> int:
    return _in_range(left - right)


def _multiply(left: int, right: int) -> int:
    return _in_range(left * right)


def _divide(left: int, right: int) -> int:
    if right == 0:
        raise EvaluationFault(ErrorKind.MATH, f"{left} is divided by zero")
    quotient = abs(left) // abs(right)  # truncated towards zero, where Python's own // rounds down
    return _in_range(quotient if (left < 0) == (right < 0) else -quotient)


def _remainder(left: int, right: int) -> int:
    if right == 0:
        raise EvaluationFault(ErrorKind.MATH, f"{left} is divided by zero")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _odd(operands: tuple[bool, ...]) -> bool:
    return operands.count(True) % 2 == 1


def _missing_function(detail: str) -> Value:
    raise EvaluationFault(ErrorKind.MISSING_FUNCTION, detail)


_CASTS = {Kind.STRING: "text", Kind.INTEGER: "integer", Kind.BOOLEAN: "boolean"}
_ARITHMETIC = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "remainder"}
_RUNTIME: dict[str, object] = {
    "__builtins__": {},
    "str": str,
    "Document": Document,
    "invoke": invoke,
    "normal": values.normal,
    "text": values.text,
    "integer": values.integer,
    "boolean": values.boolean,
    "equal": values.equal,
    "same": values.same,
    "is_one_of": values.is_one_of,
    "negate": _negate,
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "remainder": _remainder,
    "odd": _odd,
    "missing_function": _missing_function,
}
