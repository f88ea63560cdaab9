"""How an expression came to its result: every part with its text, its value and its error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from omnibridge.cesql.compiler import static_kind
from omnibridge.cesql.faults import ErrorKind
from omnibridge.cesql.functions import FunctionTable
from omnibridge.cesql.result import Result, failed
from omnibridge.cesql.syntax import Literal, Logic, Node, Span, children, walk
from omnibridge.cesql.values import Value

__all__ = ["Clause", "Tracer"]


@dataclass(frozen=True, slots=True)
class Clause:
    """One part of an expression, as it went in one evaluation.

    `value` is None where the part was not evaluated, because AND, OR or IN had already decided, or an error had ended
    the evaluation. `parts` holds what it was computed from, without the literals.
    """

    text: str
    span: Span
    node: Node
    value: Value | None
    error: ErrorKind | None
    detail: str | None
    parts: tuple[Clause, ...]

    @property
    def evaluated(self) -> bool:
        """Whether the evaluation came to this part."""
        return self.value is not None

    def walk(self) -> Iterator[Clause]:
        """This clause and all below it, parents first."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def culprits(self) -> tuple[Clause, ...]:
        """The smallest conditions to blame for no match: false or in error. Empty where the expression matched."""
        if self.value is True and self.error is None:
            return ()
        if isinstance(self.node, Logic) and self.node.operator in ("AND", "OR"):
            found = tuple(culprit for part in self.parts if part.evaluated for culprit in part.culprits())
            if found:
                return found
        return (self,) if self.evaluated else ()

    def __str__(self) -> str:
        return "\n".join(_lines(self, 0))


class Tracer:
    """Records one evaluation of a tree, node by node."""

    def __init__(self, text: str, tree: Node, functions: FunctionTable) -> None:
        self._text = text
        self._tree = tree
        self._functions = functions
        self._nodes = list(walk(tree))
        self._results: dict[int, Result] = {}

    def observe(self, index: int, thunk: Callable[[], Value]) -> Value:
        """Evaluate the node of that number, and remember how it went."""
        try:
            value = thunk()
        except Exception as reason:
            node = self._nodes[index]
            self._results[index] = failed(reason, node, static_kind(node, self._functions))
            raise
        self._results[index] = Result(value)
        return value

    def clause(self, whole: Result) -> Clause:
        """The tree of clauses. `whole` is the result of the root, which a literal has without being observed."""
        self._results.setdefault(0, whole)
        numbers = {id(node): index for index, node in enumerate(self._nodes)}
        return self._clause(self._tree, numbers)

    def _clause(self, node: Node, numbers: dict[int, int]) -> Clause:
        result = self._results.get(numbers[id(node)])
        return Clause(
            self._text[node.span.start : node.span.end],
            node.span,
            node,
            result.value if result else None,
            result.error if result else None,
            result.detail if result else None,
            tuple(self._clause(part, numbers) for part in children(node) if not isinstance(part, Literal)),
        )


def _lines(clause: Clause, level: int) -> Iterator[str]:
    if not clause.evaluated:
        outcome = "not evaluated"
    elif clause.error is not None:
        outcome = f"{clause.error}: {clause.detail}"
    else:
        outcome = repr(clause.value)
    yield f"{'  ' * level}{clause.text} → {outcome}"
    for part in clause.parts:
        yield from _lines(part, level + 1)
