"""Bronze: what comes in is understood, kept when it is not, and believed only when it is the vendor's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import anyio
from pydantic import JsonValue

from omnibridge.codec import read_events, write_structured
from omnibridge.connector import Inbound, Lookup, Observation, Occurrence, Verdict, dump_observations
from omnibridge.errors import ConfigError, InvalidMessage
from omnibridge.model import short_type
from omnibridge.testing.bridge import TestBridge
from omnibridge.testing.clock import ManualClock
from omnibridge.testing.conformance.check import bronze
from omnibridge.testing.conformance.given import Arrival
from omnibridge.testing.conformance.golden import compare, observations_text
from omnibridge.testing.conformance.payload import field_name, read_body
from omnibridge.testing.conformance.subject import CHANNEL, Blocked, Missed, NotApplicable, Subject
from omnibridge.testing.conformance.toml import channel_toml

__all__ = ["INBOUND_CHECKS", "type_of"]

_GARBAGE = (b"", b"\xff\xfe\x00", b"[]", b"null", b'"text"', b"7", b"{}", b"[" * 100_000, b'{"a": NaN}', b"a=1&b=%ff")
_MISFITS: tuple[JsonValue, ...] = (
    None,
    True,
    -1,
    1.5,
    10**40,
    "",
    "\ud800",
    "x" * 5000,
    "2026-02-30T25:61:00Z",
    [],
    {},
    [None],
    [[]],
    {"": {}},
)
_PLACES = 300


def _told(subject: Subject, arrival: Arrival) -> Sequence[Observation]:
    """What an example says. Whether it says the right thing is a check of its own."""
    try:
        return subject.translate(subject.inbound(arrival))
    except Exception:
        raise Blocked("golden-inbound") from None


def _seen(subject: Subject) -> Iterator[Observation]:
    """Everything that the examples and the polls tell."""
    for arrival in _arrivals(subject):
        yield from _told(subject, arrival)
    for poll in subject.connector.polls:
        try:
            yield from subject.poll(poll).emitted
        except Exception:
            raise Blocked("golden-inbound") from None
    if subject.connector.webhook is None and not subject.connector.polls:
        raise NotApplicable("nothing comes in")


@bronze(
    why="It shows that the vendor's real payloads are understood, and every later change of that as a difference.",
    mend="Give an `Arrival` for each kind of webhook and a sandbox that the polls find something in; write the golden "
    "files with --write-golden, and read them as if a colleague had written them.",
)
def golden_inbound(subject: Subject) -> None:
    """Each example and each poll tells exactly what its golden file says."""
    if subject.connector.webhook is None and not subject.connector.polls:
        raise NotApplicable("nothing comes in")
    if subject.connector.webhook is not None:
        for arrival in subject.arrivals:
            told = subject.translate(subject.inbound(arrival))
            compare(subject, "inbound", arrival.name, observations_text(told))
    for poll in subject.connector.polls:
        told = subject.poll(poll).emitted
        if not told:
            raise Missed(f"the poll {poll.name!r} found nothing: fill the sandbox of conformance.py")
        compare(subject, "polls", poll.name, observations_text(told))


@bronze(
    why="Vendors add fields at any time and call that compatible.",
    mend='Let models of the vendor\'s shapes have `extra="allow"`, and keep what has no place in `Entity.vendor`.',
)
def unknown_fields(subject: Subject) -> None:
    """A field that the vendor may add tomorrow, in any object of an example, changes nothing that is known today."""
    for arrival in subject.arrivals:
        body = read_body(arrival)
        if body is None:
            continue
        before = _identities(_told(subject, arrival))
        try:
            after = _identities(subject.translate(subject.inbound(arrival, body.enlarged())))
        except InvalidMessage as error:
            raise Missed(f"{arrival.name} with an unknown field is refused: {error}") from error
        if before != after:
            raise Missed(f"{arrival.name} with an unknown field tells {after}, not {before}")


def _identities(observations: Sequence[Observation]) -> list[tuple[str, ...]]:
    return [
        ("occurrence", type_of(seen))
        if isinstance(seen, Occurrence)
        else (type(seen).__name__, seen.kind, seen.external_id)
        for seen in observations
    ]


def type_of(seen: Occurrence) -> str:
    """The type of what happened, as people write it."""
    return seen.event.name if seen.event is not None else short_type(seen.type)


@bronze(
    why="Vendors leave fields out by plan, by version and by mistake; a whole order must not be refused for its note.",
    mend="Give optional fields a default in the vendor's model; list in `Arrival.required` those without which the "
    "delivery cannot be understood.",
)
def missing_fields(subject: Subject) -> None:
    """An example is understood without any one of its fields, but those that its author names as required."""
    for arrival in subject.arrivals:
        body = read_body(arrival)
        _told(subject, arrival)
        if body is None:
            continue
        for place in body.places()[:_PLACES]:
            if field_name(place) in arrival.required:
                continue
            try:
                subject.translate(subject.inbound(arrival, body.without(place)))
            except InvalidMessage as error:
                raise Missed(f"{arrival.name} without {field_name(place)} is refused: {error}") from error
            except Exception as error:
                raise Missed(f"{arrival.name} without {field_name(place)}: {type(error).__name__}: {error}") from error


@bronze(
    why="What raises InvalidMessage is kept, shown and replayed after the connector is mended. Any other error looks "
    "like a bug of the connector, and silence loses the delivery.",
    mend="Read bodies with `inbound.json()` or `inbound.form()`, validate them with a model, and turn its error into "
    "`InvalidMessage(what, where=field)`.",
)
def malformed(subject: Subject) -> None:
    """Whatever arrives instead of an example is understood or refused with InvalidMessage, and never passed over."""
    for arrival in subject.arrivals:
        half = arrival.body[: len(arrival.body) // 2]
        for body in (*_GARBAGE, half, arrival.body + b"\x00"):
            if not _bears(subject, arrival, body, body[:40].decode("latin-1")) and body in _GARBAGE[:2]:
                raise Missed(f"{body!r} instead of {arrival.name} is taken without a word")
        parts = read_body(arrival)
        if parts is None:
            continue
        for place in parts.places()[:_PLACES]:
            name = field_name(place)
            _bears(subject, arrival, parts.without(place), f"no {name}")
            for misfit, body in zip(_MISFITS, parts.replaced(place, _MISFITS), strict=True):
                _bears(subject, arrival, body, f"{str(misfit)[:40]!r} as {name}")


def _bears(subject: Subject, arrival: Arrival, body: bytes, what: str) -> bool:
    """Whether anything was said about it: an observation or InvalidMessage. Raises Missed for another error."""
    try:
        told = list(subject.translate(subject.inbound(arrival, body)))
        dump_observations(told)
    except InvalidMessage:
        return True
    except Exception as error:
        raise Missed(f"{arrival.name} with {what} raises {type(error).__name__}: {error}") from error
    return bool(told)


@bronze(
    why="A type that is not declared cannot be routed by `omnibridge check`, nor found in the connector's reference.",
    mend="Add the entity kind or event type to `Connector.emits`.",
)
def emits_declared(subject: Subject) -> None:
    """Every entity kind and event type that the examples and polls tell is in `emits`."""
    emits = subject.connector.emits
    if "*" in emits:
        return
    told = {
        type_of(seen) if isinstance(seen, Occurrence) else seen.kind
        for seen in _seen(subject)
        if not isinstance(seen, Lookup)
    }
    missing = sorted(told - {short_type(name) for name in emits})
    if missing:
        raise Missed(f"not in emits: {', '.join(missing)}")


@bronze(
    why="It is the whole way through the real core: what it cannot turn into events stays invalid in the inbox.",
    mend="Read the error beside it. Types are names like `acme.thing.happened`, times are aware, versions of an entity "
    "are of one type.",
)
def events_valid(subject: Subject) -> None:
    """A bridge accepts each signed example, asks each poll, and what comes of both are valid CloudEvents."""
    if not any(True for _ in _seen(subject)):
        raise Blocked("golden-inbound")
    for arrival in _arrivals(subject):
        if _verdict(subject, _signed(subject, arrival)) is not Verdict.OK:
            raise Blocked("signature-valid")
    anyio.run(_process, subject)


def _arrivals(subject: Subject) -> Sequence[Arrival]:
    return subject.arrivals if subject.connector.webhook is not None else ()


async def _process(subject: Subject) -> None:
    toml, env = channel_toml(subject)
    host = urlsplit(subject.connector.base_url(subject.settings) if subject.connector.base_url else "").netloc
    clock = ManualClock(subject.given.now)
    try:
        bridge = TestBridge(
            toml, env=env, connectors=[subject.connector], clock=clock, sandboxes={host: subject.sandbox()}
        )
        bridge.config.require()
    except ConfigError:
        raise Blocked("settings-references") from None
    async with bridge:
        for arrival in _arrivals(subject):
            signed = subject.signed(arrival)
            query = urlsplit(signed.url).query
            reply = await bridge.ingress.webhook(
                CHANNEL, signed.path_secret, "POST", query, signed.headers, signed.body
            )
            if reply.status >= 300:
                raise Missed(f"{arrival.name} is answered {reply.status}: {reply.body.decode('utf-8', 'replace')}")
        await bridge.settle()
        for row in await bridge.journal.inbox(state="invalid", limit=1):
            raise Missed(f"the core cannot process what it tells: {row.error}")
        events = await bridge.journal.events(limit=500)
        if not events:
            raise Missed("no event came of any example")
        for stored in events:
            message = write_structured(stored.event)
            if read_events({"content-type": message.content_type or ""}, message.body) != (stored.event,):
                raise Missed(f"{stored.event.name} {stored.event.id} is not the same after it was written and read")


# -- signatures ------------------------------------------------------------------------------------------------------


def _verdict(subject: Subject, inbound: Inbound) -> Verdict:
    try:
        return subject.webhook.verify(subject.settings, inbound, inbound.received)
    except InvalidMessage:
        return Verdict.FORGED  # as the core takes it


def _signed(subject: Subject, arrival: Arrival) -> Inbound:
    if subject.given.sign is None:
        raise Blocked("signature-valid")
    return subject.signed(arrival)


@bronze(
    why="A connector that refuses its own vendor receives nothing.",
    mend="Sign in conformance.py by the vendor's documentation, best with an example of its own, and mend `verify`.",
)
def signature_valid(subject: Subject) -> None:
    """An example that is signed as the vendor signs is taken."""
    for arrival in subject.arrivals:
        verdict = _verdict(subject, subject.signed(arrival))
        if verdict is not Verdict.OK:
            raise Missed(f"{arrival.name}, signed, is {verdict.value}")


@bronze(
    why="Anybody could place orders and withdraw permissions by knowing the address.",
    mend="Answer Verdict.UNSIGNED where the signature, or what stands in for it, is missing.",
)
def signature_missing(subject: Subject) -> None:
    """An example without its signature is refused."""
    for arrival in subject.arrivals:
        if _verdict(subject, subject.inbound(arrival)) is Verdict.OK:
            raise Missed(f"{arrival.name} is taken without a signature")


@bronze(
    why="A signature that is not compared whole can be guessed.",
    mend="Compare with `omnibridge.connector.verify_any` or `same`: all of it, in constant time.",
)
def signature_forged(subject: Subject) -> None:
    """An example is refused when one character changes in anything that signing added to it."""
    for arrival in subject.arrivals:
        signed, bare = _signed(subject, arrival), subject.inbound(arrival)
        forged = [
            (name, replace(signed, headers={**signed.headers, name: _other(value)}))
            for name, value in signed.headers.items()
            if bare.headers.get(name) != value and value
        ]
        if signed.path_secret:
            forged.append(("the secret in the address", replace(signed, path_secret=_other(signed.path_secret))))
        if not forged and signed == bare:
            raise Missed("`sign` in conformance.py changes nothing")
        for what, inbound in forged:
            if _verdict(subject, inbound) is Verdict.OK:
                raise Missed(f"{arrival.name} is taken although {what} was changed")


def _other(text: str) -> str:
    """The text with its middle character changed."""
    middle = len(text) // 2
    return text[:middle] + ("1" if text[middle] == "0" else "0") + text[middle + 1 :]


@bronze(
    why="A signature that does not cover the body lets everybody write into it.",
    mend="Verify over `inbound.body`, the raw bytes: never over what was parsed and written again. If the vendor's "
    "signature does not cover the body, say so in `Conformance.unsigned`.",
)
def signature_covers(subject: Subject) -> None:
    """An example is refused when one byte of its body changes."""
    if subject.given.unsigned:
        _ = subject.webhook
        raise NotApplicable(subject.given.unsigned)
    for arrival in subject.arrivals:
        signed = _signed(subject, arrival)
        for at in {0, len(signed.body) // 2, len(signed.body) - 1} if signed.body else ():
            body = bytes([*signed.body[:at], signed.body[at] ^ 1, *signed.body[at + 1 :]])
            if _verdict(subject, replace(signed, body=body)) is Verdict.OK:
                raise Missed(f"{arrival.name} is taken although byte {at} of its body was changed")


INBOUND_CHECKS = (
    golden_inbound,
    unknown_fields,
    missing_fields,
    malformed,
    emits_declared,
    events_valid,
    signature_valid,
    signature_missing,
    signature_forged,
    signature_covers,
)
