"""The judge: a real Tryton server takes what we send, says what we expect, and agrees with the sandbox."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

import pytest
from omnibridge_tryton import CONNECTOR, reads
from omnibridge_tryton.rows import (
    AddressRow,
    Identifier,
    LineRow,
    Mechanism,
    PartyRow,
    ProductRow,
    SaleRow,
    TemplateRow,
)
from omnibridge_tryton.store import SCHEMA
from omnibridge_tryton.wire import classify

from omnibridge.connector import Class, Request, SandboxRequest, Snapshot, dump_observations, parse_json
from omnibridge.errors import AuthExpired, Permanent, Retryable
from omnibridge.model import Address, Customer, OrderLine, OrderTotals, Ref, TaxLine

pytestmark = pytest.mark.xdist_group("tryton")
NOW = datetime(2026, 11, 22, tzinfo=UTC)
WRITE = Request("POST", "/rpc/", step="create")


# ── The sandbox is honest ────────────────────────────────────────────────────────────────────────────────────────

_FORGET = re.compile(r'"(t|number|placed_at|created_at|updated_at|version|code|reference)":("[^"]*"|null)')
_IDS = re.compile(r'"(id|external_id|inventory_external_id)":"[^"]*"')
_SPARE = re.compile(r'(?<="amount":")(-?[0-9]+\.[0-9]{2})0+(?=")')
"""Digits of a price that another test has written: Tryton tells it with four from then on."""


def shape(observations: Any) -> list[Any]:
    """Observations without ids, numbers and instants, which differ from server to server."""
    text = dump_observations(observations).decode()
    return parse_json(_SPARE.sub(r"\1", _IDS.sub(r'"\1":"*"', _FORGET.sub(r'"\1":"*"', text))).encode())


def calls(requests: Any) -> list[str]:
    return [parse_json(request.body)["method"] for request in requests]


def scenario(erp, draft, prefix: str, things) -> list[Any]:
    """Everything that this connector does, once; what came of it."""
    seen: list[Any] = []

    def note(done) -> None:
        seen.append((calls(done.requests), [r.kind for r in done.kept], shape(done.result.snapshots), done.result.note))

    def refused(act: Callable[[], object]) -> None:
        with pytest.raises(Permanent) as caught:
            act()
        seen.append(caught.value.code)

    customer = things.customer(f"{prefix}-c")
    note(erp.put(customer))
    note(erp.put(customer))
    moved = customer.model_copy(
        update={"email": f"{prefix}-new@example.com", "addresses": (Address(street="Lane 2", country="DK"),)}
    )
    own = erp.find_customer(customer).references[0].external_id
    note(erp.put(moved, things.delivery(moved, "updated", own=own, known=customer)))
    note(erp.put(moved, things.delivery(moved, "updated", own=own, known=moved)))
    partial = Customer(id=f"{prefix}-c", phone=None)
    note(erp.put(partial, things.delivery(partial, "updated", own=own, known=moved)))

    # A buyer of its own: other tests have brought the usual one to the server that all of them share.
    buyer = things.customer(f"{prefix}-b")
    order = things.order(f"{prefix}-o", buyer=Ref(kind="customer", id=buyer.id))
    note(erp.place(order, things.delivery(order, "placed", buyer)))
    note(erp.place(order, things.delivery(order, "placed", buyer)))
    found = erp.find_order(order)
    seen.append(shape(found.snapshots))
    refused(lambda: erp.cancel(order))
    guest = things.order(f"{prefix}-g", buyer=None, billing_address=None, shipping_address=None, number=None)
    told = things.delivery(guest, "placed")
    note(draft.place(guest, told))
    note(draft.cancel(guest))
    note(draft.cancel(guest))
    foreign = things.order(f"{prefix}-x", currency="SEK", lines=(), shipping=(), discounts=())
    refused(lambda: erp.place(foreign, things.delivery(foreign, "placed")))

    mine = {f"{prefix}-{last}" for last in "cog"}
    for name in ("parties", "sales"):
        done = erp.poll(name)
        kept = {shot.external_id: shot for shot in done.emitted if isinstance(shot, Snapshot) and shot.ours in mine}
        seen.append((name, shape(list(kept.values()))))
    products = {shot.entity.variants[0].sku: shot for shot in erp.poll("products").pages[0][0]}
    seen.append(("products", shape([products[sku] for sku in ("MISC", "TEA-1", "CUP-1", "RICE")])))
    for kind in ("customer", "order", "product", "inventory"):
        seen.append(shape(erp.look(kind, "99999")))
    return seen


def test_the_sandbox_and_a_real_server_do_the_same(erp, real_erp, sandbox, server, make_erp, make_channel, things):
    quoted = make_channel("http://127.0.0.1:8000", confirm=False)
    ours = scenario(erp, make_erp(sandbox, quoted), "same", things)
    draft = make_erp(server, make_channel(f"http://127.0.0.1:{server.port}", confirm=False))
    theirs = scenario(real_erp, draft, "same", things)
    for mine, real in zip(ours, theirs, strict=True):
        assert mine == real


def test_the_sandbox_knows_no_field_that_tryton_has_not(server):
    for model, fields in SCHEMA.items():
        there = server.model(f"{model}.fields_get", None)
        missing = set(fields) - {"_timestamp"} - set(there)
        assert missing <= {"active"}, model  # kept by the sandbox for every record


# ── Every field is read or dropped for a reason ──────────────────────────────────────────────────────────────────

READ = {
    "party.party": PartyRow,
    "party.contact_mechanism": Mechanism,
    "party.address": AddressRow,
    "party.identifier": Identifier,
    "sale.sale": SaleRow,
    "sale.line": LineRow,
    "product.template": TemplateRow,
    "product.product": ProductRow,
    "product.identifier": Identifier,
}
# Read on the way to an entity rather than as a part of it, or known from where the record was found.
IMPLIED = {"id", "party", "sale", "template", "product", "company", "default_uom", "quantity", "forecast_quantity"}


def test_every_field_is_read_or_dropped_with_a_reason(server):
    used: set[str] = set()
    unexplained: list[str] = []
    for model, row in READ.items():
        read = {field.partition(".")[0] for field in row.FIELDS} | IMPLIED
        for field in server.model(f"{model}.fields_get", None):
            name = f"{model}[].{field}"
            patterns = {pattern for pattern in CONNECTOR.dropped if matches(name, pattern)}
            used |= patterns
            if field not in read and not patterns:
                unexplained.append(name)
        used |= {pattern for pattern in CONNECTOR.dropped if matches(f"{model}[]._timestamp", pattern)}
    assert not unexplained
    assert not set(CONNECTOR.dropped) - used, "these fit nothing any more"


def matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name.replace("[]", ""), pattern.replace("[]", ""))


# ── What the server answers ──────────────────────────────────────────────────────────────────────────────────────


def outcome(server, method: str, *params: object):
    return classify(WRITE, server.raw(f"model.{method}", *params), NOW)


def test_errors_of_a_real_server_are_classed(server):
    ctx = {"company": 1}
    [party] = server.model("party.party.create", [{"name": "A", "code": "CODE-A"}])
    twice = outcome(server, "party.party.create", [{"name": "B", "code": "CODE-A"}], ctx)
    assert (twice.kind, twice.code) == (Class.PERMANENT, "UserError")
    stale = {**ctx, "_timestamp": {f"party.party,{party}": "1.0"}}
    lock = outcome(server, "party.party.write", [party], {"name": "C"}, stale)
    assert (lock.kind, lock.code) == (Class.RETRY, "ConcurrencyException")
    [pot] = server.ids("product.product", ["code", "=", "TEA-1"])
    warned = outcome(server, "product.product.write", [pot], {"active": False}, ctx)
    assert (warned.kind, warned.code) == (Class.PERMANENT, "UserWarning")
    assert "Tea pot" in (warned.reason or "")
    assert outcome(server, "party.party.read", [party], ["bogus"], ctx).kind is Class.PERMANENT
    assert outcome(server, "party.bogus.read", [party], ["name"], ctx).kind is Class.PERMANENT
    assert outcome(server, "party.party.bogus", [party], ctx).code == "403"
    assert outcome(server, "party.party.read", [party], ["name"], ctx).kind is Class.OK


def test_an_ended_session_is_renewed(real, real_erp, things):
    real_erp.poll("products")
    session = real.credential.values["session"]
    headers = {"authorization": f"Session {session}", "accept-encoding": "gzip"}
    body = b'{"id":1,"method":"common.db.logout","params":[]}'
    real.answers.respond(SandboxRequest("POST", "/omni/rpc/", {**headers, "content-type": "application/json"}, body))
    assert real_erp.poll("products").emitted
    assert real.credential.values["session"] != session


def test_a_wrong_password_ends_in_auth_expired(server, make_erp, make_channel):
    settings = make_channel(f"http://127.0.0.1:{server.port}", username="nobody")
    with pytest.raises(AuthExpired):
        make_erp(server, settings).poll("products")


def test_large_answers_are_read_as_compressed(server):
    ctx = {"company": 1}
    big = server.raw("model.party.party.fields_get", None, ctx)
    assert server.encoding == "gzip"
    assert "result" in big.json()


def test_the_probe_finds_what_the_settings_name(real, server, make_erp, make_channel):
    assert real.run(lambda http: reads.probe(real.settings, http)).result is None
    for wrong in ({"company": 9}, {"location": "XX"}, {"fallback_product": "XX"}, {"taxes": {"0.06": "XX"}}):
        settings = make_channel(f"http://127.0.0.1:{server.port}", **wrong)
        with pytest.raises(Permanent):
            make_erp(server, settings).drive.run(lambda http, told=settings: reads.probe(told, http))


# ── Sales ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_confirmed_sale_ships_and_is_invoiced(real_erp, server, things):
    done = real_erp.place(things.order("ship-1"))
    [sale] = server.model(
        "sale.sale.read", [int(done.kept[-1].external_id)], ["state", "total_amount", "shipments", "invoices"]
    )
    assert (sale["state"], sale["total_amount"]) == ("processing", Decimal("47.93"))
    assert sale["shipments"]
    assert sale["invoices"]


def test_money_comes_out_to_the_cent(real_erp, things):
    eur = things.eur
    vat = Decimal("0.25")
    for number, (lines, total) in enumerate(
        [
            ([("3", "3.335", "0")], "10.00"),
            ([("7", "0.333", "0.47"), ("11", "1.119", "2.46")], "14.71"),
            ([("0.333", "29.99", "2.00")], "9.99"),
            ([("1", "0.00", "0")], "0.00"),
            ([("999", "0.0149", "2.98")], "14.90"),
        ]
    ):
        told = tuple(
            OrderLine(
                sku=sku,
                title=f"Line {n}",
                quantity=Decimal(quantity),
                unit_price=eur(price),
                taxes=(TaxLine(rate=vat, amount=eur(tax)),) if tax != "0" else (),
            )
            for n, (sku, (quantity, price, tax)) in enumerate(zip(("TEA-1", "UNKNOWN"), lines, strict=False))
        )
        order = things.order(
            f"cent-{number}", lines=told, shipping=(), discounts=(), totals=OrderTotals(total=eur(total))
        )
        snapshot, *_ = real_erp.place(order).result.snapshots
        assert snapshot.entity.totals.total == eur(total)


class Cut(Exception):
    """The answer to a call is lost, and the process ends."""


@pytest.mark.parametrize(
    "method",
    [
        "party.party.create",
        "party.party.write",
        "sale.sale.create",
        "sale.sale.write",
        "sale.sale.quote",
        "sale.sale.confirm",
    ],
)
def test_a_lost_answer_is_made_good(real_erp, server, things, method, monkeypatch):
    id_ = f"lost-{method.rpartition('.')[2]}-{method[:4]}"
    order = things.order(id_, buyer=things.order().buyer.model_copy(update={"id": f"{id_}-c"}))
    told = things.delivery(order, "placed", things.customer(f"{id_}-c"))
    respond = server.respond

    def losing(request):
        answer = respond(request)
        if f'"model.{method}"'.encode() in request.body:
            raise Cut
        return answer

    monkeypatch.setattr(server, "respond", losing)
    with pytest.raises(Cut):
        real_erp.place(order, told)
    monkeypatch.undo()
    done = real_erp.place(order, told)
    assert len(server.ids("sale.sale", ["reference", "like", f"omnibridge:{id_} %"])) == 1
    assert len(server.ids("party.party", ["identifiers.code", "=", f"omnibridge:{id_}-c"])) == 1
    snapshot, *_ = done.result.snapshots
    assert (snapshot.entity.status_raw, str(snapshot.entity.totals.total)) == ("processing", "47.93 EUR")
    assert len(snapshot.entity.lines) == 8


def test_a_locked_write_sent_twice_takes_effect_once(real_erp, server, things):
    customer = things.customer("twice-1")
    own = real_erp.put(customer).kept[0].external_id
    change = customer.model_copy(update={"addresses": (*customer.addresses, Address(street="Lane 2"))})
    done = real_erp.put(change, things.delivery(change, "updated", own=own))
    [write] = [request for request in done.requests if request.step == "write"]

    async def again(http):
        return await http.post(write.path, content=write.body, content_type="application/json", headers=write.headers)

    with pytest.raises(Retryable):
        real_erp.drive.run(again)
    assert len(server.ids("party.address", ["party", "=", int(own)])) == 2


# ── Polls ────────────────────────────────────────────────────────────────────────────────────────────────────────


def cursor_of(done):
    return done.pages[-1][1]


def test_a_record_that_was_never_written_is_polled(real_erp, server):
    before = cursor_of(real_erp.poll("products"))
    [unit] = server.ids("product.uom", ["name", "=", "Unit"])
    product = {"name": "New", "type": "service", "default_uom": unit, "sale_uom": unit, "list_price": Decimal(1)}
    [template] = server.model("product.template.create", [{**product, "cost_price_method": "fixed"}])
    [row] = server.model("product.template.read", [template], ["write_date", "create_date"])
    assert row["write_date"] is None
    seen = {shot.external_id: shot for shot in real_erp.poll("products", before).emitted}
    assert seen[str(template)].entity.title == "New"
    assert seen[str(template)].version == row["create_date"]


def test_what_belongs_to_a_record_is_polled_with_it(real_erp, server, things):
    own = int(real_erp.put(things.customer("child-1")).kept[0].external_id)
    [row] = server.model("party.party.read", [own], ["contact_mechanisms", "addresses", "last_modified_at"])
    cursor = cursor_of(real_erp.poll("parties"))
    server.model("party.contact_mechanism.write", row["contact_mechanisms"][:1], {"value": "moved@example.com"})
    [after] = server.model("party.party.read", [own], ["last_modified_at"])
    assert after["last_modified_at"] == row["last_modified_at"]  # the party itself does not tell
    last = {shot.external_id: shot for shot in real_erp.poll("parties", cursor).emitted}[str(own)]
    assert last.entity.email == "moved@example.com"
    assert last.version > row["last_modified_at"]


def test_inactive_and_ended_records_are_seen(real_erp, server):
    [party] = server.model("party.party.create", [{"name": "Ended"}])
    cursor = cursor_of(real_erp.poll("parties"))
    server.model("party.party.write", [party], {"active": False})
    last = {shot.external_id: shot for shot in real_erp.poll("parties", cursor).emitted}[str(party)]
    assert last.entity.vendor["active"] is False
    server.model("party.party.delete", [party])
    [gone] = real_erp.look("customer", str(party))
    assert gone.deleted


def test_a_new_price_is_polled(real_erp, server):
    [cup] = server.ids("product.product", ["code", "=", "CUP-1"])
    cursor = cursor_of(real_erp.poll("products"))
    server.model("product.product.write", [cup], {"list_price": Decimal("8.25")})
    last = real_erp.poll("products", cursor).emitted[-1]
    [variant] = last.entity.variants
    assert (variant.sku, str(variant.prices[0].amount)) == ("CUP-1", "8.25 EUR")
    server.model("product.product.write", [cup], {"list_price": Decimal("8.00")})


def test_stock_is_polled(real_erp, server):
    cursor = cursor_of(real_erp.poll("stock"))
    [rice] = server.ids("product.product", ["code", "=", "RICE"])
    [storage] = server.ids("stock.location", ["code", "=", "STO"])
    day = NOW.date() - timedelta(days=400)
    count = {"location": storage, "date": day, "company": 1}
    [inventory] = server.model(
        "stock.inventory.create", [{**count, "lines": [["create", [{"product": rice, "quantity": 4.5}]]]}]
    )
    server.model("stock.inventory.confirm", [inventory])
    seen = {shot.external_id: shot for shot in real_erp.poll("stock", cursor).emitted}
    level = seen[f"{rice}:WH"]
    assert (str(level.entity.on_hand), level.entity.unit) == ("4.5", "kg")
    assert level.entity == real_erp.look("inventory", f"{rice}:WH")[0].entity


def test_small_pages_give_what_one_page_gives(real_erp, server, make_erp, make_channel):
    whole = [shot.external_id for shot in real_erp.poll("sales").emitted]
    small = make_erp(server, make_channel(f"http://127.0.0.1:{server.port}", page_size=7))
    assert list(dict.fromkeys(shot.external_id for shot in small.poll("sales").emitted)) == list(dict.fromkeys(whole))
