"""The connector under test: loaded once, with the author's examples, and driven without network, disk or time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from omnibridge.channel import Channel
from omnibridge.connector import (
    AnyConnector,
    Cursor,
    Deliver,
    Delivery,
    Http,
    Inbound,
    Later,
    Observation,
    Poll,
    Receipt,
    Request,
    Response,
    Sandbox,
    Settings,
    Webhook,
)
from omnibridge.errors import OmniBridgeError
from omnibridge.event import Event
from omnibridge.model import Command, Entity
from omnibridge.registry import GROUP, Registry
from omnibridge.testing.conformance.given import AnyConformance, Arrival, Write
from omnibridge.testing.conformance.hand import Hand, through
from omnibridge.testing.drive import Drive, Driven

__all__ = ["CHANNEL", "PUBLIC_URL", "Blocked", "Missed", "NotApplicable", "Subject"]

R = TypeVar("R")
PUBLIC_URL = "https://bridge.example.com"
CHANNEL = "conformance"


class Missed(Exception):
    """The promise is not kept; the text says what was seen."""


class Blocked(Exception):
    """The check cannot be tried before another one, named here, passes."""


class NotApplicable(Exception):
    """The connector has no such part; the text says which."""


@dataclass
class Subject:
    """`home` is the folder of `conformance.py`; with `write_golden` golden files are written instead of compared."""

    name: str
    given: AnyConformance
    home: Path
    write_golden: bool = False
    _beginnings: dict[str, Cursor | None] = field(default_factory=dict[str, Cursor | None])

    # -- the package -----------------------------------------------------------------------------------------------

    @cached_property
    def points(self) -> Sequence[EntryPoint]:
        """The entry points of this name."""
        return [point for point in entry_points(group=GROUP) if point.name == self.name]

    @cached_property
    def package(self) -> Path:
        """The folder of the package that the entry point names. It is found without being imported."""
        if len(self.points) != 1:
            raise Blocked("entry-point")
        try:
            spec = find_spec(self.points[0].module.partition(".")[0])
        except (ImportError, ValueError):
            spec = None
        if spec is None or not spec.origin:
            raise Blocked("entry-point")
        return Path(spec.origin).parent

    @cached_property
    def connector(self) -> AnyConnector:
        """The record."""
        if len(self.points) != 1:
            raise Blocked("entry-point")
        try:
            self.points[0].load()
        except Exception:
            raise Blocked("entry-point") from None
        try:
            return Registry().connector(self.name)
        except OmniBridgeError:
            raise Blocked("hook") from None

    @property
    def golden(self) -> Path:
        """The folder of golden files."""
        return self.given.golden or self.home / "golden"

    @cached_property
    def readme(self) -> str:
        """The nearest README.md from the folder of `conformance.py` upwards."""
        for folder in (self.home, *self.home.parents):
            if (folder / "README.md").is_file():
                return (folder / "README.md").read_text("utf-8")
        raise Missed("there is no README.md beside conformance.py or above it")

    # -- settings --------------------------------------------------------------------------------------------------

    @cached_property
    def settings(self) -> Settings:
        """The author's example."""
        try:
            return self.connector.settings.model_validate(dict(self.given.settings))
        except ValidationError:
            raise Blocked("settings-example") from None

    # -- in --------------------------------------------------------------------------------------------------------

    @property
    def webhook(self) -> Webhook[Settings]:
        """What the vendor sends."""
        if self.connector.webhook is None:
            raise NotApplicable("it has no webhook")
        return self.connector.webhook

    @property
    def arrivals(self) -> Sequence[Arrival]:
        """The examples of what the vendor sends."""
        _ = self.webhook, self.settings
        if not self.given.arrivals:
            raise Missed("conformance.py has no `arrivals`: give an example of each kind of webhook")
        return self.given.arrivals

    def inbound(self, arrival: Arrival, body: bytes | None = None) -> Inbound:
        """A delivery, unsigned."""
        return Inbound(
            channel=CHANNEL,
            url=f"{PUBLIC_URL}/in/{CHANNEL}" + (f"?{arrival.query}" if arrival.query else ""),
            headers={name.lower(): value for name, value in arrival.headers.items()},
            body=arrival.body if body is None else body,
            received=self.given.now,
        )

    def raw(self, url: str, headers: Mapping[str, str], body: bytes) -> Inbound:
        """A delivery that a sandbox sent."""
        return Inbound(CHANNEL, url, headers, body, self.given.now)

    def signed(self, arrival: Arrival) -> Inbound:
        """A delivery as the vendor signs it."""
        if self.given.sign is None:
            raise Missed("conformance.py has no `sign`: give a function that signs a delivery as the vendor does")
        return self.given.sign(self.settings, self.inbound(arrival))

    def translate(self, inbound: Inbound) -> Sequence[Observation]:
        """What the connector says that it saw."""
        return self.webhook.translate(self.settings, inbound)

    @property
    def polls(self) -> Sequence[Poll[Settings]]:
        """The regular questions."""
        return self.connector.polls

    def poll(
        self,
        poll: Poll[Settings],
        answers: Sandbox | Callable[[Request], Response] | None = None,
        *,
        cursor: Cursor | None = None,
        hand: Hand | None = None,
        change: Callable[[Response], Response] | None = None,
    ) -> Driven[Later | None]:
        """A run of a poll, to its end; without a cursor the first one that tells anything."""
        if cursor is None:
            cursor = self.beginning(poll)
        return self.drive(lambda http: poll.run(self.settings, cursor, http), answers, hand=hand, change=change)

    def beginning(self, poll: Poll[Settings]) -> Cursor | None:
        """The cursor that a poll leaves which only sets its mark in the first run, and tells nothing; else None."""
        if poll.name not in self._beginnings:
            first = self.drive(lambda http: poll.run(self.settings, None, http))
            left = None if first.emitted else next((cursor for _, cursor in reversed(first.pages) if cursor), None)
            self._beginnings[poll.name] = left
        return self._beginnings[poll.name]

    # -- out -------------------------------------------------------------------------------------------------------

    @property
    def writes(self) -> Sequence[Write]:
        """The examples of what is delivered; each delivering function has one."""
        if not self.connector.delivers:
            raise NotApplicable("it delivers nothing")
        channel = Channel(CHANNEL, self.connector, self.settings)
        tried = [channel.slot(self.event(write)) for write in self.given.writes]
        missing = [slot.operation for slot in self.connector.delivers if not any(slot is found for found in tried)]
        if missing:
            raise Missed(f"conformance.py has no `writes` for {', '.join(missing)}")
        nobody = [write.name for write, slot in zip(self.given.writes, tried, strict=True) if slot is None]
        if nobody:
            raise Missed(f"nothing in `delivers` takes {', '.join(nobody)}")
        return self.given.writes

    def event(self, write: Write) -> Event:
        """The event that is delivered."""
        value = write.value
        if isinstance(value, Event):
            return value
        type_ = f"command.{value.KIND}" if isinstance(value, Command) else f"{value.KIND}.{write.verb}"
        return Event.make(type_, value, id="conformance", source="/conformance", time=self.given.now)

    def slot(self, write: Write) -> Deliver[Settings]:
        """The function that takes an example."""
        slot = Channel(CHANNEL, self.connector, self.settings).slot(self.event(write))
        if slot is None:
            raise Missed(f"nothing in `delivers` takes {write.name}")
        return slot

    def briefing(self, write: Write) -> Delivery:
        """What a delivering function is told beside the example."""
        return Delivery(
            key="00000000-0000-5000-8000-000000000001",
            channel=CHANNEL,
            event=self.event(write),
            own=write.own,
            references=write.references,
            related=write.related,
            known=write.known,
            custom=dict(write.custom),
        )

    def deliver(
        self,
        write: Write,
        answers: Sandbox | Callable[[Request], Response] | None = None,
        *,
        briefing: Delivery | None = None,
        hand: Hand | None = None,
        key: Callable[[str], str] = "key-{}".format,
        later: timedelta = timedelta(0),
    ) -> Driven[Receipt | Later]:
        """Deliver an example, to a sandbox or to whoever answers."""
        slot, delivery = self.slot(write), briefing or self.briefing(write)
        value: Entity | Command | Event = write.value
        return self.drive(
            lambda http: slot.run(self.settings, value, delivery, http), answers, hand=hand, key=key, later=later
        )

    # -- the vendor ------------------------------------------------------------------------------------------------

    def excuse(self, check: str) -> str | None:
        """Why the vendor has nothing to try a check on, where the author says so."""
        return self.given.without.get(check)

    def sandbox(self) -> Sandbox:
        """A new imitation of the vendor, as the author fills it."""
        make = self.given.sandbox or self.connector.sandbox
        if make is None:
            raise Missed("the connector has no sandbox, and conformance.py gives none")
        sandbox = make(self.settings)
        sandbox.now = lambda: self.given.now
        return sandbox

    def drive(
        self,
        make: Callable[[Http], Coroutine[object, object, R]],
        answers: Sandbox | Callable[[Request], Response] | None = None,
        *,
        hand: Hand | None = None,
        key: Callable[[str], str] = "key-{}".format,
        later: timedelta = timedelta(0),
        change: Callable[[Response], Response] | None = None,
    ) -> Driven[R]:
        """Run one of the connector's coroutines to its end; `hand` stands between it and whoever answers.

        `change` makes another answer of each that comes.
        """
        drive = Drive(self.connector, self.settings, answers or self.sandbox(), self.given.now + later, key=key)
        drive.change = change
        return drive.run(make if hand is None else lambda http: through(make(http), hand))
