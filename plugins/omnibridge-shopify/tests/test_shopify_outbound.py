"""What we write to Shopify: exactly that, once, and what it answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from omnibridge_shopify.outbound_consents import set_consent
from omnibridge_shopify.outbound_customers import normal_customer, upsert_customer
from omnibridge_shopify.outbound_orders import create_order, find_order
from omnibridge_shopify.outbound_stock import set_level

from omnibridge.connector import Fault, Later, NativeKey, Response, Upsert
from omnibridge.errors import Ambiguous, Permanent, Retryable
from omnibridge.model import Address, Consent, Customer, InventoryLevel, Order, Ref

KIM = Customer(
    id="canonical-1",
    email="kim@example.com",
    phone="+4533123456",
    given_name="Kim",
    family_name="Example",
    company="Example ApS",
    tags=("vip", "Newsletter, vip"),
    addresses=(Address(name="Kim  Example", street="Example Street 1", city="Aarhus", country="DK"),),
)


def variables(request):
    return json.loads(request.body)["variables"]


def writes(driven):
    return [request for request in driven.requests if not request.reads]


@pytest.fixture
def customers(kit, shop):
    return lambda customer, **options: kit.run(
        shop, lambda http: upsert_customer(kit.SETTINGS, customer, kit.delivery(**options), http)
    )


@pytest.fixture
def consents(kit, shop):
    return lambda consent, **options: kit.run(
        shop, lambda http: set_consent(kit.SETTINGS, consent, kit.delivery("consent.updated", **options), http)
    )


@pytest.fixture
def stock(kit, shop):
    shop.store.levels["4", "5"] = {"available": 3, "on_hand": 4, "committed": 1, "incoming": 0}
    return lambda level, **options: kit.run(
        shop, lambda http: set_level(kit.SETTINGS, level, kit.delivery("inventory.changed", **options), http)
    )


# ── Customers ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_customer(kit, shop, customers):
    driven = customers(KIM)
    made, tags = writes(driven)
    assert variables(made) == {
        "identifier": {"email": "kim@example.com"},
        "input": {
            "email": "kim@example.com",
            "phone": "+4533123456",
            "firstName": "Kim",
            "lastName": "Example",
            "addresses": [
                {
                    "firstName": "Kim",
                    "lastName": "Example",
                    "address1": "Example Street 1",
                    "city": "Aarhus",
                    "countryCode": "DK",
                }
            ],
        },
    }
    assert made.protection == tags.protection == Upsert()
    (held,) = shop.records()["customers"]
    assert held["tags"] == ["Newsletter", "vip"]
    number = held["legacyResourceId"]
    assert [(each.kind, each.external_id) for each in driven.result.references] == [("customer", number)]
    (answer,) = driven.result.snapshots
    assert answer.entity == normal_customer(kit.SETTINGS, KIM)
    assert answer.external_id == number


def test_a_customer_whom_the_shop_knows_is_taken_over_with_their_tags_and_addresses(shop, customers):
    node = shop.store.add_customer(email="kim@example.com", first_name="K", tags=["theirs"])
    node["addressesV2"]["nodes"].append({"name": "Kim", "city": "Odense"} | dict.fromkeys(REST_OF_ADDRESS))
    driven = customers(KIM)
    assert len(shop.records()["customers"]) == 1
    assert variables(writes(driven)[0])["identifier"] == {"id": node["id"]}
    assert node["firstName"] == "Kim"
    assert node["tags"] == ["Newsletter", "theirs", "vip"]
    assert [item["city"] for item in node["addressesV2"]["nodes"]] == ["Odense"]
    assert "addresses" not in driven.result.snapshots[0].entity.model_fields_set


REST_OF_ADDRESS = [
    "company",
    "address1",
    "address2",
    "province",
    "provinceCode",
    "zip",
    "country",
    "countryCodeV2",
    "phone",
    "firstName",
    "lastName",
]


def test_a_known_customer_is_changed_in_what_was_told(shop, customers):
    node = shop.store.add_customer(email="kim@example.com", first_name="Kim", tags=["a", "b", "theirs"])
    number = node["legacyResourceId"]
    known = Customer(email="kim@example.com", tags=("a", "b"))
    driven = customers(Customer(given_name=None, tags=("b", "c")), own=number, known=known)
    changed, added, removed = writes(driven)
    assert variables(changed) == {"identifier": {"id": node["id"]}, "input": {"firstName": None}}
    assert variables(added)["tags"] == ["c"]
    assert variables(removed)["tags"] == ["a"]
    assert node["tags"] == ["b", "c", "theirs"]
    assert driven.result.snapshots[0].entity == Customer(given_name=None, tags=("b", "c", "theirs"))


def test_the_same_again_changes_nothing_and_echoes_nothing(shop, customers):
    customers(KIM)
    number = shop.records()["customers"][0]["legacyResourceId"]
    shop.outbox.clear()
    assert len(writes(customers(KIM, own=number, known=KIM))) == 1
    assert not shop.outbox


def test_what_is_normal_stays_normal(kit):
    once = normal_customer(kit.SETTINGS, KIM)
    assert normal_customer(kit.SETTINGS, once) == once
    assert once.tags == ("Newsletter", "vip")
    assert once.addresses[0].name == "Kim Example"
    assert "company" not in once.model_fields_set


def test_a_phone_number_that_somebody_else_has_is_left_out(shop, customers):
    parent = shop.store.add_customer(phone="+4533123456", email="parent@example.com")
    driven = customers(KIM)
    assert [node["defaultEmailAddress"]["emailAddress"] for node in shop.records()["customers"]] == [
        "parent@example.com",
        "kim@example.com",
    ]
    assert parent["updatedAt"] == parent["createdAt"]
    assert [request.step for request in writes(driven)][:2] == ["customer", "customer-without-phone"]
    assert "phone" not in driven.result.snapshots[0].entity.model_fields_set
    assert "phone" in driven.result.note


def test_a_customer_with_that_phone_number_alone_is_taken_over(shop, customers):
    node = shop.store.add_customer(phone="+4533123456")
    customers(KIM)
    assert shop.records()["customers"] == [node]
    assert node["defaultEmailAddress"]["emailAddress"] == "kim@example.com"


def test_an_email_address_that_somebody_else_has_is_for_people(shop, customers):
    other = shop.store.add_customer(email="kim@example.com")
    mine = shop.store.add_customer(email="k@example.com")
    with pytest.raises(Permanent, match="already been taken") as caught:
        customers(Customer(email="kim@example.com"), own=mine["legacyResourceId"])
    assert caught.value.code == "TAKEN"
    assert "merge" in str(caught.value)
    assert other["updatedAt"] == other["createdAt"]


def test_a_customer_deleted_in_the_shop_does_not_come_back(customers, shop):
    with pytest.raises(Permanent) as caught:
        customers(KIM, own="7")
    assert caught.value.code == "NOT_FOUND"
    assert shop.records()["customers"] == []


def test_without_email_and_phone_our_own_id_finds_the_customer(kit, shop):
    settings = kit.SETTINGS.model_copy(update={"id_metafield": "custom.omnibridge_id"})
    nameless = Customer(id="canonical-1", given_name="Kim")
    kit.run(shop, lambda http: upsert_customer(settings, nameless, kit.delivery(), http))
    driven = kit.run(shop, lambda http: upsert_customer(settings, nameless, kit.delivery(), http))
    assert len(shop.records()["customers"]) == 1
    kit.run(shop, lambda http: upsert_customer(kit.SETTINGS, Customer(given_name="Alex"), kit.delivery(), http))
    assert len(shop.records()["customers"]) == 2
    assert writes(driven)[0].protection == Upsert()
    with pytest.raises(Permanent, match="without a name"):
        kit.run(shop, lambda http: upsert_customer(kit.SETTINGS, Customer(tags=("a",)), kit.delivery(), http))


def test_a_customer_is_made_once_wherever_it_is_interrupted(kit):
    for lives in range(1, 20):
        shop = kit.sandbox()
        ended, kept = kit.run_mortal(shop, lambda http: upsert_customer(kit.SETTINGS, KIM, kit.delivery(), http), lives)
        own = next((reference.external_id for reference in kept), None)
        again = kit.run(shop, lambda http, own=own: upsert_customer(kit.SETTINGS, KIM, kit.delivery(own=own), http))
        (held,) = shop.records()["customers"]
        assert held["tags"] == ["Newsletter", "vip"]
        assert [item["address1"] for item in held["addressesV2"]["nodes"]] == ["Example Street 1"]
        assert again.result.references[0].external_id == held["legacyResourceId"]
        if ended:
            assert lives > 4
            return
    pytest.fail("it never came to its end")


# ── Consents ──────────────────────────────────────────────────────────────────────────────────────────────────

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def consent(state, contact="kim@example.com", medium="email", **more):
    return Consent.model_validate({"contact": contact, "medium": medium, "state": state, **more})


@pytest.mark.parametrize(
    ("state", "written"),
    [
        ("granted", {"marketingState": "SUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN"}),
        ("pending", {"marketingState": "PENDING", "marketingOptInLevel": "CONFIRMED_OPT_IN"}),
        ("withdrawn", {"marketingState": "UNSUBSCRIBED"}),
        ("denied", {"marketingState": "UNSUBSCRIBED"}),
        ("expired", {"marketingState": "UNSUBSCRIBED"}),
    ],
)
def test_a_consent_is_written_as_it_is(shop, consents, state, written):
    node = shop.store.add_customer(email="kim@example.com", phone="+4533123456")
    driven = consents(consent(state, basis="single_opt_in", changed_at=AT))
    (request,) = writes(driven)
    assert variables(request) == {
        "input": {
            "customerId": node["id"],
            "emailMarketingConsent": {**written, "consentUpdatedAt": "2026-11-22T09:00:00Z"},
        }
    }
    assert node["defaultEmailAddress"]["marketingState"] == written["marketingState"]
    assert node["defaultPhoneNumber"]["marketingState"] == "NOT_SUBSCRIBED"
    (answer,) = driven.result.snapshots
    assert answer.external_id == "email:marketing:kim@example.com"
    assert answer.version == AT


def test_a_consent_by_sms_goes_to_the_phone_number(shop, consents):
    node = shop.store.add_customer(email="kim@example.com", phone="+4533123456")
    consents(consent("granted", "+4533123456", "sms", basis="double_opt_in", changed_at=AT))
    assert node["defaultPhoneNumber"]["marketingState"] == "SUBSCRIBED"
    assert node["defaultPhoneNumber"]["marketingOptInLevel"] == "CONFIRMED_OPT_IN"
    assert node["defaultEmailAddress"]["marketingState"] == "NOT_SUBSCRIBED"


@pytest.mark.parametrize("state", ["unknown", "pending", "withdrawn", "denied", "expired"])
def test_only_a_grant_grants(shop, consents, state):
    node = shop.store.add_customer(email="kim@example.com")
    consents(consent(state, changed_at=AT))
    assert node["defaultEmailAddress"]["marketingState"] != "SUBSCRIBED"


def test_customers_never_carry_permission(shop, customers):
    customers(KIM)
    assert all("onsent" not in request.body.decode() for request in shop.log if b"CustomerSet" in request.body)
    assert shop.records()["customers"][0]["defaultEmailAddress"]["marketingState"] == "NOT_SUBSCRIBED"


def test_a_permission_never_lands_on_another_address(shop, consents):
    node = shop.store.add_customer(email="new@example.com")
    known = {("customer", "c"): node["legacyResourceId"]}
    granted = consent("granted", "old@example.com", customer=Ref(kind="customer", id="c"))
    assert isinstance(consents(granted, references=known).result, Later)
    assert node["defaultEmailAddress"]["marketingState"] == "NOT_SUBSCRIBED"


def test_a_grant_waits_for_its_customer_and_gives_up_aloud(consents):
    state = None
    waits = []
    for _ in range(5):
        later = consents(consent("granted"), state=state).result
        state = later.state
        waits.append(later.after.total_seconds())
    assert waits == [60, 120, 240, 480, 960]
    with pytest.raises(Permanent, match="no customer"):
        consents(consent("granted"), state=state)


def test_a_withdrawal_for_nobody_is_done(consents):
    assert "nothing to withdraw" in consents(consent("withdrawn")).result.note


@pytest.mark.parametrize("other", [{"medium": "whatsapp", "contact": "+4533123456"}, {"purpose": "service"}])
def test_what_shopify_does_not_keep_is_left_alone(consents, other):
    driven = consents(
        Consent.model_validate({"contact": "kim@example.com", "medium": "email", "state": "granted"} | other)
    )
    assert driven.requests == []
    assert "keeps no consent" in driven.result.note


def test_a_refused_consent_says_why(shop, consents):
    shop.store.add_customer(email="kim@example.com")
    with pytest.raises(Permanent, match="future"):
        consents(consent("granted", changed_at=datetime(2030, 1, 1, tzinfo=UTC)))


# ── Stock ─────────────────────────────────────────────────────────────────────────────────────────────────────

LEVEL = {"variant": {"kind": "inventory_item", "id": "i"}, "location": {"kind": "location", "id": "l"}}
MATCHED = {("inventory_item", "i"): "4", ("location", "l"): "5"}


def level(**counts):
    return InventoryLevel.model_validate({**LEVEL, **counts})


def test_stock_is_set_against_what_was_known(shop, stock):
    driven = stock(level(available=9), references=MATCHED, known=level(available=3))
    (request,) = writes(driven)
    assert variables(request) == {
        "key": "key-set",
        "input": {
            "name": "available",
            "reason": "correction",
            "quantities": [
                {
                    "inventoryItemId": "gid://shopify/InventoryItem/4",
                    "locationId": "gid://shopify/Location/5",
                    "quantity": 9,
                    "changeFromQuantity": 3,
                }
            ],
        },
    }
    assert isinstance(request.protection, NativeKey)
    assert shop.records()["levels"][0]["available"] == 9
    (answer,) = driven.result.snapshots
    assert (answer.external_id, answer.entity.available) == ("4:5", 9)


def test_stock_that_nobody_knew_is_compared_with_nothing(stock):
    driven = stock(level(on_hand=9), own="4:5")
    (row,) = variables(writes(driven)[0])["input"]["quantities"]
    assert row["changeFromQuantity"] is None
    assert variables(writes(driven)[0])["input"]["name"] == "on_hand"


def test_a_sale_in_between_is_noticed(shop, stock):
    shop.store.levels["4", "5"]["available"] = 2
    driven = stock(level(available=9), own="4:5", known=level(available=3))
    assert [request.step for request in writes(driven)] == ["set", "set-again"]
    assert variables(writes(driven)[1])["key"] == "key-set-again"
    assert shop.records()["levels"][0]["available"] == 9
    assert "had 2 where 3" in driven.result.note


def test_a_repeated_set_counts_once(shop, stock):
    stock(level(available=9), own="4:5", known=level(available=3))
    shop.store.levels["4", "5"]["available"] = 8  # sold one
    stock(level(available=9), own="4:5", known=level(available=3))
    assert shop.records()["levels"][0]["available"] == 8


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        ({"available": "1.5"}, {"own": "4:5"}, "whole numbers"),
        ({"available": 1}, {}, "not matched"),
        ({"available": 1}, {"own": "6:5"}, "not stocked"),
    ],
)
def test_stock_that_cannot_be_set(stock, counts, options, message):
    with pytest.raises(Permanent, match=message):
        stock(level(**counts), **options)


def test_no_count_is_nothing_to_write(stock):
    assert stock(level(incoming=4), own="4:5").requests == []


# ── Orders ────────────────────────────────────────────────────────────────────────────────────────────────────


def money(amount):
    return {"amount": amount, "currency": "DKK"}


ORDER = Order.model_validate(
    {
        "id": "canonical-9",
        "currency": "DKK",
        "taxes_included": True,
        "payment_status": "paid",
        "buyer": {"kind": "customer", "id": "c"},
        "buyer_email": "kim@example.com",
        "lines": [
            {
                "title": "Tea",
                "sku": "TEA",
                "variant": {"kind": "variant", "id": "v"},
                "quantity": 2,
                "unit_price": money("89.00"),
                "discounts": [{"amount": money("10.00"), "code": "WELCOME"}],
                "taxes": [{"title": "VAT", "rate": "0.25", "amount": money("33.60")}],
                "properties": {"wrap": "yes"},
            }
        ],
        "shipping": [{"title": "Post", "price": money("39.00"), "discounts": [{"amount": money("4.00")}]}],
        "totals": {"total": money("203.00")},
        "shipping_address": {"name": "Kim Example", "country": "DK", "region": "Zealand"},
        "placed_at": "2026-11-22T10:00:00+01:00",
        "tags": ["till"],
    }
)
KNOWN = {("customer", "c"): "7", ("variant", "v"): "8"}


@pytest.fixture
def orders(kit, shop):
    return lambda order, **options: kit.run(
        shop,
        lambda http: create_order(
            kit.SETTINGS, order, kit.delivery("order.placed", "canonical-9", references=KNOWN, **options), http
        ),
    )


def test_an_order_is_made_with_our_id(shop, orders):
    driven = orders(ORDER)
    (request,) = writes(driven)
    assert request.protection is None
    assert variables(request) == {
        "order": {
            "sourceIdentifier": "omnibridge:canonical-9",
            "currency": "DKK",
            "taxesIncluded": True,
            "test": False,
            "financialStatus": "PAID",
            "lineItems": [
                {
                    "title": "Tea",
                    "sku": "TEA",
                    "variantId": "gid://shopify/ProductVariant/8",
                    "quantity": 2,
                    "priceSet": {"shopMoney": {"amount": "89.00", "currencyCode": "DKK"}},
                    "giftCard": False,
                    "requiresShipping": True,
                    "taxLines": [
                        {
                            "title": "VAT",
                            "rate": "0.25",
                            "priceSet": {"shopMoney": {"amount": "33.60", "currencyCode": "DKK"}},
                        }
                    ],
                    "properties": [{"name": "wrap", "value": "yes"}],
                }
            ],
            "shippingLines": [{"title": "Post", "priceSet": {"shopMoney": {"amount": "39.00", "currencyCode": "DKK"}}}],
            "discountCode": {
                "itemFixedDiscountCode": {
                    "code": "WELCOME",
                    "amountSet": {"shopMoney": {"amount": "14.00", "currencyCode": "DKK"}},
                }
            },
            "customer": {"toAssociate": {"id": "gid://shopify/Customer/7"}},
            "email": "kim@example.com",
            "shippingAddress": {
                "firstName": "Kim",
                "lastName": "Example",
                "countryCode": "DK",
                "province": "Zealand",
            },
            "tags": ["till"],
            "processedAt": "2026-11-22T10:00:00+01:00",
            "transactions": [
                {
                    "kind": "SALE",
                    "status": "SUCCESS",
                    "gateway": "manual",
                    "amountSet": {"shopMoney": {"amount": "203.00", "currencyCode": "DKK"}},
                }
            ],
        },
        "options": {"inventoryBehaviour": "BYPASS", "sendReceipt": False, "sendFulfillmentReceipt": False},
    }
    (made,) = shop.records()["orders"]
    assert [each.external_id for each in driven.result.references] == [str(made["id"])]


def test_an_order_is_made_once_wherever_it_is_interrupted(kit):
    for lives in range(1, 10):
        shop = kit.sandbox()

        def make(http, own=None):
            told = kit.delivery("order.placed", "canonical-9", references=KNOWN, own=own)
            return create_order(kit.SETTINGS, ORDER, told, http)

        ended, kept = kit.run_mortal(shop, make, lives)
        own = next((reference.external_id for reference in kept), None)
        again = kit.run(shop, lambda http, own=own: make(http, own)).result
        (made,) = shop.records()["orders"]
        assert again.references[0].external_id == str(made["id"])
        if ended:
            return
    pytest.fail("it never came to its end")


def test_a_lost_answer_is_looked_up(kit, shop, orders):
    told = kit.delivery("order.placed", "canonical-9")
    assert kit.run(shop, lambda http: find_order(kit.SETTINGS, ORDER, told, http)).result is None
    made = orders(ORDER).result
    found = kit.run(shop, lambda http: find_order(kit.SETTINGS, ORDER, told, http)).result
    assert found.references == made.references
    (slot,) = (slot for slot in kit.CONNECTOR.delivers if slot.accepts is Order)
    assert slot.find is find_order
    assert slot.verbs == {"placed"}


def test_an_order_that_cannot_be_made(orders):
    with pytest.raises(Permanent, match="at least one line"):
        orders(ORDER.model_copy(update={"lines": ()}))
    line = ORDER.lines[0].model_copy(update={"quantity": ORDER.lines[0].quantity / 4})
    with pytest.raises(Permanent, match="whole numbers"):
        orders(ORDER.model_copy(update={"lines": (line,)}))


# ── Trouble on the way ────────────────────────────────────────────────────────────────────────────────────────


def test_a_broken_answer_to_an_order_is_ambiguous_and_to_a_customer_is_not(shop, customers, orders):
    shop.faults.append(Fault(Response(502), times=2, path_prefix="/admin"))
    with pytest.raises(Retryable):
        customers(KIM)
    shop.faults.clear()
    orders_before = len(shop.records()["orders"])
    shop.respond_original = shop.respond
    shop.respond = lambda request: (
        Response(502) if b'"OrderCreate"' in request.body[:60] else shop.respond_original(request)
    )
    with pytest.raises(Ambiguous):
        orders(ORDER)
    assert len(shop.records()["orders"]) == orders_before
