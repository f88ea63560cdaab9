"""Silver: what is written is written once, whatever ends in between, and is no news when it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import NAMESPACE_URL, uuid5

from pydantic import JsonValue

from omnibridge.connector import (
    Delivery,
    Lookup,
    NativeKey,
    Observation,
    Receipt,
    Reference,
    Request,
    Sandbox,
    Snapshot,
)
from omnibridge.model import Entity
from omnibridge.testing.conformance.check import silver
from omnibridge.testing.conformance.given import Write
from omnibridge.testing.conformance.hand import Hand, Memory, Stopped
from omnibridge.testing.conformance.subject import Blocked, Missed, NotApplicable, Subject

__all__ = ["STAMPS", "WRITE_CHECKS", "finish", "read_back", "said", "within"]

_AGAIN = timedelta(minutes=3)
_RUNS = 30
_SHARED = frozenset({"customer", "consent", "inventory", "product", "location"})
"""Kinds that every channel may change; of the others the one that made it owns each field, and others fill in."""
STAMPS = frozenset({"id", "created_at", "updated_at", "vendor", "attributes"})


def _key(seed: str) -> str:
    return str(uuid5(NAMESPACE_URL, seed))


def _sent(
    subject: Subject, write: Write, seed: str = "a", *, again: bool = False, hand: Hand | None = None
) -> list[Request]:
    """The writing requests of an example on a fresh sandbox; `again`: as a later attempt."""
    briefing, sandbox = subject.briefing(write), subject.sandbox()
    sandbox.now = lambda: subject.given.now + _AGAIN  # the same for both, as what it stamps may be sent back to it
    if again:
        briefing = briefing._replace(attempt=2)
    try:
        done = subject.deliver(
            write,
            sandbox,
            briefing=briefing,
            hand=hand,
            key=lambda step: _key(seed + step),
            later=_AGAIN if again else timedelta(0),
        )
    except Exception as error:
        if again:
            raise Missed(f"{write.name} fails in a later attempt: {type(error).__name__}: {error}") from error
        raise Blocked("golden-outbound") from None
    return [request for request in done.requests if not request.reads]


@silver(
    why="An answer that is lost leaves one question: did it happen? Without a key, a repeatable request or a way to "
    "look, a person has to answer it, each time.",
    mend="Give each writing request `protection=NativeKey()` with `http.key(step)` sent where the vendor looks for it, "
    "or `Upsert()` where sending it twice is as sending it once; else give `deliver(..., find=...)`.",
)
def steps_protected(subject: Subject) -> None:
    """Each writing request of the examples is protected, or what it did can be looked up; its step is named once."""
    for write in subject.writes:
        names: set[str] = set()
        for request in _sent(subject, write):
            if request.step in names:
                raise Missed(f"{write.name} has two writing requests with the step {request.step!r}")
            names.add(request.step)
            if request.protection is None and subject.slot(write).find is None:
                raise Missed(f"{write.name}: nothing protects {request.method} {request.path} ({request.step!r})")


@silver(
    why="A key that is not sent protects nothing: the second order is made as readily as the first.",
    mend="Send `http.key(step)`, with the request's own step, in the header or field that the vendor reads.",
)
def keys_sent(subject: Subject) -> None:
    """A request that claims a key of the vendor's holds the one of its step."""
    for write in subject.writes:
        for first, other in zip(_sent(subject, write, "a"), _sent(subject, write, "b"), strict=False):
            if isinstance(first.protection, NativeKey) and _content(first) == _content(other):
                raise Missed(f"{write.name}: {first.step!r} is sent without its key")


@silver(
    why="The key is made from the step's name, and vendors refuse a known key with other bytes; what changes between "
    "two attempts makes a second record or a dead letter.",
    mend="Name steps by constants, and take everything from the event, `delivery` and `http`: no chance, no count.",
)
def attempts_equal(subject: Subject) -> None:
    """A later attempt at the same delivery makes the same requests: steps, keys and bytes."""
    for write in subject.writes:
        hand = Hand()
        first, later = _sent(subject, write, hand=hand), _sent(subject, write, again=True)
        if [request.step for request in first] != [request.step for request in later]:
            raise Missed(f"{write.name}: steps {[r.step for r in first]}, and later {[r.step for r in later]}")
        for one, two in zip(first, later, strict=True):
            whole = not hand.asked_time  # the time of an attempt may be in it: the core keeps the bytes of the first
            if (_content(one) if whole else one[:2]) != (_content(two) if whole else two[:2]):
                raise Missed(f"{write.name}: {one.step!r} is sent with other content in a later attempt")


def _content(request: Request) -> tuple[object, ...]:
    return request.method, request.path, request.params, dict(request.headers), request.body


@silver(
    why="Processes end at any moment: in deploys, in crashes, in power cuts. This is where double orders come from.",
    mend="Commit what a step made with `http.keep(reference)` before the next one, look into `delivery.own` and "
    "`delivery.references` first, and protect each request. A sandbox must honour keys as its vendor does.",
)
def restart_once(subject: Subject) -> None:
    """An exchange that ends at any of its steps, and is begun again, makes nothing twice and leaves nothing out."""
    for write in subject.writes:
        sandbox = subject.sandbox()
        hand = Hand()
        try:
            _run(subject, write, sandbox, hand, Memory())
        except (Blocked, Missed):
            raise
        except Exception:
            raise Blocked("golden-outbound") from None
        whole = _counted(sandbox)
        if not hand.writes:
            continue
        if not any(whole.values()):
            raise Missed(f"{write.name}: the sandbox's records() show nothing, so nobody can tell what was made twice")
        for number in range(1, hand.count + 1):
            for lost in (True, False) if number in hand.writes else (True,):
                _interrupted(subject, write, number, lost, whole)


def _interrupted(subject: Subject, write: Write, number: int, lost: bool, whole: dict[str, int]) -> None:
    sandbox, memory = subject.sandbox(), Memory()
    where = f"{write.name}, begun again after step {number} {'' if lost else 'was about to go '}"
    try:
        _run(subject, write, sandbox, Hand(memory, number, lost), memory)
    except Stopped:
        slot, briefing = subject.slot(write), _briefing(subject, write, memory)
        if memory.doubtful:
            if slot.find is None:
                return  # the core asks a person: `steps-protected` says so
            find = slot.find
            found = subject.drive(
                lambda http: find(subject.settings, write.value, briefing, http), sandbox, later=_AGAIN
            ).result
            if found is not None:
                _same(where, whole, sandbox)
                return
            for step in memory.doubtful:
                del memory.begun[step]
        try:
            _run(subject, write, sandbox, Hand(memory), memory)
        except Exception as error:
            raise Missed(f"{where.strip()}: {type(error).__name__}: {error}") from error
    _same(where, whole, sandbox)


def _same(where: str, whole: dict[str, int], sandbox: Sandbox) -> None:
    now = _counted(sandbox)
    if now != whole:
        tables = [f"{now.get(t, 0)} {t} instead of {n}" for t, n in whole.items() if now.get(t, 0) != n]
        more = [f"{n} {t} instead of none" for t, n in now.items() if t not in whole]
        raise Missed(f"{where.strip()}: {', '.join(tables + more)}")


def _counted(sandbox: Sandbox) -> dict[str, int]:
    return {table: len(rows) for table, rows in sandbox.records().items()}


def _briefing(subject: Subject, write: Write, memory: Memory) -> Delivery:
    """What the core would tell it after a restart: with the references that were kept."""
    briefing = subject.briefing(write)
    value, references, own = write.value, dict(briefing.references), briefing.own
    entity = value if isinstance(value, Entity) else None
    for reference in memory.kept:
        id_ = reference.id or (entity.id if entity else None)
        if id_ is not None:
            references[reference.kind, id_] = reference.external_id
        if entity is not None and reference.kind == entity.KIND and reference.id in (None, entity.id):
            own = reference.external_id
    return briefing._replace(references=references, own=own, attempt=2 if memory.begun or memory.kept else 1)


def _run(subject: Subject, write: Write, sandbox: Sandbox, hand: Hand, memory: Memory) -> Receipt:
    """Run an exchange, and again whenever it says later. Raises Stopped where the hand ends it."""
    state: object = None
    for run in range(_RUNS):
        briefing = _briefing(subject, write, memory)._replace(state=state)
        done = subject.deliver(
            write, sandbox, briefing=briefing, hand=hand, key=_key, later=_AGAIN if run else timedelta(0)
        ).result
        if isinstance(done, Receipt):
            return done
        state = done.state
        hand.memory = memory
    raise Missed(f"{write.name} still says `Later` after {_RUNS} runs")


def finish(subject: Subject, write: Write, sandbox: Sandbox) -> Receipt:
    """Deliver an example to its end, without any interruption."""
    return _run(subject, write, sandbox, Hand(), Memory())


# -- what comes back -------------------------------------------------------------------------------------------------


@silver(
    why="What the vendor keeps of an entity is compared with what it says; a rule that goes on changing its own result "
    "finds a difference each time, and channels write to each other without end.",
    mend="Let `normal` map to what the vendor keeps, such that keeping it once more changes nothing.",
)
def normal_settled(subject: Subject) -> None:
    """What `normal` makes of an example, it leaves as it is."""
    tried = False
    for write in subject.writes:
        normal, value = subject.slot(write).normal, write.value
        if normal is None or not isinstance(value, Entity):
            continue
        tried = True
        once = normal(subject.settings, value)
        twice = normal(subject.settings, once)
        if once != twice:
            raise Missed(f"normal() of {write.name} changes again in {', '.join(_differences(once, twice))}")
    if not tried:
        raise NotApplicable("nothing in `delivers` has a `normal`")


def said(entity: Entity) -> dict[str, JsonValue]:
    """What an entity says, as JSON."""
    said: dict[str, JsonValue] = entity.model_dump(mode="json", exclude_unset=True)
    return said


def _differences(one: Entity, two: Entity) -> list[str]:
    left, right = said(one), said(two)
    return sorted(name for name in {*left, *right} if left.get(name) != right.get(name))


@silver(
    why="Every write comes back, by a webhook or a poll. Where it looks different from what the receipt said, it "
    "becomes an event, which is written to the other channels, which say so again.",
    mend="Put the vendor's answer, read by the same function as its webhooks, into `Receipt.snapshots`, restricted to "
    "the fields that were written.",
)
def echo_silent(subject: Subject) -> None:
    """What a receipt says the vendor has now is what polls, reads and webhooks say afterwards."""
    seen_any = False
    for write in subject.writes:
        if not isinstance(write.value, Entity):
            continue
        sandbox = subject.sandbox()
        sandbox.outbox.clear()
        try:
            receipt = _run(subject, write, sandbox, Hand(), Memory())
        except Exception:
            raise Blocked("golden-outbound") from None
        told = {(one.kind, one.external_id): said(one.entity) for one in receipt.snapshots}
        for seen in read_back(subject, sandbox, receipt.references, receipt.snapshots):
            if not isinstance(seen, Snapshot) or (seen.kind, seen.external_id) not in told:
                continue
            seen_any = True
            now, before = said(seen.entity), told[seen.kind, seen.external_id]
            for name in now.keys() & before.keys() - STAMPS:
                same = now[name] == before[name] if seen.kind in _SHARED else within(before[name], now[name])
                if not same:
                    raise Missed(
                        f"{write.name}: the receipt says that `{seen.kind}.{name}` is {before[name]!r}, "
                        f"read back it is {now[name]!r}"
                    )
    if not seen_any:
        raise NotApplicable("no example's receipt has a snapshot of something that is read back")


def within(part: JsonValue, whole: JsonValue) -> bool:
    """Whether all that `part` says is in `whole`."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and within(value, whole[name]) for name, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(within, part, whole))
    return part == whole


def read_back(
    subject: Subject, sandbox: Sandbox, references: tuple[Reference, ...], snapshots: tuple[Snapshot, ...]
) -> Iterator[Observation]:
    """What webhooks, lookups and polls say after a write."""
    connector, settings = subject.connector, subject.settings
    read = connector.read
    lookups = [Lookup(one.kind, one.external_id) for one in (*snapshots, *references)]
    if connector.webhook is not None:
        while sandbox.outbox:
            sent = sandbox.outbox.popleft()
            headers = {name.lower(): value for name, value in sent.headers.items()}
            for seen in subject.translate(subject.raw(sent.url, headers, sent.body)):
                if isinstance(seen, Lookup):
                    lookups.append(seen)
                yield seen
    if read is not None:
        for lookup in lookups:
            try:
                yield from subject.drive(lambda http, lookup=lookup: read(settings, lookup, http), sandbox).result
            except Exception:  # noqa: S112 - a kind that cannot be looked up; other ways may tell it
                continue
    for poll in connector.polls:
        try:
            yield from subject.poll(poll, sandbox).emitted
        except Exception:
            raise Blocked("golden-inbound") from None


WRITE_CHECKS = (steps_protected, keys_sent, attempts_equal, restart_once, normal_settled, echo_silent)
