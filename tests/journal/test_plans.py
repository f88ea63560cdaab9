"""What runs for each delivery finds its rows through an index, however many others there are."""

from __future__ import annotations

import pytest

from omnibridge.journal import ClearSeal, Settled, open_journal
from omnibridge.journal import sqlite_intake as intake
from omnibridge.journal import sqlite_lanes as lanes
from omnibridge.journal.sqlite_file import open_memory

PLANS = {
    lanes._HAS_OPEN: "COVERING INDEX deliveries_lane (channel=? AND lane=?)",
    lanes._NEXT: "INDEX deliveries_lane (channel=? AND lane=?)",
    lanes._UNTOUCHED: "INDEX deliveries_collapse (channel=? AND lane=? AND collapse=?)",
    lanes._PRIORITY: "COVERING INDEX deliveries_ready (channel=? AND priority>?)",
    lanes._HEADS: "COVERING INDEX deliveries_ready (channel=? AND priority=? AND due<?)",
    lanes._CLAIMED: "INTEGER PRIMARY KEY",
    intake._SHADOW: "INDEX sqlite_autoindex_known_1 (channel=? AND kind=? AND external_id=?)",
    intake._ENTITY: "INDEX sqlite_autoindex_entities_1 (id=? AND kind=?)",
    intake._EVENT_SEQ: "INDEX sqlite_autoindex_events_1 (id=? AND source=?)",
    intake._CLOSE: "INTEGER PRIMARY KEY",
}


@pytest.mark.parametrize("statement", PLANS, ids=lambda sql: " ".join(sql.split()[:12]))
def test_a_statement_of_the_hot_path_searches_and_never_scans(statement):
    db = open_memory()
    rows = db.execute(f"EXPLAIN QUERY PLAN {statement}", (None,) * statement.count("?")).fetchall()
    plan = [row[3] for row in rows]
    assert PLANS[statement] in plan[0]
    assert not [line for line in plan if line.startswith("SCAN")]
    if statement is not lanes._UNTOUCHED:  # what is sorted there is one entity's rows
        assert not [line for line in plan if "TEMP B-TREE" in line]
    db.close()


async def steps(clock, make, rows: int) -> int:
    """How much SQLite does to claim, settle and insert beside so many queued rows and retries of the future."""
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        queued = [make.delivery(f"q{n}", "long", collapse=f"c{n}") for n in range(rows)]
        retries = [make.delivery(f"r{n}", priority=-1, due=make.after(days=1)) for n in range(rows)]
        await journal.ensure([*queued, *retries, *(make.delivery(f"x{n}", priority=1) for n in range(3))])
        count = 0

        def tick() -> bool:
            nonlocal count
            count += 1
            return False

        journal._ledger.db.set_progress_handler(tick, 10)  # pyright: ignore[reportAttributeAccessIssue]
        claimed = await journal.claim("erp", 3, make.now)
        assert len(claimed) == 3
        for one in claimed:
            await journal.settle(Settled(one.id, make.settled(1).state, make.attempt()))
        await journal.next_due("erp")
        await journal.ensure([make.delivery("new", "long", collapse="c7")])
        await journal.counts()
        return count


async def test_the_work_for_a_delivery_does_not_grow_with_the_queue(clock, make):
    few, many = await steps(clock, make, 50), await steps(clock, make, 3_000)
    assert many < few * 1.5
