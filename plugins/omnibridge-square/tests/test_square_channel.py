"""The channel around the data: settings, errors, the probe, the webhook subscription, the sandbox's own rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from omnibridge_square.classify import classify
from omnibridge_square.connector import CONNECTOR, probe
from omnibridge_square.inbound import EVENT_TYPES, translate, verify
from omnibridge_square.sandbox import SquareSandbox
from omnibridge_square.settings import SquareSettings, base_url, scope
from pydantic import ValidationError

from omnibridge.connector import (
    Class,
    Inbound,
    NativeKey,
    Request,
    Response,
    SandboxRequest,
    Verdict,
    json_bytes,
    json_response,
)
from omnibridge.errors import AuthExpired, Permanent

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
READ = Request("GET", "/v2/x", reads=True)
KEYED = Request("POST", "/v2/x", protection=NativeKey())
BARE = Request("POST", "/v2/x")


# -- settings ---------------------------------------------------------------------------------------------------------


def test_every_setting_is_described_and_secrets_stay_secret():
    assert all(one.description for one in SquareSettings.model_fields.values())
    made = SquareSettings.model_validate({"access_token": "secret-1", "signature_keys": ["secret-2"]})
    assert "secret-" not in repr(made) + made.model_dump_json() + scope(made)
    assert base_url(made) == "https://connect.squareup.com"
    assert base_url(made.model_copy(update={"environment": "sandbox"})) == "https://connect.squareupsandbox.com"


@pytest.mark.parametrize("root", ["http://127.0.0.1:8000", "http://localhost/", "https://proxy.example.com/square/"])
def test_roots(root: str):
    assert base_url(SquareSettings.model_validate({"access_token": "t", "base_url": root})) == root.rstrip("/")


@pytest.mark.parametrize(
    "root",
    ["http://square.example.com", "ftp://127.0.0.1", "https://", "https://u:p@example.com", "https://a.example?b"],
)
def test_unsafe_roots(root: str):
    with pytest.raises(ValidationError) as caught:
        SquareSettings.model_validate({"access_token": "t", "base_url": root})
    assert "u:p" not in str(caught.value)


# -- errors -----------------------------------------------------------------------------------------------------------


def answer(status: int, category: str, code: str, **headers: str) -> Response:
    return json_response({"errors": [{"category": category, "code": code, "detail": "why"}]}, status, headers)


@pytest.mark.parametrize(
    ("request_", "response", "kind"),
    [
        (BARE, Response(200), Class.OK),
        (BARE, answer(429, "RATE_LIMIT_ERROR", "RATE_LIMITED"), Class.RETRY),
        (BARE, answer(401, "AUTHENTICATION_ERROR", "ACCESS_TOKEN_EXPIRED"), Class.EXPIRED),
        (BARE, answer(401, "AUTHENTICATION_ERROR", "UNAUTHORIZED"), Class.EXPIRED),
        (BARE, answer(403, "AUTHENTICATION_ERROR", "INSUFFICIENT_SCOPES"), Class.PERMANENT),
        (BARE, answer(400, "INVALID_REQUEST_ERROR", "BAD_REQUEST"), Class.PERMANENT),
        (BARE, answer(409, "INVALID_REQUEST_ERROR", "VERSION_MISMATCH"), Class.PERMANENT),
        (BARE, answer(400, "INVALID_REQUEST_ERROR", "IDEMPOTENCY_KEY_REUSED"), Class.PERMANENT),
        (BARE, answer(402, "PAYMENT_METHOD_ERROR", "CARD_DECLINED"), Class.PERMANENT),
        (BARE, answer(400, "REFUND_ERROR", "REFUND_DECLINED"), Class.PERMANENT),
        (BARE, answer(403, "MERCHANT_SUBSCRIPTION_ERROR", "MERCHANT_SUBSCRIPTION_NOT_FOUND"), Class.PERMANENT),
        (BARE, answer(500, "API_ERROR", "INTERNAL_SERVER_ERROR"), Class.AMBIGUOUS),
        (KEYED, answer(500, "API_ERROR", "INTERNAL_SERVER_ERROR"), Class.RETRY),
        (READ, answer(500, "API_ERROR", "INTERNAL_SERVER_ERROR"), Class.RETRY),
        (BARE, answer(503, "API_ERROR", "SERVICE_UNAVAILABLE"), Class.RETRY),
        (BARE, answer(504, "API_ERROR", "GATEWAY_TIMEOUT"), Class.AMBIGUOUS),
        (BARE, answer(400, "SOMETHING_NEW", "NEW_CODE"), Class.PERMANENT),
        (BARE, Response(502, {}, b"<html>"), Class.AMBIGUOUS),
        (READ, Response(502, {}, b"<html>"), Class.RETRY),
        (BARE, Response(404, {}, b"{}"), Class.PERMANENT),
        (BARE, Response(400, {}, b'{"errors":[{"code":7}]}'), Class.PERMANENT),
        (BARE, Response(302), Class.PERMANENT),
    ],
)
def test_classes(request_: Request, response: Response, kind: Class):
    outcome = classify(request_, response, NOW)
    assert outcome.kind is kind
    if kind is not Class.OK:
        assert outcome.code


def test_the_vendors_own_wish_counts():
    outcome = classify(READ, answer(429, "RATE_LIMIT_ERROR", "RATE_LIMITED", **{"retry-after": "7"}), NOW)
    assert (outcome.after, outcome.reason) == (timedelta(seconds=7), "RATE_LIMITED: why")


# -- probe and subscription -------------------------------------------------------------------------------------------


def test_the_probe_reads_only_and_names_the_locations(rig):
    rig.run(lambda http: probe(rig.settings, http))
    assert all(one.reads for one in rig.requests)
    rig.settings = rig.settings.model_copy(update={"location_id": "L-WRONG"})
    with pytest.raises(Permanent) as caught:
        rig.run(lambda http: probe(rig.settings, http))
    assert "L-MAIN (Main shop)" in (caught.value.remedy or "")
    rig.sandbox.token = "another"
    with pytest.raises(AuthExpired):
        rig.run(lambda http: probe(rig.settings, http))


def reconcile(rig, url: str) -> None:
    """What the core does: create what is missing, then delete what points here and is not wanted."""
    subscriptions = CONNECTOR.subscriptions
    assert subscriptions is not None
    wanted = subscriptions.desired(rig.settings, url)
    there = rig.run(lambda http: subscriptions.list(rig.settings, http)).result
    for one in wanted:
        if one not in there:
            rig.run(lambda http, one=one: subscriptions.create(rig.settings, one, http))
    for one in there:
        if one.url == url and one not in wanted:
            rig.run(lambda http, one=one: subscriptions.delete(rig.settings, one, http))


def test_one_subscription_for_everything_made_once(rig, url):
    reconcile(rig, url)
    writes = len([one for one in rig.requests if not one.reads])
    reconcile(rig, url)
    assert len([one for one in rig.requests if not one.reads]) == writes == 1
    [found] = rig.sandbox.records()["subscriptions"]
    assert found["event_types"] == sorted(EVENT_TYPES)
    assert (found["notification_url"], found["api_version"], found["enabled"]) == (url, "2026-09-16", True)


@pytest.mark.parametrize("change", [{"event_types": ["order.created"]}, {"enabled": False}])
def test_a_subscription_that_is_not_right_is_mended_in_place_as_its_key_would_be_lost(rig, url, change):
    reconcile(rig, url)
    [(id_, found)] = rig.sandbox.subscriptions.items()
    rig.sandbox.subscriptions["foreign"] = {**found, "id": "foreign", "notification_url": "https://other.example.com/"}
    found |= change
    reconcile(rig, url)
    mended = rig.sandbox.subscriptions[id_]
    assert (mended["event_types"], mended["enabled"]) == (sorted(EVENT_TYPES), True)
    assert set(rig.sandbox.subscriptions) == {id_, "foreign"}


def test_a_second_subscription_of_ours_is_deleted(rig, url):
    reconcile(rig, url)
    [found] = rig.sandbox.records()["subscriptions"]
    rig.sandbox.subscriptions["old"] = {**found, "id": "old", "event_types": ["order.created"]}
    reconcile(rig, url)
    assert "old" not in rig.sandbox.subscriptions


def test_subscriptions_left_to_people_are_left_alone(rig, url):
    reconcile(rig, url)
    rig.settings = rig.settings.model_copy(update={"subscribe": False})
    before = len(rig.requests)
    reconcile(rig, url)
    assert len(rig.requests) == before
    assert rig.sandbox.subscriptions


# -- the sandbox ------------------------------------------------------------------------------------------------------


def post(sandbox: SquareSandbox, path: str, body: Any, method: str = "POST", token: str = "sandbox-token") -> Response:
    headers = {"authorization": f"Bearer {token}"}
    return sandbox.handle(SandboxRequest(method, path, headers, json_bytes(body)))


def test_keys_in_the_sandbox():
    sandbox = SquareSandbox()
    body = {"idempotency_key": "k", "given_name": "A"}
    first = post(sandbox, "/v2/customers", body)
    assert post(sandbox, "/v2/customers", body).content == first.content
    refused = post(sandbox, "/v2/customers", {**body, "given_name": "B"})
    assert (refused.status, refused.json()["errors"][0]["code"]) == (400, "IDEMPOTENCY_KEY_REUSED")
    assert len(sandbox.customers) == 1


def test_versions_auth_and_unknown_paths_in_the_sandbox():
    sandbox = SquareSandbox()
    made = post(sandbox, "/v2/customers", {"given_name": "A"}).json()["customer"]
    path = f"/v2/customers/{made['id']}"
    assert post(sandbox, path, {"version": 0, "given_name": "B"}, "PUT").json()["customer"]["version"] == 1
    assert post(sandbox, path, {"version": 0, "given_name": "C"}, "PUT").status == 409
    assert post(sandbox, path, {}, token="wrong").status == 401
    assert post(sandbox, "/v2/unheard", {}).status == 404


def test_the_sandbox_signs_as_square_does():
    sandbox = SquareSandbox(signature_key="new-key")
    settings = SquareSettings.model_validate({"access_token": "t", "signature_keys": ["new-key"]})
    sent = sandbox.webhook("vendor.created", {"type": "x", "id": "1", "object": {}}, "https://a.example/in/x?y=1")
    inbound = Inbound("x", sent.url, sent.headers, sent.body, NOW)
    assert verify(settings, inbound, NOW) is Verdict.OK
    assert translate(settings, inbound)[0].type == "square.vendor.created"  # pyright: ignore[reportAttributeAccessIssue]


def test_the_records_are_for_looking_at():
    sandbox = CONNECTOR.sandbox
    assert sandbox is not None
    made = sandbox(SquareSettings.model_validate({"access_token": "t", "location_id": "L9"}))
    assert json.loads(json.dumps(dict(made.records())))
    assert isinstance(made, SquareSandbox)
    assert set(made.locations) == {"L9"}
