"""Two shops of one company on a real bridge: a person and their permission arrive once, and then it is quiet."""

from __future__ import annotations

import json

from omnibridge_shopify.settings import Shopify

from omnibridge.testing import ManualClock, TestBridge

TOML = """
[bridge]
public_url = "https://bridge.example.com"

[channels.dk]
connector = "shopify"
collects_consent = true
[channels.dk.settings]
shop = "acme-dk.myshopify.com"
access_token = "token-dk"
webhook_secrets = ["secret-dk"]

[channels.se]
connector = "shopify"
[channels.se.settings]
shop = "acme-se.myshopify.com"
client_id = "client-se"
client_secret = "secret-se"

[[routes]]
name = "people"
events = ["customer.*", "consent.*"]
to = ["dk", "se"]
"""


POLLED = (
    "Customers",
    "Orders",
    "Products",
    "Carts",
    "Locations",
    "Webhooks",
    "BulkRun",
    "BulkOperation",
    "BulkOperations",
)


def asked(shop):
    """What was asked of a shop but for the polls."""
    names = (json.loads(request.body)["operationName"] for request in shop.log if "graphql" in request.path)
    return [name for name in names if name not in POLLED and not name.startswith("Bulk")]


async def test_a_person_and_their_permission_arrive_once_and_then_it_is_quiet(kit):
    clock = ManualClock()
    one = {"shop": "acme-dk.myshopify.com", "access_token": "token-dk", "webhook_secrets": ["secret-dk"]}
    two = {"shop": "acme-se.myshopify.com", "client_id": "client-se", "client_secret": "secret-se"}
    dk, se = (kit.ShopifySandbox.of(Shopify.model_validate(each), now=clock.now) for each in (one, two))
    bridge = TestBridge(TOML, sandboxes={dk.shop: dk, se.shop: se}, connectors=[kit.CONNECTOR], clock=clock)
    async with bridge:
        await bridge.settle(10)
        assert dk.store.subscriptions.keys()
        person = dk.store.add_customer(email="kim@example.com", first_name="Kim", tags=["vip"])
        await bridge.settle(10)
        dk.store.operations["EmailConsent"](
            {
                "input": {
                    "customerId": person["id"],
                    "emailMarketingConsent": {
                        "marketingState": "SUBSCRIBED",
                        "marketingOptInLevel": "CONFIRMED_OPT_IN",
                    },
                }
            }
        )
        await bridge.settle(3600)
        (copy,) = se.records()["customers"]
        assert (copy["firstName"], copy["tags"]) == ("Kim", ["vip"])
        assert copy["defaultEmailAddress"]["marketingState"] == "SUBSCRIBED"
        assert copy["defaultEmailAddress"]["marketingOptInLevel"] == "CONFIRMED_OPT_IN"
        quiet = asked(dk), asked(se)
        await bridge.settle(7200)
        assert (asked(dk), asked(se)) == quiet
        assert asked(se).count("EmailConsent") == 1
        assert dk.records()["customers"] == [person]
