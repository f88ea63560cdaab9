"""Many members at a time: one batch, an answer for each, and nothing taken for done that was not answered."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import replace
from datetime import timedelta
from typing import Any

import mailchimp_marketing
import pytest
from omnibridge_mailchimp import CONNECTOR
from omnibridge_mailchimp.batches import LEAST, MOST, upsert_members
from omnibridge_mailchimp.outbound import upsert_member
from omnibridge_mailchimp.wire import subscriber_hash

from omnibridge.connector import Alone, Fault, Later, Receipt, Response, json_response
from omnibridge.errors import Permanent, Retryable
from omnibridge.model import Customer
from omnibridge.testing import ManualClock, SandboxServer, TestBridge

HOUR = timedelta(hours=1)


def person(number: int, **fields: Any) -> Customer:
    return Customer.model_validate({"id": f"c-{number}", "email": f"p{number}@example.com"} | fields)


@pytest.fixture
def write(kit, channel):
    """What comes of customers that are written together; `state` as `Later` left it."""

    def run(customers, state=None, **delivery: Any):
        items = [
            (one, kit.make_delivery(one, state=state, **delivery)._replace(key=f"key-{one.id}")) for one in customers
        ]
        return channel.drive(lambda http: upsert_members(channel.settings, items, http))

    return run


def asked(sandbox, method, path):
    return [request for request in sandbox.log if (request.method, request.path) == (method, path)]


def test_a_batch_writes_what_single_requests_write(kit, channel, sandbox, write, fresh):
    people = [
        person(1, given_name="Ann", phone="+4533123456", locale="da"),
        person(2, given_name=None, company="Acme"),
        person(3, addresses=[{"street": "Street 1", "city": "Aarhus", "region": "DK", "postal_code": "8000"}]),
    ]
    begun = write(people, custom={"merges.LOYALTY": "9"})
    (waiting,) = {repr(each): each for each in begun.result}.values()
    assert isinstance(waiting, Later)
    assert [request.method for request in begun.requests] == ["POST"]
    assert begun.requests[0].protection is None
    results = write(people, waiting.state, custom={"merges.LOYALTY": "9"}).result
    alone = fresh()
    for one, result in zip(people, results, strict=True):
        single = alone.deliver(one, custom={"merges.LOYALTY": "9"}).result
        assert isinstance(result, Receipt)
        assert result.references == single.references
        assert (result.snapshots[0].entity, result.snapshots[0].custom) == (
            single.snapshots[0].entity,
            single.snapshots[0].custom,
        )
    assert list(sandbox.audience.members) == list(alone.answers.audience.members)
    assert {member["status"] for member in sandbox.audience.members.values()} == {"transactional"}


def test_it_waits_until_the_batch_has_ended(channel, sandbox, write, clock):
    sandbox.batches.takes = HOUR
    (waiting,) = write([person(1)]).result
    assert write([person(1)], waiting.state).result == [waiting]
    assert sandbox.audience.members == {}
    clock.at += HOUR
    (receipt,) = write([person(1)], waiting.state).result
    assert isinstance(receipt, Receipt)
    assert len(asked(sandbox, "POST", "/3.0/batches")) == 1


def test_what_takes_more_than_one_request_goes_alone(kit, channel, sandbox, write):
    tagged, plain, nobody = person(1, tags=["vip"]), person(2, tags=[]), Customer(id="c-3", given_name="Kim")
    results = write([tagged, plain, nobody]).result
    assert [type(result) for result in results] == [Alone, Later, Alone]
    (request,) = asked(sandbox, "POST", "/3.0/batches")
    assert [each["operation_id"] for each in request.json()["operations"]] == ["key-c-2"]
    assert write([plain], own=subscriber_hash("old@example.com")).result == [Alone()]
    assert write([plain], known=tagged).result == [Alone()]  # its tags are to be taken off
    assert write([plain], custom={"segments.7": True}).result == [Alone()]
    (refused,) = write([plain], custom={"birthday": "1 May"}).result
    assert isinstance(refused, Permanent)
    assert len(asked(sandbox, "POST", "/3.0/batches")) == 1


def test_each_answer_is_classed_as_a_single_one(kit, channel, sandbox, write):
    sandbox.audience.forgotten.add(subscriber_hash("p2@example.com"))
    answers = {
        "/3.0/lists/a1b2c3d4e5/members/" + subscriber_hash("p3@example.com"): Response(503, {}, b""),
        "/3.0/lists/a1b2c3d4e5/members/" + subscriber_hash("p4@example.com"): Response(403, {}, b""),
        "/3.0/lists/a1b2c3d4e5/members/" + subscriber_hash("p5@example.com"): json_response({"id": "no member"}),
    }
    respond = sandbox.batches._respond
    sandbox.batches._respond = lambda request: answers.get(request.path) or respond(request)
    people = [person(number) for number in range(1, 6)]
    waiting = write(people).result[0]
    done, refused, busy, throttled, odd = write(people, waiting.state).result
    assert isinstance(done, Receipt)
    assert isinstance(refused, Permanent)
    assert (refused.code, "Mailchimp form" in (refused.remedy or "")) == ("Forgotten Email Not Subscribed", True)
    assert [type(each) for each in (busy, throttled, odd)] == [Alone] * 3
    assert busy.after > timedelta(0)


def test_who_is_not_answered_is_not_done(channel, sandbox, write):
    waiting = write([person(1)]).result[0]
    known, other = write([person(1), person(2)], waiting.state).result
    assert (type(known), other) == (Receipt, Alone())
    sandbox.batches.forget()
    assert write([person(1)], waiting.state).result == [Alone()]
    sandbox.faults.append(Fault(json_response({"status": "finished", "response_body_url": ""}), path_prefix="/3.0/b"))
    assert write([person(1)], waiting.state).result == [Alone()]
    del sandbox.batches.batches[waiting.state["batch"]]
    assert write([person(1)], waiting.state).result == [Alone()]
    sandbox.faults.append(Fault(Response(400), path_prefix="/3.0/batches/"))
    (again,) = write([person(1)], waiting.state).result
    assert isinstance(again, Retryable)


def test_a_result_of_another_shape_settles_nobody(kit, channel, sandbox, write):
    waiting = write([person(1)]).result[0]
    write([person(1)], waiting.state)
    (target,) = sandbox.batches._files
    packed = io.BytesIO()
    rows = [5, {"operation_id": "key-c-1"}, {"operation_id": "key-c-1", "status_code": "200", "response": "{}"}]
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in (("a.json", rows), ("b.json", {"operation_id": "key-c-1"}), ("c.txt", [])):
            told = json.dumps(content).encode()
            info = tarfile.TarInfo(name)
            info.size = len(told)
            archive.addfile(info, io.BytesIO(told))
    sandbox.batches._files[target] = gzip.compress(packed.getvalue())
    assert write([person(1)], waiting.state).result == [Alone()]


@pytest.mark.parametrize("status", [400, 403])
def test_where_no_batch_is_taken_each_goes_alone(kit, channel, sandbox, write, status):
    problem = {"type": "about:blank", "title": "Forbidden", "status": status, "detail": "No.", "instance": "x"}
    sandbox.faults.append(Fault(json_response(problem, status), path_prefix="/3.0/batches"))
    assert write([person(1), person(2)]).result == [Alone(), Alone()]


def test_a_batch_that_may_be_ours_is_waited_for(kit, channel, sandbox, write, clock):
    def find():
        return channel.deliver(person(1), find=True).result

    assert find() is None
    sandbox.batches.takes = HOUR
    write([person(1)])
    with pytest.raises(Retryable, match="under way"):
        find()
    clock.at += HOUR
    assert find() is None
    sandbox.faults.append(Fault(Response(404), path_prefix="/3.0/batches"))
    with pytest.raises(Retryable, match="could not be listed"):
        find()


# ── On a bridge, and by Mailchimp's own client ────────────────────────────────────────────────────────────────


@pytest.fixture
def small():
    """The connector, whose companies begin at three."""
    first, *others = CONNECTOR.delivers
    assert (first.most, first.least, first.run) == (MOST, LEAST, upsert_member)
    return replace(CONNECTOR, delivers=(replace(first, least=3), *others), polls=(), subscriptions=None)


TOML = """
[channels.news]
connector = "mailchimp"
[channels.news.settings]
api_key = "0123456789abcdef0123456789abcdef-us21"
list_id = "a1b2c3d4e5"
path_secrets = ["newest-path-secret-01"]
[[routes]]
name = "people"
events = ["customer.*"]
to = ["news"]
"""


@pytest.mark.parametrize("lost", [False, True])
async def test_a_backlog_leaves_as_one_batch_and_a_lost_one_is_waited_for(kit, settings, judge, small, lost):
    clock = ManualClock(kit.NOW)
    box = kit.JudgedSandbox(settings, clock.now, judge)
    box.batches.takes = timedelta(minutes=1)
    if lost:
        box.faults.append(Fault(lost=True, path_prefix="/3.0/batches", method="POST"))
    host = "us21.api.mailchimp.com"
    async with TestBridge(TOML, connectors=[small], sandboxes={host: box}, clock=clock) as bridge:
        for number in range(5):
            one = person(number, given_name="Kim", tags=["vip"] if number == 4 else [])
            await bridge.publish(bridge.event("customer.updated", one, id=str(number), subject=one.id))
        await bridge.settle(420)
        assert {row.state for row in await bridge.journal.deliveries(channel="news")} == {"done"}
    assert {member["merge_fields"]["FNAME"] for member in box.audience.members.values()} == {"Kim"}
    assert len(box.audience.members) == 5
    assert box.audience.find("p4@example.com")["tags"]
    posts = asked(box, "POST", "/3.0/batches")
    assert len(posts) == 1 + lost
    if lost:  # the second began when the first had ended
        first, second = box.batches.batches.values()
        assert second["submitted_at"] >= first["completed_at"]


def test_mailchimps_client_library_begins_looks_at_and_lists_batches(sandbox, settings):
    with SandboxServer(sandbox) as server:
        client = mailchimp_marketing.Client({"api_key": settings.api_key.get_secret_value()})
        client.batches.api_client.host = f"{server.url}/3.0"
        path = f"/lists/{settings.list_id}/members/{subscriber_hash('kim@example.com')}"
        body = json.dumps({"email_address": "kim@example.com", "status_if_new": "transactional"})
        begun = client.batches.start({"operations": [{"method": "PUT", "path": path, "body": body}]})
        done = client.batches.status(begun["id"])
        assert (done["status"], done["finished_operations"], done["errored_operations"]) == ("finished", 1, 0)
        assert done["response_body_url"].startswith(server.url)
        assert [each["id"] for each in client.batches.list()["batches"]] == [begun["id"]]
    assert sandbox.audience.find("kim@example.com")
