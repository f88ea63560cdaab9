"""What the author of a connector gives the kit: settings, examples in and out, and how to sign one."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeGuard, TypeVar

from omnibridge.connector import Class, Inbound, Request, Response, Sandbox, Settings
from omnibridge.errors import ConfigError
from omnibridge.event import Event
from omnibridge.model import Command, Entity

__all__ = ["Answer", "AnyConformance", "Arrival", "Conformance", "Waiver", "Write", "read_examples"]

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A delivery as the vendor sends it, unsigned; `name` is that of its golden file.

    `headers` and `query` are what belongs to it beside the signature. `required` names the fields without which it
    cannot be understood (`customer.id`, `lines[].sku`); it must bear the absence of every other one.
    """

    name: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    query: str = ""
    required: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Write:
    """Something that is delivered to the vendor; `name` is that of its golden file.

    `verb` makes the event of an entity (`order.placed`). The rest is what a `Delivery` tells beside it.
    """

    name: str
    value: Entity | Command | Event
    verb: str = "updated"
    own: str | None = None
    references: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    related: Mapping[tuple[str, str], Entity] = field(default_factory=dict[tuple[str, str], Entity])
    known: Entity | None = None
    custom: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of the vendor and what it means: one of each class that it gives, refusals inside a 200 too.

    `request` is what it answers (default: a reading GET). `after` is the wait that it asks for.
    """

    name: str
    response: Response
    means: Class
    request: Request = field(default_factory=lambda: Request("GET", "/", reads=True))
    after: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """A check that is missed for now: why, and until when. It may last a year, and only while it is needed."""

    check: str
    reason: str
    until: date


@dataclass(frozen=True, kw_only=True)
class Conformance(Generic[S]):
    """One connector's part of `conformance.py`.

    `settings` are a valid example with made-up secrets of 8 or more characters each, all different. `public` names
    settings that are called like secrets and are none, each with the reason. `sign` makes an
    unsigned delivery the vendor's. `unsigned` says why the vendor's signature does not cover the body, where it does
    not. `sandbox` makes a filled sandbox, a new one each time (default: the connector's own, empty). `now` is the
    time at which all of it happens. `golden` is the folder of golden files (default: beside `conformance.py`).

    `answers` are examples of the vendor's answers. `change` changes one thing in such a sandbox that webhooks, polls
    and reads all tell, and gives the vendor's deliveries about it. `without` names, by the check that asks for it, what
    the vendor does not have, and says why that is so: `{"signature-expired": "Acme signs no time"}`. `waivers` are what
    it misses for now. `released` is the folder of golden files of the last release.
    """

    connector: str
    settings: Mapping[str, object]
    arrivals: Sequence[Arrival] = ()
    writes: Sequence[Write] = ()
    sign: Callable[[S, Inbound], Inbound] | None = None
    unsigned: str | None = None
    public: Mapping[str, str] = field(default_factory=dict[str, str])
    sandbox: Callable[[S], Sandbox] | None = None
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    golden: Path | None = None
    answers: Sequence[Answer] = ()
    change: Callable[[S, Any], Sequence[Arrival]] | None = None
    without: Mapping[str, str] = field(default_factory=dict[str, str])
    waivers: Sequence[Waiver] = ()
    released: Path | None = None


AnyConformance = Conformance[Any]
"""One whose settings type is known only to itself."""


def read_examples(file: Path) -> list[AnyConformance]:
    """What `conformance.py` gives: CONFORMANCE, one or several. Raises ConfigError when it gives none."""
    found: object = runpy.run_path(str(file), run_name=f"omnibridge_{file.stem}").get("CONFORMANCE")
    given = found if _is_list(found) else [found]
    right = [one for one in given if _is_conformance(one)]
    if not right or len(right) != len(given):
        raise ConfigError("it must set CONFORMANCE to a Conformance, or a list of them", where=str(file))
    return right


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list | tuple)


def _is_conformance(value: object) -> TypeGuard[AnyConformance]:
    return isinstance(value, Conformance)
