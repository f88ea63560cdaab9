"""Two audiences on one bridge: what people do in one arrives in the other, and comes to rest there."""

from __future__ import annotations

import pytest
from omnibridge_mailchimp import MailchimpSettings, omnibridge_connectors
from omnibridge_mailchimp.sandbox import MailchimpSandbox

from omnibridge.testing import ManualClock, TestBridge

TOML = """
[bridge]
public_url = "https://bridge.example.com"

[channels.first]
connector = "mailchimp"
collects_consent = true
settings = { api_key = "key-us1", list_id = "a1", path_secrets = ["first-path-secret-1"] }

[channels.second]
connector = "mailchimp"
settings = { api_key = "key-us2", list_id = "b1", path_secrets = ["second-path-secret-1"] }

[[routes]]
name = "everybody"
events = ["customer.*", "consent.*"]
from = ["first"]
to = ["second"]
"""
EMAIL = "anna@example.com"


def make(clock: ManualClock, key: str, list_id: str, secret: str) -> MailchimpSandbox:
    settings = {"api_key": key, "list_id": list_id, "path_secrets": (secret,)}
    return MailchimpSandbox(MailchimpSettings.model_validate(settings), clock.now)


@pytest.mark.anyio
async def test_joining_and_leaving_one_audience_reaches_the_other():
    clock = ManualClock()
    first = make(clock, "key-us1", "a1", "first-path-secret-1")
    second = make(clock, "key-us2", "b1", "second-path-secret-1")
    hosts = {"us1.api.mailchimp.com": first, "us2.api.mailchimp.com": second}
    async with TestBridge(TOML, sandboxes=hosts, connectors=omnibridge_connectors(), clock=clock) as bridge:
        await bridge.settle(5)
        assert [len(box.hooks) for box in (first, second)] == [1, 1]

        first.audience.joins(EMAIL, {"FNAME": "Anna"})
        await bridge.settle(10)
        member = second.audience.members[next(iter(second.audience.members))]
        assert (member["email_address"], member["status"], member["full_name"]) == (EMAIL, "subscribed", "Anna")

        first.audience.leaves(EMAIL)
        await bridge.settle(10)
        assert member["status"] == "unsubscribed"

        second.log.clear()
        await bridge.settle(5)
        assert not [request for request in second.log if request.method != "GET"]
