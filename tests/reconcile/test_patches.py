"""What tells only what changed makes nothing of the unseen: it waits for the whole, and then the whole is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from people import SOURCE, say
from small_shop import ShopSandbox

from omnibridge.connector import Connector, Http, Lookup, Settings, Snapshot, json_response, load_observations
from omnibridge.connector.observation import dump_observations
from omnibridge.model import Message
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends
TOML = '[channels.chat]\nconnector = "source"\n'
WHOLE = Snapshot(
    Message.model_validate({"direction": "outbound", "medium": "sms", "body": "Hi", "state": "sent"}), "M1", 1
)
PATCH = Snapshot(
    Message.model_validate({"direction": "outbound", "medium": "sms", "state": "delivered"}), "M1", 2, patch=True
)


async def read(settings: Settings, lookup: Lookup, http: Http) -> Sequence[Snapshot]:
    """What the system has of it."""
    answer: Any = (await http.get(f"/{lookup.kind}/{lookup.external_id}")).json()
    return [replace(WHOLE, entity=Message.model_validate(answer), version=3)] if answer else []


class Chat(ShopSandbox):
    """A system that has been told to forget a message, or to have it."""

    message: dict[str, Any] | None = None

    def respond(self, request):
        return json_response(self.message)


def stage(**changes: Any) -> tuple[TestBridge, Chat]:
    made: Connector[Any] = replace(SOURCE, base_url=lambda settings: "https://chat.example", **changes)
    box = Chat()
    return TestBridge(TOML, connectors=[made], sandboxes={"chat.example": box}), box


async def told(bridge: TestBridge) -> list[tuple[str, str]]:
    events = await bridge.journal.events()
    return [(one.event.name, one.event.data["state"]) for one in reversed(events)]


async def test_it_waits_for_the_whole_that_comes_late_and_then_says_what_changed():
    bridge, box = stage(read=read)
    async with bridge:
        await say(bridge, "chat", PATCH)
        assert await told(bridge) == []
        assert [row.state.value for row in await bridge.journal.inbox()] == ["pending"]
        await bridge.settle(30)
        await say(bridge, "chat", WHOLE)
        await bridge.settle(10)
        assert await told(bridge) == [("message.sent", "sent"), ("message.delivered", "delivered")]
        [whole] = [
            one.event.data["body"] for one in await bridge.journal.events() if one.event.name == "message.delivered"
        ]
        assert whole == "Hi"
        await bridge.settle(300)
        assert box.log == []  # nobody had to be asked


async def test_when_nobody_has_told_the_whole_in_time_it_is_asked_for():
    bridge, box = stage(read=read)
    box.message = {"direction": "outbound", "medium": "sms", "body": "Hi", "state": "delivered"}
    async with bridge:
        await say(bridge, "chat", PATCH)
        await bridge.settle(50)
        assert box.log == []
        await bridge.settle(30)
        assert [request.path for request in box.log] == ["/message/M1"]
        assert await told(bridge) == [("message.delivered", "delivered")]
        assert [row.state.value for row in await bridge.journal.inbox()] == ["done", "done"]


async def test_where_nobody_can_ask_it_is_kept_visible_and_counts_once_the_whole_is_there():
    bridge, _ = stage()
    async with bridge:
        await say(bridge, "chat", PATCH)
        await bridge.settle(90)
        [row] = await bridge.journal.inbox(state="invalid")
        assert "a change of a message that was never seen" in str(row.error)
        await say(bridge, "chat", WHOLE)
        assert await bridge.journal.replay_inbox([row.id]) == 1
        bridge.wake()
        await bridge.settle(10)
        assert await told(bridge) == [("message.sent", "sent"), ("message.delivered", "delivered")]


async def test_a_snapshot_of_the_unseen_makes_it_and_a_patch_of_the_seen_changes_it_at_once():
    bridge, _ = stage()
    async with bridge:
        await say(bridge, "chat", WHOLE, PATCH)
        assert await told(bridge) == [("message.sent", "sent"), ("message.delivered", "delivered")]
    assert load_observations(dump_observations([PATCH])) == (PATCH,)
