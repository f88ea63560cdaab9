"""`omnibridge consent`: the ledger of a contact point, beside a daemon or without one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from small_shop import NOW, one_shop, seen, small_shop, webhook

from omnibridge.bridge import Bridge
from omnibridge.config import load
from omnibridge.model import Consent, ConsentState, Medium, Proof, consent_key
from omnibridge.registry import Registry
from omnibridge.testing import SandboxTransport

PHONE = "+4533123456"


async def _fill(folder: Path) -> None:
    config = load(folder / "bridge.toml", {}, Registry([small_shop()]))
    async with Bridge(config, transport=SandboxTransport({})) as bridge:
        for days, state in enumerate((ConsentState.GRANTED, ConsentState.WITHDRAWN)):
            at = NOW + timedelta(days=days)
            proof = Proof(source="form", at=at, ip="192.0.2.7", detail="Text me")
            said = Consent(contact=PHONE, medium=Medium.SMS, state=state, proof=proof, changed_at=at)
            made = webhook(seen(said, consent_key(PHONE, Medium.SMS), at))
            await bridge.ingress.webhook("shop", None, "POST", "", made.headers, made.body)
            await bridge.idle()


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    """A folder with a journal in which a number was allowed and withdrawn."""
    (tmp_path / "bridge.toml").write_text(one_shop("collects_consent = true"))
    anyio.run(_fill, tmp_path)
    return tmp_path


def test_the_ledger_for_people(allowed, run):
    ended = run("consent", "+45 33 12 34 56")
    assert ended.code == 0, ended.err
    assert "sms marketing: withdrawn since 2026-01-02T00:00:00+00:00" in ended.out
    assert ended.out.count("form, 192.0.2.7, Text me") == 2
    assert "source" in ended.out


def test_the_ledger_for_programs(allowed, run):
    [permission] = run("consent", PHONE, "--json").json()
    assert (permission["medium"], permission["purpose"], permission["state"]) == ("sms", "marketing", "withdrawn")
    assert [line["state"] for line in permission["decisions"]] == ["granted", "withdrawn"]
    assert permission["notices"] == [
        {"channel": "shop", "state": "source", "at": permission["notices"][0]["at"], "text": None}
    ]


def test_nothing_known_is_said_in_words(allowed, run):
    assert "unknown is not granted" in run("consent", "nobody@example.com").out
    assert run("consent", "nobody@example.com", "--json").json() == []


def test_what_is_no_contact_point_is_a_message(allowed, run):
    ended = run("consent", "Ann")
    assert ended.code == 1
    assert "no email address and no phone number" in ended.err
