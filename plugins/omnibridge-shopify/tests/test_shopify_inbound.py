"""What Shopify sends: whether it is genuine, which delivery it is, and what it says."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omnibridge_shopify.inbound import COMPLIANCE_TYPES
from omnibridge_shopify.sandbox import order_webhook
from omnibridge_shopify.sandbox_after import make_refund
from omnibridge_shopify.sandbox_bodies import make_order

from omnibridge.connector import (
    Lookup,
    Verdict,
    dump_observations,
    hmac_base64,
    load_observations,
)
from omnibridge.errors import InvalidMessage
from omnibridge.model import Consent, ConsentState, PrivacyRequest

SECONDS_LATER = datetime(2026, 11, 22, 9, 0, 5, tzinfo=UTC)


def told(snapshot):
    return snapshot.entity.model_dump(mode="json", exclude_unset=True)


@pytest.fixture
def say(kit):
    return lambda topic, body, **options: kit.translate(kit.SETTINGS, kit.inbound(topic, body, **options))


# ── Genuine or not ────────────────────────────────────────────────────────────────────────────────────────────


def test_shopifys_signatures_are_accepted(kit, vendor_specs):
    folder = vendor_specs / "shopify"
    for vector in json.loads((folder / "signature_vectors.json").read_text("utf-8"))["vectors"]:
        body = (folder / vector["body_file"]).read_bytes() if "body_file" in vector else vector["body"].encode()
        signed = kit.inbound("orders/create", body, x_shopify_hmac_sha256=vector["signature"])
        assert vector["secret"] == "hush"
        assert kit.verify(kit.SETTINGS, signed, kit.NOW) is Verdict.OK
        forged = kit.inbound("orders/create", body + b" ", x_shopify_hmac_sha256=vector["signature"])
        assert kit.verify(kit.SETTINGS, forged, kit.NOW) is Verdict.FORGED


def test_both_secrets_count_while_one_replaces_the_other(kit):
    settings = type(kit.SETTINGS).model_validate(
        {"shop": "acme.myshopify.com", "access_token": "t", "webhook_secrets": ["new", "hush"]}
    )
    for secret, verdict in (("new", Verdict.OK), ("hush", Verdict.OK), ("older", Verdict.FORGED)):
        assert kit.verify(settings, kit.inbound("shop/redact", {}, secret=secret), kit.NOW) is verdict


def test_the_client_secret_signs_when_nothing_else_is_set(kit):
    settings = type(kit.SETTINGS)(shop="acme.myshopify.com", client_id="id", client_secret="hush")
    assert kit.verify(settings, kit.inbound("shop/redact", {}), kit.NOW) is Verdict.OK


def test_no_signature_is_unsigned_and_another_shop_is_forged(kit):
    assert kit.verify(kit.SETTINGS, kit.inbound("a/b", {}, x_shopify_hmac_sha256=""), kit.NOW) is Verdict.UNSIGNED
    assert kit.verify(kit.SETTINGS, kit.inbound("a/b", {}, shop="other.myshopify.com"), kit.NOW) is Verdict.FORGED
    assert kit.verify(kit.SETTINGS, kit.inbound("a/b", {}, shop=""), kit.NOW) is Verdict.FORGED
    assert kit.verify(kit.SETTINGS, kit.inbound("a/b", {}, shop="ACME.myshopify.com"), kit.NOW) is Verdict.OK


@given(st.binary(max_size=60), st.text(max_size=60))
def test_any_signature_is_judged_and_none_guessed(kit, body, signature):
    verdict = kit.verify(kit.SETTINGS, kit.inbound("a/b", body, x_shopify_hmac_sha256=signature), kit.NOW)
    assert verdict is not Verdict.OK or signature.strip() == hmac_base64("hush", body)


def test_a_delivery_is_its_event_for_each_topic(kit):
    of = kit.CONNECTOR.webhook.delivery_id.of
    first = kit.inbound("orders/paid", {}, x_shopify_event_id="e1", x_shopify_webhook_id="w1")
    again = kit.inbound("orders/paid", {}, x_shopify_event_id="e1", x_shopify_webhook_id="w2")
    other = kit.inbound("orders/updated", {}, x_shopify_event_id="e1", x_shopify_webhook_id="w3")
    assert of(first) == of(again) != of(other)
    assert of(kit.inbound("orders/paid", {}, x_shopify_webhook_id="w1")) == "orders/paid w1"
    assert of(kit.inbound("orders/paid", {})) is None


# ── Orders ────────────────────────────────────────────────────────────────────────────────────────────────────

SMALL = {
    "id": 890088186047892319,
    "name": "#1001",
    "currency": "USD",
    "presentment_currency": "EUR",
    "financial_status": "partially_paid",
    "fulfillment_status": None,
    "email": "kim@example.com",
    "phone": None,
    "tags": "gift, vip",
    "taxes_included": False,
    "source_identifier": None,
    "note_attributes": [{"name": "engraving", "value": "K"}],
    "total_price": "129.90",
    "subtotal_price": "120.00",
    "total_tax": "9.90",
    "total_discounts": "5.00",
    "total_price_set": {
        "shop_money": {"amount": "164.86", "currency_code": "CAD"},
        "presentment_money": {"amount": "105.31", "currency_code": "EUR"},
    },
    "total_shipping_price_set": {
        "shop_money": {"amount": "30.00", "currency_code": "CAD"},
        "presentment_money": {"amount": "20.00", "currency_code": "EUR"},
    },
    "customer": {
        "id": 207119551,
        "email": "Kim@Example.com",
        "first_name": "Kim",
        "updated_at": "2026-11-22T09:00:00Z",
    },
    "line_items": [
        {
            "id": 487817672276298627,
            "name": "Cup - White",
            "sku": "CUP",
            "quantity": 3,
            "current_quantity": 1,
            "price": "41.666666666666666666",
            "product_id": 1,
            "variant_id": 2,
            "discount_allocations": [{"amount": "5.00", "discount_application_index": 0}],
            "tax_lines": [{"title": "VAT", "price": "9.90", "rate": 0.0825}],
            "properties": [{"name": "wrap", "value": None}, {"name": "age", "value": 7}],
        }
    ],
    "discount_applications": [{"type": "discount_code", "code": "FIVE"}],
    "shipping_lines": [{"title": "Post", "code": "std", "price": "0.00", "is_removed": True}],
    "fulfillments": [
        {"id": 11, "status": "success", "line_items": [{"id": 487817672276298627, "quantity": 1}]},
        {"id": 12, "status": "cancelled", "line_items": [{"id": 487817672276298627, "quantity": 2}]},
    ],
    "refunds": [
        {
            "id": 21,
            "created_at": "2026-11-22T09:30:00+01:00",
            "refund_line_items": [{"line_item_id": 487817672276298627, "quantity": 1, "restock_type": "return"}],
            "transactions": [{"id": 22, "kind": "refund", "status": "success", "amount": "41.67", "currency": "USD"}],
        }
    ],
    "transactions": [
        {"id": 31, "kind": "sale", "status": "success", "amount": "129.90", "gateway": "gift_card"},
        {"id": 32, "kind": "refund", "status": "success", "amount": "41.67", "gateway": "gift_card"},
    ],
    "processed_at": "2026-11-22T10:00:00+01:00",
    "updated_at": "2026-11-22T10:00:05+01:00",
    "cancelled_at": None,
    "closed_at": None,
}


def test_an_order_says_all_of_this(say):
    order, customer, *others = say("orders/updated", SMALL)
    assert (order.external_id, order.version) == ("890088186047892319", SECONDS_LATER)
    assert order.custom == {"note_attributes.engraving": "K"}
    assert told(order) == {
        "number": "#1001",
        "status": "open",
        "payment_status": "partially_paid",
        "payment_status_raw": "partially_paid",
        "fulfilment_status": "unfulfilled",
        "fulfilment_status_raw": None,
        "currency": "USD",
        "taxes_included": False,
        "buyer": {"kind": "customer", "external_id": "207119551"},
        "buyer_email": "kim@example.com",
        "buyer_phone": None,
        "tags": ["gift", "vip"],
        "lines": [
            {
                "external_id": "487817672276298627",
                "title": "Cup - White",
                "sku": "CUP",
                "product": {"kind": "product", "external_id": "1"},
                "variant": {"kind": "variant", "external_id": "2"},
                "quantity": "3",
                "cancelled": "1",
                "fulfilled": "1",
                "returned": "1",
                "unit_price": {"amount": "41.666666666666666666", "currency": "USD"},
                "discounts": [{"amount": {"amount": "5.00", "currency": "USD"}, "code": "FIVE", "title": None}],
                "taxes": [{"title": "VAT", "rate": "0.0825", "amount": {"amount": "9.90", "currency": "USD"}}],
                "properties": {"wrap": "", "age": "7"},
            }
        ],
        "shipping": [],
        "totals": {
            "total": {"amount": "129.90", "currency": "USD"},
            "subtotal": {"amount": "120.00", "currency": "USD"},
            "discount": {"amount": "5.00", "currency": "USD"},
            "tax": {"amount": "9.90", "currency": "USD"},
            "refunded": {"amount": "41.67", "currency": "USD"},
            "presentment": {"amount": "105.31", "currency": "EUR"},
        },
        "placed_at": "2026-11-22T09:00:00Z",
        "updated_at": "2026-11-22T09:00:05Z",
        "cancelled_at": None,
        "closed_at": None,
        "vendor": {"source_identifier": None, "presentment_currency": "EUR"},
    }
    assert told(customer) == {
        "email": "kim@example.com",
        "given_name": "Kim",
        "updated_at": "2026-11-22T09:00:00Z",
    }
    kinds = [(each.kind, each.external_id) for each in others]
    assert kinds == [("fulfilment", "11"), ("fulfilment", "12"), ("refund", "21"), ("payment", "31")]
    refund, payment = others[2:]
    assert told(refund)["amount"] == {"amount": "41.67", "currency": "USD"}
    assert refund.version == payment.version == SECONDS_LATER
    assert told(payment) == {
        "order": {"kind": "order", "external_id": "890088186047892319"},
        "location": None,
        "amount": {"amount": "129.90", "currency": "USD"},
        "method": "gift_card",
        "method_raw": "gift_card",
        "gateway": "gift_card",
        "state": "captured",
        "state_raw": "sale/success",
        "created_at": None,
    }


def test_what_is_absent_stays_unknown_and_what_is_null_is_empty(say):
    base = {"id": 1, "currency": "EUR", "total_price": "1.00"}
    (bare,) = say("orders/create", base)
    assert bare.entity.model_fields_set == {"currency", "totals", "lines", "shipping"}
    (empty, *_) = say("orders/create", {**base, "customer": None, "note": None, "location_id": None})
    assert {"buyer", "note", "location"} <= empty.entity.model_fields_set
    assert empty.entity.buyer is empty.entity.note is empty.entity.location is None


@pytest.mark.parametrize(
    ("field", "word", "name"),
    [
        ("financial_status", "expired", "payment_status"),
        ("fulfillment_status", "restocked", "fulfilment_status"),
    ],
)
def test_an_unknown_word_becomes_other_and_is_kept(say, field, word, name):
    order = say("orders/updated", {**SMALL, field: word})[0].entity
    assert getattr(order, name) == "other"
    assert getattr(order, f"{name}_raw") == word


def test_cancelled_wins_over_closed(say):
    at = "2026-11-22T10:00:00+01:00"
    assert say("orders/cancelled", {**SMALL, "cancelled_at": at, "closed_at": at})[0].entity.status == "cancelled"
    assert say("orders/updated", {**SMALL, "closed_at": at})[0].entity.status == "completed"


def test_an_order_of_ours_is_known_again(say):
    ours = say("orders/create", {**SMALL, "source_identifier": "omnibridge:0b1c"})[0]
    assert ours.ours == "0b1c"
    assert say("orders/create", {**SMALL, "source_identifier": "0b1c"})[0].ours is None


def test_a_made_up_order_adds_up_and_weighs_what_a_real_one_does(kit, say):
    sent = order_webhook(
        3, secret="hush", shop="acme.myshopify.com", url="https://x.example.com", at=kit.NOW, customer=kit.BUYER
    )
    assert 7_500 < len(sent.body) < 9_500
    order = say("orders/create", sent.body)[0].entity
    assert order.check() == ()
    assert order.buyer.external_id == kit.BUYER["id"]


def test_amounts_that_are_json_numbers_stay_exact(kit, say):
    body = json.dumps(make_refund(make_order(1, at=kit.NOW), 0, 1, at=kit.NOW))
    body = body.replace('"subtotal": 89.0', '"subtotal": 12345678901234567.89')
    line = say("refunds/create", body.encode())[0].entity.lines[0]
    assert line.amount.amount == Decimal("12345678901234567.89")
    assert str(line.tax.amount) == "17.80"


# ── What follows an order ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "shipment", "state"),
    [
        ("pending", None, "accepted"),
        ("success", None, "completed"),
        ("success", "in_transit", "completed"),
        ("success", "ready_for_pickup", "ready"),
        ("success", "delivered", "delivered"),
        ("cancelled", "delivered", "cancelled"),
        ("error", None, "failed"),
        ("sideways", None, "other"),
    ],
)
def test_a_fulfilments_state(say, status, shipment, state):
    (seen,) = say("fulfillments/update", {"id": 1, "order_id": 2, "status": status, "shipment_status": shipment})
    assert (seen.entity.state, seen.entity.state_raw) == (state, status)
    assert seen.entity.order.external_id == "2"


def test_a_refund_without_money_has_no_amount(say):
    (seen,) = say("refunds/create", {"id": 1, "order_id": 2, "transactions": []})
    assert seen.entity.amount is None
    assert seen.entity.order.external_id == "2"


@pytest.mark.parametrize(
    ("statuses", "state"), [("pending", "pending"), ("failure", "failed"), ("success", "completed")]
)
def test_a_refunds_state_is_that_of_its_money(say, statuses, state):
    back = [{"id": 9, "kind": "refund", "status": statuses, "amount": "5.00", "currency": "EUR", "parent_id": 8}]
    refund = say("refunds/create", {"id": 1, "order_id": 2, "transactions": back})[0].entity
    assert refund.state == state
    assert (refund.amount is not None) == (state == "completed")
    assert refund.payment.external_id == "8"


def test_money_going_back_is_no_payment(say):
    money = {"id": 1, "order_id": 2, "kind": "refund", "amount": "1.00", "currency": "EUR"}
    assert say("order_transactions/create", money) == ()
    (seen,) = say("order_transactions/create", {**money, "kind": "authorization", "status": "success"})
    assert (seen.kind, seen.entity.state) == ("payment", "authorized")


# ── Customers and consents ────────────────────────────────────────────────────────────────────────────────────


def test_a_customer(say):
    body = {
        "id": 706405506930370084,
        "email": "Kim@Example.com ",
        "phone": "33 12 34 56",
        "first_name": "Kim",
        "last_name": "",
        "note": None,
        "verified_email": True,
        "state": "disabled",
        "tax_exempt": False,
        "addresses": [{"name": "Kim Example", "city": "Aarhus", "country": "Denmark", "country_code": "DK"}],
        "default_address": {"name": "Kim Example", "company": "Example ApS", "city": "Odense", "country_code": "DK"},
        "updated_at": "2026-11-22T10:00:05+01:00",
    }
    (seen,) = say("customers/update", body)
    assert (seen.external_id, seen.version) == ("706405506930370084", SECONDS_LATER)
    said = told(seen)
    assert [address["city"] for address in said.pop("addresses")] == ["Odense", "Aarhus"]
    assert said == {
        "email": "kim@example.com",
        "email_verified": True,
        "phone": "+4533123456",
        "given_name": "Kim",
        "family_name": None,
        "company": "Example ApS",
        "note": None,
        "updated_at": "2026-11-22T09:00:05Z",
        "vendor": {"state": "disabled", "tax_exempt": False},
    }


def test_what_is_no_address_and_no_number_is_kept_as_it_came(say):
    (seen,) = say("customers/create", {"id": 1, "email": "kim at example", "phone": "call me"})
    assert seen.entity.model_fields_set == {"contact_points"}
    assert [(point.medium, point.raw) for point in seen.entity.contact_points] == [
        ("email", "kim at example"),
        ("phone", "call me"),
    ]


AT = "2026-11-22T10:00:05+01:00"


@pytest.mark.parametrize(
    ("state", "meant"),
    [
        ("subscribed", "granted"),
        ("unsubscribed", "withdrawn"),
        ("pending", "pending"),
        ("not_subscribed", "unknown"),
        ("redacted", "unknown"),
        ("invalid", "unknown"),
        ("anything new", "unknown"),
    ],
)
def test_a_consent(say, state, meant):
    said = {"state": state, "opt_in_level": "confirmed_opt_in", "consent_updated_at": AT}
    body = {"customer_id": 7, "email_address": "Kim@example.com", "email_marketing_consent": said}
    (seen,) = say("customers_email_marketing_consent/update", body)
    assert (seen.external_id, seen.version) == ("email:marketing:kim@example.com", SECONDS_LATER)
    assert told(seen) == {
        "contact": "kim@example.com",
        "medium": "email",
        "state": meant,
        "basis": "double_opt_in",
        "proof": {"source": "shopify:acme.myshopify.com", "at": "2026-11-22T09:00:05Z", "detail": None},
        "customer": {"kind": "customer", "external_id": "7"},
        "changed_at": "2026-11-22T09:00:05Z",
        "vendor": {"state": state},
    }


def test_a_consent_by_sms(say):
    said = {
        "state": "unsubscribed",
        "opt_in_level": None,
        "consent_updated_at": AT,
        "consent_collected_from": "shopify",
    }
    (seen,) = say(
        "customers_marketing_consent/update", {"id": 7, "phone": "+4533123456", "sms_marketing_consent": said}
    )
    assert seen.external_id == "sms:marketing:+4533123456"
    assert (seen.entity.state, seen.entity.basis, seen.entity.proof.detail) == ("withdrawn", None, "shopify")


def test_older_bodies_carry_consents_beside_the_customer_and_never_in_it(say):
    body = {
        "id": 7,
        "email": "kim@example.com",
        "phone": "+4533123456",
        "created_at": "2026-01-01T00:00:00Z",
        "email_marketing_consent": {"state": "subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": AT},
        "sms_marketing_consent": {"state": "not_subscribed", "opt_in_level": None, "consent_updated_at": None},
    }
    customer, email, sms = say("customers/update", body)
    assert customer.kind == "customer"
    assert (email.entity.state, sms.entity.state) == ("granted", "unknown")
    assert sms.version == datetime(2026, 1, 1, tzinfo=UTC)
    assert [each.kind for each in say("orders/create", {**SMALL, "customer": body})[1:4]] == [
        "customer",
        "consent",
        "consent",
    ]


def test_a_state_without_a_date_is_old_unless_it_takes_permission_away(say):
    def version(state):
        body = {"customer_id": 7, "email_address": "kim@example.com", "email_marketing_consent": {"state": state}}
        return say("customers_email_marketing_consent/update", body)[0].version

    assert version("subscribed") < datetime(2000, 1, 1, tzinfo=UTC)
    assert version("unsubscribed") is None  # newest


def test_a_consent_about_nobody_says_nothing(say):
    body = {"customer_id": 7, "email_address": "", "email_marketing_consent": {"state": "not_subscribed"}}
    assert say("customers_email_marketing_consent/update", body) == []


@pytest.mark.parametrize("topic", ["customer.tags_added", "customer.tags_removed"])
def test_changed_tags_are_looked_up(say, topic):
    body = {"customerId": "gid://shopify/Customer/7", "tags": ["vip"]}
    assert say(topic, body) == (Lookup("customer", "7"),)


# ── Goods ─────────────────────────────────────────────────────────────────────────────────────────────────────

PRODUCT = {
    "id": 632910392,
    "title": "Tea",
    "body_html": "<p>Leaves</p>",
    "vendor": "Example",
    "product_type": "Food",
    "status": "unlisted",
    "tags": "",
    "options": [{"name": "Size"}],
    "variants": [
        {
            "id": 1,
            "inventory_item_id": 2,
            "sku": "TEA",
            "price": "89.00",
            "compare_at_price": "99.00",
            "option1": "100 g",
            "option2": "tin",
        }
    ],
    "images": [{"src": "https://cdn.example.com/tea.png"}],
}


def test_a_product(kit, say):
    product = told(say("products/update", PRODUCT)[0])
    assert (product["title"], product["status"], product["vendor"]["status"]) == ("Tea", "other", "unlisted")
    assert product["image_urls"] == ["https://cdn.example.com/tea.png"]
    (variant,) = product["variants"]
    assert variant["inventory_external_id"] == "2"
    assert variant["options"] == {"Size": "100 g", "option2": "tin"}
    assert variant["prices"] == [
        {"amount": {"amount": "89.00", "currency": "DKK"}, "compare_at": {"amount": "99.00", "currency": "DKK"}}
    ]
    unsaid = kit.SETTINGS.model_copy(update={"currency": None})
    silent = kit.translate(unsaid, kit.inbound("products/update", PRODUCT))[0].entity
    assert "prices" not in silent.variants[0].model_fields_set


def test_stock(say):
    body = {"inventory_item_id": 271878346596884015, "location_id": 5, "available": None, "updated_at": AT}
    (seen,) = say("inventory_levels/update", body)
    assert (seen.external_id, seen.version) == ("271878346596884015:5", SECONDS_LATER)
    assert told(seen) == {
        "variant": {"kind": "inventory_item", "external_id": "271878346596884015"},
        "location": {"kind": "location", "external_id": "5"},
        "available": None,
        "counted_at": "2026-11-22T09:00:05Z",
    }
    (gone,) = say("inventory_levels/disconnect", {"inventory_item_id": 4, "location_id": 5})
    assert (gone.external_id, gone.deleted) == ("4:5", True)


def test_a_location(say):
    body = {"id": 5, "name": "Shop", "address1": "Example Street 1", "country_code": "DK", "active": False}
    (seen,) = say("locations/deactivate", body)
    assert (seen.entity.name, seen.entity.active) == ("Shop", False)
    assert seen.entity.address.model_dump(exclude_none=True) == {"street": "Example Street 1", "country": "DK"}


@pytest.mark.parametrize("kind", ["order", "customer", "product", "location"])
def test_what_is_deleted_is_gone_by_its_id_alone(say, kind):
    (gone,) = say(f"{kind}s/delete", {"id": 820982911946154508})
    assert (gone.kind, gone.external_id, gone.deleted) == (kind, "820982911946154508", True)
    assert gone.entity.model_fields_set == set()
    assert load_observations(dump_observations([gone])) == (gone,)


# ── The law, and the end ──────────────────────────────────────────────────────────────────────────────────────


def test_requests_about_personal_data_are_occurrences_of_their_own(kit, say):
    body = {
        "shop_id": 954889,
        "shop_domain": "acme.myshopify.com",
        "customer": {"id": 191167, "email": "kim@example.com", "phone": "+4533123456"},
        "orders_requested": [299938, 280263],
        "data_request": {"id": 9999},
    }
    (seen,) = say("customers/data_request", body, x_shopify_triggered_at="2026-11-22T09:00:00Z")
    assert seen.type == "export.requested"
    assert seen.subject.external_id == "191167"
    assert seen.at == datetime(2026, 11, 22, 9, tzinfo=UTC)
    request = PrivacyRequest.model_validate(seen.data)
    assert [ref.external_id for ref in request.records] == ["299938", "280263"]
    assert (request.emails, request.phones) == (("kim@example.com",), ("+4533123456",))
    assert request.number == "9999"
    assert request.due == datetime(2026, 12, 22, 9, tzinfo=UTC)
    for topic, type_ in COMPLIANCE_TYPES.items():
        assert say(topic, {"shop_id": 1, "shop_domain": "acme.myshopify.com"})[0].type == type_
        assert type_ in kit.CONNECTOR.emits
    (shop,) = say("shop/redact", {"shop_id": 1, "shop_domain": "acme.myshopify.com"})
    assert PrivacyRequest.model_validate(shop.data).everything
    # The id in the header is not signed: a repetition under another one is still the same request.
    assert say("customers/redact", body, x_shopify_event_id="a") == say(
        "customers/redact", body, x_shopify_event_id="b"
    )
    with pytest.raises(InvalidMessage, match="another shop"):
        say("customers/redact", {**body, "shop_domain": "other.myshopify.com"})


def test_the_app_was_removed(kit, say):
    (seen,) = say("app/uninstalled", {"id": 954889, "domain": "acme.myshopify.com"})
    assert seen.type == "shopify.app_uninstalled"
    assert seen.type in kit.CONNECTOR.emits


# ── Anything else ─────────────────────────────────────────────────────────────────────────────────────────────

TOPICS = [
    "orders/create",
    "customers/update",
    "customers_email_marketing_consent/update",
    "customer.tags_added",
    "refunds/create",
    "fulfillments/update",
    "order_transactions/create",
    "products/update",
    "inventory_levels/update",
    "locations/update",
    "orders/delete",
    "orders/edited",
    "customers/redact",
    "app/uninstalled",
]


def test_an_unknown_topic_is_kept_for_later(say):
    for topic in ("", "carts/create", "x" * 500):
        with pytest.raises(InvalidMessage):
            say(topic, {})


@given(st.sampled_from(TOPICS), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(kit, topic, body):
    with suppress(InvalidMessage):
        kit.translate(kit.SETTINGS, kit.inbound(topic, body))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["1e999", "-0", "NaN", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-12:00", 10**400]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=3,
)


def spots(value, path=()):
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from spots(value[name], (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from spots(item, (*path, index))


BODIES = {
    "orders/create": {**make_order(1, at=datetime(2026, 1, 1, tzinfo=UTC)), **SMALL},
    "refunds/create": make_refund(
        make_order(1, at=datetime(2026, 1, 1, tzinfo=UTC)), 0, 1, at=datetime(2026, 1, 1, tzinfo=UTC)
    ),
    "products/update": PRODUCT,
}


@given(st.data())
def test_a_body_with_anything_anywhere_is_read_or_refused(kit, data):
    topic = data.draw(st.sampled_from(sorted(BODIES)))
    body = json.loads(json.dumps(BODIES[topic]))
    path = data.draw(st.sampled_from([path for path in spots(body) if path]))
    spot = body
    for step in path[:-1]:
        spot = spot[step]
    spot[path[-1]] = data.draw(JSON)
    seen = []
    with suppress(InvalidMessage):
        seen = kit.translate(kit.SETTINGS, kit.inbound(topic, json.dumps(body).encode()))
    assert load_observations(dump_observations(seen)) == tuple(seen)
    for each in seen:
        assert each.kind in kit.CONNECTOR.emits
        assert each.version is None or each.version.utcoffset() == timedelta(0)
        if isinstance(each.entity, Consent):
            assert each.entity.state in ConsentState
