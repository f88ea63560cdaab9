"""Static segments: who is in one is told with the member, and written for the fields that a company maps."""

from __future__ import annotations

import pytest
from omnibridge_mailchimp.wire import subscriber_hash

from omnibridge.connector import Lookup, Upsert
from omnibridge.errors import Permanent
from omnibridge.model import Customer

EMAIL = "anna@example.com"
ANNA = Customer(id="c-1", email=EMAIL)


@pytest.fixture
def segmented(fresh):
    """A channel that tells of the segment VIP and of one that nobody is in, and VIP's id."""
    vip = fresh().answers.segments.make("VIP")
    channel = fresh(segments=(vip, "77"))
    channel.answers.segments.make("VIP")
    return channel, vip


def test_a_member_tells_of_the_segments_that_are_asked_for(segmented):
    channel, vip = segmented
    channel.answers.audience.joins(EMAIL)
    channel.answers.segments._put(vip, EMAIL, inside=True)
    channel.clock.tick()
    (customer,) = [seen for seen in channel.poll("members").emitted if seen.kind == "customer"]
    assert {name: value for name, value in customer.custom.items() if name.startswith("segments.")} == {
        f"segments.{vip}": True,
        "segments.77": False,
    }
    assert customer.entity.tags == ("VIP",), "a static segment is a tag"


def test_nothing_is_told_where_not_all_tags_are(segmented):
    channel, vip = segmented
    member = channel.answers.audience.joins(EMAIL)
    member["tags"] = [{"id": n, "name": f"t{n:02}"} for n in range(51)]
    channel.clock.tick()
    seen = channel.poll("members").emitted
    assert not any(name.startswith("segments.") for name in seen[0].custom)
    read = channel.read(Lookup("customer", subscriber_hash(EMAIL)))
    assert read[0].custom[f"segments.{vip}"] is False


def test_a_mapped_field_puts_somebody_in_and_takes_them_out(segmented):
    channel, vip = segmented
    done = channel.deliver(ANNA, custom={f"segments.{vip}": True})
    inside = channel.answers.segments._inside
    assert [one["email_address"] for one in inside(vip)] == [EMAIL]
    assert done.result.snapshots[0].custom == {f"segments.{vip}": True}
    written = [request for request in done.requests if "/segments/" in request.path]
    assert [(request.step, request.protection) for request in written] == [(f"segment-{vip}", Upsert())]
    for _ in range(2):
        gone = channel.deliver(ANNA, own=subscriber_hash(EMAIL), custom={f"segments.{vip}": False})
        assert gone.result.snapshots[0].custom == {f"segments.{vip}": False}
    assert inside(vip) == []


def test_an_echo_of_ours_is_no_news(segmented):
    channel, vip = segmented
    done = channel.deliver(ANNA, custom={f"segments.{vip}": True})
    read = channel.read(Lookup("customer", subscriber_hash(EMAIL)))
    assert read[0].custom[f"segments.{vip}"] is done.result.snapshots[0].custom[f"segments.{vip}"]


@pytest.mark.parametrize(
    ("custom", "match"),
    [
        ({"segments.99": True}, "Resource Not Found"),
        ({"segments.VIP": True}, "no field of a Mailchimp member"),
        ({"segments.99": "yes"}, "no field of a Mailchimp member"),
    ],
)
def test_what_is_no_segment_is_refused(segmented, custom, match):
    channel, _ = segmented
    with pytest.raises(Permanent, match=match):
        channel.deliver(ANNA, custom=custom)


def test_stopped_anywhere_it_ends_the_same(fresh, kit):
    vip = fresh().answers.segments.make("VIP")

    def made(**changes):
        channel = fresh(**changes)
        channel.answers.segments.make("VIP")
        return channel

    same = lambda channel: [one["id"] for one in channel.answers.segments._inside(vip)]  # noqa: E731 - short
    assert kit.survives_every_crash(made, ANNA, same, custom={f"segments.{vip}": True}) > 2
