"""A connector that is installed and broken disables its own channels: everything else runs, and nothing is lost."""

from __future__ import annotations

import sys

import pytest
from asgi_client import ask
from installed import install
from small_shop import ShopSandbox, one_shop, seen, small_shop, webhook

from omnibridge.config import check, parse
from omnibridge.daemon import DaemonApp
from omnibridge.errors import UnknownItem
from omnibridge.journal import ClearSeal, open_journal
from omnibridge.model import Customer, SendMessage
from omnibridge.registry import Registry
from omnibridge.testing import ManualClock, TestBridge

pytestmark = pytest.mark.both_backends
TOML = one_shop("""
[channels.mail]
connector = "mail"
settings.url = "https://mail.example"

[[routes]]
name = "customers"
events = ["customer.*"]
to = ["mail"]
""")
ANNA = seen(Customer(given_name="Anna"), "1", 1)


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """The connector `mail` is installed, and does not import."""
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "mail", "import a_library_that_is_gone")
    yield
    sys.modules.pop("omnibridge_mail", None)


def test_it_is_a_warning_with_its_reason_and_place(broken, tmp_path):
    config = parse(TOML, {}, Registry([small_shop()]), name="bridge.toml", folder=tmp_path)
    assert config.require() is config
    assert list(config.channels) == ["shop"]
    [problem] = check(config)
    assert problem.warning
    assert problem.where.endswith("channels.mail.connector")
    assert "omnibridge-mail does not load: ModuleNotFoundError" in problem.what
    assert "a_library_that_is_gone" in config.disabled["mail"]


async def test_the_other_channels_run_and_it_is_shown(broken):
    async with TestBridge(TOML, connectors=[small_shop()]) as running:
        assert (await running.receive(webhook(ANNA))).status == 200
        await running.settle()
        assert [stored.event.name for stored in await running.journal.events()] == ["customer.created"]
        app = DaemonApp(running)
        ready, metrics = await ask(app, "GET", "/readyz"), await ask(app, "GET", "/metrics")
        assert ready is not None
        assert metrics is not None
        assert ready.status == 200
        assert b'"mail":"disabled: omnibridge-mail does not load' in ready.body
        assert b'"shop":"green"' in ready.body
        assert b'omnibridge_channel_red{channel="mail"} 1.0' in metrics.body


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_its_vendor_is_asked_to_repeat(broken, method):
    async with TestBridge(TOML, connectors=[small_shop()]) as running:
        made = webhook(ANNA, channel="mail")
        answer = await ask(running.asgi(), method, "/in/mail", made.body, made.headers.items())
        assert answer is not None
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert b"library" not in answer.body
        assert await running.journal.inbox() == []


async def test_what_is_routed_there_waits_until_it_is_mended(broken):
    async with open_journal(None, seal=ClearSeal(), clock=ManualClock()) as journal:
        async with TestBridge(TOML, connectors=[small_shop()], journal=journal) as running:
            await running.receive(webhook(ANNA))
            message = SendMessage.model_validate({"to": "+4533123456", "medium": "sms", "body": "Hi"})
            assert await running.send(message, "mail", id="m1")
            with pytest.raises(UnknownItem):
                await running.send(message, "nobody", id="m2")
            await running.settle(3600)
            assert {row.state for row in await running.journal.deliveries()} == {"ready"}
        box = ShopSandbox()
        connectors = [small_shop(), small_shop("mail")]
        boxes = {"mail.example": box}
        async with TestBridge(TOML, connectors=connectors, journal=journal, sandboxes=boxes) as running:
            await running.settle(60)
            assert [body["given_name"] for _, body in box.puts] == ["Anna"]
            assert [sent["body"] for sent in box.messages] == ["Hi"]
            assert {row.state for row in await running.journal.deliveries()} == {"done"}
