"""A channel, a sandbox whose every exchange is judged by Mailchimp's own specification, and deliveries to run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from omnibridge_mailchimp import CONNECTOR, MailchimpSettings
from omnibridge_mailchimp.sandbox import MailchimpSandbox, webhook_body
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from omnibridge.connector import Delivery, Inbound, Lookup, LostAnswer, Response, SandboxRequest
from omnibridge.event import Event
from omnibridge.model import Entity
from omnibridge.testing import Drive, Driven

SECRET = "newest-path-secret-01"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SETTINGS: dict[str, Any] = {
    "api_key": "0123456789abcdef0123456789abcdef-us21",
    "list_id": "a1b2c3d4e5",
    "store_id": "shop",
    "path_secrets": (SECRET, "older-path-secret-01"),
    "phone_region": "DK",
}


class Clock:
    """A time that only moves when it is told to."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at

    def tick(self, seconds: float = 60) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Judge:
    """Mailchimp's specification, applied to requests and answers; `judged` counts them."""

    api: OpenAPI | None
    judged: int = 0
    problems: list[str] = field(default_factory=list)

    def see(self, request: SandboxRequest, response: Response) -> None:
        api: Any = self.api
        if api is None:
            return
        self.judged += 1
        arguments: dict[str, Any] = request.query
        for name in ("fields", "exclude_fields"):
            if name in arguments:
                arguments[name] = arguments[name].split(",")
        asked = MockRequest(
            "https://server.api.mailchimp.com",
            request.method.lower(),
            request.path,
            args=arguments,
            headers={"Authorization": request.headers.get("authorization", "Basic bm9ib2R5")},
            data=request.body or None,
            content_type=request.headers.get("content-type", "application/json"),
        )
        kind = (response.header("content-type") or "application/json").partition(";")[0]
        said = MockResponse(response.content, status_code=response.status, content_type=kind)
        for check in (lambda: api.validate_request(asked), lambda: api.validate_response(asked, said)):
            try:
                check()
            except Exception as error:  # every kind of it goes into the report
                if _only_empty_times(error):
                    continue
                self.problems.append(
                    f"{request.method} {request.target} -> {response.status}: {error!r} {error.__cause__!r}"
                )


def _only_empty_times(error: Exception) -> bool:
    """The specification wants times; what Mailchimp really writes for a time that there is not is empty text."""
    schema_errors = getattr(error.__cause__ or error, "schema_errors", ())
    return bool(schema_errors) and all(found.message == "'' is not a 'date-time'" for found in schema_errors)


class JudgedSandbox(MailchimpSandbox):
    """The sandbox, with the specification looking on."""

    def __init__(self, settings: MailchimpSettings, now: Callable[[], datetime], judge: Judge) -> None:
        super().__init__(settings, now)
        self.judge = judge

    def respond(self, request: SandboxRequest) -> Response:
        response = super().respond(request)
        # The reports are not in the part of the specification that is kept beside us; the client library judges them.
        # Nor are the files that batches leave, which lie elsewhere.
        outside = request.path == "/3.0/nowhere" or request.path.startswith(("/3.0/reports", "/batch-results/"))
        if response.status not in (401, 405) and not outside:
            self.judge.see(request, response)
        return response


@pytest.fixture(scope="session")
def specification(request: pytest.FixtureRequest) -> OpenAPI | None:
    """The specification, or None where the vendors' folder is absent; test_mailchimp_judge.py says so then."""
    try:
        folder = request.getfixturevalue("vendor_specs")
    except pytest.skip.Exception:
        return None
    text = (folder / "mailchimp/openapi/mailchimp_marketing_3.0.55.commerce.json").read_text("utf-8")
    problems = {"application/problem+json": json.loads}
    make: Any = Config  # its annotations leave out what its documentation shows
    config = make(spec_validator_cls=None, extra_media_type_deserializers=problems)
    return OpenAPI.from_dict(json.loads(text), config=config)


@pytest.fixture
def judge(specification: OpenAPI | None) -> Iterator[Judge]:
    found = Judge(specification)
    yield found
    assert not found.problems, "\n".join(found.problems)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings() -> MailchimpSettings:
    return MailchimpSettings(**SETTINGS)


@pytest.fixture
def sandbox(settings: MailchimpSettings, clock: Clock, judge: Judge) -> JudgedSandbox:
    return JudgedSandbox(settings, clock, judge)


def make_settings(**changes: Any) -> MailchimpSettings:
    return MailchimpSettings(**{**SETTINGS, **changes})


def inbound(body: bytes, secret: str | None = SECRET, method: str = "POST") -> Inbound:
    """A delivery at the channel's address."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return Inbound("news", "https://bridge.example.com/in/news", headers, body, NOW, method, secret)


def form(kind: str, data: Mapping[str, object], at: datetime = NOW) -> Inbound:
    """A webhook of the channel's audience."""
    return inbound(webhook_body(kind, at, {"list_id": SETTINGS["list_id"], **data}))


class Channel:
    """Runs the connector's functions against the sandbox, and a delivery again from what was kept."""

    def __init__(self, settings: MailchimpSettings, answers: Any, clock: Clock) -> None:
        self.settings, self.answers, self.clock = settings, answers, clock

    def drive(self, make: Callable[..., Any]) -> Driven[Any]:
        return Drive(CONNECTOR, self.settings, self.answers, self.clock()).run(make)

    def read(self, lookup: Lookup) -> Any:
        read: Any = CONNECTOR.read
        return self.drive(lambda http: read(self.settings, lookup, http)).result

    def poll(self, name: str, cursor: Any = None) -> Driven[Any]:
        run = next(poll.run for poll in CONNECTOR.polls if poll.name == name)
        return self.drive(lambda http: run(self.settings, cursor, http))

    def deliver(self, entity: Entity, verb: str = "updated", find: bool = False, **delivery: Any) -> Driven[Any]:
        slot = next(
            slot
            for slot in CONNECTOR.delivers
            if slot.accepts is type(entity) and (slot.verbs is None or verb in slot.verbs)
        )
        told = make_delivery(entity, verb, **delivery)
        run = slot.find if find else slot.run
        assert run is not None
        return self.drive(lambda http: run(self.settings, entity, told, http))


def make_delivery(entity: Entity, verb: str = "updated", **fields: Any) -> Delivery:
    event = Event.make(f"{entity.KIND}.{verb}", entity, id="e1", source="/t/c", time=NOW)
    return Delivery(key="7f2c1f4e-0000-5000-8000-000000000001", channel="news", event=event, **fields)


@pytest.fixture
def fresh(settings: MailchimpSettings, judge: Judge) -> Callable[[], Channel]:
    """Makes a channel with a sandbox of its own, as often as it is called."""

    def make(**changes: Any) -> Channel:
        clock, changed = Clock(), settings.model_copy(update=changes)
        return Channel(changed, JudgedSandbox(changed, clock, judge), clock)

    return make


@pytest.fixture
def channel(settings: MailchimpSettings, sandbox: JudgedSandbox, clock: Clock) -> Channel:
    return Channel(settings, sandbox, clock)


def interrupt(channel: Channel, entity: Entity, after: int, verb: str = "updated", **delivery: Any) -> list[Any] | None:
    """Run a delivery and stop dead when `after` effects took place; the references kept so far, None if it ended."""
    slot = next(s for s in CONNECTOR.delivers if s.accepts is type(entity) and (s.verbs is None or verb in s.verbs))
    driver = Drive(CONNECTOR, channel.settings, channel.answers, channel.clock())
    done: Driven[Any] = Driven(None, [], [], [])
    coroutine = slot.run(channel.settings, entity, make_delivery(entity, verb, **delivery), driver.http())
    answer = None
    try:
        for _ in range(after):
            answer = driver._perform(coroutine.send(answer), done)
    except StopIteration:
        return None
    coroutine.close()
    return done.kept


def survives_every_crash(
    fresh: Callable[[], Channel], entity: Entity, same: Callable[[Channel], Any], verb: str = "updated", **delivery: Any
) -> int:
    """Stop after each effect in turn and run again with what was kept: the outcome is as if nothing had happened."""
    whole = fresh()
    whole.deliver(entity, verb, **delivery)
    for after in range(1, 100):
        channel = fresh()
        kept = interrupt(channel, entity, after, verb, **delivery)
        if kept is None:
            return after
        own = next((ref.external_id for ref in reversed(kept) if ref.kind == entity.KIND), delivery.get("own"))
        channel.deliver(entity, verb, **{**delivery, "own": own})
        assert same(channel) == same(whole), f"stopped after {after} effects"
    raise AssertionError("the delivery never ended")


@pytest.fixture
def kit() -> Any:
    """What tests need beside fixtures, as test modules are not importable from each other."""
    return SimpleNamespace(
        Channel=Channel,
        JudgedSandbox=JudgedSandbox,
        LostAnswer=LostAnswer,
        NOW=NOW,
        SECRET=SECRET,
        SETTINGS=SETTINGS,
        form=form,
        inbound=inbound,
        make_delivery=make_delivery,
        make_settings=make_settings,
        survives_every_crash=survives_every_crash,
    )
