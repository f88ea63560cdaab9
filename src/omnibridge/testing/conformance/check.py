"""What a check is, how one ends, and the tiers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from omnibridge.clock import SystemClock
from omnibridge.testing.conformance.subject import Blocked, Missed, NotApplicable, Subject

__all__ = ["Check", "End", "Result", "Tier", "bronze", "gold", "run_check", "silver"]


class Tier(StrEnum):
    """How far a connector can be trusted; each tier holds the ones before it."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"

    @property
    def meaning(self) -> str:
        """What a connector of this tier does."""
        return _MEANINGS[self]

    @property
    def includes(self) -> tuple[Tier, ...]:
        """This tier and the ones before it."""
        return tuple(Tier)[: tuple(Tier).index(self) + 1]


_MEANINGS = {
    Tier.BRONZE: "It loads, can be configured, does not leak, and understands what it says it understands.",
    Tier.SILVER: "It survives production: a restart, a repetition or a refusal loses nothing and doubles nothing.",
    Tier.GOLD: "It can be operated for years: exact to the cent, documented, and compatible with what it was.",
}


@dataclass(frozen=True)
class Check:
    """One promise. `means` says what must hold, `why` what breaks otherwise, `mend` what to do about a miss.

    `excusable`: some vendors have nothing that it could be tried on; an author says so in `Conformance.without`.
    """

    id: str
    tier: Tier
    means: str
    why: str
    mend: str
    run: Callable[[Subject], None]
    excusable: bool = False


class End(StrEnum):
    """How a check ended. `missed` and `blocked` stand against the tier; a waived miss does not, for a while."""

    PASSED = "passed"
    MISSED = "missed"
    BLOCKED = "blocked"
    NOT_APPLICABLE = "not applicable"
    WAIVED = "waived"


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
        return self.end not in (End.MISSED, End.BLOCKED)


_LONGEST = timedelta(days=366)
Run = Callable[[Subject], None]


def bronze(*, why: str, mend: str, excusable: bool = False) -> Callable[[Run], Check]:
    """Makes a bronze check of a function: its name is the check's, its docstring what must hold."""
    return _made(Tier.BRONZE, why, mend, excusable=excusable)


def silver(*, why: str, mend: str, excusable: bool = False) -> Callable[[Run], Check]:
    """Makes a silver check of a function."""
    return _made(Tier.SILVER, why, mend, excusable=excusable)


def gold(*, why: str, mend: str, excusable: bool = False) -> Callable[[Run], Check]:
    """Makes a gold check of a function."""
    return _made(Tier.GOLD, why, mend, excusable=excusable)


def _made(tier: Tier, why: str, mend: str, *, excusable: bool) -> Callable[[Run], Check]:
    def make(run: Run) -> Check:
        means = inspect.cleandoc(run.__doc__ or "").replace("\n", " ")
        return Check(run.__name__.replace("_", "-"), tier, means, why, mend, run, excusable)

    return make


def run_check(check: Check, subject: Subject, today: date | None = None) -> Result:
    """Try one connector. A connector's own error is a miss; nothing but an interruption is raised.

    `today` is the day by which waivers are judged.
    """
    result = _tried(check, subject)
    waiver = next((waiver for waiver in subject.given.waivers if waiver.check == check.id), None)
    if waiver is None:
        return result
    day = today or SystemClock().now().date()

    def missed(told: str) -> Result:
        return Result(check, subject.name, End.MISSED, told, result.error)

    if result.good:
        return missed("its waiver is not needed: remove it")
    if not waiver.reason.strip():
        return missed(f"its waiver has no reason; {result.told}")
    if waiver.until < day:
        return missed(f"its waiver ended on {waiver.until}; {result.told}")
    if waiver.until > day + _LONGEST:
        return missed(f"its waiver lasts longer than {_LONGEST.days} days; {result.told}")
    return Result(check, subject.name, End.WAIVED, f"until {waiver.until}: {waiver.reason}")


def _tried(check: Check, subject: Subject) -> Result:
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
