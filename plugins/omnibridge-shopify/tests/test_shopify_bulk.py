"""Reading the whole shop by bulk operations: found again, begun anew, never half, and as single reads say it."""

from __future__ import annotations

import json
from datetime import timedelta

import graphql
import pytest
from omnibridge_shopify.bulk import LOOK
from omnibridge_shopify.documents_bulk import ALL_CUSTOMERS, ALL_PRODUCTS, ALL_STOCK
from omnibridge_shopify.polls import poll_customers, poll_products, poll_stock
from omnibridge_shopify.reads import read

from omnibridge.connector import Fault, Later, Lookup, LostAnswer, Response
from omnibridge.errors import InvalidMessage, Permanent

HOUR = timedelta(hours=1)


@pytest.fixture
def poll(kit, shop):
    shop.restore, shop.available = 1e6, 1e6
    runs = {"customers": poll_customers, "products": poll_products, "stock": poll_stock}
    return lambda name, cursor=None: kit.run(shop, lambda http: runs[name](kit.SETTINGS, cursor, http))


def names(driven, kind):
    return [each.external_id for each in driven.emitted if each.kind == kind]


def people(shop, number):
    for each in range(number):
        shop.store.add_customer(email=f"c{each}@example.com")


def asked(shop):
    return [json.loads(request.body)["operationName"] for request in shop.log if "graphql" in request.path]


def said(observations):
    return {
        (each.kind, each.external_id): (each.version, each.entity.model_dump(mode="json", exclude_unset=True))
        for each in observations
    }


# ── The whole shop ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_says_the_same_as_a_read_of_each_record(kit, shop, poll):
    node = shop.store.add_customer(email="kim@example.com", phone="+4533123456", first_name="Kim", subscribed=True)
    fields = ("name", "company", "address2", "city", "province", "provinceCode", "zip", "country", "phone")
    address = dict.fromkeys(fields) | {"countryCodeV2": "DK"}
    rows = [{"id": f"gid://shopify/MailingAddress/{n}", "address1": f"Street {n}", **address} for n in range(12)]
    node["addressesV2"] = {"nodes": rows[:10]}
    shop.store.add_customer(email="bo@example.com")
    size = [{"sku": f"TEA-{n}", "price": f"{n}.5", "value": f"{n} g"} for n in range(1, 61)]
    tea = shop.store.goods.add_product("Tea", size, "Size", productOptions=[{"name": "Size"}], tags=["hot"])
    tea["images"] = {"nodes": [{"id": f"gid://shopify/ProductImage/{n}", "url": f"https://c/{n}"} for n in range(20)]}
    shop.store.goods.add_product("Bare")
    shop.store.levels["4", "5"] = {"available": 3, "on_hand": 4, "committed": 1, "incoming": 0}
    shop.store.levels["4", "6"] = {"available": 0, "on_hand": 0, "committed": 0, "incoming": 0}
    for kind, name in (("customer", "customers"), ("product", "products"), ("inventory", "stock")):
        seen = poll(name).emitted
        ids = {each.external_id for each in seen if each.kind == kind}
        assert len(ids) == 2
        wanted = [Lookup(kind, id_) for id_ in ids]
        looks = [kit.run(shop, lambda http, each=each: read(kit.SETTINGS, each, http)) for each in wanted]
        assert said(seen) == said(each for look in looks for each in look.result)
    # More than a read takes of one customer and one product is left out, so that both say the same.
    node["addressesV2"] = {"nodes": rows}
    tea["images"]["nodes"].append({"id": "gid://shopify/ProductImage/20", "url": "https://c/20"})
    assert max(len(each.entity.addresses) for each in poll("customers").emitted if each.kind == "customer") == 10
    assert max(len(each.entity.image_urls) for each in poll("products").emitted) == 20


def test_afterwards_only_what_changed_is_asked_for(shop, poll):
    people(shop, 3)
    whole = poll("customers")
    assert len(names(whole, "customer")) == 3
    cursor = json.loads(json.dumps(whole.pages[-1][1]))
    shop.now.at += HOUR
    people(shop, 1)
    begun = asked(shop).count("BulkRun")
    assert len(names(poll("customers", cursor), "customer")) == 4  # those of the last two minutes before, once more
    assert asked(shop).count("BulkRun") == begun


def test_what_changes_while_the_file_is_made_is_found_afterwards(shop, poll):
    people(shop, 2)
    shop.store.bulk.takes = HOUR
    waiting = poll("customers")
    assert waiting.result == Later(LOOK)
    shop.now.at += timedelta(minutes=50)
    shop.store.add_customer(email="late@example.com")
    hidden = shop.store.customers.popitem()  # the file was written before it came
    shop.now.at += timedelta(minutes=10)
    done = poll("customers", waiting.pages[-1][1])
    assert (done.result, len(names(done, "customer"))) == (None, 2)
    shop.store.customers.update([hidden])
    assert hidden[1]["legacyResourceId"] in names(poll("customers", done.pages[-1][1]), "customer")


def test_an_empty_shop_has_no_file(shop, poll):
    driven = poll("products")
    assert (driven.result, driven.emitted) == (None, [])
    assert "since" in driven.pages[-1][1]


# ── Stock ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_stock_is_told_once_and_then_when_it_changed(shop, poll):
    for place in "567":
        shop.store.levels["4", place] = {"available": 3, "on_hand": 4, "committed": 1, "incoming": 0}
    shop.store.goods.unstock("4", "7")
    first = poll("stock")
    assert names(first, "inventory") == ["4:5", "4:6"]  # what was never told is not told as gone
    shop.now.at += HOUR
    row = {"inventoryItemId": "4", "locationId": "5", "quantity": 2, "changeFromQuantity": 3}
    given = {"name": "available", "reason": "correction", "quantities": [row]}
    shop.store.answer("InventorySet", {"key": "k", "input": given})
    shop.store.goods.unstock("4", "6")
    settled = poll("stock", first.pages[-1][1] | {"since": shop.now.at.isoformat()})
    changed, gone = settled.emitted
    assert (changed.external_id, changed.entity.available, changed.version) == ("4:5", 2, shop.now.at)
    assert (gone.external_id, gone.deleted, gone.version) == ("4:6", True, shop.now.at)
    assert asked(shop).count("BulkRun") == 2
    shop.now.at += HOUR
    assert poll("stock", {"since": shop.now.at.isoformat()}).emitted == []


# ── Interruptions ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_operation_under_way_is_found_again_by_its_id(shop, poll):
    people(shop, 2)
    shop.store.bulk.takes = HOUR
    first = poll("customers")
    again = poll("customers", first.pages[-1][1])
    assert (again.result, again.pages) == (Later(LOOK), [])
    shop.now.at += HOUR
    assert len(names(poll("customers", first.pages[-1][1]), "customer")) == 2
    assert asked(shop).count("BulkRun") == 1


def test_an_operation_whose_beginning_was_never_answered_is_found_again(kit, shop, poll):
    people(shop, 2)
    shop.store.bulk.takes = HOUR
    poll("products")  # another query under way is not ours
    handle = shop.handle

    def losing(request):
        answer = handle(request)
        if json.loads(request.body)["operationName"] == "BulkRun":
            raise LostAnswer
        return answer

    shop.handle = losing
    with pytest.raises(LostAnswer):
        poll("customers")
    shop.handle = handle
    shop.now.at += timedelta(minutes=1)
    waiting = poll("customers")
    assert waiting.pages[-1][1]["bulk"]["began"] == kit.NOW.isoformat().replace("+00:00", "Z")
    assert len(shop.store.bulk.jobs) == 2


def test_a_crash_at_any_step_loses_nothing_and_begins_nothing_twice(kit, shop, poll, monkeypatch):
    monkeypatch.setattr("omnibridge_shopify.bulk._PAGE", 4)
    people(shop, 5)
    expected = set(names(poll("customers"), "customer"))
    before = len(shop.store.bulk.jobs)
    whole = poll("customers")
    assert len(whole.pages) == 5  # begun, three pages, done
    for index, (_, cursor) in enumerate(whole.pages):
        rest = poll("customers", json.loads(json.dumps(cursor)))
        told = {each.external_id for page, _ in whole.pages[: index + 1] for each in page if each.kind == "customer"}
        assert told | set(names(rest, "customer")) == expected
        if 0 < index < 4:
            assert not told & set(names(rest, "customer"))
    assert len(shop.store.bulk.jobs) == before + 1


@pytest.mark.parametrize("status", ["FAILED", "CANCELED", "EXPIRED"])
def test_one_that_came_to_nothing_is_begun_anew_and_its_part_is_no_whole(shop, poll, status):
    people(shop, 3)
    shop.store.bulk.takes = HOUR
    cursor = poll("customers").pages[-1][1]
    shop.store.bulk.end(status, "TIMEOUT" if status == "FAILED" else None)
    shop.store.bulk.takes = timedelta(0)
    log = len(shop.log)
    assert len(names(poll("customers", cursor), "customer")) == 3
    assert sum(request.method == "GET" for request in shop.log[log:]) == 1
    assert len(shop.store.bulk.jobs) == 2


def test_a_file_that_is_no_longer_given_is_made_anew(shop, poll):
    people(shop, 3)
    shop.store.bulk.takes = HOUR
    cursor = poll("customers").pages[-1][1]
    shop.now.at += HOUR
    shop.store.answer("BulkOperation", {"id": cursor["bulk"]["id"]})
    shop.store.bulk.forget()
    lost = poll("customers", cursor)
    assert (lost.result, lost.emitted, lost.pages[-1][1]) == (Later(LOOK), [], {"bulk": {"tries": 1}})
    shop.store.bulk.takes = timedelta(0)
    assert len(names(poll("customers", lost.pages[-1][1]), "customer")) == 3


def test_people_and_goods_are_read_page_by_page_when_three_operations_failed(shop, poll):
    people(shop, 3)
    shop.store.bulk.takes = HOUR
    cursor = None
    for _ in range(3):
        cursor = poll("customers", cursor).pages[-1][1]
        shop.store.bulk.end("FAILED", "INTERNAL_SERVER_ERROR")
    driven = poll("customers", cursor)
    assert len(names(driven, "customer")) == 3
    assert (len(shop.store.bulk.jobs), driven.pages[-1][1].keys() & {"bulk", "high"}) == (3, {"high"})


def test_stock_that_fails_three_times_says_why_and_begins_anew_at_its_next_turn(shop, poll):
    shop.store.levels["4", "5"] = {"available": 3, "on_hand": 4, "committed": 1, "incoming": 0}
    shop.store.bulk.takes = HOUR
    cursor = {"since": "2026-01-01T00:00:00Z"}
    for _ in range(3):
        cursor = poll("stock", cursor).pages[-1][1]
        shop.store.bulk.end("FAILED", "ACCESS_DENIED")
    with pytest.raises(Permanent, match="ACCESS_DENIED"):
        poll("stock", cursor)
    shop.store.bulk.takes = timedelta(0)
    assert names(poll("stock", {"since": "2026-01-01T00:00:00Z"}), "inventory") == ["4:5"]


@pytest.mark.parametrize("at_once", [1, 5])
def test_it_waits_while_shopify_runs_as_many_as_it_does(shop, poll, at_once):
    people(shop, 1)
    shop.store.bulk.at_once = at_once
    for number in range(at_once):
        theirs = dict.fromkeys(("errorCode", "fileSize", "url")) | {"id": str(number), "query": "theirs"}
        theirs |= {"status": "RUNNING", "type": "QUERY", "createdAt": "2026-11-22T10:00:00Z"}
        shop.store.bulk.jobs[str(number)] = theirs
    waiting = poll("customers")
    assert isinstance(waiting.result, Later)
    assert waiting.pages == []
    shop.store.bulk.jobs.clear()
    assert len(names(poll("customers"), "customer")) == 1


def test_what_shopify_refuses_to_run_says_so(shop, poll, monkeypatch):
    monkeypatch.setattr("omnibridge_shopify.polls.ALL_STOCK", ALL_STOCK._replace(text="{ shop { id } }"))
    with pytest.raises(Permanent, match="no bulk operation") as caught:
        poll("stock")
    assert caught.value.code == "INVALID"


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_is_cut_short_is_no_whole(kit, shop, poll):
    people(shop, 3)
    handle = shop.handle

    def cutting(request):
        answer = handle(request)
        return answer._replace(content=answer.content[:-100]) if request.method == "GET" else answer

    shop.handle = cutting
    cut = poll("customers")
    assert (cut.result, cut.emitted, cut.pages[-1][1]) == (Later(LOOK), [], {"bulk": {"tries": 1}})


@pytest.mark.parametrize("rows", [["CHILD"], ["ROOT", "OTHER", "CHILD"], ["ROOT", "ODD"], ["5"]])
def test_a_file_of_another_shape_is_refused(kit, shop, poll, rows):
    people(shop, 2)
    first, second = shop.store.customers.values()
    lines = {
        "ROOT": first,
        "OTHER": second,
        "CHILD": {"id": "a", "address1": "Street 1", "__parentId": first["id"]},
        "ODD": {"id": "a", "colour": "red", "__parentId": first["id"]},
        "5": 5,
    }
    content = b"\n".join(json.dumps(lines[row]).encode() for row in rows)
    shop.faults.append(Fault(Response(200, {}, content.ljust(5000)), method="GET"))
    told = []

    async def run(http):
        try:
            await poll_customers(kit.SETTINGS, None, http)
        except InvalidMessage as error:
            told.append(error)

    refused = kit.run(shop, run)
    assert told
    assert refused.emitted == []
    assert len(names(poll("customers", refused.pages[-1][1]), "customer")) == 2  # another file, begun anew


# ── Shopify's own schema ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("export", [ALL_CUSTOMERS, ALL_PRODUCTS, ALL_STOCK])
def test_the_queries_are_such_as_shopify_runs_in_bulk(judge, export):
    document = judge.document(export.text)
    depths = [
        depth
        for depth, selections in enumerate(levels(document.definitions[0].selection_set))
        for field in selections
        if any(inner.name.value == "edges" for inner in (field.selection_set.selections if field.selection_set else ()))
    ]
    assert 1 <= len(depths) <= 5
    assert "pageInfo" not in export.text
    assert {"first", "after"}.isdisjoint(export.text.replace("(", " ").replace(":", " ").split())


def levels(selection):
    """The fields at each depth."""
    level = list(selection.selections)
    while level:
        yield level
        level = [field for each in level if each.selection_set for field in each.selection_set.selections]


@pytest.mark.parametrize("export", [ALL_CUSTOMERS, ALL_PRODUCTS, ALL_STOCK])
def test_the_sandboxes_rows_are_such_as_the_schema_gives(shop, judge, export):
    people(shop, 2)
    shop.store.goods.add_product("Tea", [{"sku": f"T{n}", "price": "5", "value": f"{n}"} for n in (1, 2)], "Size")
    shop.store.levels["4", "5"] = {"available": 3, "on_hand": 4, "committed": 1, "incoming": 0}
    roots, children = {}, 0
    for line in shop.store.bulk._rows(export.text):
        row = json.loads(json.dumps(line))
        parent = row.pop("__parentId", None)
        if parent is None:
            roots[row["id"]] = row
            continue
        children += 1
        fields = [each.connection for each in export.children if each.field in row] or ["inventoryLevels"]
        roots[parent].setdefault(fields[0], {"edges": []})["edges"].append({"node": row})
    connection = judge.document(export.text).definitions[0].selection_set.selections[0].name.value
    assert roots
    assert children or export is ALL_CUSTOMERS
    for name in [each.connection for each in export.children]:
        for row in roots.values():
            row.setdefault(name, {"edges": []})
    result = graphql.execute_sync(
        judge.schema,
        judge.document(export.text),
        root_value={connection: {"edges": [{"node": row} for row in roots.values()]}},
        field_resolver=lambda source, info, **_: source[info.field_name],
    )
    assert result.errors is None
