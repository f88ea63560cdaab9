"""Gold: amounts and times come through exactly, what is written comes back, and large pages are borne."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeGuard

from pydantic import BaseModel, JsonValue

from omnibridge.connector import Observation, Occurrence, Response, Snapshot, dump_observations
from omnibridge.errors import InvalidMessage, OmniBridgeError
from omnibridge.model import Entity, Money, minor_digits
from omnibridge.testing.conformance.check import gold
from omnibridge.testing.conformance.given import Write
from omnibridge.testing.conformance.golden import observations_text
from omnibridge.testing.conformance.hand import Hand
from omnibridge.testing.conformance.pages import enlarged, plain_size
from omnibridge.testing.conformance.subject import Blocked, Missed, NotApplicable, Subject
from omnibridge.testing.conformance.write_checks import STAMPS, finish, read_back, said, within

__all__ = ["EXACTNESS_CHECKS", "told_by"]

_SHARP = 9_007_199_254_740_993  # no float holds it
_ZONE = "Pacific/Auckland"
_ROWS = 10_000
_PER_BYTE = 40
_TEXT = "Zoë “O'Neil” & 漢字 <b>"


def told_by(subject: Subject) -> Iterator[tuple[str, Sequence[Observation]]]:
    """What each example and each poll tells, by its name."""
    if subject.connector.webhook is None and not subject.connector.polls:
        raise NotApplicable("nothing comes in")
    for arrival in subject.given.arrivals if subject.connector.webhook is not None else ():
        yield arrival.name, _tell(lambda arrival=arrival: subject.translate(subject.inbound(arrival)))
    for poll in subject.connector.polls:
        yield f"the poll {poll.name!r}", _tell(lambda poll=poll: subject.poll(poll).emitted)


def _tell(tell: Callable[[], Sequence[Observation]]) -> Sequence[Observation]:
    try:
        return tell()
    except Exception:
        raise Blocked("golden-inbound") from None


# -- money -----------------------------------------------------------------------------------------------------------


def _monies(value: object) -> Iterator[Money]:
    if isinstance(value, Money):
        yield value
    elif isinstance(value, BaseModel):
        for name in value.model_fields_set:
            yield from _monies(getattr(value, name))
    elif _is_tuple(value):
        for item in value:
            yield from _monies(item)


def _is_tuple(value: object) -> TypeGuard[tuple[object, ...]]:
    return isinstance(value, tuple)


def _amounts(observations: Sequence[Observation]) -> list[Money]:
    return [money for seen in observations if isinstance(seen, Snapshot) for money in _monies(seen.entity)]


def _sharpened(content: bytes, known: Sequence[Money]) -> tuple[bytes, set[Decimal]]:
    """JSON in which each amount that is known is one that no float holds, and what those come to."""
    whole = {money.amount for money in known if money.amount}
    minor = {money.amount.scaleb(minor_digits(money.currency)): minor_digits(money.currency) for money in known}
    digits = 2
    expected: set[Decimal] = set()
    marks: dict[str, str] = {}

    def sharp(value: JsonValue) -> JsonValue:
        if isinstance(value, dict):
            return {name: sharp(item) for name, item in value.items()}
        if isinstance(value, list):
            return [sharp(item) for item in value]
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return value
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            return value
        exact = Decimal(_SHARP).scaleb(-digits)
        if isinstance(value, str) and "." in value and amount in whole:
            expected.add(exact)
            return str(exact)
        if isinstance(value, float) and amount in whole:
            expected.add(exact)
            marks["@sharp@"] = str(exact)
            return "@sharp@"
        if isinstance(value, int) and amount in minor and minor[amount] and amount > 99:
            expected.add(Decimal(_SHARP).scaleb(-minor[amount]))
            return _SHARP
        return value

    text = json.dumps(sharp(json.loads(content)))
    for mark, number in marks.items():
        text = text.replace(f'"{mark}"', number)
    return text.encode(), expected


def _rounded(observations: Sequence[Observation], expected: set[Decimal]) -> Decimal | None:
    for money in _amounts(observations):
        if money.amount not in expected and any(abs(money.amount - exact) <= 2 for exact in expected):
            return money.amount
    return None


@gold(
    why="A float holds no cent exactly. What is off by one is found at the end of the year, in the accounts.",
    mend="Read JSON with `inbound.json()` and `response.json()`, which give `Decimal`, or keep the text; never "
    "`float()`.",
)
def money_exact(subject: Subject) -> None:
    """An amount that no float can hold comes through to the last digit, from webhooks and from polls."""
    tried = False
    for arrival in subject.given.arrivals if subject.connector.webhook is not None else ():
        known = _amounts(_tell(lambda arrival=arrival: subject.translate(subject.inbound(arrival))))
        if not known or not arrival.body.startswith(b"{"):
            continue
        tried = True
        body, expected = _sharpened(arrival.body, known)
        try:
            wrong = _rounded(subject.translate(subject.inbound(arrival, body)), expected)
        except InvalidMessage:
            continue
        if wrong is not None:
            raise Missed(f"{arrival.name}: an amount of {max(expected)} is told as {wrong}")
    for poll in subject.connector.polls:
        known = _amounts(_tell(lambda poll=poll: subject.poll(poll).emitted))
        expected = set[Decimal]()

        def change(response: Response, known: Sequence[Money] = known, expected: set[Decimal] = expected) -> Response:
            try:
                content, found = _sharpened(response.content, known)
            except ValueError:
                return response
            expected |= found
            return response._replace(content=content)

        if known:
            tried = True
            hand = Hand()
            try:
                subject.poll(poll, hand=hand, change=change)
            except OmniBridgeError:
                continue
            wrong = _rounded([seen for page, _ in hand.pages for seen in page], expected)
            if wrong is not None:
                raise Missed(f"the poll {poll.name!r}: an amount of {max(expected)} is told as {wrong}")
    if not tried:
        raise NotApplicable("no example tells an amount of money")


# -- times ---------------------------------------------------------------------------------------------


@contextmanager
def _elsewhere() -> Generator[None]:
    """As on a machine at the other end of the world."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = _ZONE
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


@gold(
    why="A time without a zone is another one on the next machine: orders come before they were placed, and a newer "
    "state counts as older.",
    mend="Give each time the zone that the vendor means; `datetime.fromtimestamp` with one, no `astimezone()` without.",
)
def times_aware(subject: Subject) -> None:
    """What is told is the same in every time zone that the machine may be set to, and each time has a zone."""
    here = {name: dump_observations(told) for name, told in told_by(subject)}
    for name, told in told_by(subject):
        for seen in told:
            at = seen.version if isinstance(seen, Snapshot) else seen.at if isinstance(seen, Occurrence) else None
            if at is not None and getattr(at, "tzinfo", at) is None:
                raise Missed(f"{name} tells a time without a zone: {at}")
    with _elsewhere():
        there = {name: dump_observations(told) for name, told in told_by(subject)}
    for name, told in here.items():
        if there[name] != told:
            raise Missed(f"{name} tells something else on a machine in {_ZONE}")


# -- releases --------------------------------------------------------------------------------------------------------


@gold(
    why="Routes, maps and other channels stand on what the last release told.",
    mend="Add to what is told; take away or rename with a new major version, and say so in the CHANGELOG. Copy "
    "`golden/` to the folder that `Conformance.released` names when you release.",
)
def told_as_released(subject: Subject) -> None:
    """Whatever the last release told of its examples is still told."""
    folder = subject.given.released
    if folder is None:
        raise NotApplicable("conformance.py names no earlier release")
    files = sorted(Path(folder).glob("inbound/*.json"))
    if not files:
        raise Missed(f"there is nothing in {folder.name}/inbound")
    now = {arrival.name: arrival for arrival in subject.given.arrivals}
    for file in files:
        if file.stem not in now:
            raise Missed(f"the example {file.stem} of the last release is gone")
        then: JsonValue = json.loads(file.read_text("utf-8"))
        told: JsonValue = json.loads(observations_text(subject.translate(subject.inbound(now[file.stem]))))
        if not within(then, told):
            raise Missed(f"of {file.stem} something is no longer told as the last release told it")


# -- there and back --------------------------------------------------------------------------------------------------


def _variants(write: Write) -> Iterator[Entity]:
    """The example, and others like it: with unusual names, and without each field that it need not have."""
    entity = write.value
    assert isinstance(entity, Entity)
    yield entity
    fields = type(entity).model_fields
    for name in sorted(entity.model_fields_set - {"id"}):
        kept = {other: getattr(entity, other) for other in entity.model_fields_set if other != name}
        if name in ("given_name", "family_name", "note"):
            yield type(entity).model_validate({**kept, name: _TEXT})
        if not fields[name].is_required():
            yield type(entity).model_validate(kept)


def _plain(value: JsonValue) -> JsonValue:
    """Without the ids of references: what is ours on the way out is the vendor's on the way back."""
    if isinstance(value, dict):
        names = {"kind"} if value.keys() <= {"kind", "id", "external_id"} and "kind" in value else value.keys()
        return {name: _plain(value[name]) for name in names}
    return [_plain(item) for item in value] if isinstance(value, list) else value


@gold(
    why="What is written and does not come back the same is lost, or goes round between channels without end.",
    mend="Let `normal` say what the vendor makes of an entity, and read every field that is written.",
)
def round_trip(subject: Subject) -> None:
    """Entities like the examples, made by the kit, come back as `normal` says, field by field."""
    tried = False
    for write in subject.writes:
        normal = subject.slot(write).normal
        if normal is None or not isinstance(write.value, Entity):
            continue
        for entity in _variants(write):
            variant = replace(write, value=entity)
            sandbox = subject.sandbox()
            try:
                receipt = finish(subject, variant, sandbox)
            except OmniBridgeError:
                continue  # refused in words: the vendor cannot hold it
            wanted = said(normal(subject.settings, entity))
            ids = {one.external_id for one in (*receipt.references, *receipt.snapshots) if one.kind == entity.KIND}
            for seen in read_back(subject, sandbox, receipt.references, receipt.snapshots):
                if not isinstance(seen, Snapshot) or seen.kind != entity.KIND or seen.external_id not in ids:
                    continue
                if seen.deleted:
                    continue
                tried = True
                now = said(seen.entity)
                for name in wanted.keys() & now.keys() - STAMPS:
                    if not within(_plain(wanted[name]), _plain(now[name])):
                        raise Missed(f"{write.name}: `{name}` is {wanted[name]!r} and comes back as {now[name]!r}")
    if not tried:
        raise NotApplicable("nothing that is written and has a `normal` is read back")


# -- large pages -----------------------------------------------------------------------------------------------------


@gold(
    why="The first run on a real account is the largest, and it is where a process is killed for its memory.",
    mend="Emit each page before the next is asked for, and keep nothing of it but the place where it ended.",
)
def memory_bounded(subject: Subject) -> None:
    """A poll that meets a page or a file of 10,000 rows needs memory in proportion to it, and comes to its end."""
    for poll in subject.connector.polls:
        size = 0

        def enlarge(response: Response) -> Response:
            nonlocal size
            longer = enlarged(response.content, _ROWS) if not size else None
            if longer is None:
                return response
            size = plain_size(longer)
            response = response._replace(content=longer)
            tracemalloc.start()  # only now: what the kit needed for making it is not the connector's
            return response

        hand = Hand()
        try:
            subject.poll(poll, hand=hand, change=enlarge)
        except OmniBridgeError:
            continue  # it says that such a page is none
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        if not size or sum(len(page) for page, _ in hand.pages) < _ROWS:
            continue
        if peak > size * _PER_BYTE:
            raise Missed(f"the poll {poll.name!r} took {peak >> 20} MiB for {_ROWS:,} rows of {size >> 10} KiB")
        return
    raise NotApplicable("no poll takes more rows than it asked for")


EXACTNESS_CHECKS = (round_trip, money_exact, times_aware, told_as_released, memory_bounded)
