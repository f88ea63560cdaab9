"""A compiled CESQL expression, and how to get one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from omnibridge.cesql.compiler import TracedRun, compile_traced, compile_tree, static_kind
from omnibridge.cesql.document import DATA_FUNCTIONS
from omnibridge.cesql.explain import Clause, Tracer
from omnibridge.cesql.functions import Function, FunctionTable
from omnibridge.cesql.necessary import Necessary, necessary_of
from omnibridge.cesql.parser import Caution, parse
from omnibridge.cesql.result import Result, failed
from omnibridge.cesql.standard import STANDARD_FUNCTIONS
from omnibridge.cesql.syntax import Attribute, Call, Exists, Logic, Node, walk
from omnibridge.cesql.values import Kind
from omnibridge.errors import ExpressionError

__all__ = ["Expression", "compile"]

_BUILT_IN = (*STANDARD_FUNCTIONS, *DATA_FUNCTIONS)
_BUILT_IN_TABLE = FunctionTable(_BUILT_IN)
_TRUE, _FALSE = Result(True), Result(False)
"""What filters nearly always answer; to make it anew costs as much as to find it out."""


class Expression:
    """A compiled expression. Made by `compile`; immutable, and safe to use from several threads.

    `attributes` maps lower-case attribute names to strings, booleans or integers (timestamps, URLs and bytes become
    strings; None is unset). `data` is the parsed JSON value, or a function without arguments that returns it: it is
    called at most once an evaluation, and only where the evaluation comes to a function that reads the data.
    """

    __slots__ = ("_functions", "_kind", "_run", "_traced", "cautions", "text", "tree")

    def __init__(self, text: str, tree: Node, cautions: Iterable[Caution], functions: FunctionTable) -> None:
        self._run, more = compile_tree(tree, functions)
        self._functions = functions
        self._kind = static_kind(tree, functions)
        self._traced: TracedRun | None = None
        self.text: str = text
        self.tree: Node = tree
        self.cautions: tuple[Caution, ...] = tuple(sorted((*cautions, *more), key=lambda caution: caution.position))

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    @property
    def kind(self) -> Kind:
        """The type of its value, as far as the text alone tells it. What is no Boolean never matches."""
        return self._kind

    @property
    def attributes(self) -> frozenset[str]:
        """The names of all attributes that the expression mentions."""
        return frozenset(node.name for node in walk(self.tree) if isinstance(node, Attribute | Exists))

    @property
    def reads_data(self) -> bool:
        """Whether a function of the expression reads the event's data."""
        return any(
            function is not None and function.needs_data
            for function in (
                self._functions.resolve(node.name, len(node.arguments))
                for node in walk(self.tree)
                if isinstance(node, Call)
            )
        )

    def matches(self, attributes: Mapping[str, object], data: object = None) -> bool:
        """Whether the expression is true of an event. An error, or a value that is no Boolean, is no match."""
        try:
            return self._run(attributes, data) is True
        except Exception:
            return False

    def evaluate(self, attributes: Mapping[str, object], data: object = None) -> Result:
        """The value of the expression, and the first error. Never raises."""
        try:
            value = self._run(attributes, data)
        except Exception as reason:
            return failed(reason, self.tree, self._kind)
        return _TRUE if value is True else _FALSE if value is False else Result(value)

    def explain(self, attributes: Mapping[str, object], data: object = None) -> Clause:
        """The evaluation, part by part; its root has the value and error that `evaluate` gives. Never raises.

        Slower than `evaluate` by a factor of about ten, and more the first time: for people, not for routing.
        """
        if self._traced is None:
            self._traced = compile_traced(self.tree, self._functions)
        tracer = Tracer(self.text, self.tree, self._functions)
        try:
            whole = Result(self._traced(attributes, data, tracer.observe))
        except Exception as reason:
            whole = failed(reason, self.tree, self._kind)
        return tracer.clause(whole)

    def necessary(self) -> Necessary:
        """Conditions on attributes that hold wherever this expression matches."""
        return necessary_of(self.tree)

    def conjuncts(self) -> tuple[Expression, ...]:
        """Expressions that all match exactly where this one does: the operands of its ANDs, in order.

        Each keeps the whole text, and in its tree the spans within it; cautions stay with the whole.
        """
        parts = tuple(self._conjuncts(self.tree))
        return tuple(Expression(self.text, part, (), self._functions) for part in parts) if len(parts) > 1 else (self,)

    def _conjuncts(self, node: Node) -> Iterator[Node]:
        if isinstance(node, Logic) and node.operator == "AND":
            for operand in node.operands:
                yield from self._conjuncts(operand)
        elif node is self.tree or static_kind(node, self._functions) is Kind.BOOLEAN:
            yield node
        else:  # AND casts its operands, `matches` does not
            yield Logic(node.span, "AND", (node,))


def compile(
    text: str, *, functions: Iterable[Function] = (), rewrite: Callable[[Node], Node] | None = None
) -> Expression:
    """Compile a CESQL v1 expression; `functions` come on top of the built-in ones.

    `rewrite` may put another tree in the place of the one that was read; nodes keep the spans that they stand for.
    Raises ExpressionError, with position and remedy, for a text that is not in the language, too long or nested too
    deep, that mixes AND, OR and XOR without parentheses, or that gives a built-in function a literal it cannot use.
    Raises ValueError where a function is defined twice. What compiles but is hardly meant is in `Expression.cautions`.
    """
    own = tuple(functions)
    table = FunctionTable((*_BUILT_IN, *own)) if own else _BUILT_IN_TABLE
    try:
        parsed = parse(text)
        tree = rewrite(parsed.tree) if rewrite is not None else parsed.tree
        return Expression(text, tree, parsed.cautions, table)
    except RecursionError as error:  # only where the caller itself had nearly used up Python's stack
        raise ExpressionError(
            "the expression is nested too deep for the stack that is left", position=0, remedy="remove parentheses"
        ) from error
