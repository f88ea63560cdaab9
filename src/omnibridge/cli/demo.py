"""`omnibridge demo`: six systems, one bridge, and everything that goes wrong between them, in a few seconds."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from omnibridge.cli.app import AsJson, app
from omnibridge.cli.demo_ledger import Ledger, read
from omnibridge.cli.demo_stage import Stage, System
from omnibridge.cli.demo_story import Facts, play
from omnibridge.cli.demo_verdict import Check, judge
from omnibridge.cli.output import say, table, write_json
from omnibridge.clock import SystemClock
from omnibridge.errors import ConfigError, Retryable
from omnibridge.journal import DeliveryState

__all__ = ["demo_command"]


_HINT = "`omnibridge demo --keep FOLDER` keeps configuration, journal and log, to look around in them."


@app.command("demo")
def demo_command(
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Keep configuration, journal and log in this new folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Play a shop's day against sandboxes on this machine and check what came of it; exit code 1 if it is wrong."""
    clock = SystemClock()
    begun = clock.monotonic()
    folder = _folder(keep)
    try:
        with Stage(folder) as stage:
            facts = play(stage, _silent if as_json else _narrator())
            ledger = read(stage)
            checks = judge(stage, facts, ledger)
            seconds = clock.monotonic() - begun
            if as_json:
                write_json(_document(stage, facts, ledger, checks, seconds))
            else:
                _show(stage, facts, ledger, checks, seconds)
                say(f"look around: omnibridge deliveries --config {stage.path}" if keep else _HINT)
    except Retryable as error:
        if as_json:
            write_json({"ok": False, "reason": str(error)})
        else:
            say(f"FAILED: {error}")
        raise typer.Exit(1) from None
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(0 if all(check.kept for check in checks) else 1)


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="omnibridge-demo-"))
    if keep.exists() and any(keep.iterdir()):
        raise ConfigError("the folder is not empty", where=str(keep), remedy="name a new one")
    keep.mkdir(parents=True, exist_ok=True)
    return keep.resolve()


def _silent(step: str) -> None:
    return


class _narrator:
    """Numbers the steps as they come."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self, step: str) -> None:
        self._number += 1
        say(f"{self._number:2}. {step}")


# -- what is told ----------------------------------------------------------------------------------------------------

Row = Sequence[str]


def _arrived(system: System) -> Row:
    with system.lock:
        records = {name: len(rows) for name, rows in system.sandbox.records().items() if rows}
        requests = len(system.sandbox.log)
    held = ", ".join(f"{number} {name}" for name, number in records.items())
    return [system.name, held, str(requests), str(len(system.letters))]


def _refused(facts: Facts, ledger: Ledger) -> list[Row]:
    rows: list[Row] = []
    if facts.forged is not None:
        rows.append(["webhook for webshop", f"HTTP {facts.forged.answers[-1]}", "its signature is forged"])
    for row in ledger.deliveries:
        if row.state is DeliveryState.REFUSED and row.last is not None:
            rows.append([f"SMS command, delivery {row.id}", row.state.value, row.last.text or ""])
    return rows


def _repeated(stage: Stage, ledger: Ledger) -> list[Row]:
    rows: list[Row] = []
    for system in stage.systems.values():
        for letter in system.letters:
            if len(letter.answers) > 1:
                answers = ", ".join("no answer" if answer is None else str(answer) for answer in letter.answers)
                rows.append([f"webhook of {system.name}", str(len(letter.answers)), answers])
    for row in ledger.deliveries:
        if row.attempts and row.state is not DeliveryState.REFUSED:
            words = [f"{attempt.outcome} {attempt.text or ''}".strip() for attempt in row.history]
            rows.append([f"delivery {row.id} to {row.channel}", str(len(words)), "; ".join(words)])
    for system in stage.systems.values():
        if system.refused:
            rows.append([f"requests that the {system.name} refused", str(system.refused), "HTTP 503"])
    for request, times in stage.systems["newsletter"].written().items():
        if times > 1 and request.startswith("POST"):
            rows.append([f"request to the newsletter: {request}", str(times), "the first answer was lost"])
    return rows


def _derived(ledger: Ledger) -> list[Row]:
    counts = Counter((stored.event.name, stored.channel) for stored in ledger.events)
    return [[name, channel, str(number)] for (name, channel), number in sorted(counts.items())]


def _show(stage: Stage, facts: Facts, ledger: Ledger, checks: Sequence[Check], seconds: float) -> None:
    say("")
    table(
        "What arrived where", ["system", "it holds", "requests", "webhooks sent"], map(_arrived, stage.systems.values())
    )
    table("What was refused, and why", ["what", "answer", "reason"], _refused(facts, ledger))
    table("What was repeated", ["what", "times", "how it went"], _repeated(stage, ledger))
    table("What happened", ["event", "from", "times"], _derived(ledger))
    table(
        "Promises", ["promise", "", "counted"], [[c.promise, "kept" if c.kept else "BROKEN", c.counted] for c in checks]
    )
    broken = [check for check in checks if not check.kept]
    for check in broken:
        say(f"BROKEN: {check.promise}: {check.counted}")
    say(
        f"{len(checks) - len(broken)} of {len(checks)} promises kept, in {seconds:.0f} seconds, "
        f"with {stage.starts} starts of the bridge"
    )


def _document(stage: Stage, facts: Facts, ledger: Ledger, checks: Sequence[Check], seconds: float) -> object:
    def rows(columns: Sequence[str], found: Sequence[Row]) -> list[dict[str, str]]:
        return [dict(zip(columns, row, strict=True)) for row in found]

    return {
        "ok": all(check.kept for check in checks),
        "seconds": round(seconds, 2),
        "starts": stage.starts,
        "systems": rows(["system", "holds", "requests", "webhooks"], [*map(_arrived, stage.systems.values())]),
        "refused": rows(["what", "answer", "reason"], _refused(facts, ledger)),
        "repeated": rows(["what", "times", "how"], _repeated(stage, ledger)),
        "events": rows(["event", "from", "times"], _derived(ledger)),
        "promises": [{"promise": c.promise, "kept": c.kept, "counted": c.counted} for c in checks],
    }
