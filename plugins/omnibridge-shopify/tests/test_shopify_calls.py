"""How we call Shopify: documents, credentials, the three layers of errors, points, settings."""

from __future__ import annotations

import json
from datetime import timedelta

import graphql
import pytest
from omnibridge_shopify import omnibridge_connectors
from omnibridge_shopify.documents import DOCUMENTS, PROBE
from omnibridge_shopify.graphql import ask, classify
from omnibridge_shopify.settings import Shopify
from pydantic import ValidationError

from omnibridge.connector import Class, Credential, Fault, NativeKey, Request, Response
from omnibridge.errors import AuthExpired, Permanent, Retryable

PATH = "/admin/api/2026-10/graphql.json"
READ = Request("POST", PATH, reads=True)
BARE = Request("POST", PATH, step="order")
KEYED = Request("POST", PATH, step="set", protection=NativeKey())


def answer(body, status=200, **headers):
    return Response(status, headers, json.dumps(body).encode())


# ── Documents ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_document_fits_shopifys_schema(judge, name):
    document = judge.document(DOCUMENTS[name].text)
    operations = [each for each in document.definitions if isinstance(each, graphql.OperationDefinitionNode)]
    assert [each.name and each.name.value for each in operations] == [name]
    assert document.definitions[0] is operations[0]
    assert DOCUMENTS[name].cost <= 1000


IDEMPOTENT = ("inventorySetQuantities", "inventoryAdjustQuantities", "refundCreate")


def test_mutations_that_need_a_key_have_one():
    """Since version 2026-04 these are refused without `@idempotent`, which the schema does not say."""
    for document in DOCUMENTS.values():
        needs = any(name in document.text for name in IDEMPOTENT)
        assert needs == ("@idempotent(key: $key)" in document.text)


def test_the_sandbox_knows_every_document_and_no_other(kit, shop):
    assert shop.store.operations.keys() == DOCUMENTS.keys()
    with pytest.raises(Permanent) as caught:
        kit.run(shop, lambda http: ask(kit.SETTINGS, http, PROBE._replace(name="Other"), {}))
    assert caught.value.code == "undefinedField"


# ── Layers of errors ──────────────────────────────────────────────────────────────────────────────────────────

COST = {
    "requestedQueryCost": 300,
    "actualQueryCost": None,
    "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 50, "restoreRate": 100.0},
}


def top(code, **extensions):
    return {"errors": [{"message": "No", "extensions": {"code": code}}], "extensions": extensions}


def user(code, field="input"):
    return {
        "data": {"customerSet": {"customer": None, "userErrors": [{"field": [field], "message": "No", "code": code}]}}
    }


@pytest.mark.parametrize(
    ("request_", "response", "kind", "code", "seconds"),
    [
        (READ, answer({"data": {"shop": {}}}), Class.OK, None, None),
        (READ, answer({}, 401), Class.EXPIRED, "401", None),
        (READ, answer({}, 402), Class.RETRY, "402", 3600),
        (READ, answer({}, 403), Class.PERMANENT, "403", None),
        (READ, answer({}, 404), Class.PERMANENT, "404", None),
        (READ, answer({}, 423), Class.RETRY, "423", 3600),
        (READ, answer({}, 429, **{"retry-after": "2.0"}), Class.RETRY, "429", 2),
        (READ, answer({}, 430), Class.RETRY, "430", 60),
        (READ, answer({}, 302), Class.PERMANENT, "302", None),
        (READ, answer({}, 500), Class.RETRY, "500", None),
        (KEYED, answer({}, 500), Class.RETRY, "500", None),
        (BARE, answer({}, 500), Class.AMBIGUOUS, "500", None),
        (BARE, answer({}, 503), Class.RETRY, "503", None),
        (READ, answer(top("THROTTLED", cost=COST)), Class.RETRY, "THROTTLED", 2.5),
        (BARE, answer(top("THROTTLED")), Class.RETRY, "THROTTLED", 1),
        (BARE, answer(top("THROTTLED", cost={"throttleStatus": {"restoreRate": "x"}})), Class.RETRY, "THROTTLED", 1),
        (READ, answer(top("ACCESS_DENIED")), Class.PERMANENT, "ACCESS_DENIED", None),
        (READ, answer(top("MAX_COST_EXCEEDED")), Class.PERMANENT, "MAX_COST_EXCEEDED", None),
        (READ, answer(top("SHOP_INACTIVE")), Class.RETRY, "SHOP_INACTIVE", 3600),
        (READ, answer(top("INTERNAL_SERVER_ERROR")), Class.RETRY, "INTERNAL_SERVER_ERROR", None),
        (BARE, answer(top("INTERNAL_SERVER_ERROR")), Class.AMBIGUOUS, "INTERNAL_SERVER_ERROR", None),
        (READ, answer({"errors": [{"message": "Field does not exist"}]}), Class.PERMANENT, None, None),
        (READ, Response(200, {}, b"<html>"), Class.RETRY, None, None),
        (BARE, Response(200, {}, b"<html>"), Class.AMBIGUOUS, None, None),
        (BARE, answer({"data": None}), Class.AMBIGUOUS, None, None),
        (BARE, answer(user("TAKEN")), Class.PERMANENT, "TAKEN", None),
        (KEYED, answer(user("IDEMPOTENCY_CONCURRENT_REQUEST")), Class.RETRY, "IDEMPOTENCY_CONCURRENT_REQUEST", 1),
        (KEYED, answer(user("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")), Class.PERMANENT, None, None),
        (KEYED, answer(user(None)), Class.PERMANENT, None, None),
    ],
)
def test_an_answer_is_classed(kit, request_, response, kind, code, seconds):
    outcome = classify(request_, response, kit.NOW)
    assert outcome.kind is kind
    if code is not None:
        assert outcome.code == code
    assert outcome.after == (timedelta(seconds=seconds) if seconds is not None else None)


@pytest.mark.parametrize("body", [[], "x", 7, {"errors": "Not Found"}, {"errors": [7]}, {"errors": {"query": "x"}}])
def test_an_odd_answer_is_classed_all_the_same(kit, body):
    assert classify(READ, answer(body), kit.NOW).kind is Class.RETRY
    assert kit.CONNECTOR.limits.learn(answer(body)) is None


def test_a_refusal_names_its_remedy(kit):
    with pytest.raises(Permanent, match="No") as caught:
        kit.run([answer(top("ACCESS_DENIED"))], lambda http: kit.CONNECTOR.probe(kit.SETTINGS, http))
    assert caught.value.code == "ACCESS_DENIED"
    assert "scope" in str(caught.value)


# ── Points ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_bucket_empties_throttles_and_fills_again(kit, shop):
    def probe():
        return kit.run(shop, lambda http: kit.CONNECTOR.probe(kit.SETTINGS, http))

    shop.available = 1.5
    probe()
    with pytest.raises(Retryable) as caught:
        probe()
    assert caught.value.after == timedelta(seconds=1)
    shop.now.at += timedelta(seconds=1)
    probe()


def test_what_a_call_cost_and_left_is_learned(kit, shop):
    driven = kit.run(shop, lambda http: kit.CONNECTOR.probe(kit.SETTINGS, http))
    (request,) = driven.requests
    assert kit.CONNECTOR.limits.cost(request) == PROBE.cost
    assert kit.CONNECTOR.limits.cost(Request("POST", "/admin/oauth/access_token")) == 1
    assert kit.CONNECTOR.limits.learn(answer({"data": {}, "extensions": {"cost": COST}})).remaining == 50
    assert kit.CONNECTOR.limits.learn(answer({"data": {}})) is None
    assert kit.CONNECTOR.limits.scope(kit.SETTINGS) == "acme.myshopify.com"


# ── Credentials ───────────────────────────────────────────────────────────────────────────────────────────────

GRANT = Shopify.model_validate({"shop": "acme.myshopify.com", "client_id": "id", "client_secret": "secret"})


def probe(kit, shop, settings, credential=None):
    return kit.run(shop, lambda http: kit.CONNECTOR.probe(settings, http), settings=settings, credential=credential)


def test_the_settings_token_is_used_and_never_stored(kit, shop):
    obtained = kit.run(shop, lambda http: kit.CONNECTOR.auth.obtain(kit.SETTINGS, None, http))
    assert obtained.requests == []
    assert obtained.result == Credential({})
    probe(kit, shop, kit.SETTINGS)
    shop.expire_tokens()
    with pytest.raises(Permanent, match="no longer accepts") as caught:
        probe(kit, shop, kit.SETTINGS)
    assert "token" not in repr(caught.value.args).replace("access token", "")


def test_client_credentials_fetch_a_token_and_renew_it(kit):
    shop = kit.sandbox(access_token=None, client_id="id", client_secret=GRANT.client_secret)
    obtained = kit.run(
        shop, lambda http: kit.CONNECTOR.auth.obtain(GRANT, None, http), settings=GRANT, credential=Credential({})
    ).result
    assert obtained.expires == kit.NOW + timedelta(seconds=86_399) - timedelta(minutes=5)
    assert "token" not in repr(obtained).replace("access_token", "")
    probe(kit, shop, GRANT, obtained)
    shop.expire_tokens()
    probe(kit, shop, GRANT, obtained)
    assert [request.path for request in shop.log].count("/admin/oauth/access_token") == 2


def test_wrong_client_credentials_are_told(kit, shop):
    with pytest.raises(Permanent, match="gave no token") as caught:
        probe(kit, shop, GRANT)
    assert "client_secret" in str(caught.value)


def test_a_token_that_never_works_ends_in_expired(kit):
    shop = kit.sandbox(access_token=None, client_id="id", client_secret=GRANT.client_secret)
    shop.faults.append(Fault(Response(401), times=9, path_prefix="/admin/api"))
    with pytest.raises(AuthExpired):
        probe(kit, shop, GRANT)


def test_no_request_without_a_token_says_one(kit):
    assert kit.CONNECTOR.auth.headers(GRANT, None, READ, None) == {}


# ── Settings and the record ───────────────────────────────────────────────────────────────────────────────────

RIGHT = {"shop": "acme.myshopify.com", "access_token": "hidden-token"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"shop": "acme.example.com"},
        {"shop": "acme"},
        {"access_token": None},
        {"client_id": "id"},
        {"base_url": "http://acme.example.com"},
        {"base_url": "ftp://127.0.0.1"},
        {"base_url": "https://user:pass@acme.example.com"},
        {"api_version": "latest"},
        {"currency": "dkk"},
        {"id_metafield": "nodot"},
        {"colour": "red"},
    ],
)
def test_settings_that_cannot_be_right(wrong):
    with pytest.raises(ValidationError) as caught:
        Shopify.model_validate({**RIGHT, **wrong})
    assert "hidden-token" not in str(caught.value)


def test_settings_that_are():
    made = Shopify.model_validate({**RIGHT, "shop": "ACME.myshopify.com"})
    assert made.root == "https://acme.myshopify.com"
    assert made.graphql_path == PATH
    assert "hidden-token" not in repr(made)
    for url in ("http://127.0.0.1:8080/", "http://localhost:1", "http://[::1]:2", "https://proxy.example.com"):
        assert Shopify.model_validate({**RIGHT, "base_url": url}).root == url.rstrip("/")


def test_every_setting_is_described():
    assert all(field.description for field in Shopify.model_fields.values())


def test_the_package_offers_its_one_connector(kit):
    assert list(omnibridge_connectors()) == [kit.CONNECTOR]
    assert kit.CONNECTOR.sandbox(kit.SETTINGS).records()["orders"] == []
