"""`/events` as a target of the WebHook specification: consent, tokens in both places, rates, forms, and no echo."""

from __future__ import annotations

from typing import Any

import pytest
from asgi_client import Answer, ask

from omnibridge.daemon import DaemonApp
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends
TOKEN = "t0ken-of-the-till"
EVENT = b'{"specversion":"1.0","id":"%d","source":"/till","type":"com.example.done","data":{}}'
STRUCTURED = ("content-type", "application/cloudevents+json")


def bridge(server: str = "", token: str = TOKEN) -> TestBridge:
    return TestBridge(f'[server]\ntoken = "{token}"\n{server}' if token else f"[server]\n{server}")


async def request(running: TestBridge, method: str, *headers: tuple[str, str], query: str = "", id_: int = 1) -> Answer:
    body = EVENT % id_ if method == "POST" else b""
    answer = await ask(DaemonApp(running), method, f"/events{query}", body, headers)
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    ("server", "asked", "origin", "rate"),
    [
        ('allowed_origins = ["till.example.com"]', "till.example.com", "till.example.com", "*"),
        ('allowed_origins = ["till.example.com"]', "Till.Example.com", "Till.Example.com", "*"),
        ('allowed_origins = ["a.example", "till.example.com"]\nevents_rate = 90', "till.example.com",
         "till.example.com", "90"),
        ('allowed_origins = ["*"]', "anyone.example.com", "*", "*"),
        ('allowed_origins = ["*"]', "x\r\nset-cookie: y", "*", "*"),
        ('allowed_origins = ["till.example.com"]', "other.example.com", None, None),
        ('allowed_origins = ["till.example.com"]', "till.example.com.evil.example", None, None),
        ('allowed_origins = ["*"]', "", None, None),
    ],
)  # fmt: skip
async def test_consent_is_the_presence_of_one_header(server, asked, origin, rate):
    async with bridge(server) as running:
        headers = [("webhook-request-origin", asked), ("webhook-request-rate", "120")]
        answer = await request(running, "OPTIONS", *headers)
        assert answer.status == 200
        assert answer.headers["allow"] == "POST, OPTIONS"
        assert answer.headers.get("webhook-allowed-origin") == origin
        assert answer.headers.get("webhook-allowed-rate") == rate


async def test_without_the_question_there_is_no_consent():
    async with bridge('allowed_origins = ["*"]') as running:
        answer = await request(running, "OPTIONS")
        assert (answer.status, answer.headers.get("webhook-allowed-origin")) == (200, None)


@pytest.mark.parametrize(("server", "token"), [("", TOKEN), ('allowed_origins = ["*"]', "")])
async def test_where_nobody_may_post_or_nobody_is_known_the_question_is_not_understood(server, token):
    async with bridge(server, token) as running:
        answer = await request(running, "OPTIONS", ("webhook-request-origin", "till.example.com"))
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert "webhook-allowed-origin" not in answer.headers


async def test_the_callback_of_a_sender_is_never_called():
    async with bridge('allowed_origins = ["till.example.com"]') as running:
        for origin in ("till.example.com", "other.example.com"):
            callback = ("webhook-request-callback", "https://till.example.com/confirm?key=k")
            await request(running, "OPTIONS", ("webhook-request-origin", origin), callback)
        await running.settle(60)  # an unknown host would refuse the connection, and somebody would say so
        assert not any(worker.outcomes for worker in running.workers.values())


@pytest.mark.parametrize("query", ["", f"?access_token={TOKEN}", f"?a=b&access%5Ftoken={TOKEN}&c"])
async def test_a_token_is_taken_in_both_places_and_never_shown(query, caplog, capsys):
    async with bridge() as running:
        headers: list[tuple[str, str]] = [] if query else [("authorization", f"Bearer {TOKEN}")]
        answer = await request(running, "POST", STRUCTURED, *headers, query=query)
        assert (answer.status, answer.body) == (202, b"")
        assert answer.headers.get("cache-control") == ("private" if query else None)
        await running.settle()
        shown = repr(await running.journal.inbox()) + repr(await running.journal.events())
        said = capsys.readouterr()
        assert TOKEN not in shown + caplog.text + said.out + said.err + repr(answer)


@pytest.mark.parametrize("query", ["?access_token=wr0ng-t0ken", f"?access_token={TOKEN}x"])
async def test_a_wrong_token_is_not_echoed(query, capsys):
    async with bridge() as running:
        answer = await request(running, "POST", STRUCTURED, query=query)
        assert answer.status == 401
        said = capsys.readouterr()
        assert query.partition("=")[2] not in repr(answer) + said.out + said.err


async def test_more_than_the_rate_is_refused_with_the_time_to_wait_which_suffices():
    async with bridge("events_rate = 6") as running:
        bearer = ("authorization", f"Bearer {TOKEN}")
        taken = [await request(running, "POST", STRUCTURED, bearer, id_=number) for number in range(6)]
        assert {answer.status for answer in taken} == {202}
        refused = await request(running, "POST", STRUCTURED, bearer, id_=7)
        assert refused.status == 429
        wait = int(refused.headers["retry-after"])
        assert 1 <= wait <= 10
        assert len(await running.journal.inbox()) == 6
        await running.time.advance(wait)
        assert (await request(running, "POST", STRUCTURED, bearer, id_=7)).status == 202


async def test_who_keeps_to_the_rate_is_never_refused_and_a_stranger_takes_nothing_of_it():
    async with bridge("events_rate = 6") as running:
        bearer = ("authorization", f"Bearer {TOKEN}")
        for number in range(12):
            for _ in range(10):
                assert (await request(running, "POST", STRUCTURED)).status == 401
            assert (await request(running, "POST", STRUCTURED, bearer, id_=number)).status == 202
            await running.time.advance(10)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/cloudevents+xml", 415),
        ("application/cloudevents-batch+avro", 415),
        ("application/cloudevents+json; charset=utf-16", 415),
        ("application/json", 415),
        ("application/xml", 415),
        ("application/cloudevents+json", 202),
        ("APPLICATION/CloudEvents+JSON; charset=UTF-8", 202),
    ],
)
async def test_a_form_that_nobody_reads_is_415(content_type, status):
    async with bridge() as running:
        bearer = ("authorization", f"Bearer {TOKEN}")
        answer: Any = await request(running, "POST", ("content-type", content_type), bearer)
        assert answer.status == status
        assert len(await running.journal.inbox()) == int(status == 202)


@pytest.mark.parametrize("origins", ["[1]", '"till.example.com"', "true"])
async def test_origins_are_a_list_of_names(origins):
    with pytest.raises(Exception, match="allowed_origins"):
        async with bridge(f"allowed_origins = {origins}"):
            pass
