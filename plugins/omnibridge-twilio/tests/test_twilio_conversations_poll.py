"""What was said in conversations while no webhook arrived is found, once, and the search for it ends early."""

from __future__ import annotations

from datetime import timedelta

import pytest
from omnibridge_twilio.conversations_poll import poll_conversations

from omnibridge.connector import Fault, Response, json_response
from omnibridge.errors import InvalidMessage, Retryable

PERSON = "+14155550100"


@pytest.fixture
def using(make):
    return make(conversations=True)


@pytest.fixture
def poll(at, using, sandbox):
    def run(cursor=None, settings=using):
        sandbox.log.clear()
        done = at.run(lambda http: poll_conversations(settings, cursor, http))
        told = [seen for page, _ in done.pages for seen in page]
        words = [seen.entity.body for seen in told if seen.kind == "message"]
        return words, done.pages[-1][1] if done.pages else None, told

    return run


def test_it_asks_nothing_unless_it_is_wanted(make, poll, sandbox):
    sandbox.talks.says(sandbox.talks.begins(), PERSON, "Hi")
    assert poll(settings=make())[:2] == ([], None)
    assert not sandbox.log


def test_all_that_was_said_is_found_over_many_pages(poll, sandbox):
    sandbox.talks.largest_page = 2
    wanted = set()
    for number in range(5):
        talk = sandbox.talks.begins()
        for word in range(3):
            sandbox.talks.says(talk, PERSON, f"{number}:{word}")
            wanted.add(f"{number}:{word}")
    words, cursor, _ = poll()
    assert (set(words), len(words)) == (wanted, 15)
    assert cursor == {"since": sandbox.now().strftime("%Y-%m-%dT%H:%M:%SZ")}


def test_only_what_is_new_is_told_and_old_conversations_are_not_gone_through(poll, sandbox):
    end = sandbox.now()
    sandbox.now = lambda: end - timedelta(hours=5)
    talks = [sandbox.talks.begins() for _ in range(60)]
    for talk in talks:
        sandbox.talks.says(talk, PERSON, "old")
    sandbox.now = lambda: end - timedelta(hours=2)
    sandbox.talks.says(talks[0], PERSON, "known")
    words, cursor, _ = poll()
    assert len(words) == 61
    sandbox.now = lambda: end
    sandbox.talks.says(talks[1], PERSON, "new")
    words, later, _ = poll(cursor)
    assert words == ["new", "known"], "an hour before the last known message is read again"
    assert len(sandbox.log) < 50, "the second page of conversations has nothing new, and is the last"
    assert (cursor, later) == ({"since": "2026-11-22T08:00:00Z"}, {"since": "2026-11-22T10:00:00Z"})


def test_what_was_said_keeps_its_state_and_its_media(poll, sandbox):
    talk = sandbox.talks.begins()
    ours = sandbox.talks.says(talk, "dave", "It is here", source="SDK")
    sandbox.talks.reaches(ours, "read")
    sandbox.talks.says(talk, PERSON, "Look", media=("image/jpeg",))
    told = {seen.entity.body: seen for seen in poll()[2] if seen.kind == "message"}
    assert (told["It is here"].entity.state, told["Look"].entity.state) == ("read", "received")
    assert told["Look"].entity.media[0].url.startswith("https://mcs.us1.twilio.com/v1/Services/IS")
    assert [seen.entity.phone for seen in poll()[2] if seen.kind == "customer"] == [PERSON]


def test_an_edit_is_found_where_its_message_is_not_far_back(poll, sandbox):
    start = sandbox.now()
    talk = sandbox.talks.begins()
    made = sandbox.talks.says(talk, PERSON, "Hi")
    _, cursor, _ = poll()
    sandbox.now = lambda: start + timedelta(hours=3)
    sandbox.talks.edits(made, "Hello")
    assert poll(cursor)[0] == ["Hello"]


def test_a_place_that_is_gone_starts_again_and_a_refusal_is_told(poll, sandbox):
    sandbox.talks.says(sandbox.talks.begins(), PERSON, "Hi")
    lost = {"since": "2026-11-22T09:00:00Z", "high": "2026-11-22T09:00:00Z", "next": {"PageToken": ["PA1"]}}
    assert poll(lost)[0] == ["Hi"]
    for path in ("/v1/Conversations", "/v1/Conversations/CH"):
        sandbox.faults.append(Fault(Response(503), path_prefix=path))
        with pytest.raises(Retryable):
            poll()
        sandbox.faults.clear()


def test_a_conversation_that_is_deleted_meanwhile_is_passed_over(poll, sandbox):
    talk, other = sandbox.talks.begins(), sandbox.talks.begins()
    sandbox.talks.says(talk, PERSON, "Hi")
    sandbox.talks.says(other, PERSON, "Ho")
    sandbox.faults.append(Fault(Response(404), path_prefix=f"/v1/Conversations/{talk}"))
    assert poll()[0] == ["Ho"]


@pytest.mark.parametrize("of", ["conversations", "messages"])
@pytest.mark.parametrize("host", ["https://conversations.twilio.com", "https://elsewhere.example.com"])
def test_pages_in_a_circle_and_pages_elsewhere_end_it(poll, sandbox, of, host):
    talk = sandbox.talks.begins()
    sandbox.talks.says(talk, PERSON, "Hi")
    path = "/v1/Conversations" if of == "conversations" else f"/v1/Conversations/{talk}/Messages"
    honest = sandbox.talks.respond

    def turned(request):
        answer = honest(request)
        if request.path != path:
            return answer
        page = answer.json()
        return json_response({**page, "meta": {**page["meta"], "next_page_url": f"{host}{path}?Page=1"}})

    sandbox.talks.respond = turned
    with pytest.raises(InvalidMessage):
        poll()
