"""`POST /events` in the three modes of CloudEvents: who may post, what is refused and why, what is stored once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgi_client import Answer, ask
from small_shop import ShopSandbox, one_shop, small_shop

from omnibridge.codec import write_batch, write_binary, write_structured
from omnibridge.errors import StorageError
from omnibridge.event import Event
from omnibridge.journal import ClearSeal, open_journal
from omnibridge.model import SendMessage
from omnibridge.testing import ManualClock, TestBridge

pytestmark = pytest.mark.both_backends
TOKEN = "t0ken-of-the-till"
BEARER = ("authorization", f"Bearer {TOKEN}")


def event(id_: str = "1", **more: Any) -> Event:
    return Event.make("com.example.done", {"n": 1}, id=id_, source="/till", subject="s", **more)


def bridge(journal: Any = None, token: str = TOKEN) -> TestBridge:
    toml = one_shop(f'[server]\ntoken = "{token}"' if token else "")
    return TestBridge(
        toml, connectors=[small_shop()], sandboxes={"shop.example": ShopSandbox()}, journal=journal
    )  # fmt: skip


async def post(running: TestBridge, message: Any, *headers: tuple[str, str], query: str = "") -> Answer:
    every = [*message.headers.items(), *headers]
    if message.content_type is not None:
        every.append(("content-type", message.content_type))
    answer = await ask(running.asgi(), "POST", f"/events{query}", message.body, every)
    assert answer is not None
    return answer


async def stored(running: TestBridge) -> list[str]:
    await running.settle()
    return [found.event.id for found in reversed(await running.journal.events())]


@pytest.mark.parametrize(
    ("made", "ids"),
    [
        (write_binary(event()), ["1"]),
        (write_structured(event()), ["1"]),
        (write_batch([event("1"), event("2"), event("3")]), ["1", "2", "3"]),
        (write_batch([]), []),
    ],
    ids=["binary", "structured", "batch", "an empty batch"],
)
async def test_each_mode_is_taken_and_the_event_stays_as_it_was(made, ids):
    async with bridge() as running:
        answer = await post(running, made, BEARER)
        assert (answer.status, answer.body) == (202, b"")
        assert await stored(running) == ids
        for found in await running.journal.events():
            assert found.channel == "events"
            assert found.event.data == {"n": 1}
            assert (found.event.source, found.event.type, found.event.subject) == ("/till", "com.example.done", "s")


@pytest.mark.parametrize("place", ["header", "lower case", "query"])
async def test_a_token_may_stand_in_the_header_or_in_the_query(place):
    async with bridge() as running:
        made = write_structured(event())
        if place == "query":
            answer = await post(running, made, query=f"?a=b&access_token={TOKEN}")
        else:
            name = "Bearer" if place == "header" else "bearer"
            answer = await post(running, made, ("authorization", f"{name} {TOKEN}"))
        assert answer.status == 202


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([], ""),
        ([("authorization", "Bearer wrong")], ""),
        ([("authorization", "Bearer ")], ""),
        ([("authorization", f"Basic {TOKEN}")], ""),
        ([("authorization", TOKEN)], ""),
        ([("authorization", f"Bearer {TOKEN}ÿ")], ""),
        ([], "?access_token="),
        ([], "?access_token=%ff"),
        ([], f"?token={TOKEN}"),
        ([("authorization", "Bearer wrong")], f"?access_token={TOKEN}"),
    ],
)
async def test_without_the_right_token_nothing_is_stored(headers, query):
    async with bridge() as running:
        answer = await post(running, write_structured(event()), *headers, query=query)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert TOKEN.encode() not in answer.body
        assert await running.journal.inbox() == []


async def test_where_no_token_is_configured_nobody_may_post():
    async with bridge(token="") as running:
        for headers in ([], [("authorization", "Bearer ")], [("authorization", "Bearer None")]):
            assert (await post(running, write_structured(event()), *headers)).status == 401


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/cloudevents+json", b"{", 400),
        ("application/cloudevents+json", b"", 400),
        ("application/cloudevents+json", b"[]", 400),
        ("application/cloudevents+json", b'{"specversion":"0.3","id":"1","source":"/","type":"t"}', 400),
        ("application/cloudevents+json", b'{"specversion":"1.0","source":"/","type":"t"}', 400),
        ("application/cloudevents+json; charset=latin-1", b"{}", 415),
        ("application/cloudevents-batch+json", b"{}", 400),
        ("application/cloudevents+avro", b"x", 415),
        ("application/cloudevents+xml", b"<x/>", 415),
        ("application/cloudevents", b"x", 415),
        ("Application/CloudEvents+AVRO", b"x", 415),
        ("application/cloudevents+avro; of=json", b"x", 415),
        ("application/json", b"{}", 415),
        ("text/plain", b"x", 415),
    ],
)
async def test_what_is_no_event_is_refused_with_the_reason(content_type, body, status):
    async with bridge() as running:
        answer = await ask(running.asgi(), "POST", "/events", body, [BEARER, ("content-type", content_type)])
        assert answer is not None
        assert answer.status == status
        assert len(answer.body) > 10
        assert await running.journal.inbox() == []


@pytest.mark.parametrize("name", ["ce-id", "CE-ID", "ce-source", "ce-type", "ce-partitionkey", "content-type"])
async def test_a_repeated_attribute_is_refused(name):
    async with bridge() as running:
        made = write_binary(event(extensions={"partitionkey": "k"}))
        answer = await post(running, made, BEARER, (name, "again"))
        assert answer.status == 400
        assert name.lower().encode() in answer.body
        assert await running.journal.inbox() == []


async def test_one_wrong_event_makes_the_batch_wrong():
    async with bridge() as running:
        batch = [json.loads(write_structured(event(id_)).body) for id_ in ("1", "2")]
        del batch[1]["source"]
        made = write_batch([])._replace(body=json.dumps(batch).encode())
        answer = await post(running, made, BEARER)
        assert answer.status == 400
        assert b"[1]" in answer.body
        assert await running.journal.inbox() == []


async def test_the_same_event_is_stored_once_whatever_mode_it_comes_in():
    async with bridge() as running:
        for made in (write_binary(event()), write_structured(event()), write_batch([event(), event(), event("2")])):
            assert (await post(running, made, BEARER)).status == 202
        assert await stored(running) == ["1", "2"]
        assert running.ingress.accepted == {("events", "stored"): 2, ("events", "duplicate"): 3}


async def test_the_same_id_of_another_source_is_another_event():
    async with bridge() as running:
        other = Event.make("com.example.done", {}, id="1", source="/other")
        assert (await post(running, write_batch([event(), other]), BEARER)).status == 202
        assert await stored(running) == ["1", "1"]


async def test_what_was_published_and_is_posted_again_is_one_event():
    async with bridge() as running:
        assert await running.publish(event())
        assert (await post(running, write_structured(event()), BEARER)).status == 202
        assert await stored(running) == ["1"]


async def test_a_command_names_the_channel_that_it_is_for():
    async with bridge() as running:
        box: Any = running.vendors.sandboxes["shop.example"]
        command = SendMessage.model_validate({"to": "+4533123456", "medium": "sms", "body": "Ready!"})
        asked = running.event("command.message.send", command, id="c1", target="shop")
        assert (await post(running, write_structured(asked), BEARER)).status == 202
        await running.settle(5)
        assert box.messages == [{"to": "+4533123456", "body": "Ready!"}]


async def test_storage_trouble_in_the_middle_of_a_batch_is_mended_by_its_repetition():
    class Trouble:
        left = 1

        def __init__(self, journal: Any) -> None:
            self._journal = journal

        def __getattr__(self, name: str) -> Any:
            return getattr(self._journal, name)

        async def accept(self, item: Any) -> Any:
            if self.left == 0:
                raise StorageError("no room")
            self.left -= 1
            return await self._journal.accept(item)

    async with open_journal(None, seal=ClearSeal(), clock=ManualClock()) as real:
        trouble = Trouble(real)
        async with bridge(trouble) as running:
            made = write_batch([event("1"), event("2")])
            answer = await post(running, made, BEARER)
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) > 0
            trouble.left = 9
            assert (await post(running, made, BEARER)).status == 202
            assert await stored(running) == ["1", "2"]


async def test_the_token_is_not_stored_with_the_event():
    async with bridge() as running:
        await post(running, write_binary(event()), BEARER, query=f"?access_token={TOKEN}")
        assert TOKEN not in repr(await running.journal.inbox())
