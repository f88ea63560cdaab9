"""Permissions on their way to Mailchimp: only a grant subscribes, and nobody is subscribed again behind their back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omnibridge_mailchimp import consents

from omnibridge.connector import Fault, Reference, Response
from omnibridge.errors import Ambiguous, Permanent
from omnibridge.model import Basis, Consent, ConsentState, Medium, Proof, Purpose

normal_consent: Any = consents.normal_consent
EMAIL = "anna@example.com"
KEY = f"email:marketing:{EMAIL}"
ENDED = [ConsentState.WITHDRAWN, ConsentState.DENIED, ConsentState.EXPIRED]


def consent(state, **fields):
    return Consent(**{"contact": EMAIL, "medium": Medium.EMAIL, "purpose": Purpose.MARKETING, "state": state, **fields})


def bodies(done):
    return [json.loads(request.body) for request in done.requests if request.body]


def status(sandbox):
    return (sandbox.audience.find(EMAIL) or {}).get("status")


def test_a_grant_subscribes_with_its_proof(channel, sandbox):
    at = datetime(2026, 2, 1, 10, 0, tzinfo=UTC)
    done = channel.deliver(
        consent(ConsentState.GRANTED, proof=Proof(source="webshop", at=at, ip="192.0.2.7"), basis=Basis.SINGLE_OPT_IN),
        "granted",
    )
    assert bodies(done) == [
        {
            "email_address": EMAIL,
            "status_if_new": "subscribed",
            "status": "subscribed",
            "ip_opt": "192.0.2.7",
            "timestamp_opt": "2026-02-01T10:00:00+00:00",
        }
    ]
    assert status(sandbox) == "subscribed"
    assert done.result.references == (Reference("consent", KEY),)
    (snapshot,) = done.result.snapshots
    assert snapshot.external_id == KEY
    assert snapshot.entity.model_dump(exclude_unset=True, mode="json") == {
        "contact": EMAIL,
        "medium": "email",
        "purpose": "marketing",
        "state": "granted",
    }


@pytest.mark.parametrize("before", ["transactional", "pending"])
def test_a_grant_subscribes_a_member_who_never_was(channel, sandbox, before):
    sandbox.audience.joins(EMAIL)["status"] = before
    channel.deliver(consent(ConsentState.GRANTED))
    assert status(sandbox) == "subscribed"


@pytest.mark.parametrize("state", [s for s in ConsentState if s is not ConsentState.GRANTED])
def test_nothing_but_a_grant_subscribes(fresh, state):
    for before in (None, "transactional", "pending", "unsubscribed", "cleaned"):
        channel = fresh(double_opt_in=True)
        if before:
            channel.answers.audience.joins(EMAIL)["status"] = before
        done = channel.deliver(consent(state))
        assert status(channel.answers) not in ("subscribed",)
        assert all(body.get("status") != "subscribed" for body in bodies(done))
        assert not channel.answers.audience.asked


@pytest.mark.parametrize("state", ENDED)
def test_what_ended_unsubscribes(channel, sandbox, state):
    sandbox.audience.joins(EMAIL)
    done = channel.deliver(consent(state))
    assert bodies(done) == [{"status": "unsubscribed"}]
    assert status(sandbox) == "unsubscribed"
    assert done.result.snapshots[0].entity.state is ConsentState.WITHDRAWN
    channel.deliver(consent(state))  # again


@pytest.mark.parametrize("state", ENDED)
def test_who_is_not_there_is_not_made_known_by_leaving(channel, sandbox, state):
    done = channel.deliver(consent(state))
    assert not sandbox.audience.members
    assert "not in the audience" in done.result.note


@pytest.mark.parametrize("before", ["unsubscribed", "cleaned"])
def test_mailchimps_refusal_to_subscribe_again_fails_with_the_remedy(channel, sandbox, before):
    sandbox.audience.joins(EMAIL)["status"] = before
    with pytest.raises(Permanent) as caught:
        channel.deliver(consent(ConsentState.GRANTED))
    assert caught.value.code == "Member In Compliance State"
    assert "double_opt_in" in (caught.value.remedy or "")
    assert status(sandbox) == before


@pytest.mark.parametrize("before", ["unsubscribed", "cleaned"])
def test_where_it_is_allowed_mailchimp_asks_once(fresh, before):
    channel = fresh(double_opt_in=True)
    audience = channel.answers.audience
    audience.joins(EMAIL)["status"] = before
    done = channel.deliver(consent(ConsentState.GRANTED))
    assert status(channel.answers) == "pending"
    assert [body["status"] for body in bodies(done)] == ["subscribed", "pending"]
    assert done.requests[-1].protection is None  # a second one would ask a second time
    assert done.result.snapshots[0].entity.state is ConsentState.PENDING
    assert "asked" in done.result.note
    assert audience.asked == [EMAIL]
    audience.joins(EMAIL)  # they confirm
    assert status(channel.answers) == "subscribed"


def test_a_question_that_is_open_is_not_asked_again(fresh):
    channel = fresh(double_opt_in=True)
    refused = {"title": "Member In Compliance State", "status": 400, "detail": "", "type": "x", "instance": "x"}
    channel.answers.audience.joins(EMAIL)["status"] = "pending"
    channel.answers.faults.append(Fault(Response(400, {}, json.dumps(refused).encode()), method="PUT"))
    done = channel.deliver(consent(ConsentState.GRANTED))
    assert not channel.answers.audience.asked
    assert done.result.snapshots[0].entity.state is ConsentState.PENDING


def test_a_lost_answer_to_the_question_is_looked_up(fresh, kit):
    channel = fresh(double_opt_in=True)
    sandbox, entity = channel.answers, consent(ConsentState.GRANTED)
    sandbox.audience.joins(EMAIL)["status"] = "unsubscribed"
    assert channel.deliver(entity, find=True).result is None  # it did not take effect
    respond = sandbox.respond

    def losing(request):
        answer = respond(request)
        if b'"status":"pending"' in request.body:
            raise kit.LostAnswer
        return answer

    sandbox.respond = losing
    with pytest.raises(kit.LostAnswer):
        channel.deliver(entity)
    found = channel.deliver(entity, find=True).result  # it did
    assert found.snapshots[0].entity.state is ConsentState.PENDING
    channel.deliver(entity)  # and should it be run again all the same, nobody is asked twice
    assert sandbox.audience.asked == [EMAIL]


def test_who_was_asked_is_left_to_confirm(fresh):
    channel = fresh(double_opt_in=True)
    done = channel.deliver(consent(ConsentState.GRANTED), known=consent(ConsentState.PENDING))
    assert not done.requests
    assert "not confirmed" in done.result.note


def test_a_broken_gateway_at_the_question_is_ambiguous(fresh):
    channel = fresh(double_opt_in=True)
    sandbox = channel.answers
    sandbox.audience.joins(EMAIL)["status"] = "unsubscribed"
    respond = sandbox.respond
    sandbox.respond = lambda request: Response(502) if b'"status":"pending"' in request.body else respond(request)
    with pytest.raises(Ambiguous):
        channel.deliver(consent(ConsentState.GRANTED))


def test_an_unsubscription_can_be_looked_up(channel, sandbox):
    assert channel.deliver(consent(ConsentState.WITHDRAWN), find=True).result is None
    sandbox.audience.joins(EMAIL)
    assert channel.deliver(consent(ConsentState.WITHDRAWN), find=True).result is None
    channel.deliver(consent(ConsentState.WITHDRAWN))
    assert channel.deliver(consent(ConsentState.WITHDRAWN), find=True).result is not None


def test_a_member_who_gets_nothing_any_more_needs_no_unsubscription(channel, sandbox):
    sandbox.audience.joins(EMAIL)["status"] = "cleaned"
    refused = {"title": "Invalid Resource", "status": 400, "detail": "", "type": "x", "instance": "x"}
    sandbox.faults.append(Fault(Response(400, {}, json.dumps(refused).encode()), method="PATCH"))
    assert "cleaned already" in channel.deliver(consent(ConsentState.WITHDRAWN)).result.note
    sandbox.audience.find(EMAIL)["status"] = "subscribed"
    sandbox.faults.append(Fault(Response(400, {}, json.dumps(refused).encode()), method="PATCH"))
    with pytest.raises(Permanent, match="Invalid Resource"):
        channel.deliver(consent(ConsentState.WITHDRAWN))


@pytest.mark.parametrize(
    "other", [{"medium": Medium.SMS, "contact": "+4533123456"}, {"purpose": Purpose.TRANSACTIONAL}]
)
def test_other_permissions_are_not_for_mailchimp(channel, other):
    done = channel.deliver(consent(ConsentState.GRANTED, **other))
    assert not done.requests
    assert "marketing by e-mail" in done.result.note
    assert channel.deliver(consent(ConsentState.GRANTED, **other), find=True).result is None


@pytest.mark.parametrize("before", ["transactional", "unsubscribed", "subscribed"])
def test_a_crash_anywhere_asks_once_and_ends_the_same(fresh, kit, before):
    def begin():
        channel = fresh(double_opt_in=True)
        channel.answers.audience.joins(EMAIL)["status"] = before
        return channel

    def seen(channel):
        return status(channel.answers), channel.answers.audience.asked

    assert kit.survives_every_crash(begin, consent(ConsentState.GRANTED), seen) > 1
    assert kit.survives_every_crash(begin, consent(ConsentState.WITHDRAWN), seen) > 1


@given(st.sampled_from(list(ConsentState)), st.sampled_from(list(Medium)), st.sampled_from(list(Purpose)))
def test_normal_is_idempotent_and_never_more_permissive(state, medium, purpose):
    entity = Consent(contact=EMAIL, medium=medium, purpose=purpose, state=state, basis=Basis.OTHER)
    once = normal_consent(None, entity)
    assert normal_consent(None, once) == once
    assert (once.state is ConsentState.GRANTED) <= (state is ConsentState.GRANTED)
