"""How long a daemon takes to start on a journal with a million settled events, and how much memory it has then.

`python -m bench.restart [EVENTS]` prints a table and writes `bench/out/restart.json`. The journal is made once and kept
in `bench/out/`: some orders go through the journal's own calls, and SQL copies their rows under new random keys. Three
starts: with nothing of the file in the system's cache, once more, and after SIGKILL in the middle of a load.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import apsw

from bench.processes import text
from bench.report import QUICK, out_folder, show, write
from bench.stage import Stage
from omnibridge.clock import SystemClock
from omnibridge.event import Event
from omnibridge.journal import (
    SCHEMA_VERSION,
    Attempt,
    DeliveryState,
    EntityWrite,
    KeyringSeal,
    NewDelivery,
    NewInbox,
    Origin,
    Processed,
    ReferenceWrite,
    Settled,
    ShadowWrite,
    StoredEvent,
    Task,
    open_journal,
)

NAME = "restart"
MOST_S = 5.0
SEED = 250
"""So many orders are stored in earnest; the others are their copies."""
KILLED_UNDER = 20 if QUICK else 500

# NEW_ID stands for a new random id.
_COPIES = """
INSERT INTO dedupe SELECT randomblob(16), at FROM dedupe LIMIT :seed;
INSERT INTO inbox SELECT id + :step, channel, origin, received, meta, body FROM inbox WHERE id <= :seed;
INSERT INTO known (channel, kind, external_id, id, rev, version, deleted, shadow)
    SELECT channel, kind, external_id || '-' || :step, NEW_ID, rev, version, deleted, shadow
    FROM known WHERE rowid <= :seed;
INSERT INTO entities (kind, id, rev, content, party)
    SELECT kind, NEW_ID, rev, content, NEW_ID FROM entities WHERE rowid <= :seed;
INSERT INTO events (seq, id, source, type, subject, time, datacontenttype, dataschema, extensions, channel, recorded,
    inbox_id, content, party) SELECT seq + :step, NEW_ID, source, type, NEW_ID, time, datacontenttype, dataschema,
    extensions, channel, recorded, inbox_id + :step, content, NEW_ID FROM events WHERE seq <= :seed;
INSERT INTO deliveries SELECT id + :step, randomblob(16), generation, channel, task, operation, NEW_ID, place, state,
    open, priority, due, created, attempts, event + :step, NULL, route, on_poison, on_unknown, recurring, payload,
    later, at, outcome, seconds, code, text FROM deliveries WHERE id <= :seed;
""".replace("NEW_ID", "lower(hex(randomblob(16)))").split(";")[:-1]


async def seed(path: Path) -> None:
    """Store some orders and deliver each once, by the journal's own calls."""
    now = datetime.now(UTC)
    seal = KeyringSeal.load(path.with_name(path.name + ".keyring"), create=True)
    async with open_journal(path, seal=seal, clock=SystemClock()) as journal:
        for number in range(SEED):
            item = NewInbox("shop", Origin.WEBHOOK, b"x" * 200, now, f"seed-{number}", {"method": "POST"})
            inbox = (await journal.accept(item)).id
            id, content = str(uuid4()), b'{"number": "%d"}' % number
            event = Event(
                id=str(uuid4()), source="/bench/shopify/shop", type="io.omnibridge.order.placed.v1", subject=id,
                content=content, datacontenttype="application/json",
            )  # fmt: skip
            delivery = NewDelivery(
                key=str(uuid4()), channel="left", task=Task.DELIVER, operation="event", lane=id, due=now,
                event=(event.source, event.id), route="orders",
            )  # fmt: skip
            processed = Processed(
                inbox,
                references=(ReferenceWrite("shop", "order", str(number), id),),
                shadows=(ShadowWrite("shop", "order", str(number), 0, content, "2026-01-01"),),
                entities=(EntityWrite("order", id, 0, content),),
                events=(StoredEvent(event, "shop", now, inbox_id=inbox),),
                deliveries=(delivery,),
            )
            await journal.process([processed])
            for claimed in await journal.claim("left", 1, now):
                await journal.settle(Settled(claimed.id, DeliveryState.DONE, Attempt(now, "ok", 0.01)))


def copy(path: Path, events: int) -> None:
    """Copy the seed's rows until there are so many events."""
    with closing(apsw.Connection(str(path))) as db:
        db.execute("PRAGMA journal_mode = off; PRAGMA synchronous = off; PRAGMA cache_size = -1000000").fetchall()
        db.execute("BEGIN")
        for step in range(SEED, events, SEED):
            for statement in _COPIES:
                db.execute(statement, {"seed": SEED, "step": step})
        db.execute("UPDATE tally SET n = n * ?", (max(1, events // SEED),))
        db.execute("COMMIT")
        found = next(db.execute("SELECT count(*) FROM events WHERE seq <= ?", (events,)))[0]
        if found != events:
            raise RuntimeError(f"the journal has {found} events instead of {events}")


def journal(events: int) -> Path:
    """The prefilled journal: from an earlier run, or made now."""
    path = out_folder() / f"restart-{events}-schema-{SCHEMA_VERSION}.db"
    if not path.exists():
        print(f"filling a journal with {events} settled events ...", flush=True)
        begun = time.monotonic()
        new = path.with_name("restart-filling.db")
        _remove(new.parent, f"restart-{events}-schema-*", f"{new.name}*")
        anyio.run(seed, new)
        copy(new, events)
        for beside in (".keyring", ".keys"):
            new.with_name(new.name + beside).rename(path.with_name(path.name + beside))
        new.rename(path)
        _remove(new.parent, f"{new.name}*")
        print(f"filled in {time.monotonic() - begun:.0f} s, {path.stat().st_size / 2**20:.0f} MB")
    return path


def _remove(folder: Path, *patterns: str) -> None:
    for path in [path for pattern in patterns for path in folder.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def forget(path: Path) -> None:
    """Have the system forget what it holds of a file in memory, where it can."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def start(path: Path, *, kill_under: int = 0) -> dict[str, Any]:
    """Start a daemon on the journal: seconds from the start of its process until it says that it is ready.

    With `kill_under` it is then killed while so many orders come in.
    """
    log = path.with_name(path.name + "-wal")
    size = log.stat().st_size / 2**20 if log.exists() else 0.0
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder), journal=path)
        begun = time.monotonic()
        with stage.start() as child:
            while not (ready := text(f"{stage.url}/readyz")) and time.monotonic() < begun + 60:
                time.sleep(0.005)
            took = time.monotonic() - begun
            time.sleep(0.5)
            pss = child.pss_mb()
            if kill_under:
                load = stage.start_load(kill_under, first=int(time.time() * 1000))
                deadline = time.monotonic() + 20
                while 'outcome="stored"' not in text(f"{stage.url}/metrics") and time.monotonic() < deadline:
                    time.sleep(0.02)
                time.sleep(0.2)
                child.stop(signal.SIGKILL)
                load.stop()
    return {"ready": bool(ready), "ready_s": round(took, 2), "pss_mb": round(pss, 1), "log_mb": round(size, 1)}


def main(events: int = 1_000_000) -> dict[str, Any]:
    """Three starts."""
    path = journal(events)
    forget(path)
    starts = {"cold": start(path), "warm": start(path, kill_under=KILLED_UNDER), "after SIGKILL": start(path)}
    slowest = max(one["ready_s"] for one in starts.values())
    report = {
        "events": events,
        "journal_mb": round(path.stat().st_size / 2**20, 1),
        "starts": starts,
        "ready_s": slowest,
        "peak_pss_mb": max(one["pss_mb"] for one in starts.values()),
        "met": slowest < MOST_S and all(one["ready"] for one in starts.values()),
    }
    rows = [[name, one["log_mb"], one["ready_s"], one["pss_mb"]] for name, one in starts.items()]
    show(f"Start on {events} settled events, {report['journal_mb']} MB", ["start", "log MB", "ready s", "PSS MB"], rows)
    print(f"slowest {slowest} s (less than {MOST_S:g})")
    write(NAME, report)
    return report


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    main(*(numbers or ([1_000] if QUICK else [])))
