"""Silver: signatures end and change, and the same change is the same event whichever way it comes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from urllib.parse import urlsplit

import anyio
from pydantic import SecretStr, ValidationError

from omnibridge.connector import (
    Derived,
    Inbound,
    Lookup,
    Native,
    Observation,
    Occurrence,
    Sandbox,
    Settings,
    Snapshot,
    Verdict,
    dump_observations,
)
from omnibridge.errors import ConfigError, InvalidMessage
from omnibridge.journal import NewInbox, Origin
from omnibridge.testing.bridge import TestBridge
from omnibridge.testing.clock import ManualClock
from omnibridge.testing.conformance.check import Check, End, run_check, silver
from omnibridge.testing.conformance.given import Arrival
from omnibridge.testing.conformance.inbound_checks import events_valid, signature_valid
from omnibridge.testing.conformance.secrets import secrets_of
from omnibridge.testing.conformance.subject import CHANNEL, Blocked, Missed, NotApplicable, Subject
from omnibridge.testing.conformance.toml import channel_toml

__all__ = ["IDENTITY_CHECKS"]

_LONG = timedelta(days=10)
_SHORT = timedelta(seconds=20)
_PAIRS = 60
_GONE = "b21uaWJyaWRnZS1nb25l"  # base64, as some vendors want a secret


def _verdict(subject: Subject, settings: Settings, inbound: Inbound, after: timedelta = timedelta(0)) -> Verdict:
    try:
        return subject.webhook.verify(settings, inbound, inbound.received + after)
    except InvalidMessage:
        return Verdict.FORGED  # as the core takes it


def _signed(subject: Subject, arrival: Arrival) -> Inbound:
    if subject.given.sign is None:
        raise Blocked("signature-valid")
    signed = subject.signed(arrival)
    if _verdict(subject, subject.settings, signed) is not Verdict.OK:
        raise Blocked("signature-valid")
    return signed


@silver(
    why="A signed delivery that was overheard can be sent again for as long as it is taken.",
    mend="Answer Verdict.EXPIRED for a signed time more than some minutes away, in the past and in the future. Where "
    "the vendor signs no time, say so in `Conformance.without`.",
    excusable=True,
)
def signature_expired(subject: Subject) -> None:
    """An example that was signed ten days ago, or ten days ahead, is expired; twenty seconds are none."""
    excuse = subject.excuse("signature-expired")
    for arrival in subject.arrivals:
        signed = _signed(subject, arrival)
        for after in (_LONG, -_LONG):
            verdict = _verdict(subject, subject.settings, signed, after)
            if excuse is None and verdict is not Verdict.EXPIRED:
                raise Missed(f"{arrival.name}, signed {'long ago' if after > _SHORT else 'far ahead'}, is {verdict}")
            if excuse is not None and verdict is not Verdict.OK:
                raise Missed(f"`without` says {excuse!r}, and {arrival.name} is {verdict}")
        for after in (_SHORT, -_SHORT):
            if _verdict(subject, subject.settings, signed, after) is not Verdict.OK:
                raise Missed(f"{arrival.name} is refused {after.total_seconds():+.0f} s after it was signed")
    if excuse is not None:
        raise NotApplicable(excuse)


@silver(
    why="A secret is changed without losing a webhook only where the old and the new one are both taken for a while.",
    mend="Make the setting `tuple[SecretStr, ...]`, verify with `verify_any`, and give two in conformance.py.",
    excusable=True,
)
def signature_rotated(subject: Subject) -> None:
    """What is signed with either of two secrets is taken, and no longer when its secret is out of the settings."""
    excuse = subject.excuse("signature-rotated")
    if excuse is not None:
        _ = subject.webhook
        raise NotApplicable(excuse)
    sign = subject.given.sign
    for arrival in subject.arrivals:
        signed, taken = _signed(subject, arrival), 0
        assert sign is not None
        for swapped, reduced in _rotations(subject):
            try:
                other = sign(swapped, subject.inbound(arrival))
            except Exception:  # noqa: S112 - `sign` need not know what to do without the one or the other setting
                continue
            if other == signed or _verdict(subject, subject.settings, other) is not Verdict.OK:
                continue
            taken += 1
            if reduced and all(_verdict(subject, settings, other) is Verdict.OK for settings in reduced):
                raise Missed(f"{arrival.name} is taken although the secret that signed it is no longer in the settings")
        if not taken:
            raise Missed(f"{arrival.name} is taken with one secret only: no second one of the settings signs it")


Place = tuple[str, int]
"""A secret: the setting, and its number where that holds several."""


def _rotations(subject: Subject) -> Iterator[tuple[Settings, list[Settings]]]:
    """Settings with two secrets exchanged; and settings without the one, and without the other."""
    held = {name: secrets_of(getattr(subject.settings, name)) for name in subject.connector.settings.model_fields}
    places = [(name, number) for name, several in held.items() for number in range(len(several))]
    model = subject.connector.settings

    def changed(changes: Mapping[Place, str]) -> Settings:
        settings: dict[str, object] = dict(subject.given.settings)
        for name, _ in changes:
            texts = [changes.get((name, number), text) for number, text in enumerate(held[name])]
            alone = isinstance(getattr(subject.settings, name), SecretStr)
            settings[name] = texts[0] if alone else tuple(texts)
        return model.model_validate(settings)

    for one, two in list(combinations(places, 2))[:_PAIRS]:
        first, second = held[one[0]][one[1]], held[two[0]][two[1]]
        try:
            swapped = changed({one: second, two: first})
        except ValidationError:
            continue
        reduced: list[Settings] = []
        for place in (one, two):
            with contextlib.suppress(ValidationError):
                reduced.append(changed({place: _GONE}))
        yield swapped, reduced


@silver(
    why="Vendors repeat deliveries, sometimes days later and on another machine. What is identified by the time, by "
    "chance or by nothing is a new event each time.",
    mend="Take ids, keys and versions from the delivery alone, and the delivery id from what the vendor repeats.",
)
def identities_stable(subject: Subject) -> None:
    """The same delivery, a day later, has the same id and tells the same; two examples that differ have two ids."""
    known: dict[str, str] = {}
    for arrival in subject.arrivals:
        first = subject.inbound(arrival)
        later = replace(first, received=first.received + timedelta(days=1))
        one, two = _delivery_id(subject, first), _delivery_id(subject, later)
        if one != two:
            raise Missed(f"{arrival.name}, repeated a day later, has another delivery id")
        dated = one is None  # what has an id is told once, so that the time of its arrival may stand for its version
        try:
            told, again = ([_identity(seen, dated) for seen in subject.translate(came)] for came in (first, later))
        except Exception:
            raise Blocked("golden-inbound") from None
        if told != again:
            raise Missed(f"{arrival.name}, repeated a day later, tells {again}, not {told}")
        if one is not None and known.setdefault(one, arrival.name) != arrival.name:
            raise Missed(f"{known[one]} and {arrival.name} have the same delivery id, so that the second is dropped")


def _identity(seen: Observation, dated: bool) -> tuple[str, ...]:
    if isinstance(seen, Occurrence):
        return seen.type or (seen.event.name if seen.event else ""), seen.key, seen.event.id if seen.event else ""
    return seen.kind, seen.external_id, str(seen.version) if dated and isinstance(seen, Snapshot) else ""


def _delivery_id(subject: Subject, inbound: Inbound) -> str | None:
    identity = subject.webhook.delivery_id
    if isinstance(identity, Native):
        return inbound.header(identity.of) if isinstance(identity.of, str) else identity.of(inbound)
    return identity.of(inbound) if isinstance(identity, Derived) else None


# -- one change, several ways ----------------------------------------------------------------------------------------

Happened = dict[tuple[str, str | None], str]
"""Events by type and subject: their ids."""


@silver(
    why="Webhooks are lost and polls are late, so that each change comes twice. Where the two do not agree on the id "
    "and the version, the customer is told twice.",
    mend="Make snapshots by one function for webhooks, polls and reads: the same external id, the same version of the "
    "vendor's, the same fields. Give `change` in conformance.py, which changes one thing that all of them tell.",
)
def one_event(subject: Subject) -> None:
    """A change that comes by webhook, by poll and by read is one event, with one id, in whichever order they come."""
    connector = subject.connector
    ways = [way for way, there in (("webhook", connector.webhook), ("poll", connector.polls)) if there]
    if connector.read is not None:
        ways.append("read")
    if len(ways) < 2:
        raise NotApplicable("changes come one way only")
    if subject.given.change is None:
        raise Missed("conformance.py has no `change`: change one thing that " + ", ".join(ways) + " tell")
    alone: dict[str, Happened] = {}
    for way in [way for way in ways if way != "read"]:
        alone[way] = _counted(way, _told_by(subject, [way]))
        if not alone[way]:
            if way == "poll":
                _polled(subject)
            raise Missed(f"the {way} tells nothing of the `change`")
    first, *others = alone
    for other in others:
        for name, id_ in alone[first].items():
            if name not in alone[other]:
                raise Missed(f"the {first} gives {name[0]} of the `change`, and the {other} does not")
            if alone[other][name] != id_:
                raise Missed(f"{name[0]} has one id by {first} and another by {other}")
    main = ways[0]
    for order in (ways, [*reversed([way for way in ways if way != "read"]), *(way for way in ways if way == "read")]):
        both = _counted(", then ".join(order), _told_by(subject, order))
        missing = alone[main].keys() - both.keys()
        if missing:
            raise Missed(f"{', then '.join(order)}: no {', '.join(sorted(name for name, _ in missing))}")


def _counted(way: str, happened: Sequence[tuple[str, str | None, str]]) -> Happened:
    found: Happened = {}
    for type_, subject, id_ in happened:
        if (type_, subject) in found:
            raise Missed(f"{way}: {type_} happens twice")
        found[type_, subject] = id_
    return found


class _Unusable(Exception):
    """What is told of the change is refused. `check` says whether the same happens to the examples."""

    def __init__(self, seen: str, check: Check) -> None:
        super().__init__(seen)
        self.check = check


def _told_by(subject: Subject, ways: Sequence[str]) -> list[tuple[str, str | None, str]]:
    """What happens. Where it is refused, the change is to blame only if the examples are not refused as well."""
    try:
        return anyio.run(_happens, subject, ways)
    except _Unusable as refused:
        if run_check(refused.check, subject).end not in (End.PASSED, End.NOT_APPLICABLE):
            raise Blocked(refused.check.id) from None
        raise Missed(f"the `change` of conformance.py is not understood. By {refused}") from None


def _polled(subject: Subject) -> None:
    """Raises Missed when a poll fails after the change, so that it could tell nothing."""
    sandbox = subject.sandbox()
    assert subject.given.change is not None
    subject.given.change(subject.settings, sandbox)
    for poll in subject.polls:
        try:
            subject.poll(poll, sandbox)
        except Exception as error:
            raise Missed(f"the poll {poll.name!r} fails after the `change`: {type(error).__name__}: {error}") from error


async def _happens(subject: Subject, ways: Sequence[str]) -> list[tuple[str, str | None, str]]:
    """The events that one change gives, told in these ways, one after the other."""
    toml, env = channel_toml(subject)
    # Each poll is asked once after the change, and not the quick ones all day long until the slowest has its turn.
    every = max((poll.every for poll in subject.connector.polls), default=timedelta(0))
    polls = tuple(replace(poll, every=every) for poll in subject.connector.polls)
    connector, given = replace(subject.connector, polls=polls), subject.given
    host = urlsplit(connector.base_url(subject.settings) if connector.base_url else "").netloc
    clock, sandbox = ManualClock(given.now), subject.sandbox()
    sandbox.now = clock.now
    try:
        bridge = TestBridge(
            toml, env=env, connectors=[connector], clock=clock, sandboxes={host: sandbox}, look_every=86_400
        )
        bridge.config.require()
    except ConfigError:
        raise Blocked("settings-references") from None
    async with bridge:
        await bridge.settle()
        await clock.advance(60)
        known = {stored.event.id for stored in await bridge.journal.events(limit=500)}
        assert given.change is not None
        arrivals = given.change(subject.settings, sandbox)
        sandbox.outbox.clear()
        for way in ways:
            if way == "webhook":
                for arrival in arrivals:
                    await _arrive(subject, bridge, arrival, clock)
                await bridge.settle()
            elif way == "poll":
                await bridge.settle(every.total_seconds() + 60)
            else:
                await _look(subject, bridge, sandbox, arrivals, clock)
        for row in await bridge.journal.inbox(state="invalid", limit=1):
            raise _Unusable(f"{', then '.join(ways)}: the core cannot process what is told: {row.error}", events_valid)
        fresh = [s.event for s in await bridge.journal.events(limit=500) if s.event.id not in known]
        return [(event.name, event.subject, event.id) for event in fresh]


async def _arrive(subject: Subject, bridge: TestBridge, arrival: Arrival, clock: ManualClock) -> None:
    bare = replace(subject.inbound(arrival), received=clock.now())
    if subject.given.sign is None:
        raise Blocked("signature-valid")
    signed = subject.given.sign(subject.settings, bare)
    reply = await bridge.ingress.webhook(
        CHANNEL, signed.path_secret, "POST", urlsplit(signed.url).query, signed.headers, signed.body
    )
    if reply.status >= 300:
        said = reply.body.decode("utf-8", "replace")
        raise _Unusable(f"the webhook {arrival.name} is answered {reply.status}: {said}", signature_valid)


async def _look(
    subject: Subject, bridge: TestBridge, sandbox: Sandbox, arrivals: Sequence[Arrival], clock: ManualClock
) -> None:
    """What `read` says of the things that the webhooks are about, and of all that polls tell where there are none."""
    read, settings = subject.connector.read, subject.settings
    assert read is not None
    told = [seen for arrival in arrivals for seen in subject.translate(subject.inbound(arrival))]
    if not arrivals:
        told = [seen for poll in subject.connector.polls for seen in subject.poll(poll, sandbox).emitted]
    for seen in told:
        if isinstance(seen, Occurrence):
            continue
        lookup = Lookup(seen.kind, seen.external_id) if isinstance(seen, Snapshot) else seen
        try:
            found = subject.drive(lambda http, lookup=lookup: read(settings, lookup, http), sandbox).result
        except Exception:  # noqa: S112 - a kind that cannot be looked up; other ways tell it
            continue
        await bridge.journal.accept(NewInbox(CHANNEL, Origin.READ, dump_observations(found), clock.now()))
    bridge.wake()
    await bridge.settle()


IDENTITY_CHECKS = (signature_expired, signature_rotated, identities_stable, one_event)
