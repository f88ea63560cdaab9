"""A process that can be ended at every named point: around each write to the journal, and around each request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omnibridge.connector import Sandbox
from omnibridge.journal import Journal
from omnibridge.testing import SandboxTransport

__all__ = ["Crash", "Failing", "FailingWire", "Switch"]

WRITES = (
    "accept",
    "process",
    "start",
    "finish",
    "keep",
    "emit",
    "settle",
    "settle_all",
    "finish_all",
    "save_credential",
    "ensure",
)


class Crash(BaseException):
    """The process ends here: nothing catches it but the test."""


@dataclass
class Switch:
    """Counts the points that are passed, and ends the process at the one that is set."""

    at: int | None = None
    passed: list[str] = field(default_factory=list[str])
    off: bool = False

    def point(self, name: str) -> None:
        """One named point."""
        if self.off:
            raise Crash  # whatever still runs after the crash does not exist any more
        self.passed.append(name)
        if self.at == len(self.passed):
            self.off = True
            raise Crash


class Failing:
    """A journal with a point before and after each writing call."""

    def __init__(self, journal: Journal, switch: Switch) -> None:
        self._journal = journal
        self._switch = switch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._journal, name)
        if name not in WRITES:
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._switch.point(f"before {name}")
            result = await found(*args, **kwargs)
            self._switch.point(f"after {name}")
            return result

        return call


class FailingWire(SandboxTransport):
    """A wire with a point before a request leaves and one before its answer is seen."""

    def __init__(self, sandboxes: dict[str, Sandbox], switch: Switch) -> None:
        super().__init__(sandboxes)
        self.switch = switch

    async def handle_async_request(self, request: Any) -> Any:
        self.switch.point("before send")
        response = await super().handle_async_request(request)
        self.switch.point("after send")
        return response
