"""Processing: everything that an inbox row came to is stored in one piece, or nothing of it."""

from __future__ import annotations

import pytest

from omnibridge.errors import UnknownItem
from omnibridge.journal import Conflict, InboxState, Known

pytestmark = pytest.mark.both_backends


async def test_all_that_a_row_came_to_is_stored(journal, make):
    id = (await journal.accept(make.inbox())).id
    event = make.event(
        inbox_id=id,
        time="2026-03-01T12:00:00.123456789Z",
        dataschema="https://example.com/s",
        datacontenttype="application/json",
        content=b'{"a": 1}',
        extensions={"partitionkey": "p", "n": 3, "yes": True},
    )
    await journal.process(
        [
            make.processed(
                id,
                references=(make.reference(),),
                shadows=(make.shadow(content=b'{"s": 1}', version="v1"),),
                entities=(make.entity(content=b'{"e": 1}'),),
                events=(event,),
                deliveries=(make.delivery("d", event=("/t/acme/shop", "event-1")),),
            )
        ]
    )
    assert await journal.pending(0, 10) == []
    key = make.entity_key()
    assert await journal.known([key]) == {key: Known("o1", b'{"s": 1}', 1, "v1", False, b'{"e": 1}', 1)}
    assert await journal.entities([("order", "o1"), ("order", "o2")]) == {("order", "o1"): (b'{"e": 1}', 1)}
    assert await journal.references("shop", [("order", "o1"), ("order", "o2")]) == {("order", "o1"): ("1", b'{"s": 1}')}
    stored = await journal.event("event-1")
    assert stored is not None
    assert stored.event == event.event
    assert stored.event.extensions == {"partitionkey": "p", "n": 3, "yes": True}
    assert (stored.channel, stored.recorded, stored.inbox_id, stored.seq) == ("shop", make.now, id, 1)
    (delivery,) = await journal.deliveries()
    assert (delivery.event_id, delivery.event_source, delivery.event_type) == ("event-1", "/t/acme/shop", "x.placed")


async def test_what_nobody_has_seen_is_empty_and_has_an_entry(journal, make):
    key = make.entity_key("404")
    assert await journal.known([key, key]) == {key: Known()}
    assert await journal.known([]) == {}
    assert await journal.references("shop", [("order", "404")]) == {}


async def test_revisions_count_writes(journal, make):
    key = make.entity_key()
    for rev in range(3):
        content = str(rev).encode()
        await journal.process(
            [
                make.processed(
                    rev,
                    references=(make.reference(),),
                    shadows=(make.shadow(rev=rev, content=content, version=str(rev), deleted=rev == 2),),
                    entities=(make.entity(rev=rev, content=content),),
                )
            ]
        )
        assert (await journal.known([key]))[key] == Known("o1", content, rev + 1, str(rev), rev == 2, content, rev + 1)


@pytest.mark.parametrize("stale", [0, 2])
@pytest.mark.parametrize("what", ["shadows", "entities"])
async def test_a_moved_revision_stores_nothing_of_the_whole_batch(journal, make, what, stale):
    write = make.shadow if what == "shadows" else make.entity
    ids = [(await journal.accept(make.inbox())).id for _ in range(3)]
    await journal.process([make.processed(ids[0], **{what: (write(content=b"first"),)})])
    before = await journal.counts()
    with pytest.raises(Conflict):
        await journal.process(
            [
                make.processed(
                    ids[1],
                    references=(make.reference("2", "o2"),),
                    shadows=(make.shadow("2"),),
                    entities=(make.entity("o2"),),
                    events=(make.event(),),
                    deliveries=(make.delivery("d"),),
                ),
                make.processed(ids[2], **{what: (write(rev=stale, content=b"second"),)}),
            ]
        )
    assert await journal.counts() == before
    assert [row.id for row in await journal.pending(0, 10)] == ids[1:]
    assert await journal.deliveries() == []
    assert await journal.events() == []
    key = make.entity_key("2")
    assert (await journal.known([key]))[key] == Known()
    assert await journal.entities([("order", "o2")]) == {}


async def test_a_shadow_after_its_reference_starts_at_revision_zero(journal, make):
    await journal.keep(1, "shop", make.reference(), "o1")
    key = make.entity_key()
    assert (await journal.known([key]))[key] == Known(id="o1")
    assert await journal.references("shop", [("order", "o1")]) == {("order", "o1"): ("1", None)}
    await journal.process([make.processed(1, shadows=(make.shadow(content=b"s"),))])
    assert (await journal.known([key]))[key] == Known("o1", b"s", 1, "1")


async def test_a_reference_found_taken_is_a_merge(journal, make):
    await journal.process([make.processed(1, references=(make.reference("1", "o1"), make.reference("2", "o2")))])
    await journal.process([make.processed(2, references=(make.reference("2", "o1"),))])
    assert await journal.links("order", "o1") == [make.reference("1", "o1"), make.reference("2", "o1")]
    assert await journal.links("order", "o2") == []
    assert await journal.links("customer", "o1") == []


async def test_what_a_channel_still_has_is_told_for_many_at_once(journal, make):
    here, gone = make.reference("1", "o1"), make.reference("2", "o2")
    ended = make.shadow("2", deleted=True)
    await journal.process([make.processed(1, references=(here, gone), shadows=(make.shadow("1"), ended))])
    assert await journal.had([("order", "o1"), ("order", "o2"), ("order", "o3")]) == {("order", "o1")}
    assert await journal.had([]) == set()


async def test_of_several_ids_in_a_channel_the_newest_that_is_not_deleted_counts(journal, make):
    await journal.process(
        [
            make.processed(
                1,
                references=tuple(make.reference(one, "o1") for one in "123"),
                shadows=(make.shadow("1"), make.shadow("2", content=b"2"), make.shadow("3", deleted=True)),
            )
        ]
    )
    assert await journal.references("shop", [("order", "o1")]) == {("order", "o1"): ("2", b"2")}


async def test_an_event_and_a_delivery_are_stored_once(journal, make):
    named = ("/t/acme/shop", "event-1")
    first = make.processed(
        1, events=(make.event(content=b"1"),), deliveries=(make.delivery("d", event=named, route="r"),)
    )
    again = make.processed(
        2,
        events=(make.event(content=b"2"), make.event("event-2"), make.event("event-1", source="/other")),
        deliveries=(make.delivery("d", route="other"), make.delivery("e", event=named)),
    )
    await journal.process([first])
    await journal.process([again])
    assert [stored.event.id for stored in await journal.events()] == ["event-1", "event-2", "event-1"]
    assert (await journal.events())[-1].event.content == b"1"
    assert [(row.route, row.event_id) for row in await journal.deliveries()] == [(None, "event-1"), ("r", "event-1")]
    assert (await journal.counts()).events == 3


async def test_a_delivery_of_an_event_that_is_not_there_is_refused_whole(journal, make):
    with pytest.raises(UnknownItem):
        await journal.process(
            [make.processed(1, events=(make.event(),), deliveries=(make.delivery("d", event=("/t", "no")),))]
        )
    assert await journal.events() == []


async def test_what_is_invalid_or_waits_comes_to_nothing_else(journal, make):
    ids = [(await journal.accept(make.inbox())).id for _ in range(2)]
    await journal.process([make.processed(ids[0], later=True), make.processed(ids[1], invalid="bad")])
    assert [row.id for row in await journal.pending(0, 10)] == ids[:1]
    assert [(row.state, row.error) for row in await journal.inbox(state="invalid")] == [(InboxState.INVALID, "bad")]
    for wrong in ({"invalid": "bad"}, {"later": True}):
        with pytest.raises(ValueError, match="nothing else"):
            await journal.process([make.processed(ids[0], entities=(make.entity(),), **wrong)])


async def test_events_are_found_newest_first_by_type_channel_and_subject(journal, make):
    events = (
        make.event("e1", type="x.placed", subject="o1"),
        make.event("e2", type="x.paid", subject="o1"),
        make.event("e3", type="x.placed", subject="o2", channel="till"),
        make.event("e4", type="x.placed", subject=None),
    )
    await journal.process([make.processed(1, events=events)])

    async def ids(**wanted):
        return [stored.event.id for stored in await journal.events(**wanted)]

    assert await ids() == ["e4", "e3", "e2", "e1"]
    assert await ids(type="x.placed") == ["e4", "e3", "e1"]
    assert await ids(channel="shop") == ["e4", "e2", "e1"]
    assert await ids(subject="o1") == ["e2", "e1"]
    assert await ids(subject="o1", type="x.placed", channel="shop") == ["e1"]
    assert await ids(type="x.placed", channel="till") == ["e3"]
    assert await ids(limit=2) == ["e4", "e3"]
    assert await ids(before=3, limit=1) == ["e2"]


async def test_an_event_is_found_by_a_beginning_that_no_other_has(journal, make):
    await journal.process(
        [make.processed(1, events=tuple(map(make.event, ("abcdef1", "abcdef2", "abcdefg1", "short"))))]
    )

    async def found(id):
        stored = await journal.event(id)
        return stored and stored.event.id

    assert await found("abcdef1") == "abcdef1"
    assert await found("abcdefg") == "abcdefg1"
    assert await found("abcdef") is None
    assert await found("shor") is None
    assert await found("short") == "short"
    assert await found("nothing-here") is None
    assert await found("abcde%") is None


async def test_a_delivery_gets_the_event_that_was_stored_and_not_a_later_one_of_its_name(journal, make):
    key = ("/t/acme/shop", "event-1")
    first, second, third = [(await journal.accept(make.inbox())).id for _ in range(3)]
    events = [make.event(content=b"%d" % number, datacontenttype="application/json") for number in range(3)]
    await journal.process(
        [
            make.processed(id, events=(event,), deliveries=(make.delivery(f"d{id}", event=key),))
            for id, event in zip((first, second), events, strict=False)
        ]
    )
    await journal.process([make.processed(third, events=(events[2],), deliveries=(make.delivery("d", event=key),))])
    assert [claimed.event for claimed in await journal.claim("erp", 10, make.now)] == [events[0].event] * 3
    stored = await journal.event("event-1")
    assert stored is not None
    assert stored.event == events[0].event
