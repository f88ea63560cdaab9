"""Polls against the sandbox: every change is seen, pages end and resume, places only move forward."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from omnibridge_tryton import reads
from omnibridge_tryton.sandbox import TrytonSandbox

from omnibridge.connector import Lookup, Snapshot
from omnibridge.errors import AuthExpired, InvalidMessage, Permanent, Retryable


@pytest.fixture
def clock(sandbox):
    """Moves the sandbox's time."""
    at = [sandbox.now()]
    sandbox.now = sandbox.store.now = lambda: at[0]

    def move(**span: float) -> datetime:
        at[0] += timedelta(**span)
        return at[0]

    return move


def ids(done) -> list[str]:
    return [seen.external_id for seen in done.emitted if isinstance(seen, Snapshot)]


def names(sandbox: TrytonSandbox, *texts: str) -> None:
    for text in texts:
        sandbox.store.create("party.party", {"name": text})


def test_nothing_there_is_no_page(erp):
    assert erp.poll("parties").pages == []
    assert erp.poll("sales").pages == []


def test_pages_end_and_each_commits_a_place(make_channel, make_erp, sandbox, clock):
    erp = make_erp(sandbox, make_channel("http://127.0.0.1:8000", page_size=2))
    for text in "ABCDE":
        names(sandbox, text)
        clock(hours=1)
    done = erp.poll("parties")
    assert [len(page) for page, _ in done.pages] == [2, 2, 1]
    assert ids(done) == ["1", "2", "3", "4", "5"]
    places = [(cursor["party.party"]["at"], cursor["party.party"]["id"]) for _, cursor in done.pages]
    assert places == sorted(places)
    rest = erp.poll("parties", done.pages[0][1])  # interrupted after its first page
    assert ids(rest)[-3:] == ["3", "4", "5"]
    assert rest.pages[-1][1] == done.pages[-1][1]


def test_records_of_one_instant_are_not_lost_between_pages(make_channel, make_erp, sandbox, clock):
    erp = make_erp(sandbox, make_channel("http://127.0.0.1:8000", page_size=2))
    names(sandbox, *"ABCDE")
    same = sandbox.store.get("party.party", 1)["last_modified_at"]
    for row in sandbox.store.table("party.party").values():
        row["last_modified_at"] = same
    assert ids(erp.poll("parties")) == ["1", "2", "3", "4", "5"]


def test_a_later_poll_sees_what_changed_and_overlaps(erp, sandbox, clock):
    names(sandbox, *"ABC")
    first = erp.poll("parties")
    clock(hours=1)
    sandbox.store.write("party.party", 2, {"name": "B2"})
    second = erp.poll("parties", first.pages[-1][1])
    assert ids(second)[-1] == "2"
    assert erp.poll("parties", second.pages[-1][1]).pages[-1][1] == second.pages[-1][1]
    # A transaction that was open while the poll ran, with an earlier instant than what was read:
    names(sandbox, "late")
    sandbox.store.get("party.party", 4)["last_modified_at"] = clock() - timedelta(minutes=2)
    third = erp.poll("parties", second.pages[-1][1])
    assert "4" in ids(third)
    assert all(cursor == second.pages[-1][1] for _, cursor in third.pages)  # places never move back


def test_reading_again_what_overlaps_moves_no_place_back(make_channel, make_erp, sandbox, clock):
    erp = make_erp(sandbox, make_channel("http://127.0.0.1:8000", page_size=1))
    for text in "ABC":
        names(sandbox, text)
        clock(minutes=1)
    first = erp.poll("parties").pages[-1][1]
    again = erp.poll("parties", first)
    assert ids(again) == ["1", "2", "3"]
    assert [cursor for _, cursor in again.pages] == [first] * 3


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_what_rests_is_not_read_for_ever(make_channel, make_erp, sandbox, clock, size):
    erp = make_erp(sandbox, make_channel("http://127.0.0.1:8000", page_size=size))
    names(sandbox, *"ABC")
    cursor = erp.poll("parties").pages[-1][1]
    erp.drive.now = clock(minutes=1)
    assert ids(erp.poll("parties", cursor)) == ["1", "2", "3"]  # something may still turn up
    erp.drive.now = clock(hours=1)
    cursor = erp.poll("parties", cursor).pages[-1][1]
    assert erp.poll("parties", cursor).pages == []  # nothing can any more
    names(sandbox, "D")
    done = erp.poll("parties", cursor)
    assert ids(done) == ["4"]
    assert ids(erp.poll("parties", done.pages[-1][1]))[-1] == "4"


def test_a_change_of_what_belongs_to_an_entity_is_seen(erp, sandbox, clock, things):
    erp.put(things.customer())
    erp.place(things.order())
    parties, sales = erp.poll("parties").pages[-1][1], erp.poll("sales").pages[-1][1]
    clock(hours=1)
    sandbox.store.write("party.contact_mechanism", 1, {"value": "new@example.com"})
    [seen] = erp.poll("parties", parties).emitted[-1:]
    assert (seen.external_id, seen.entity.email) == ("1", "new@example.com")
    assert seen.version == clock()
    sandbox.store.write("sale.line", 1, {"note": "Blue"})
    [seen] = erp.poll("sales", sales).emitted[-1:]
    assert seen.entity.lines[0].note == "Blue"


def test_another_company_stays_out(erp, sandbox, things):
    erp.place(things.order())
    sandbox.store.create("company.company", {})
    sandbox.store.write("sale.sale", 1, {"company": 2})
    for line in sandbox.store.table("sale.line").values():
        line["company"] = 2
    assert erp.poll("sales").emitted == []
    [gone] = erp.look("order", "1")
    assert gone.deleted


def test_products_and_stock(erp, sandbox, clock):
    done = erp.poll("products")
    assert [seen.entity.title for seen in done.pages[0][0]] == ["Misc", "Tea pot", "Cup", "Rice"]
    stock = erp.poll("stock")
    assert [(seen.external_id, str(seen.entity.on_hand)) for seen in stock.emitted] == [("2:WH", "12")]
    clock(hours=1)
    sandbox.set_stock("TEA-1", 4.0)
    again = erp.poll("stock", stock.pages[-1][1])
    assert str(again.emitted[-1].entity.on_hand) == "4"


def test_without_a_warehouse_no_stock_is_read(make_channel, make_erp, sandbox):
    erp = make_erp(sandbox, make_channel("http://127.0.0.1:8000", location=None))
    assert erp.poll("stock").requests == []


def test_a_malformed_record_stops_nobody_else(erp, sandbox):
    names(sandbox, "A", "B")
    sandbox.store.get("party.party", 1)["create_date"] = "yesterday"
    done = erp.poll("parties")
    assert done.emitted[0] == Lookup("customer", "1")
    assert done.emitted[1].external_id == "2"
    with pytest.raises(InvalidMessage):
        erp.look("customer", "1")


@pytest.mark.parametrize("place", [7, {}, {"at": "x", "id": 1, "settled": True}, {"at": "2026-01-01T00:00:00Z"}])
def test_a_foreign_cursor_is_refused(erp, place):
    with pytest.raises(InvalidMessage):
        erp.poll("parties", {"party.party": place})


def test_a_server_that_repeats_itself_does_not_hold_the_poll(make_channel, make_erp, sandbox):
    names(sandbox, "A", "B")
    respond, pages = sandbox.respond, []

    def stuck(request):
        answer = respond(request)
        if b'"model.party.party.search_read"' not in request.body:
            return answer
        pages.append(answer)
        assert len(pages) < 9
        return pages[0]

    sandbox.respond = stuck
    erp = make_erp(sandbox, make_channel("http://127.0.0.1:8000", page_size=1))
    with pytest.raises(InvalidMessage):
        erp.poll("parties")


# ── One record ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lookup_gives_what_a_poll_gives(erp, things):
    erp.place(things.order())
    assert erp.look("customer", "1")[0] == erp.poll("parties").emitted[0]
    assert erp.look("order", "1") == erp.poll("sales").emitted[:2]
    assert erp.look("product", "2")[0] == erp.poll("products").emitted[1]
    assert erp.look("inventory", "2:WH")[0] == erp.poll("stock").emitted[0]


@pytest.mark.parametrize("kind", ["customer", "order", "product", "inventory"])
def test_what_is_gone_is_told(erp, kind):
    [gone] = erp.look(kind, "99")
    assert (gone.deleted, gone.kind, gone.external_id) == (True, kind, "99")


@pytest.mark.parametrize(("kind", "id_"), [("customer", "x"), ("customer", "²"), ("message", "1")])
def test_what_cannot_be_looked_up_is_refused(erp, kind, id_):
    with pytest.raises(Permanent):
        erp.look(kind, id_)


# ── The probe ────────────────────────────────────────────────────────────────────────────────────────────────────


def probe(make_erp, sandbox, settings) -> None:
    make_erp(sandbox, settings).drive.run(lambda http: reads.probe(settings, http))


def test_a_probe_changes_nothing(make_erp, sandbox, settings):
    before = sandbox.records()
    probe(make_erp, sandbox, settings)
    assert sandbox.records() == before


@pytest.mark.parametrize(
    "wrong", [{"company": 9}, {"location": "XX"}, {"fallback_product": "XX"}, {"taxes": {"0.06": "XX"}}]
)
def test_a_probe_finds_wrong_settings(make_erp, make_channel, sandbox, wrong):
    with pytest.raises(Permanent) as caught:
        probe(make_erp, sandbox, make_channel("http://127.0.0.1:8000", **wrong))
    assert caught.value.remedy


def test_a_wrong_password_is_told(make_erp, make_channel, sandbox):
    wrong = make_channel("http://127.0.0.1:8000", password="wrong")
    with pytest.raises(AuthExpired):
        probe(make_erp, sandbox, wrong)
    while sandbox.failures < 5:
        with pytest.raises(AuthExpired):
            probe(make_erp, sandbox, wrong)
    with pytest.raises(Retryable):  # the server makes those wait who guess
        probe(make_erp, sandbox, wrong)
