"""Conversations: what is said in one is a message with its conversation, and we say something in it once."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from omnibridge_twilio import CONNECTOR
from omnibridge_twilio.inbound import delivery_id, translate
from omnibridge_twilio.outbound import erase, find, send
from omnibridge_twilio.reads import read
from omnibridge_twilio.sandbox import TwilioSandbox
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response as SdkResponse
from twilio.rest import Client

from omnibridge.connector import Fault, Inbound, Lookup, LostAnswer, SandboxRequest, form_bytes
from omnibridge.errors import Ambiguous, InvalidMessage, Permanent
from omnibridge.model import EraseCustomer, Media, Medium, Ref, SendMessage

PERSON = "+14155550100"
THREAD = Ref(kind="conversation", id="thread-1")
COMMAND = SendMessage(to=PERSON, medium=Medium.SMS, body="It is here", conversation=THREAD)


SERVICE = "IS" + "0" * 31 + "1"


def told_by(settings, sandbox, fields) -> Any:
    sent = sandbox.webhook(fields)
    return translate(settings, Inbound("sms", sent.url, sent.headers, sent.body, sandbox.now()))


@pytest.fixture
def talk(sandbox):
    return sandbox.talks.begins()


@pytest.fixture
def told(settings, sandbox, received):
    def run(using=settings) -> list[Any]:
        waiting = [sandbox.outbox.popleft() for _ in range(len(sandbox.outbox))]
        return [seen for sent in waiting for seen in translate(using, received(sent))]

    return run


@pytest.fixture
def spoken(settings, at, deliver, talk):
    def run(command=COMMAND, using=settings, **other):
        known = {("conversation", "thread-1"): talk, **other.pop("references", {})}
        delivery = deliver(command, references=known, **other)
        return at.run(lambda http: send(using, command, delivery, http))

    return run


@pytest.mark.parametrize(
    ("author", "medium"), [(PERSON, Medium.SMS), (f"whatsapp:{PERSON}", Medium.WHATSAPP), (f"rcs:{PERSON}", Medium.RCS)]
)
def test_a_person_says_something(sandbox, talk, told, author, medium):
    made = sandbox.talks.says(talk, author, "Where is it? é")
    person, message = told()
    assert (person.kind, person.entity.phone) == ("customer", PERSON)
    assert (message.external_id, message.version) == (f"{talk}/{made['sid']}", sandbox.now())
    entity = message.entity
    assert (str(entity.direction), entity.medium, entity.sender, entity.body) == (
        "inbound",
        medium,
        PERSON,
        "Where is it? é",
    )
    assert entity.conversation == Ref(kind="conversation", external_id=talk)
    assert (str(entity.state), entity.sent_at) == ("received", sandbox.now())


@pytest.mark.parametrize(
    ("staff", "author", "direction"),
    [
        ((), "dave", "outbound"),
        (("dave",), "dave", "outbound"),
        (("dave",), "visitor-7", "inbound"),
        (("dave",), "system", "outbound"),
    ],
)
def test_who_chats_is_one_of_ours_or_a_customer(make, sandbox, talk, told, staff, author, direction):
    sandbox.talks.says(talk, author, "Hi", source="SDK")
    (message,) = told(make(staff=staff))
    assert (str(message.entity.direction), message.entity.medium, message.entity.sender) == (
        direction,
        Medium.CHAT,
        author,
    )


def test_edited_removed_and_on_its_way(settings, sandbox, talk, told, at):
    now = sandbox.now() + timedelta(milliseconds=350)
    sandbox.now = lambda: now
    made = sandbox.talks.says(talk, PERSON, "Hi")
    first = told()[-1]
    sandbox.now = lambda: now + timedelta(seconds=5)
    sandbox.talks.edits(made, "Hello")
    sandbox.talks.reaches(made, "delivered")
    lookup, again = told()
    assert lookup == again == Lookup("message", first.external_id)
    (edited,) = [one for one in at.run(lambda http: read(settings, lookup, http)).result if one.kind == "message"]
    assert (edited.entity.body, edited.version > first.version) == ("Hello", True)
    read_now = at.run(lambda http: read(settings, lookup, http)).result
    assert (read_now[-1].entity.state, read_now[-1].version) == ("delivered", edited.version)
    sandbox.talks.removes(made)
    (gone,) = told()
    assert (gone.external_id, gone.deleted) == (first.external_id, True)
    assert at.run(lambda http: read(settings, lookup, http)).result[0].deleted


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        (["sent", "read"], "read"),
        (["failed", "delivered"], "delivered"),
        (["undelivered"], "undelivered"),
        ([], "sent"),
    ],
)
def test_the_furthest_way_counts(settings, sandbox, talk, at, states, shown):
    made = sandbox.talks.says(talk, "dave", "Hi", source="SDK")
    for state in states:
        sandbox.talks.reaches(made, state, 30003 if state == "undelivered" else 0)
    seen = at.run(lambda http: read(settings, Lookup("message", f"{talk}/{made['sid']}"), http)).result
    assert seen[-1].entity.state == shown
    assert seen[-1].entity.error_code == ("30003" if shown == "undelivered" else None)


def test_media_are_told_by_their_resources(settings, sandbox, talk, told, at):
    made = sandbox.talks.says(talk, PERSON, "Look", media=("image/jpeg", "video/mp4"))
    message = told()[-1]
    wanted = [
        (f"https://mcs.us1.twilio.com/v1/Services/{SERVICE}/Media/{file['sid']}", file["content_type"])
        for file in made["media"]
    ]
    assert [(file.url, file.content_type) for file in message.entity.media] == wanted
    assert "Media" not in message.entity.vendor
    seen = at.run(lambda http: read(settings, Lookup("message", message.external_id), http)).result
    assert seen[-1].entity.media == message.entity.media
    for junk in ("[{}]", "{", '[{"Sid": "ME1"}]'):
        fields = {"EventType": "onMessageAdded", "ConversationSid": talk, "MessageSid": made["sid"], "Media": junk}
        with pytest.raises(InvalidMessage):
            told_by(settings, sandbox, {**fields, "ChatServiceSid": SERVICE})
        assert told_by(settings, sandbox, fields)[0].entity.vendor["Media"] == junk, "no service, no address"


@pytest.mark.parametrize(
    ("author", "body", "withdrawn"),
    [
        (PERSON, " Stop ", True),
        (PERSON, "stop it", False),
        (f"whatsapp:{PERSON}", "stop", False),
        ("dave", "stop", False),
    ],
)
def test_a_stop_word_takes_consent_back(settings, sandbox, talk, told, at, author, body, withdrawn):
    made = sandbox.talks.says(talk, author, body)
    by_webhook = [one for one in told() if one.kind == "consent"]
    lookup = Lookup("message", f"{talk}/{made['sid']}")
    by_read = [one for one in at.run(lambda http: read(settings, lookup, http)).result if one.kind == "consent"]
    assert by_webhook == by_read, "twice the same, at the time at which it was said"
    assert [(str(one.entity.state), one.version) for one in by_webhook] == [("withdrawn", sandbox.now())] * withdrawn


def test_other_events_say_nothing_and_pre_action_ones_are_visible(settings, sandbox, talk, received):
    assert (
        translate(settings, received(sandbox.webhook({"EventType": "onParticipantAdded", "ConversationSid": talk})))
        == []
    )
    asked = {"EventType": "onMessageAdd", "ConversationSid": talk, "MessageSid": "IM" + "0" * 32}
    for junk in (asked, {"EventType": "onMessageAdded"}, {**asked, "EventType": "onMessageAdded", "MessageSid": "IM1"}):
        with pytest.raises(InvalidMessage):
            translate(settings, received(sandbox.webhook(junk)))


def test_a_whatsapp_callback_with_an_event_type_is_still_one_about_a_message(settings, sandbox, received):
    fields = {"MessageSid": "SM" + "a" * 32, "MessageStatus": "read", "EventType": "READ", "To": f"whatsapp:{PERSON}"}
    message: Any = translate(settings, received(sandbox.webhook(fields)))[0]
    assert (message.external_id, str(message.entity.state)) == (fields["MessageSid"], "read")


def test_a_repeated_webhook_is_one_delivery(sandbox, talk, received):
    made = sandbox.talks.says(talk, PERSON, "Hi")
    sandbox.talks.edits(made, "Ho")
    ids = [delivery_id(received(sent)) for sent in sandbox.outbox]
    assert len(set(ids)) == 2
    assert all(made["sid"] in str(id_) for id_ in ids)


def test_a_command_of_a_conversation_is_said_in_it(sandbox, talk, spoken, make):
    done = spoken(using=make(conversation_author="shop"))
    (made,) = sandbox.talks.messages[talk]
    assert (made["body"], made["author"]) == ("It is here", "shop")
    (reference,) = done.kept
    assert reference.external_id == f"{talk}/{made['sid']}"
    assert done.result.snapshots[0].ours == reference.id
    template = make(templates={"ready": "HX" + "b" * 32})
    spoken(COMMAND.model_copy(update={"body": None, "template": "ready", "variables": {"1": "A"}}), using=template)
    assert b"ContentVariables" in sandbox.log[-1].body


def test_what_cannot_be_said_is_refused(sandbox, spoken):
    for change in ({"body": None}, {"media": (Media(url="https://a.example.com/1"),)}):
        with pytest.raises(Permanent) as caught:
            spoken(COMMAND.model_copy(update=change))
        assert caught.value.remedy
    assert not sandbox.log


def test_a_lost_answer_is_found_by_its_key(settings, sandbox, talk, at, deliver, spoken):
    delivery = deliver(COMMAND, references={("conversation", "thread-1"): talk})
    look = lambda: at.run(lambda http: find(settings, COMMAND, delivery, http)).result  # noqa: E731 - short
    sandbox.talks.says(talk, "system", "It is here", source="SDK")
    assert look() is None, "an equal message of somebody else"
    sandbox.faults.append(Fault(method="POST", lost=True))
    with pytest.raises((LostAnswer, Ambiguous)):
        spoken()
    assert look().references[0].external_id.startswith(f"{talk}/IM")


def test_a_message_that_was_kept_is_read_and_not_said_again(sandbox, talk, spoken):
    done = spoken()
    kept = {("message", done.kept[0].id): done.kept[0].external_id}
    again = spoken(references=kept)
    assert len(sandbox.talks.messages[talk]) == 1
    assert again.result.references == done.result.references


def test_erasing_deletes_what_was_said(settings, sandbox, talk, at, deliver):
    made = sandbox.talks.says(talk, PERSON, "Hi")
    command = EraseCustomer(phones=(PERSON,), records=(Ref(kind="message", external_id=f"{talk}/{made['sid']}"),))
    at.run(lambda http: erase(settings, command, deliver(COMMAND), http))
    assert sandbox.talks.messages[talk] == []


def test_credentials_go_to_the_conversations_host_too(settings):
    assert CONNECTOR.hosts is not None
    assert CONNECTOR.hosts(settings) == ("conversations.twilio.com",)


class Inside(TwilioHttpClient):
    """The SDK's client, whose requests the sandbox answers."""

    def __init__(self, sandbox: TwilioSandbox) -> None:
        super().__init__(pool_connections=False)
        self.sandbox = sandbox

    def request(
        self, method, url, params=None, data=None, headers=None, auth=None, timeout=None, allow_redirects=False
    ):
        sent = {"authorization": "Basic " + base64.b64encode(":".join(auth or ()).encode()).decode()}
        query = (
            "?" + form_bytes([(name, str(value)) for name, value in (params or {}).items()]).decode() if params else ""
        )
        target = url.removeprefix("https://conversations.twilio.com") + query
        body = form_bytes([(name, str(value)) for name, value in (data or {}).items()])
        answer = self.sandbox.handle(SandboxRequest(method, target, sent, body))
        return SdkResponse(answer.status, answer.text)


def test_the_vendors_sdk_talks_in_the_sandbox(settings, sandbox, talk):
    client = Client(settings.account_sid, "12345", http_client=Inside(sandbox))
    messages = client.conversations.v1.conversations(talk).messages
    made: Any = messages.create(author="shop", body="Hi é 👍", attributes="{}")
    assert (made.conversation_sid, made.author, made.body, made.date_created) == (
        talk,
        "shop",
        "Hi é 👍",
        sandbox.now(),
    )
    sandbox.talks.says(talk, PERSON, "Hello")
    assert [one.author for one in messages.list(order="desc", page_size=1)] == [PERSON, "shop"], "over two pages"
    other = sandbox.talks.begins()
    sandbox.talks.says(other, PERSON, "Look", media=("image/jpeg",))
    listed = client.conversations.v1.conversations.list(page_size=1)
    assert [one.sid for one in listed] == [other, talk], "that in which something was said last comes first"
    assert listed[0].chat_service_sid == SERVICE
    (media,) = client.conversations.v1.conversations(other).messages.list()[0].media or []
    assert media["content_type"] == "image/jpeg"
    sandbox.talks.reaches(sandbox.talks.messages[talk][0], "read")
    assert [one.status for one in messages(made.sid).delivery_receipts.list()] == ["read"]
    assert messages(made.sid).fetch().index == 0
    assert messages(made.sid).delete()
    with pytest.raises(TwilioRestException) as caught:
        messages(made.sid).fetch()
    assert caught.value.code == 20404
