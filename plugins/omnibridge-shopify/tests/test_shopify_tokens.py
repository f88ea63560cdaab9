"""The token of the client credentials grant on a bridge that is stopped and started: kept, and renewed in time."""

from __future__ import annotations

from omnibridge.testing import ManualClock, TestBridge

SHOP = "acme.myshopify.com"
TOML = f"""
[bridge]
public_url = "https://bridge.example.com"

[channels.shop]
connector = "shopify"
[channels.shop.settings]
shop = "{SHOP}"
client_id = "client"
client_secret = "secret"
"""
TOKEN = "/admin/oauth/access_token"
DAY = 86_400


async def test_a_token_is_kept_over_a_restart_and_renewed_before_its_day_ends(kit):
    clock = ManualClock()
    settings = kit.SETTINGS.model_validate({"shop": SHOP, "client_id": "client", "client_secret": "secret"})
    shop = kit.ShopifySandbox.of(settings, now=clock.now)

    async with TestBridge("", clock=clock) as keeper:  # without a channel: it holds what lies on the disk otherwise

        async def run(seconds):
            """One life of the bridge; how many tokens were asked for, and with which ones calls were made."""
            shop.log.clear()
            boxes = {SHOP: shop}
            async with TestBridge(
                TOML, sandboxes=boxes, connectors=[kit.CONNECTOR], journal=keeper.journal, clock=clock
            ) as one:
                await one.settle(seconds)
            used = [each.headers.get("x-shopify-access-token") for each in shop.log if each.path != TOKEN]
            return len(shop.log) - len(used), list(dict.fromkeys(used))

        assert await run(600) == (1, ["sandbox-token-1"])
        assert await run(3600) == (0, ["sandbox-token-1"])
        await clock.advance(DAY - 4400)  # down meanwhile; some three minutes of the token are left
        assert await run(60) == (1, ["sandbox-token-2"])
        shop.expire_tokens()  # the shop takes it back while the bridge is down
        assert await run(600) == (1, ["sandbox-token-2", "sandbox-token-1"])  # refused once; the sandbox counts anew
        assert await run(600) == (0, ["sandbox-token-1"])
