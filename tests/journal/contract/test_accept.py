"""Accepting: what came in is there, once, in order, until it is processed."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from omnibridge.errors import StorageError
from omnibridge.journal import InboxState, Origin

pytestmark = pytest.mark.both_backends


async def test_what_was_accepted_is_pending(journal, make):
    one = await journal.accept(make.inbox(b"\x00\xff", "a", meta={"method": "POST", "headers": [["x", "ö"]]}))
    assert not one.duplicate
    (row,) = await journal.pending(0, 10)
    assert (row.id, row.channel, row.origin, row.state) == (one.id, "shop", Origin.WEBHOOK, InboxState.PENDING)
    assert (row.body, row.received) == (b"\x00\xff", make.now)
    assert row.meta == {"method": "POST", "headers": [["x", "ö"]]}
    assert row.error is None


async def test_a_dedupe_key_is_taken_once_in_a_channel(journal, make):
    first = await journal.accept(make.inbox(b"1", "a"))
    again = await journal.accept(make.inbox(b"2", "a"))
    other = await journal.accept(make.inbox(b"3", "a", channel="till"))
    assert (first.duplicate, again.duplicate, again.id, other.duplicate) == (False, True, 0, False)
    assert [row.body for row in await journal.pending(0, 10)] == [b"1", b"3"]


async def test_channel_and_key_cannot_run_into_each_other(journal, make):
    for channel, key in (("a", "bc"), ("ab", "c"), ("a" * 65, "k"), ("a" * 66, "k")):
        assert not (await journal.accept(make.inbox(dedupe=key, channel=channel))).duplicate


async def test_without_a_dedupe_key_everything_is_stored(journal, make):
    for _ in range(3):
        assert not (await journal.accept(make.inbox(b"same"))).duplicate
    assert len(await journal.pending(0, 10)) == 3


async def test_pending_goes_on_after_an_id_and_keeps_to_its_limit(journal, make):
    ids = [(await journal.accept(make.inbox())).id for _ in range(5)]
    assert ids == sorted(ids)
    assert [row.id for row in await journal.pending(0, 2)] == ids[:2]
    assert [row.id for row in await journal.pending(ids[1], 10)] == ids[2:]


async def test_a_time_without_a_zone_is_refused(journal, make):
    with pytest.raises(ValueError, match="time zone"):
        await journal.accept(make.inbox(received=make.now.replace(tzinfo=None)))
    assert await journal.pending(0, 1) == []


async def test_inbox_rows_are_found_newest_first_by_channel_and_state(journal, make):
    ids = [(await journal.accept(make.inbox(channel=name))).id for name in ("a", "b", "a", "a")]
    await journal.process([make.processed(ids[0]), make.processed(ids[2], invalid="no such field: tøtal")])
    assert [row.id for row in await journal.inbox()] == ids[::-1]
    assert [row.id for row in await journal.inbox(channel="a")] == [ids[3], ids[2], ids[0]]
    assert [row.id for row in await journal.inbox(limit=1)] == ids[-1:]
    assert [row.id for row in await journal.inbox(state="pending")] == [ids[3], ids[1]]
    assert [row.id for row in await journal.inbox(state="pending", channel="b")] == [ids[1]]
    (done,) = await journal.inbox(state="done")
    (invalid,) = await journal.inbox(state="invalid", channel="a")
    assert (done.id, done.state) == (ids[0], InboxState.DONE)
    assert (invalid.id, invalid.state, invalid.error) == (ids[2], InboxState.INVALID, "no such field: tøtal")
    with pytest.raises(ValueError):
        await journal.inbox(state="lost")


async def test_invalid_and_done_rows_are_replayed_and_pending_ones_left(journal, make):
    ids = [(await journal.accept(make.inbox())).id for _ in range(3)]
    await journal.process([make.processed(ids[0]), make.processed(ids[1], invalid="why")])
    assert await journal.replay_inbox([*ids, 99]) == 2
    rows = await journal.pending(0, 10)
    assert [(row.id, row.error) for row in rows] == [(id, None) for id in ids]


async def test_a_page_is_stored_with_the_cursor_after_it(journal, make):
    assert await journal.cursor("shop", "orders") is None
    await journal.emit(7, make.inbox(b"page", "p1", origin=Origin.POLL), ("orders", b'{"after": 1}'))
    await journal.emit(7, make.inbox(b"page", "p1", origin=Origin.POLL), ("orders", b'{"after": 2}'))
    await journal.emit(7, make.inbox(b"last", origin=Origin.POLL), None)
    assert await journal.cursor("shop", "orders") == b'{"after": 2}'
    assert await journal.cursor("shop", "products") is None
    assert await journal.cursor("till", "orders") is None
    assert [row.body for row in await journal.pending(0, 10)] == [b"page", b"last"]


async def test_a_credential_is_kept_per_channel(journal):
    assert await journal.credential("shop") is None
    await journal.save_credential("shop", b"old")
    await journal.save_credential("shop", b"new")
    await journal.save_credential("till", b"other")
    assert await journal.credential("shop") == b"new"


async def test_after_closing_every_call_is_refused(opened, make):
    async with opened() as journal:
        pass
    with pytest.raises(StorageError, match="closed"):
        await journal.accept(make.inbox())
    with pytest.raises(StorageError, match="closed"):
        await journal.pending(0, 1)
    journal.release([1])
    await journal.close()


async def test_what_is_pending_reads_the_same_whether_it_is_at_hand_or_not(journal, make):
    """What was just accepted is not read again; the listing of the inbox is."""
    elsewhere = make.now.astimezone(timezone(timedelta(hours=5)))
    meta = {"method": "POST", "headers": {"x": "ö"}}
    for number in range(600):
        await journal.accept(make.inbox(b"%d" % number, received=elsewhere, meta=meta))
    await journal.accept(make.inbox(b"long" * 10_000, received=elsewhere))
    rows = list(await journal.pending(0, 1000))
    assert rows == (await journal.inbox(limit=1000))[::-1]
    assert {row.received.isoformat() for row in rows} == {make.now.isoformat()}


async def test_a_processed_row_that_is_replayed_is_pending_again(journal, make):
    one = await journal.accept(make.inbox(b"body", "a"))
    (before,) = await journal.pending(0, 10)
    await journal.process([make.processed(one.id, invalid="not understood")])
    assert await journal.pending(0, 10) == []
    await journal.replay_inbox([one.id])
    assert list(await journal.pending(0, 10)) == [before]
