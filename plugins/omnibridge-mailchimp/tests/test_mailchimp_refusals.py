"""Answers classed by what happens next, and settings that refuse what cannot work."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from omnibridge_mailchimp import omnibridge_connectors
from omnibridge_mailchimp.refusals import already_exists, refusal
from pydantic import SecretStr, ValidationError

from omnibridge.connector import Class, Request, Response, Upsert
from omnibridge.errors import AuthExpired

CONNECTOR: Any = omnibridge_connectors()[0]

READ = Request("GET", "/lists", reads=True)
WRITE = Request("POST", "/lists")
REPEATABLE = Request("PUT", "/lists", protection=Upsert())


def problem(status, title="Something", detail="said", **more):
    body = {"type": "https://mailchimp.com/developer/marketing/docs/errors/", "title": title, "status": status}
    return Response(status, {}, json.dumps({**body, "detail": detail, "instance": "i", **more}).encode())


@pytest.mark.parametrize(
    ("request_", "response", "kind", "code"),
    [
        (READ, Response(200, {}, b"{}"), Class.OK, None),
        (WRITE, Response(204), Class.OK, None),
        (READ, Response(429), Class.RETRY, "429"),
        (READ, problem(429, "Too Many Requests"), Class.RETRY, "Too Many Requests"),
        (READ, Response(403), Class.RETRY, "403"),
        (WRITE, Response(403, {}, b"<html>"), Class.RETRY, "403"),
        (READ, Response(403, {}, b"{}"), Class.RETRY, "403"),
        (READ, problem(403, "Forbidden"), Class.PERMANENT, "Forbidden"),
        (READ, problem(401, "API Key Invalid"), Class.EXPIRED, "API Key Invalid"),
        (READ, problem(400, "Invalid Resource"), Class.PERMANENT, "Invalid Resource"),
        (READ, problem(404, "Resource Not Found"), Class.PERMANENT, "Resource Not Found"),
        (WRITE, problem(405, "Method Not Allowed"), Class.PERMANENT, "Method Not Allowed"),
        (READ, problem(500, "Internal Server Error"), Class.RETRY, "Internal Server Error"),
        (REPEATABLE, Response(500), Class.RETRY, "500"),
        (WRITE, Response(500), Class.AMBIGUOUS, "500"),
        (WRITE, Response(503), Class.RETRY, "503"),
    ],
)
def test_classes(kit, request_, response, kind, code):
    outcome = CONNECTOR.classify(request_, response, kit.NOW)
    assert (outcome.kind, outcome.code) == (kind, code)


def test_a_retry_waits_as_long_as_it_is_told(kit):
    told = Response(429, {"retry-after": "7"})
    assert CONNECTOR.classify(READ, told, kit.NOW).after == timedelta(seconds=7)


def test_a_refusal_carries_title_detail_and_fields():
    answer = problem(400, "Invalid Resource", errors=[{"field": "merge_fields.X", "message": "too long"}])
    error = refusal(answer, "to write a member")
    assert error.what == "Mailchimp refused to write a member: Invalid Resource: said [merge_fields.X: too long]"
    assert error.code == "Invalid Resource"
    assert refusal(Response(400, {}, b"?"), "x").code == "400"


def test_an_id_that_is_taken_is_told_apart():
    assert already_exists(problem(400, "Bad Request", "An order with the provided ID already exists in the account."))
    assert not already_exists(problem(400, "Bad Request", "A product with the provided ID does not exist."))
    assert not already_exists(problem(404, "Bad Request", "already exists"))
    assert not already_exists(Response(400))


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_data_centre_comes_from_the_key(kit):
    assert CONNECTOR.base_url(kit.make_settings()) == "https://us21.api.mailchimp.com/3.0"
    pointed = kit.make_settings(base_url="http://127.0.0.1:8099/3.0/")
    assert CONNECTOR.base_url(pointed) == "http://127.0.0.1:8099/3.0"


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": "an-oauth-token"},
        {"api_key": "key-evil.example.com/"},
        {"base_url": "http://api.example.com/3.0"},
        {"base_url": "ftp://127.0.0.1"},
        {"base_url": "https://user@api.example.com"},
        {"base_url": "https://api.example.com/3.0?x=1"},
        {"base_url": "https://"},
        {"list_id": "../other"},
        {"list_id": ""},
        {"store_id": "a/b"},
        {"path_secrets": ()},
        {"path_secrets": ("too-short",)},
        {"path_secrets": ("with/slash-and-more",)},
        {"phone_region": "Denmark"},
        {"unknown": 1},
    ],
)
def test_settings_that_cannot_work_are_refused_without_an_echo(kit, wrong):
    with pytest.raises(ValidationError) as caught:
        kit.make_settings(**wrong)
    assert "0123456789abcdef" not in str(caught.value)
    for value in wrong.values():
        assert not isinstance(value, str) or len(value) < 9 or value not in str(caught.value)


def test_every_setting_is_described_and_secrets_are_hidden(kit):
    settings = kit.make_settings()
    assert all(field.description for field in type(settings).model_fields.values())
    assert isinstance(settings.api_key, SecretStr)
    shown = repr(settings)
    assert "0123456789abcdef" not in shown
    assert kit.SECRET not in shown


def test_requests_carry_the_key_or_the_token(kit):
    headers = CONNECTOR.auth.headers
    basic = headers(kit.make_settings(api_key="k-us1"), None, READ, kit.NOW)
    assert basic == {"authorization": "Basic b21uaWJyaWRnZTprLXVzMQ=="}
    token = kit.make_settings(api_key="token", base_url="https://us1.api.mailchimp.com/3.0")
    assert headers(token, None, READ, kit.NOW) == {"authorization": "Bearer token"}


def test_channels_of_one_key_share_a_limit_and_the_scope_tells_no_secret(kit):
    scope = CONNECTOR.limits.scope
    assert scope(kit.make_settings(list_id="other")) == scope(kit.make_settings())
    assert scope(kit.make_settings(api_key="other-us1")) != scope(kit.make_settings())
    assert "0123456789" not in scope(kit.make_settings())


def test_a_wrong_key_is_refused_by_the_sandbox(channel, kit):
    channel.settings = kit.make_settings(api_key="wrong-us21")
    with pytest.raises(AuthExpired):
        channel.poll("members")
