"""The author's connector at work: one channel, its sandbox and a sink in memory, and what each delivery came to."""

from __future__ import annotations

import json
import sys
from collections.abc import MutableMapping
from datetime import datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx
import structlog
from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from omnibridge.channel import Channel
from omnibridge.connector import Hint, Inbound, Outgoing, Reply, Response, Sandbox, SandboxRequest, dump_observations
from omnibridge.connector.body import parse_form
from omnibridge.errors import InvalidMessage, UnknownItem
from omnibridge.journal import Origin, Task
from omnibridge.testing.bridge import TestBridge
from omnibridge.testing.clock import ManualClock
from omnibridge.testing.conformance import Subject
from omnibridge.testing.dev.letters import Letter
from omnibridge.testing.dev.package import EXAMPLES, Package
from omnibridge.testing.dev.sink import HOST, SINK, SinkSandbox
from omnibridge.testing.dev.trace import Began, Happened, Problem, Routed, Sent, Trace, problem_of
from omnibridge.testing.drive import Drive
from omnibridge.testing.transport import SandboxTransport

__all__ = ["Bench"]

_MANY = 500
"""Rows of the journal that one delivery may cause and still be shown whole."""


class _Watched(SandboxTransport):
    """Notes each request with the status of its answer; `lock` is held while a sandbox works."""

    def __init__(self, sandboxes: dict[str, Sandbox], lock: Lock) -> None:
        super().__init__(sandboxes)
        self.lock = lock
        self.sent: list[Sent] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange."""
        body = _readable(await request.aread())
        host, path = request.url.netloc.decode(), request.url.raw_path.decode("ascii")
        status: int | None = None
        try:
            with self.lock:
                answer = await super().handle_async_request(request)
            status = answer.status_code
            return answer
        finally:
            self.sent.append(Sent(to=host, method=request.method, path=path, body=body, status=status))


class _Noting(Sandbox):
    """Hands every request on, and notes it with the status of its answer."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        super().__init__(sandbox.now)
        self._sandbox, self._name = sandbox, name
        self.sent: list[Sent] = []

    def handle(self, request: SandboxRequest) -> Response:
        """The sandbox's own answer."""
        status: int | None = None
        try:
            answer = self._sandbox.handle(request)
            status = answer.status
            return answer
        finally:
            body = _readable(request.body)
            self.sent.append(Sent(to=self._name, method=request.method, path=request.target, body=body, status=status))


class _Bridge(TestBridge):
    """What the sandbox sends is caught: it comes in by the front door, like everything."""

    caught: list[Outgoing]

    async def receive(self, outgoing: Outgoing) -> Reply:
        self.caught.append(outgoing)
        return Reply(202)


class Bench:
    """`async with`; `inbox` is the address that the vendor would be told, without a path."""

    def __init__(self, package: Package, folder: Path, inbox: str, now: datetime) -> None:
        self.package, self.folder, self.lock = package, folder, Lock()
        self.name = package.connector.name
        self.sandbox = package.sandbox()
        self._inbox = inbox
        self._problems: list[Problem] = []
        connector = package.connector
        boxes: dict[str, Sandbox] = {HOST: SinkSandbox()}
        if self.sandbox is not None:
            if connector.base_url is not None:
                boxes[urlsplit(connector.base_url(package.settings)).netloc] = self.sandbox
            for host in connector.hosts(package.settings) if connector.hosts is not None else ():
                boxes[host] = self.sandbox
        self._vendors = _Watched(boxes, self.lock)
        time = ManualClock(now)
        if self.sandbox is not None:
            self.sandbox.now = time.now
        self._bridge = _Bridge(self._toml(), connectors=[connector, SINK], vendors=self._vendors, clock=time)
        self._bridge.caught = []
        self._event = self._delivery = self._row = 0

    def _toml(self) -> str:
        given: dict[str, JsonValue] = to_jsonable_python(dict(self.package.given.settings), fallback=str)
        lines = [f"{name} = {_inline(value)}" for name, value in given.items() if value is not None]
        return (
            f'[bridge]\npublic_url = "{self._inbox}"\n'
            f'[channels.sink]\nconnector = "sink"\n'
            f'[[routes]]\nname = "everything"\nevents = ["*"]\nfrom = ["{self.name}"]\nto = ["sink"]\n'
            f'[channels.{self.name}]\nconnector = "{self.name}"\n[channels.{self.name}.settings]\n'
        ) + "\n".join(lines)

    async def __aenter__(self) -> Self:
        structlog.configure(processors=[self._heard], cache_logger_on_first_use=False)
        await self._bridge.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._bridge.__aexit__(kind, error, trace)

    def _heard(self, logger: object, method: str, event: MutableMapping[str, object]) -> str:
        """What the core says of the author's code: the core itself goes on without it."""
        error = sys.exc_info()[1]
        if error is not None:
            self._problem(problem_of(error, self.folder))
        raise structlog.DropEvent

    def _problem(self, problem: Problem) -> None:
        if problem not in self._problems:
            self._problems.append(problem)

    @property
    def now(self) -> datetime:
        """The time here."""
        return self._bridge.time.now()

    def guard(self, lock: Lock) -> None:
        """Hold this one while the sandbox works: somebody else asks it too."""
        self.lock = self._vendors.lock = lock

    # -- what it does ----------------------------------------------------------------------------------------------

    async def begin(self) -> Began:
        """Let happen what is due at the start: polls, subscriptions."""
        trace = await self._after(None, None)
        webhook, given, notes = self.package.connector.webhook, self.package.given, list[str]()
        if self.sandbox is None:
            notes.append(f"no sandbox: nobody answers requests. Give Connector.sandbox, or `sandbox` in {EXAMPLES}")
        if webhook is not None and given.sign is None:
            notes.append(f"no `sign` in {EXAMPLES}: --resign cannot be used")
        return Began(
            connector=self.name,
            webhook=webhook is not None,
            identified=webhook is not None and not isinstance(webhook.delivery_id, Hint),
            unsigned=given.unsigned,
            signs=given.sign is not None,
            notes=notes,
            trace=trace,
        )

    async def look(self, now: datetime) -> Trace:
        """Let happen what is due by now."""
        await self._until(now)
        return await self._after(None, None)

    async def receive(self, letter: Letter) -> Trace:
        """Take a letter in, at the time at which it came."""
        await self._until(letter.received)
        counted = self._bridge.ingress.accepted.get((self.name, "duplicate"), 0)
        inbound = self.inbound(letter)
        channel = urlsplit(letter.target).path.removeprefix("/in/").partition("/")[0]
        try:
            reply = await self._bridge.ingress.webhook(
                channel,
                inbound.path_secret,
                letter.method,
                urlsplit(letter.target).query,
                letter.headers,
                letter.body,
            )
        except Exception as error:  # the author's verify, refuse or reply
            self._problem(problem_of(error, self.folder))
            reply = Reply(500, b"the connector raised an error; nothing was stored")
        again = self._bridge.ingress.accepted.get((self.name, "duplicate"), 0) > counted
        return await self._after(letter, reply, again)

    def inbound(self, letter: Letter) -> Inbound:
        """A letter as a connector sees it."""
        parts = urlsplit(letter.target)
        channel, _, secret = parts.path.removeprefix("/in/").partition("/")
        return Inbound(
            channel=channel,
            url=f"{self._inbox}{letter.target}",
            headers=letter.headers,
            body=letter.body,
            received=letter.received,
            method=letter.method,
            path_secret=secret or None,
        )

    def signed(self, letter: Letter) -> Letter:
        """The letter as the vendor would sign it at the time at which it was received. Raises UnknownItem."""
        sign = self.package.given.sign
        if sign is None:
            raise UnknownItem("nobody can sign it", remedy=f"give `sign` in {EXAMPLES}")
        query = urlsplit(letter.target).query
        bare = letter.model_copy(update={"target": f"/in/{self.name}" + (f"?{query}" if query else "")})
        made: Inbound = sign(self.package.settings, self.inbound(bare))
        parts = urlsplit(made.url)
        secret = made.path_secret or parts.path.removeprefix(f"/in/{self.name}").removeprefix("/")
        target = f"/in/{self.name}" + (f"/{secret}" if secret else "") + (f"?{parts.query}" if parts.query else "")
        headers = {name.lower(): value for name, value in made.headers.items()}
        return letter.model_copy(update={"target": target, "headers": headers, "body": made.body})

    def example(self, name: str, body: bytes | None, now: datetime) -> Letter | None:
        """The example called so, or the one with this body; None where there is none."""
        for arrival in self.package.given.arrivals:
            if arrival.name == name or (body is not None and arrival.body == body):
                target = f"/in/{self.name}" + (f"?{arrival.query}" if arrival.query else "")
                headers = {key.lower(): value for key, value in arrival.headers.items()}
                return Letter(received=now, target=target, headers=headers, body=arrival.body)
        return None

    def examples(self, now: datetime) -> list[Letter]:
        """Every `Arrival`, signed as of now where somebody can sign it."""
        if self.package.connector.webhook is None:
            return []
        found = [self.example(arrival.name, None, now) for arrival in self.package.given.arrivals]
        sign = self.package.given.sign is not None
        return [self.signed(letter) if sign else letter for letter in found if letter is not None]

    def written(self, name: str, now: datetime) -> Trace | None:
        """The `Write` called so, delivered to the sandbox; None where there is none."""
        subject = Subject(self.name, self.package.given, self.folder)
        write = next((one for one in self.package.given.writes if one.name == name), None)
        if write is None or self.sandbox is None:
            return None
        event, settings = subject.event(write), self.package.settings
        slot = Channel(self.name, self.package.connector, settings).slot(event)
        told, problems = "nothing in `delivers` takes it", list[Problem]()
        noting = _Noting(self.sandbox, self.name)
        drive = Drive(self.package.connector, settings, noting, now, key="key-{}".format)
        if slot is not None:
            try:
                with self.lock:
                    drive.run(lambda http: slot.run(settings, write.value, subject.briefing(write), http))
                told = "done"
            except Exception as error:
                told = "failed"
                problems.append(problem_of(error, self.folder))
        happened = Happened(type=event.name, subject=event.subject, data=_plain(event.data))
        routed = Routed(channel=self.name, operation=slot.operation if slot else "none", state=told)
        return Trace(events=[happened], routed=[routed], sent=noting.sent, problems=problems)

    def letters(self, now: datetime) -> list[Letter]:
        """The webhooks that the sandbox wanted to send since this was asked last."""
        found, self._bridge.caught = self._bridge.caught, []
        letters: list[Letter] = []
        for outgoing in found:
            path, _, query = outgoing.url.partition("?")
            _, _, tail = path.partition("/in/")
            secret = tail.partition("/")[2]
            target = f"/in/{self.name}" + (f"/{secret}" if secret else "") + (f"?{query}" if query else "")
            headers = {name.lower(): value for name, value in outgoing.headers.items()}
            letters.append(Letter(received=now, target=target, headers=headers, body=outgoing.body))
        return letters

    # -- what came of it -------------------------------------------------------------------------------------------

    async def _until(self, now: datetime) -> None:
        await self._bridge.settle(max(0.0, (now - self._bridge.time.now()).total_seconds()))

    async def _after(self, letter: Letter | None, reply: Reply | None, again: bool = False) -> Trace:
        await self._bridge.settle()
        seen = await self._seen(letter, stored=reply is not None and reply.status < 300 and not again)
        journal = self._bridge.journal
        events = [one for one in reversed(await journal.events(limit=_MANY)) if one.seq > self._event]
        rows = [row for row in reversed(await journal.deliveries(limit=_MANY)) if row.id > self._delivery]
        self._event = max([self._event, *(one.seq for one in events)])
        self._delivery = max([self._delivery, *(row.id for row in rows)])
        routed = [
            Routed(
                channel=row.channel,
                operation=row.operation,
                state=str(row.state),
                told=row.last.text if row.last is not None else None,
            )
            for row in rows
            if row.task in (Task.DELIVER, Task.LOOKUP) or (row.last is not None and row.last.outcome != "ok")
        ]
        sent, self._vendors.sent = self._vendors.sent, []
        problems, self._problems = self._problems, []
        return Trace(
            status=reply.status if reply is not None else None,
            answer=reply.body.decode("utf-8", "replace").strip() if reply is not None else "",
            duplicate=again,
            wire=_readable(letter.body) if letter is not None else None,
            seen=seen,
            events=[
                Happened(type=one.event.name, subject=one.event.subject, data=_plain(one.event.data)) for one in events
            ],
            routed=routed,
            sent=sent,
            problems=problems,
        )

    async def _seen(self, letter: Letter | None, stored: bool) -> list[JsonValue]:
        """What the connector said: of the letter, and of what it read or polled since."""
        found: list[JsonValue] = []
        webhook = self.package.connector.webhook
        if letter is not None and stored and webhook is not None:
            try:
                found += _listed(dump_observations(webhook.translate(self.package.settings, self.inbound(letter))))
            except Exception as error:
                self._problem(problem_of(error, self.folder))
        rows = [row for row in reversed(await self._bridge.journal.inbox(limit=_MANY)) if row.id > self._row]
        self._row = max([self._row, *(row.id for row in rows)])
        for row in rows:
            if row.origin in (Origin.READ, Origin.POLL):
                found += _listed(row.body)
            if row.error is not None and not self._problems:
                self._problem(Problem(what=row.error))
        return found


def _listed(body: bytes) -> list[JsonValue]:
    value: JsonValue = json.loads(body)
    return value if isinstance(value, list) else [value]


def _plain(value: object) -> JsonValue:
    found: JsonValue = to_jsonable_python(value, fallback=str)
    return found


def _readable(body: bytes) -> JsonValue:
    """A body as data: JSON, a form's fields, or text."""
    if not body:
        return None
    try:
        found: JsonValue = json.loads(body)
        return found
    except ValueError:
        pass
    try:
        pairs = parse_form(body)
        if b"=" in body and pairs:
            return dict(pairs)
    except InvalidMessage:
        pass
    return body.decode("utf-8", "replace")


def _inline(value: JsonValue) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
