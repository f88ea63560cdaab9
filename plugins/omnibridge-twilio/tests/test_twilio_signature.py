"""Webhooks are Twilio's or they are not: the vendor's vectors, its own validator, and every way to cheat."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from omnibridge_twilio import CONNECTOR
from omnibridge_twilio.sandbox import TwilioSandbox
from omnibridge_twilio.signature import FORM, addresses, sign, verify
from twilio.request_validator import RequestValidator

from omnibridge.connector import Inbound, Verdict

URL = "https://shop.example.com/in/sms"
SHARED = "shared-key-secret"


@pytest.fixture
def judge(make, now):
    def verdict(url, body, signature, *, content_type=FORM, more=None, **other):
        headers = {"content-type": content_type, **(more or {})}
        if signature is not None:
            headers["x-twilio-signature"] = signature
        return verify(make(**other), Inbound("sms", url, headers, body, now), now)

    return verdict


@pytest.fixture
def now(received):
    return received.__globals__["NOW"]


def test_vendor_vectors(vendor_specs, judge):
    vectors = json.loads((vendor_specs / "twilio" / "signature_vectors.json").read_text())["vectors"]
    seen = set()
    for vector in vectors:
        form = vector.get("form") or urlencode(vector.get("params", {}))
        if vector.get("algorithm") == "HMAC_SHA256":
            keys = {"webhook_signing": "shared_key", "webhook_shared_keys": (vector["token"],)}
            more = {"x-twilio-webhooks-signature-settings": vector["settings_header"]}
        else:
            keys, more = {"auth_token": vector["token"]}, {}
        body = vector.get("body", form).encode()
        kind = "application/json; charset=utf-8" if "body" in vector else FORM
        signature = vector["signature"]
        assert judge(vector["url"], body, signature, content_type=kind, more=more, **keys) is Verdict.OK, vector["note"]
        for wrong in (vector["url"] + "x", vector["url"].replace("https", "http")):
            assert judge(wrong, body, signature, content_type=kind, more=more, **keys) is Verdict.FORGED
        assert judge(vector["url"], body + b"x", signature, content_type=kind, more=more, **keys) is Verdict.FORGED
        seen.add(vector.get("algorithm", kind))
    assert {"HMAC_SHA1", "HMAC_SHA256", "application/json; charset=utf-8"} <= seen


@example({"Body": "", "From": "+14155550100"})
@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), max_size=6))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_agrees_with_the_vendors_validator(judge, fields):
    body = urlencode(fields).encode()
    as_sent = dict(parse_qsl(body.decode(), keep_blank_values=True))
    validator = RequestValidator("12345")
    signature = validator.compute_signature(URL, as_sent)
    assert signature == sign("12345", URL, list(as_sent.items()))
    assert judge(URL, body, signature) is Verdict.OK
    assert judge(URL, body, RequestValidator("other").compute_signature(URL, as_sent)) is Verdict.FORGED


@pytest.mark.parametrize(
    ("told", "signed"),
    [
        ("https://shop.example.com/in/sms", "https://shop.example.com:443/in/sms"),
        ("https://shop.example.com:443/in/sms", "https://shop.example.com/in/sms"),
        ("https://shop.example.com:8443/in/sms", "https://shop.example.com:8443/in/sms"),
        ("https://shop.example.com:8443/in/sms", "https://shop.example.com/in/sms"),
        ("http://localhost:8080/in/sms?a=1", "http://localhost:8080/in/sms?a=1"),
        ("https://user:word@shop.example.com/in/sms", "https://shop.example.com/in/sms"),
        ("https://shop.example.com/in/sms?", "https://shop.example.com/in/sms?"),
        ("https://shop.example.com/in/sms?q=it's&r=%7e", "https://shop.example.com/in/sms?q=it's&r=%7e"),
        ("http://[::1]:8080/in/sms", "http://[::1]:8080/in/sms"),
    ],
)
def test_ports_and_credentials_in_the_address(judge, told, signed):
    assert judge(told, b"A=1", sign("12345", signed, [("A", "1")])) is Verdict.OK


@pytest.mark.parametrize("signed", [URL, URL + "#rc=3&rp=5xx"])
def test_connection_overrides_may_be_signed_or_not(judge, signed):
    signature = sign("12345", signed, [("A", "1")])
    assert judge(URL, b"A=1", signature, callback_url=URL + "#rc=3&rp=5xx") is Verdict.OK
    assert list(addresses("not an address")) == ["not an address"]


def test_a_different_port_is_another_address(judge):
    assert judge(URL, b"A=1", sign("12345", "https://shop.example.com:8443/in/sms", [("A", "1")])) is Verdict.FORGED


def test_repeated_fields_count_once_and_sorted(judge):
    body = b"B=2&B=1&B=2&A=x"
    text = URL + "Ax" + "B1" + "B2"
    assert judge(URL, body, sign("12345", text, [])) is Verdict.OK


def test_rotation_and_missing_signatures(judge):
    old, new = sign("old", URL, [("A", "1")]), sign("new", URL, [("A", "1")])
    for either in (old, new):
        assert judge(URL, b"A=1", either, webhook_auth_tokens=("new", "old")) is Verdict.OK
    assert judge(URL, b"A=1", sign("12345", URL, [("A", "1")]), webhook_auth_tokens=("new", "old")) is Verdict.FORGED
    assert judge(URL, b"A=1", None) is Verdict.UNSIGNED
    assert judge(URL, b"A=1", "") is Verdict.UNSIGNED
    assert judge(URL, b"A=%ff", sign("12345", URL, [("A", "1")])) is Verdict.FORGED
    assert judge(URL, b"A=1", "\udcff") is Verdict.FORGED


def test_the_algorithm_is_pinned_by_the_settings(judge):
    """The header that names it is not signed: an attacker who writes it gains nothing."""
    sha1 = sign(SHARED, URL, [("A", "1")], "sha1")
    sha256 = sign(SHARED, URL, [("A", "1")], "sha256")
    by_token = sign("12345", URL, [("A", "1")], "sha1")
    token_as_sha256 = sign("12345", URL, [("A", "1")], "sha256")
    shared = {"webhook_signing": "shared_key", "webhook_shared_keys": (SHARED,)}
    for named in ("HMAC_SHA1", "HMAC_SHA256", "none"):
        more = {"x-twilio-webhooks-signature-settings": f"key=k,algorithm={named}"}
        assert judge(URL, b"A=1", sha256, more=more, **shared) is Verdict.OK
        for wrong in (sha1, by_token, token_as_sha256):
            assert judge(URL, b"A=1", wrong, more=more, **shared) is Verdict.FORGED
        assert judge(URL, b"A=1", by_token, more=more) is Verdict.OK
        assert judge(URL, b"A=1", token_as_sha256, more=more) is Verdict.FORGED
    both = {**shared, "webhook_signing": "both"}
    for right in (sha256, by_token):
        assert judge(URL, b"A=1", right, **both) is Verdict.OK
    for wrong in (sha1, token_as_sha256):
        assert judge(URL, b"A=1", wrong, **both) is Verdict.FORGED


def test_json_needs_the_hash_of_its_body(judge):
    body = b'{"a": 1}'
    digest = hashlib.sha256(body).hexdigest()
    url = f"{URL}?bodySHA256={digest}"
    kind = {"content_type": "application/json"}
    assert judge(url, body, sign("12345", url, []), **kind) is Verdict.OK
    assert judge(url, body + b" ", sign("12345", url, []), **kind) is Verdict.FORGED
    assert judge(URL, body, sign("12345", URL, []), **kind) is Verdict.FORGED, "a body that nothing signs"
    twice = f"{url}&bodySHA256={digest}"
    assert judge(twice, body, sign("12345", twice, []), **kind) is Verdict.FORGED
    assert judge("https://[oops?bodySHA256=1", body, "x", **kind) is Verdict.FORGED
    assert RequestValidator("12345").validate(url, body.decode(), sign("12345", url, []))


@pytest.mark.parametrize("scheme", ["auth_token", "shared_key"])
def test_the_sandbox_signs_as_twilio_does(make, scheme, now, received):
    keys = {"webhook_signing": scheme, "webhook_shared_keys": (SHARED,), "callback_url": URL + "?a=1#rc=2"}
    settings = make(**keys)
    sandbox = TwilioSandbox(settings, lambda: now)
    sandbox.incoming("+14155550100", "+15558675310", "Hello é 👍 +1")
    form, as_json = sandbox.outbox[0], sandbox.json_webhook(b'{"a":1}')
    for sent in (form, as_json):
        assert "#" not in sent.url
        assert CONNECTOR.webhook is not None
        assert CONNECTOR.webhook.verify(settings, received(sent), now) is Verdict.OK
    secret, algorithm = ("12345", "HMAC_SHA1") if scheme == "auth_token" else (SHARED, "HMAC_SHA256")
    validator = RequestValidator(secret)
    fields = dict(parse_qsl(form.body.decode(), keep_blank_values=True))
    assert validator.validate(form.url, fields, form.headers["x-twilio-signature"], algorithm)
    assert validator.validate(as_json.url, '{"a":1}', as_json.headers["x-twilio-signature"], algorithm)
