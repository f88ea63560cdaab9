"""`omnibridge explain`: an event and its routes, and a route and its events."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner, Result

from omnibridge.bridge import Bridge
from omnibridge.cli.app import app
from omnibridge.cli.explain import explain_command
from omnibridge.config import load
from omnibridge.connector import Connector, Delivery, Http, Receipt, Settings, deliver
from omnibridge.errors import ConfigError, UnknownItem
from omnibridge.model import Order
from omnibridge.registry import Registry

TOML = """\
[channels.erp]
connector = "any"

[[routes]]
name = "orders"
events = ["order.*"]
to = ["erp"]

[[routes]]
name = "large"
when = "type = 'order.placed' AND DATA_GT('/totals/total/amount', '1000')"
to = ["erp"]

[[routes]]
name = "typo"
when = "type = 'order.plcaed'"
to = ["erp"]
"""

assert explain_command is not None


async def _order(settings: Settings, order: Order, delivery: Delivery, http: Http) -> Receipt:
    return Receipt()


ANY = Connector(
    name="any",
    title="Any",
    settings=Settings,
    base_url=lambda _: "https://example.com",
    delivers=(deliver(Order, _order),),
)


async def fill(path: Path) -> None:
    async with Bridge(load(path, {}, Registry([ANY]))) as bridge:
        for number in range(3):
            total = {"amount": f"{number}00.00", "currency": "DKK"}
            data = {"currency": "DKK", "totals": {"total": total}}
            assert await bridge.publish(bridge.event("order.placed", data, id=f"event-{number}"))
        await bridge.idle()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose journal has three orders."""
    path = tmp_path / "bridge.toml"
    path.write_text(TOML)
    anyio.run(fill, path)
    for module in ("app", "explain"):
        monkeypatch.setattr(sys.modules[f"omnibridge.cli.{module}"], "Registry", lambda: Registry([ANY]))
    return path


def run(config: Path, *arguments: str) -> Result:
    runner = CliRunner(env={"COLUMNS": "200"})
    return runner.invoke(app, ["explain", *arguments, "--config", str(config)])


def test_an_event(config: Path) -> None:
    found = json.loads(run(config, "event-2", "--json").output)
    assert found["event"]["id"] == "event-2"
    assert {one["route"]: (one["matches"], one["nearly"]) for one in found["routes"]} == {
        "orders": (True, False),
        "large": (False, True),
        "typo": (False, False),
    }
    clauses = {one["route"]: one["clauses"] for one in found["routes"]}
    assert clauses["large"][1] == {
        "text": "DATA_GT('/totals/total/amount', '1000')",
        "holds": False,
        "value": "/totals/total/amount is '200.00'",
    }
    assert [(one["channel"], one["route"]) for one in found["deliveries"]] == [("erp", "orders")]


def test_an_event_for_people_begins_with_what_matches(config: Path) -> None:
    text = run(config, "event-2").output
    assert "order.placed event-2 from events" in text
    assert text.index("orders") < text.index("large") < text.index("typo")
    said = re.sub(r"[\s│]+", " ", text)  # a narrow terminal breaks the lines of a cell
    assert "NO DATA_GT('/totals/total/amount', '1000') [/totals/total/amount is '200.00']" in said
    assert "nearly" in text
    assert "Would be delivered" in text


def test_one_route_of_an_event(config: Path) -> None:
    found = json.loads(run(config, "event-1", "--route", "large", "--json").output)
    assert [one["route"] for one in found["routes"]] == ["large"]


def test_why_a_route_never_matched(config: Path) -> None:
    found = json.loads(run(config, "--route", "large", "--json").output)
    assert (found["events"], found["matched"], found["to"], found["doubts"]) == (3, 0, ["erp"], [])
    (failure,) = found["failures"]
    assert failure["text"] == "DATA_GT('/totals/total/amount', '1000')"
    assert (failure["count"], failure["alone"]) == (3, 3)
    assert failure["example"] == "/totals/total/amount is '200.00'", "of the newest event"
    assert json.loads(run(config, "--route", "large", "--last", "2", "--json").output)["events"] == 2


def test_a_route_for_people(config: Path) -> None:
    text = run(config, "--route", "typo").output
    assert "route 'typo': type = 'order.plcaed'" in text
    assert "warning: type = 'order.plcaed': there is no event type 'order.plcaed' (did you mean order.placed?)" in text
    assert "It matched 0 of the last 3 events." in text
    assert "type is 'order.placed'" in text
    assert "It matched 3 of the last 3 events." in run(config, "--route", "orders").output


def test_what_does_not_exist_is_said(config: Path) -> None:
    missing = run(config, "--route", "nope").exception
    assert isinstance(missing, UnknownItem)
    assert "one of 'orders', 'large', 'typo'" in str(missing)
    assert isinstance(run(config, "zzz").exception, UnknownItem)
    assert isinstance(run(config).exception, ConfigError)
