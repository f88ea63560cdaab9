"""Products written to the shop: made once, changed by what differs, and nothing of the shop's own is lost."""

from __future__ import annotations

import json

import pytest
from omnibridge_shopify.outbound_products import deliver_product, normal_product

from omnibridge.connector import Upsert
from omnibridge.errors import Permanent
from omnibridge.model import Product
from omnibridge.testing import ManualClock, TestBridge


def product(**fields):
    """A product; each of `variants` has `sku`, `price`, and what else is told of it."""
    rows = [
        {**row, **({"prices": [{"amount": {"amount": price, "currency": "DKK"}}]} if price is not None else {})}
        for row, price in ((dict(row), row.pop("price", None)) for row in map(dict, fields.pop("variants", ())))
    ]
    told = {"variants": [{k: v for k, v in row.items() if k != "price"} for row in rows]} if rows else {}
    return Product.model_validate({"id": "canonical-1", "title": "Tea", **told, **fields})


TEA = product(
    description="<p>Green</p>",
    brand="Acme",
    category="Drinks",
    status="active",
    tags=["hot"],
    variants=[
        {"sku": "T-S", "price": "39.5", "options": {"Size": "S"}, "barcode": "57001", "weight_grams": "250"},
        {"sku": "T-L", "price": "89.95", "options": {"Size": "L"}, "taxable": False, "requires_shipping": True},
    ],
)


@pytest.fixture
def write(kit, shop):
    def run(entity, **options):
        made = kit.delivery("product.updated", **options)
        return kit.run(shop, lambda http: deliver_product(kit.SETTINGS, entity, made, http))

    return run


def sets(driven):
    """The inputs of `productSet` that were sent."""
    sent = [json.loads(request.body) for request in driven.requests if not request.reads]
    assert all(each["operationName"] == "ProductSet" for each in sent)
    return [each["variables"]["input"] for each in sent]


def sole(shop):
    (node,) = shop.store.goods.products.values()
    return node


def test_a_product_is_made_with_its_prices_to_the_cent(shop, write):
    driven = write(TEA)
    node = sole(shop)
    assert [(one["sku"], one["price"], one["title"]) for one in node["variants"]] == [
        ("T-S", "39.50", "S"),
        ("T-L", "89.95", "L"),
    ]
    assert (node["title"], node["descriptionHtml"], node["vendor"], node["productType"], node["tags"]) == (
        *("Tea", "<p>Green</p>", "Acme", "Drinks"),
        ["hot"],
    )
    assert node["variants"][1]["taxable"] is False
    (reference,) = driven.result.references
    assert (reference.kind, reference.external_id) == ("product", node["id"].rpartition("/")[2])
    (told,) = driven.result.snapshots
    for ours, theirs in zip(told.entity.variants, node["variants"], strict=True):
        assert ours.external_id == theirs["id"].rpartition("/")[2]
        assert ours.inventory_external_id == theirs["inventoryItem"]["id"].rpartition("/")[2]
    assert told.entity.variants[0].weight_grams == 250


def test_what_is_so_already_is_not_written(shop, write):
    own = write(TEA).result.references[0].external_id
    again = write(TEA, own=own)
    assert sets(again) == []
    assert again.result.snapshots[0].entity.variants[0].inventory_external_id


def test_a_product_whose_answer_was_lost_is_found_and_made_once(shop, write):
    write(TEA)
    assert sets(write(TEA)) == []  # by SKU
    without = product(variants=[{"title": "Loose", "price": "10"}], id="canonical-2")
    first = write(without)
    assert [request.protection for request in first.requests if not request.reads] == [Upsert()]
    assert sets(write(without)) == []  # by its handle
    assert len(shop.store.goods.products) == 2
    other = product(variants=[{"title": "Loose", "price": "10"}], id="canonical-3")
    write(other)  # a namesake of another system's is another product
    assert len(shop.store.goods.products) == 3


def test_the_shops_own_variants_and_tags_stay(shop, write):
    rows = [{"sku": "T-S", "price": "39.50", "value": "S"}, {"sku": "SHOP", "price": "5", "value": "Sample"}]
    node = shop.store.goods.add_product("Tea", rows, "Size", tags=["sale"])
    before = [dict(one) for one in node["variants"]]
    (given,) = sets(write(TEA))
    assert given["variants"][1] == {
        "id": before[1]["id"],
        "optionValues": [{"optionName": "Size", "name": "Sample"}],
    }
    assert [one["sku"] for one in node["variants"]] == ["T-S", "SHOP", "T-L"]
    assert [one["id"] for one in node["variants"][:2]] == [one["id"] for one in before]
    assert node["variants"][1] == before[1]
    assert node["tags"] == ["hot", "sale"]
    later = TEA.model_copy(update={"tags": ("cold",)})
    assert sets(write(later, own=node["id"].rpartition("/")[2], known=TEA)) == [{"tags": ["sale", "cold"]}]


def test_variants_beyond_the_first_page_stay_too(shop, write):
    rows = [{"sku": f"T-{n}", "price": "1", "value": f"{n} g"} for n in range(60)]
    node = shop.store.goods.add_product("Tea", rows, "Size")
    write(product(variants=[{"sku": "T-59", "price": "2"}]))
    assert [one["sku"] for one in node["variants"]] == [f"T-{n}" for n in range(60)]
    assert [one["price"] for one in node["variants"][-2:]] == ["1.00", "2.00"]


def test_only_what_differs_is_sent(shop, write):
    own = write(TEA).result.references[0].external_id
    titled = TEA.model_copy(update={"title": "Green tea", "brand": None})
    assert sets(write(titled, own=own)) == [{"title": "Green tea", "vendor": ""}]
    cheaper = product(
        variants=[{"sku": "T-S", "prices": [{"amount": kr("35"), "compare_at": kr("39.50")}]}], title="Green tea"
    )
    (given,) = sets(write(cheaper, own=own))
    assert given["variants"][0].keys() == {"id", "price", "compareAtPrice", "optionValues"}
    assert (given["variants"][0]["price"], given["variants"][0]["compareAtPrice"]) == ("35.00", "39.50")
    assert given["variants"][1].keys() == {"id", "optionValues"}
    full = product(variants=[{"sku": "T-S", "prices": [{"amount": kr("39.5"), "compare_at": None}]}], title="Green tea")
    write(full, own=own)
    assert [sole(shop)["variants"][0][name] for name in ("price", "compareAtPrice")] == ["39.50", None]


def kr(amount):
    return {"amount": amount, "currency": "DKK"}


def test_a_variant_is_known_by_barcode_or_options_and_not_against_its_sku(shop, write):
    own = write(TEA).result.references[0].external_id
    small, large = [one["id"] for one in sole(shop)["variants"]]
    sole(shop)["variants"][1]["sku"] = None
    (given,) = sets(
        write(
            product(
                variants=[
                    {"barcode": "57001", "price": "40"},
                    {"sku": "NEW-L", "price": "90", "options": {"Size": "L"}},
                    {"sku": "T-XL", "price": "99", "options": {"Size": "XL"}, "barcode": "57001"},
                ]
            ),
            own=own,
        )
    )
    assert [row.get("id") for row in given["variants"]] == [small, large, None]
    assert given["variants"][1]["sku"] == "NEW-L"


def test_a_product_without_choices_has_shopifys_default_variant(shop, write):
    write(product(variants=[{"sku": "T", "price": "10"}]))
    (variant,) = sole(shop)["variants"]
    assert variant["selectedOptions"] == [{"name": "Title", "value": "Default Title"}]
    renamed = product(variants=[{"sku": "T-2", "price": "10"}])
    write(renamed, own=sole(shop)["id"].rpartition("/")[2])
    assert (sole(shop)["variants"][0]["id"], sole(shop)["variants"][0]["sku"]) == (variant["id"], "T-2")
    more = product(variants=[{"sku": "T-2", "price": "10"}, {"sku": "T-3", "title": "Large", "price": "12"}])
    write(more, own=sole(shop)["id"].rpartition("/")[2])
    assert [one["title"] for one in sole(shop)["variants"]] == ["Default Title", "Large"]


@pytest.mark.parametrize(
    ("entity", "code"),
    [
        (product(), "NO_PRICE"),
        (product(variants=[{"sku": "X"}]), "NO_PRICE"),
        (product(variants=[{"sku": "X", "prices": [{"amount": {"amount": "9", "currency": "EUR"}}]}]), "NO_PRICE"),
        (
            product(
                variants=[
                    {"sku": "X", "price": "1", "options": {"Size": "S"}},
                    {"sku": "Y", "price": "1", "options": {"Colour": "Red"}},
                ]
            ),
            "OPTIONS",
        ),
        (product(variants=[{"sku": "X", "price": "1", "options": dict.fromkeys("abcd", "1")}]), "OPTIONS_OVER_LIMIT"),
        (product(variants=[{"sku": "X", "price": "1"}, {"sku": "Y", "title": "X", "price": "1"}]), "INVALID_VARIANT"),
    ],
)
def test_what_cannot_be_sold_is_refused_in_words(shop, write, entity, code):
    with pytest.raises(Permanent) as caught:
        write(entity)
    assert caught.value.code == code
    assert shop.store.goods.products == {}


def test_a_product_that_was_deleted_or_is_ambiguous_is_for_people(shop, write):
    with pytest.raises(Permanent) as caught:
        write(TEA, own="404")
    assert caught.value.code == "NOT_FOUND"
    for sku in ("T-S", "T-L"):
        shop.store.goods.add_product(sku, [{"sku": sku, "price": "1"}])
    with pytest.raises(Permanent) as caught:
        write(TEA)
    assert caught.value.code == "AMBIGUOUS"


def test_what_shopify_says_against_it_is_told(shop, write):
    error = {"field": ["input", "handle"], "message": "Handle is taken", "code": "HANDLE_NOT_UNIQUE"}
    shop.store.operations["ProductSet"] = lambda _: {"productSet": {"product": None, "userErrors": [error]}}
    with pytest.raises(Permanent, match="Handle is taken") as caught:
        write(TEA)
    assert (caught.value.code, bool(caught.value.remedy)) == ("HANDLE_NOT_UNIQUE", True)


def test_a_sku_with_quotes_is_looked_for_as_it_is(shop, write):
    driven = write(product(variants=[{"sku": 'A" OR sku:"B', "price": "1"}]))
    query = json.loads(driven.requests[0].body)["variables"]["query"]
    assert query == r'sku:"A\" OR sku:\"B"'


def test_normal_says_what_is_kept_and_says_it_once(kit):
    odd = product(
        title=" Tea ",
        brand="",
        tags=["b, a", "A"],
        url="https://erp.example/tea",
        variants=[{"sku": " T ", "price": "1.005", "external_id": "7", "cost": kr("1")}],
    )
    once = normal_product(kit.SETTINGS, odd)
    assert normal_product(kit.SETTINGS, once) == once
    assert (once.title, once.brand, once.tags, once.url) == ("Tea", None, ("a", "b"), None)
    assert once.variants[0].model_dump(exclude_unset=True) == {
        "sku": "T",
        "prices": ({"amount": {"amount": once.variants[0].prices[0].amount.amount, "currency": "DKK"}},),
    }
    assert str(once.variants[0].prices[0].amount) == "1.01 DKK"


TOML = """
[bridge]
public_url = "https://bridge.example.com"
[channels.dk]
connector = "shopify"
[channels.dk.settings]
shop = "acme-dk.myshopify.com"
access_token = "token-dk"
webhook_secrets = ["secret-dk"]
currency = "DKK"
[channels.se]
connector = "shopify"
[channels.se.settings]
shop = "acme-se.myshopify.com"
access_token = "token-se"
webhook_secrets = ["secret-se"]
currency = "DKK"
[[routes]]
name = "goods"
events = ["product.*"]
from = ["dk", "se"]
to = ["dk", "se"]
"""


async def test_the_echo_of_a_written_product_gives_no_event_and_its_variants_can_be_matched(kit):
    clock, shops = ManualClock(), {}
    for name in ("dk", "se"):
        settings = {"shop": f"acme-{name}.myshopify.com", "access_token": f"token-{name}", "currency": "DKK"}
        secrets = {"webhook_secrets": [f"secret-{name}"]}
        shops[name] = kit.ShopifySandbox.of(kit.SETTINGS.model_validate({**settings, **secrets}), now=clock.now)
    served = {shop.shop: shop for shop in shops.values()}
    async with TestBridge(TOML, sandboxes=served, connectors=[kit.CONNECTOR], clock=clock) as bridge:
        await bridge.settle(10)
        rows = [{"sku": "T-S", "price": "39.5", "value": "S"}, {"sku": "T-L", "price": "89.95", "value": "L"}]
        shops["dk"].store.goods.add_product("Tea", rows, "Size", tags=["hot"])
        await bridge.settle(60)
        (copy,) = shops["se"].store.goods.products.values()
        assert [(one["sku"], one["price"]) for one in copy["variants"]] == [("T-S", "39.50"), ("T-L", "89.95")]
        (node,) = shops["dk"].store.goods.products.values()
        for ours, theirs in zip(node["variants"], copy["variants"], strict=True):
            pair = [f"{name}:{one['id'].rpartition('/')[2]}" for name, one in (("dk", ours), ("se", theirs))]
            made = await bridge.matching.match(*pair, kind="variant")
            assert [one.kind for one in made] == ["variant"]
        await bridge.settle(7200)  # the webhooks of the copy, and the polls of both shops
        written = [[row.operation for row in await bridge.journal.deliveries(channel=name)] for name in shops]
        assert "product" not in written[0]
        assert "product" in written[1]
    assert [sum(b"mutation ProductSet" in one.body for one in shop.log) for shop in shops.values()] == [0, 1]
