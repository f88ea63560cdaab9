"""The audience's webhook: made once, moved by a rotation, put right when somebody changed it, others left alone."""

from __future__ import annotations

from typing import Any

import pytest
from omnibridge_mailchimp import omnibridge_connectors
from omnibridge_mailchimp.hooks import TOPIC
from omnibridge_mailchimp.inbound import translate, verify

from omnibridge.connector import Lookup, Subscription, Verdict
from omnibridge.errors import Permanent

CONNECTOR: Any = omnibridge_connectors()[0]

BASE = "https://bridge.example.com/in/news"
HOOKS = CONNECTOR.subscriptions


def reconcile(channel):
    """What the core does: create what is missing, delete what is ours and not wanted; the number of changes."""
    wanted = list(HOOKS.desired(channel.settings, BASE))
    found = list(channel.drive(lambda http: HOOKS.list(channel.settings, http)).result)
    missing = [hook for hook in wanted if hook not in found]
    surplus = [hook for hook in found if hook not in wanted and hook.url.startswith(BASE + "/")]
    for hook in missing:
        channel.drive(lambda http, hook=hook: HOOKS.create(channel.settings, hook, http))
    for hook in surplus:
        channel.drive(lambda http, hook=hook: HOOKS.delete(channel.settings, hook, http))
    return len(missing) + len(surplus)


def hooks(sandbox):
    return list(sandbox.hooks.values())


def test_the_webhook_tells_everything_but_our_own_doings(channel, sandbox):
    assert reconcile(channel) == 1
    (hook,) = hooks(sandbox)
    assert hook["url"] == f"{BASE}/newest-path-secret-01"
    assert set(hook["events"].values()) == {True}
    assert len(hook["events"]) == 6
    assert hook["sources"] == {"user": True, "admin": True, "api": False}
    assert reconcile(channel) == 0


def test_a_rotation_moves_it_and_other_peoples_webhooks_stay(channel, sandbox):
    sandbox.hooks["other"] = {"id": "other", "url": "https://else.example.com/x", "events": {}, "sources": {}}
    sandbox.hooks["ours"] = {
        "id": "ours",
        "url": f"{BASE}/older-path-secret-01",
        "events": {"profile": True},
        "sources": {"user": True},
    }
    reconcile(channel)
    urls = [hook["url"] for hook in hooks(sandbox)]
    assert urls == ["https://else.example.com/x", f"{BASE}/newest-path-secret-01"]
    assert reconcile(channel) == 0


@pytest.mark.parametrize(("part", "name", "on"), [("events", "cleaned", False), ("sources", "api", True)])
def test_a_webhook_that_somebody_changed_is_put_right(channel, sandbox, part, name, on):
    reconcile(channel)
    (hook,) = hooks(sandbox)
    hook[part][name] = on
    assert reconcile(channel) == 2
    assert [h["id"] for h in hooks(sandbox)] == [hook["id"]]
    assert hooks(sandbox)[0][part][name] is not on
    assert reconcile(channel) == 0


def test_an_address_that_does_not_answer_is_a_clear_refusal(channel, sandbox):
    sandbox.reachable = lambda url: False
    with pytest.raises(Permanent, match="must answer a GET"):
        reconcile(channel)


def test_a_webhook_that_is_gone_is_deleted(channel):
    channel.drive(lambda http: HOOKS.delete(channel.settings, Subscription(TOPIC, f"{BASE}/x", "nowhere"), http))


def test_every_webhook_of_the_sandbox_is_let_in_and_understood(channel, sandbox, kit):
    reconcile(channel)
    audience = sandbox.audience
    audience.joins("anna@example.com", {"FNAME": "Anna", "ADDRESS": {"addr1": "Nygade 1", "zip": "8000"}})
    audience.changes("anna@example.com", {"FNAME": "Anne"})
    audience.moves("anna@example.com", "anne@example.com")
    audience.leaves("anne@example.com", "abuse")
    audience.bounces("anne@example.com")
    audience.leaves("anne@example.com", action="delete", source="admin")
    sandbox.campaign("5aa2102003", "Spring")
    kinds = []
    while sandbox.outbox:
        out = sandbox.outbox.popleft()
        inbound = kit.inbound(out.body, out.url.removeprefix(BASE + "/"))
        assert verify(channel.settings, inbound, kit.NOW) is Verdict.OK
        seen = translate(channel.settings, inbound)
        kinds.append(dict(inbound.form())["type"])
        for lookup in seen:
            if isinstance(lookup, Lookup):
                channel.read(lookup)
    assert kinds == [
        "subscribe",
        "profile",
        "upemail",
        "profile",
        "unsubscribe",
        "cleaned",
        "unsubscribe",
        "campaign",
    ]
