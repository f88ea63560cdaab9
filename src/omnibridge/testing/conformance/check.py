"""What a check is, how one ends, and the tiers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from omnibridge.testing.conformance.subject import Blocked, Missed, NotApplicable, Subject

__all__ = ["Check", "End", "Result", "Tier", "bronze", "run_check"]


class Tier(StrEnum):
    """How far a connector can be trusted; each tier holds the ones before it."""

    BRONZE = "bronze"

    @property
    def meaning(self) -> str:
        """What a connector of this tier does."""
        return "It loads, can be configured, does not leak, and understands what it says it understands."

    @property
    def includes(self) -> tuple[Tier, ...]:
        """This tier and the ones before it."""
        return tuple(Tier)[: tuple(Tier).index(self) + 1]


@dataclass(frozen=True)
class Check:
    """One promise. `means` says what must hold, `why` what breaks otherwise, `mend` what to do about a miss."""

    id: str
    tier: Tier
    means: str
    why: str
    mend: str
    run: Callable[[Subject], None]


class End(StrEnum):
    """How a check ended. Only `passed` and `not applicable` are no miss."""

    PASSED = "passed"
    MISSED = "missed"
    BLOCKED = "blocked"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Result:
    """How one check of one connector ended, and what was seen. `error` is a bug that it ran into."""

    check: Check
    connector: str
    end: End
    told: str = ""
    error: BaseException | None = None

    @property
    def good(self) -> bool:
        """Whether nothing stands against the tier."""
        return self.end in (End.PASSED, End.NOT_APPLICABLE)


Run = Callable[[Subject], None]


def bronze(*, why: str, mend: str) -> Callable[[Run], Check]:
    """Makes a bronze check of a function: its name is the check's, its docstring what must hold."""

    def make(run: Run) -> Check:
        means = inspect.cleandoc(run.__doc__ or "").replace("\n", " ")
        return Check(run.__name__.replace("_", "-"), Tier.BRONZE, means, why, mend, run)

    return make


def run_check(check: Check, subject: Subject) -> Result:
    """Try one connector. A connector's own error is a miss; nothing but an interruption is raised."""
    try:
        check.run(subject)
    except Missed as missed:
        return Result(check, subject.name, End.MISSED, str(missed))
    except Blocked as blocked:
        return Result(check, subject.name, End.BLOCKED, f"{blocked} must pass first")
    except NotApplicable as reason:
        return Result(check, subject.name, End.NOT_APPLICABLE, str(reason))
    except Exception as error:
        return Result(check, subject.name, End.MISSED, f"{type(error).__name__}: {error}", error)
    return Result(check, subject.name, End.PASSED)
