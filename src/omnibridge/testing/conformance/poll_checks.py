"""Silver: a poll ends, loses nothing when it is cut off, and moves forward only."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Sequence

from pydantic import JsonValue

from omnibridge.connector import (
    Cursor,
    Observation,
    Occurrence,
    Poll,
    Response,
    Sandbox,
    Settings,
    json_bytes,
)
from omnibridge.errors import OmniBridgeError
from omnibridge.testing.conformance.check import silver
from omnibridge.testing.conformance.hand import Endless, Hand, Stopped
from omnibridge.testing.conformance.subject import Blocked, Missed, NotApplicable, Subject

__all__ = ["POLL_CHECKS"]

_LISTS = 5
Name = tuple[str, ...]
AnyPoll = Poll[Settings]


def _polls(subject: Subject) -> Sequence[AnyPoll]:
    if not subject.polls:
        raise NotApplicable("it has no poll")
    return subject.polls


def _name(seen: Observation) -> Name:
    if isinstance(seen, Occurrence):
        return "occurrence", seen.event.id if seen.event else seen.type, seen.key
    return type(seen).__name__.lower(), seen.kind, seen.external_id


def _names(observations: Iterable[Observation]) -> set[Name]:
    return {_name(seen) for seen in observations}


def _run(
    subject: Subject,
    poll: AnyPoll,
    cursor: Cursor | None = None,
    change: Callable[[Response], Response] | None = None,
    sandbox: Sandbox | None = None,
) -> Hand:
    """A run to its end."""
    try:
        return _try(subject, poll, cursor, change, sandbox)
    except Endless:
        raise Blocked("polls-end") from None


def _try(
    subject: Subject,
    poll: AnyPoll,
    cursor: Cursor | None = None,
    change: Callable[[Response], Response] | None = None,
    sandbox: Sandbox | None = None,
) -> Hand:
    """A run to its end. Raises Endless."""
    hand = Hand()
    subject.poll(poll, sandbox, cursor=cursor, hand=hand, change=change)
    return hand


def _first(subject: Subject, poll: AnyPoll) -> Hand:
    try:
        return _run(subject, poll)
    except Blocked:
        raise
    except Exception:
        raise Blocked("golden-inbound") from None


def _told(hand: Hand) -> set[Name]:
    return _names(seen for page, _ in hand.pages for seen in page)


@silver(
    why="A poll that never ends holds its row, asks for ever, and uses up the limits that deliveries need.",
    mend="Stop when the vendor names no next page, and when the next page is the one that was just read.",
)
def polls_end(subject: Subject) -> None:
    """Each poll comes to an end: the first run, the one after it, and one that finds nothing."""
    for poll in _polls(subject):
        try:
            cursor = _try(subject, poll).cursor
            cursor = _try(subject, poll, cursor).cursor or cursor
            with contextlib.suppress(OmniBridgeError):  # that nothing is there may be an error, which ends it too
                _try(subject, poll, cursor, _emptied())
        except Endless:
            raise Missed(f"the poll {poll.name!r} does not end") from None


@silver(
    why="A page that is read, and whose place in the order is passed before it is stored, is lost for good: nobody "
    "asks for it again.",
    mend="`await http.emit(page, cursor)` with the cursor that comes after exactly this page.",
)
def polls_resume(subject: Subject) -> None:
    """A poll that is cut off at any step goes on from its last cursor, and all of it is told."""
    for poll in _polls(subject):
        whole = _first(subject, poll)
        for number in range(1, whole.count + 1):
            hand, sandbox = Hand(stop=number), subject.sandbox()
            try:
                subject.poll(poll, sandbox, hand=hand)
            except Stopped:
                rest = _run(subject, poll, hand.cursor, sandbox=sandbox)
                lost = _told(whole) - _told(hand) - _told(rest)
                if lost:
                    raise Missed(
                        f"the poll {poll.name!r}, cut off after step {number}, never tells {_words(lost)}"
                    ) from None


@silver(
    why="Vendors give empty pages in the middle: of filtered lists, of rows that were deleted meanwhile. Taken for the "
    "end, all that follows is never read.",
    mend="Go on while the vendor names a next page, however many rows this one has. Where the place in the order is "
    "that of the last row, so that an empty page is the end, say so in `Conformance.without`.",
    excusable=True,
)
def polls_empty_page(subject: Subject) -> None:
    """An empty page in the middle is not the end: what stands on later pages is told all the same."""
    excuse = subject.excuse("polls-empty-page")
    tried, asks = False, False
    stopped: list[str] = []
    for poll in _polls(subject):
        whole = _first(subject, poll)
        if whole.fetched:
            continue  # a file has no pages
        asks = True
        first, *later = [_names(page) for page, _ in whole.pages if page] or [set[Name]()]
        if not later:
            continue
        # Which answer is the page, nobody says: lists of places or ids may be asked for before it.
        runs = [_told(_run(subject, poll, None, _emptied(nth))) for nth in range(1, _LISTS)]
        runs = [told for told in runs if first - told]
        if not runs:
            continue
        tried = True
        lost = min((set[Name]().union(*later) - told for told in runs), key=len)
        if lost:
            stopped.append(f"the poll {poll.name!r} takes an empty page for the end, and never tells {_words(lost)}")
    if not tried and not asks:
        raise NotApplicable("its polls read files, which have no pages")
    if not tried:
        raise Missed("no poll reads a second page of the sandbox: fill it, or make its pages smaller")
    if excuse is not None:
        if not stopped:
            raise Missed(f"`without` says {excuse!r}, and every poll goes on")
        raise NotApplicable(excuse)
    if stopped:
        raise Missed("; ".join(stopped))


@silver(
    why="A cursor that goes back reads the same again and again, and one that jumps ahead when there is nothing leaves "
    "out what is stored late.",
    mend="Make the cursor of what was read, never of the time at which it was read, and keep the old one when nothing "
    "was.",
)
def cursors_forward(subject: Subject) -> None:
    """A run that finds nothing new, or nothing at all, does not put the cursor back to where more is read again."""
    for poll in _polls(subject):
        cursor = _first(subject, poll).cursor
        if cursor is None:
            continue
        second = _run(subject, poll, cursor)
        left = _told(second)
        runs = [(second, "nothing new")]
        with contextlib.suppress(OmniBridgeError):
            runs.append((_run(subject, poll, cursor, _emptied()), "nothing"))
        for run, found in runs:
            again = _told(_run(subject, poll, run.cursor or cursor)) - left
            if again:
                raise Missed(f"the poll {poll.name!r} goes back when it finds {found}, and reads {_words(again)} again")


@silver(
    why="The cursor in the journal was written by the release before. A new one that does not know its shape reads "
    "everything again, or nothing, or fails at each run.",
    mend="Write the file with --write-golden; it keeps each shape that was ever there. Read the older ones too.",
)
def cursors_known(subject: Subject) -> None:
    """Every shape of cursor that the connector ever wrote is read, and today's is in the golden file."""
    for poll in _polls(subject):
        cursor = _first(subject, poll).cursor
        if cursor is None:
            continue
        file = subject.golden / "cursors" / f"{poll.name}.json"
        known: list[dict[str, JsonValue]] = json.loads(file.read_text("utf-8")) if file.is_file() else []
        now: dict[str, JsonValue] = json.loads(json_bytes(dict(cursor)))
        if _shape(now) not in [_shape(one) for one in known]:
            if not subject.write_golden:
                raise Missed(f"the cursor of the poll {poll.name!r} has a shape that {file.name} does not know")
            known.append(now)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", "utf-8")
        for one in known:
            try:
                _run(subject, poll, one)
            except Blocked:
                raise
            except Exception as error:
                raise Missed(
                    f"the poll {poll.name!r} does not read a cursor of before: {type(error).__name__}: {error}"
                ) from error


def _shape(value: JsonValue) -> JsonValue:
    """The names and types of a cursor, without its values."""
    if isinstance(value, dict):
        return {name: _shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return type(value).__name__


def _words(names: set[Name]) -> str:
    some = sorted(" ".join(name[1:3]) for name in names)
    return ", ".join(some[:3]) + (f" and {len(some) - 3} more" if len(some) > 3 else "")


# -- answers without rows --------------------------------------------------------------------------------------------


def _emptied(nth: int | None = None) -> Callable[[Response], Response]:
    """Takes the rows out of answers; only of the `nth` that has any, where one is named."""
    seen = 0

    def change(response: Response) -> Response:
        nonlocal seen
        try:
            value: JsonValue = json.loads(response.content)
        except ValueError:
            return response
        if not _empty(value):
            return response
        seen += 1
        return response if nth not in (None, seen) else response._replace(content=json.dumps(value).encode())

    return change


def _empty(value: JsonValue) -> bool:
    """Take the rows out of the outermost list that has any; whether there was one."""
    level: list[JsonValue] = [value]
    while level:
        below: list[JsonValue] = []
        for part in level:
            if isinstance(part, list) and part:
                part.clear()
                return True
            below.extend(part.values() if isinstance(part, dict) else ())
        level = below
    return False


POLL_CHECKS = (polls_end, polls_resume, polls_empty_page, cursors_forward, cursors_known)
