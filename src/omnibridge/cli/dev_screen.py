"""What the author's loop shows: quiet text for a terminal of 80 columns, or a JSON line each for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import typer
from pydantic import BaseModel, JsonValue
from rich.console import Console
from rich.text import Text

from omnibridge.testing.dev import Again, Began, Judged, Letter, Problem, Told, Trace, differences, places

__all__ = ["JsonScreen", "TextScreen"]

_LINES = 12
"""Lines of one stage; the rest with --full."""
_STAGES = ("answer", "wire", "canonical", "happened", "routed", "sent", "problems")
_PLAIN = ("[]", "{}", "null", "false")
"""What need not be shown of an observation where it says nothing beside its fields."""


def stages(trace: Trace) -> dict[str, JsonValue]:
    """A trace as what people follow, stage by stage."""
    sent: list[JsonValue] = [
        {"request": f"{one.method} {one.to}{one.path} -> {one.status or 'no answer'}", "body": _data(one.body)}
        for one in trace.sent
    ]
    happened: list[JsonValue] = [f"{one.type} of {one.subject}" if one.subject else one.type for one in trace.events]
    if trace.seen and not trace.events and not trace.problems:
        lookup = any(isinstance(one, dict) and "lookup" in one for one in trace.seen)
        happened.append("nothing yet: it is looked up" if lookup else "nothing: no difference, or an older version")
    return {
        "answer": f"{trace.status} {trace.answer}".strip() if trace.status is not None else None,
        "wire": trace.wire,
        "canonical": [_said(one) for one in trace.seen],
        "happened": happened,
        "routed": [
            f"{one.channel}: {one.operation}, {one.state}" + (f" ({one.told})" if one.told else "")
            for one in trace.routed
        ],
        "sent": sent,
        "problems": [f"{one.where}: {one.what}" for one in trace.problems],
    }


def _said(one: JsonValue) -> JsonValue:
    if not isinstance(one, dict):
        return one
    empty = ("aliases", "custom", "deleted", "ours", "event", "subject", "at")
    return {name: value for name, value in one.items() if name not in empty or json.dumps(value) not in _PLAIN}


def _data(body: JsonValue) -> JsonValue:
    """Of an event that went to the sink, type and data: the rest of the envelope is the core's."""
    if isinstance(body, dict) and "specversion" in body:
        return {"type": body.get("type"), "data": body.get("data")}
    return body


def compared(then: Trace, now: Trace, stage: str) -> list[tuple[str, str | None, str | None]]:
    """What differs in one stage."""
    return differences(stages(then)[stage], stages(now)[stage])


class JsonScreen:
    """Each thing that happens is one line."""

    def listening(self, inbox: str, sandbox: str) -> None:
        """Before anything else."""
        self._line("listening", inbox=inbox, sandbox=sandbox)

    def began(self, began: Began, changed: Sequence[str], again: Sequence[Again]) -> None:
        """Code is at work."""
        self._line("reloaded" if changed else "began", changed=list(changed), **_dump(began))
        for one in again:
            found = {stage: compared(one.then, one.now, stage) for stage in _STAGES}
            other = {stage: [list(line) for line in lines] for stage, lines in found.items() if lines}
            self._line("again", id=one.letter.id if one.letter else None, same=not other, differences=other)

    def broken(self, problem: Problem, changed: Sequence[str]) -> None:
        """The code cannot be used."""
        self._line("broken", changed=list(changed), problem=_dump(problem))

    def told(self, told: Told) -> None:
        """A letter went its way."""
        self._line("delivery", **_letter(told))

    def moved(self, trace: Trace) -> None:
        """Something happened that no letter caused."""
        self._line("moved", trace=trace.model_dump(mode="json"))

    def judged(self, judged: Judged) -> None:
        """A replay."""
        made = _letter(judged.told) if judged.told else {"trace": judged.trace.model_dump(mode="json")}
        self._line("replay", good=judged.good, verdict=judged.verdict, **made)

    def _line(self, what: str, **values: object) -> None:
        typer.echo(json.dumps({"what": what, **values}, ensure_ascii=False))


def _dump(value: BaseModel) -> dict[str, object]:
    return value.model_dump(mode="json")


def _letter(told: Told) -> dict[str, object]:
    letter = told.letter
    return {
        "id": letter.id,
        "method": letter.method,
        "target": letter.target,
        "headers": letter.headers,
        "body": letter.body.decode("utf-8", "replace"),
        "before": told.before.letter.id if told.before else None,
        "trace": told.trace.model_dump(mode="json"),
    }


class TextScreen:
    """For people. Colours only where there is a terminal; nothing important by colour alone."""

    def __init__(self, *, full: bool = False) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._most = 10_000 if full else _LINES
        self._connector = "CONNECTOR"

    def listening(self, inbox: str, sandbox: str) -> None:
        """Before anything else."""
        self._say(f"listening at {inbox}/in/{self._connector}; the sandbox at {sandbox}; Ctrl-C ends it", "dim")

    def began(self, began: Began, changed: Sequence[str], again: Sequence[Again]) -> None:
        """Code is at work."""
        self._connector = began.connector
        if not changed:
            self._say(f"{began.connector} is at work", "bold")
            self._stages(began.trace, None)
        else:
            self._again(began, changed, again)
        for note in began.notes:
            self._say(f"  note: {note}", "yellow")
        self._problems(began.trace)

    def _again(self, began: Began, changed: Sequence[str], again: Sequence[Again]) -> None:
        self._say(f"reloaded, as {_some(changed)} changed", "bold")
        same = 0
        for one in again:
            found = {stage: compared(one.then, one.now, stage) for stage in _STAGES}
            if not any(found.values()):
                same += one.letter is not None
                continue
            self._say(f"#{one.letter.id} is other now" if one.letter else "the start is other now", "bold")
            for stage, lines in found.items():
                self._block(stage, _signed(lines))
            if one.letter is not None:
                self._problems(one.now)
        if again:
            self._say(f"  {same} of {sum(one.letter is not None for one in again)} deliveries as before", "dim")

    def broken(self, problem: Problem, changed: Sequence[str]) -> None:
        """The code cannot be used."""
        self._say(f"broken, as {_some(changed)} changed" if changed else "broken", "bold red")
        self._problem(problem)
        self._say("  waiting for the next change; what arrives is kept", "dim")

    def told(self, told: Told) -> None:
        """A letter went its way."""
        self._head(told.letter, told.trace)
        self._raw(told.letter)
        self._stages(told.trace, told.before)
        self._problems(told.trace)

    def moved(self, trace: Trace) -> None:
        """Something happened that no letter caused."""
        self._say("by itself (a poll, a retry)", "bold")
        self._stages(trace, None)
        self._problems(trace)

    def judged(self, judged: Judged) -> None:
        """A replay."""
        if judged.told is not None:
            self.told(judged.told)
        else:
            self._stages(judged.trace, None)
            self._problems(judged.trace)
        self._say(("ok: " if judged.good else "WRONG: ") + judged.verdict, "green" if judged.good else "bold red")

    # -- parts -----------------------------------------------------------------------------------------------------

    def _head(self, letter: Letter, trace: Trace) -> None:
        number = f"#{letter.id}  " if letter.id else ""
        again = ", known already: deduplicated" if trace.duplicate else ""
        told = f"  {trace.answer}" if trace.answer else ""
        self._say(
            f"{number}{letter.method} {letter.target}  {len(letter.body)} bytes  -> {trace.status}{again}{told}",
            "bold" if trace.taken else "bold red",
        )

    def _raw(self, letter: Letter) -> None:
        body = letter.body.decode("utf-8", "replace")
        self._block("raw", [f"{name}: {value}" for name, value in _own(letter.headers)] + [" ".join(body.split())])

    def _stages(self, trace: Trace, before: Told | None) -> None:
        now = stages(trace)
        for stage in ("wire", "canonical", "happened", "routed", "sent"):
            if before is not None and stage in ("wire", "canonical", "sent"):
                lines = _signed(compared(before.trace, trace, stage))
                self._block(stage, [f"as #{before.letter.id}" + (", but" if lines else ""), *lines])
            elif stage in ("happened", "routed"):
                value = now[stage]
                self._block(stage, [str(line) for line in value] if isinstance(value, list) else [])
            else:
                self._block(stage, list(_whole(stage, now[stage])))

    def _block(self, stage: str, lines: Sequence[str]) -> None:
        shown = lines if len(lines) <= self._most + 1 else lines[: self._most]
        for place, line in enumerate(shown):
            head = f"  {stage:<10} " if place == 0 else " " * 13
            text = Text(head, "cyan").append(line, "green" if line[:1] == "+" else "red" if line[:1] == "-" else "")
            self._console.print(text, no_wrap=True, overflow="ellipsis")
        if len(shown) < len(lines):
            self._say(f"{'':13}and {len(lines) - len(shown)} more (--full)", "dim")

    def _problems(self, trace: Trace) -> None:
        for problem in trace.problems:
            self._problem(problem)

    def _problem(self, problem: Problem) -> None:
        self._say(f"  PROBLEM    {problem.where + ': ' if problem.where else ''}{problem.what}", "bold red")

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)


def _own(headers: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    usual = ("accept", "accept-encoding", "connection", "content-length", "host", "user-agent")
    return [(name, value) for name, value in headers.items() if name not in usual]


def _whole(stage: str, value: JsonValue) -> Iterator[str]:
    """A stage in full: each observation and each request under a line of its own."""
    if stage == "wire" or not isinstance(value, list):
        yield from (f"{place} {leaf}".strip() for place, leaf in places(value) if value is not None)
        return
    for one in value:
        if not isinstance(one, dict):
            yield str(one)
            continue
        inner: JsonValue = one.get("body") if stage == "sent" else one.get("entity", one.get("data"))
        rest = [f"{name} {leaf}" for name, leaf in places({k: v for k, v in one.items() if v is not inner})]
        yield str(one["request"]) if stage == "sent" else ", ".join(rest)
        if inner is not None:
            yield from (f"  {place} {leaf}" for place, leaf in places(inner))


def _signed(lines: Iterable[tuple[str, str | None, str | None]]) -> list[str]:
    found: list[str] = []
    for place, then, now in lines:
        if then is None:
            found.append(f"+ {place} {now}".rstrip())
        elif now is None:
            found.append(f"- {place} {then}".rstrip())
        else:
            found.append(f"~ {place} {then} -> {now}")
    return found


def _some(changed: Sequence[str]) -> str:
    return ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
