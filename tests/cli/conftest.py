"""A small real journal with something of everything in it, and the command line in this process."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from installed import install
from rich.console import Console
from small_shop import ShopSandbox, one_shop, seen, small_shop, webhook

from omnibridge.bridge import Bridge
from omnibridge.cli import main, output
from omnibridge.config import load
from omnibridge.connector import Fault, Response
from omnibridge.model import Customer, SendMessage
from omnibridge.registry import Registry
from omnibridge.testing import SandboxTransport

TOML = one_shop("""
[channels.mail]
connector = "shop"
settings.url = "https://mail.example"

[[routes]]
name = "customers to mail"
events = ["customer.*"]
from = ["shop"]
to = ["mail"]

[[routes]]
name = "orders"
events = ["order.placed"]
to = ["mail"]
""")
HELLO = SendMessage.model_validate({"to": "+4533123456", "medium": "sms", "body": "Hello"})


async def _fill(folder: Path) -> None:
    box = ShopSandbox()
    config = load(folder / "bridge.toml", {}, Registry([small_shop()]))
    async with Bridge(config, transport=SandboxTransport({"mail.example": box})) as bridge:

        async def post(*items: dict[str, Any], **more: Any) -> None:
            made = webhook(*items, **more)
            reply = await bridge.ingress.webhook("shop", None, "POST", "", made.headers, made.body)
            assert reply.status == 200
            await bridge.idle()

        await post(seen(Customer(given_name="Anna", email="anna@example.com"), "1", 1))
        await post(bug=True)
        box.faults.append(Fault(Response(422), path_prefix="/messages"))
        await bridge.send(HELLO, "mail", id="refused")
        await bridge.idle()
        box.faults.append(Fault(lost=True, path_prefix="/messages"))
        await bridge.send(HELLO, "mail", id="lost")
        await bridge.idle()


@pytest.fixture(scope="session")
def filled(tmp_path_factory) -> Path:
    """A folder with a journal: one delivery done, one dead, one unknown, and an inbox row that nobody understood."""
    folder = tmp_path_factory.mktemp("filled")
    (folder / "bridge.toml").write_text(TOML)
    anyio.run(_fill, folder)
    return folder


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its output."""
        assert self.code == 0, self.err
        return json.loads(self.out)


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch, capsys, tmp_path) -> Iterator[Run]:
    """`run("events", "--json")` in the folder `tmp_path`, with the connector `shop` installed."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(install(site, "shop")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMNIBRIDGE_CONFIG", raising=False)
    monkeypatch.setattr(output, "_console", Console(width=200))

    def command(*args: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["omnibridge", *args])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Ended(code, said.out, said.err)

    yield command
    sys.modules.pop("omnibridge_shop", None)


@pytest.fixture
def journal(filled, tmp_path) -> Path:
    """A copy of the filled folder, to change."""
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    return tmp_path
