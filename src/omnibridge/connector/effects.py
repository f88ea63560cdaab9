"""What an author's coroutine may await: values that say what it wants, each performed by whoever drives it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from omnibridge.connector.delivery import Reference
from omnibridge.connector.exchange import Request
from omnibridge.connector.observation import Observation

__all__ = ["Await", "Cursor", "Effect", "Emit", "Fetch", "Keep", "Now", "Send", "Slice"]

R = TypeVar("R")
Cursor = Mapping[str, Any]
"""Where a poll stands: a JSON object that the connector understands, `{}` never being one."""


@dataclass(frozen=True, slots=True)
class Send:
    """Perform a request."""

    request: Request


@dataclass(frozen=True, slots=True)
class Fetch:
    """Bring the answer to a GET into a file, of at most `most` bytes; with `gzip`, what is packed in it.

    `signed`: its address alone is the permission, so it may stand on any host, and nothing secret goes there.
    """

    request: Request
    most: int
    gzip: bool = False
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """Give bytes of a fetched file: at most `size`, fewer only at its end. `number` counts the files of an exchange."""

    number: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Keep:
    """Commit a reference before going on."""

    reference: Reference


@dataclass(frozen=True, slots=True)
class Emit:
    """Commit observations together with the cursor that comes after them."""

    observations: tuple[Observation, ...]
    cursor: Cursor | None


@dataclass(frozen=True, slots=True)
class Now:
    """Tell the wall time."""


Effect = Send | Fetch | Slice | Keep | Emit | Now


class Await(Generic[R]):
    """One effect, as something to await."""

    __slots__ = ("_effect",)

    def __init__(self, effect: Effect) -> None:
        self._effect = effect

    def __await__(self) -> Generator[Effect, R, R]:
        return (yield self._effect)
