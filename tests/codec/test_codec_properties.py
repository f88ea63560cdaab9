"""What holds for every event and for all bytes: round trips are exact, and anything else is exactly a CodecError."""

from __future__ import annotations

import json
import string
from datetime import datetime

from hypothesis import example, given
from hypothesis import strategies as st

from omnibridge.codec import read_event, read_events, write_batch, write_binary, write_event, write_structured
from omnibridge.codec.bounds import BOUNDS
from omnibridge.codec.json import _slowly  # pyright: ignore[reportPrivateUsage]
from omnibridge.errors import CodecError
from omnibridge.event import Event
from omnibridge.model.base import rfc3339


def allowed(text: str) -> bool:
    return not any(ord(sign) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(sign) <= 0xFDEF for sign in text)


texts = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1).filter(allowed)
FIRST = datetime(1000, 1, 1)  # noqa: DTZ001 - a bound without a zone is what hypothesis asks for
times = st.datetimes(FIRST, timezones=st.timezones()).map(rfc3339) | st.just("2026-11-21T10:00:00.123456789Z")
names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20).filter(
    lambda name: (
        name not in {"id", "source", "type", "specversion", "datacontenttype", "dataschema", "subject", "time", "data"}
    )
)
values = texts | st.just("") | st.integers(-(2**31), 2**31 - 1) | st.booleans()
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
)
json_contents = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(),
    json_values,
    st.booleans(),
    st.sampled_from([None, 1]),
)
media_types = st.sampled_from([None, "application/json", "application/x+json", "text/plain", "application/xml", "a/b"])


@st.composite
def events(draw: st.DrawFn) -> Event:
    media_type = draw(media_types)
    return Event(
        id=draw(texts),
        source=draw(texts),
        type=draw(texts),
        subject=draw(st.none() | texts),
        time=draw(st.none() | times),
        datacontenttype=media_type,
        dataschema=draw(st.none() | texts),
        content=draw(st.none() | json_contents | st.binary()),
        extensions=draw(st.dictionaries(names, values)),
    )


def as_text(event: Event) -> Event:
    """The event as binary mode can tell it: extensions are text, spaces around a value are percent-encoded anyway."""
    known = {"hops", "sampledrate"}
    told = {
        name: value
        if name in known and isinstance(value, int) and not isinstance(value, bool)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
        for name, value in event.extensions.items()
    }
    return event.with_extensions(**told)


@given(events())
def test_an_event_comes_back_from_json_exactly(event):
    back = read_event(write_event(event))
    # A JSON document may be padded with white space, which is none of the value.
    padded = event.content is not None and back.content == event.content.strip(b" \t\r\n")
    assert back == event or (padded and back.attributes() == event.attributes())
    assert write_event(back) == write_event(back)


@given(events())
def test_an_event_comes_back_from_binary_mode_exactly(event):
    message = write_binary(event)
    assert all(sign == " " or "!" <= sign <= "~" for value in message.headers.values() for sign in value)
    kind = {"content-type": message.content_type} if message.content_type else {}
    (back,) = read_events({**message.headers, **kind}, message.body)
    wanted = as_text(event)
    assert back.content == (event.content or None)
    assert {**back.attributes(), "datacontenttype": None} == {**wanted.attributes(), "datacontenttype": None}
    assert back.datacontenttype in (event.datacontenttype, "application/json")


@given(st.lists(events(), max_size=4))
def test_a_batch_comes_back_in_order(batch):
    message = write_batch(batch)
    back = read_events({"content-type": message.content_type or ""}, message.body)
    assert [event.attributes() for event in back] == [event.attributes() for event in batch]


@given(events(), st.randoms(use_true_random=False), st.booleans())
def test_the_order_and_spelling_of_members_change_nothing(event, random, ascii_only):
    members = list(json.loads(write_event(event)).items())
    random.shuffle(members)
    content = json.dumps(dict(members), ensure_ascii=ascii_only, indent=random.choice([None, 2])).encode()
    back = read_event(content)
    assert back.attributes() == event.attributes()
    assert back == _slowly(content, BOUNDS)


FRAGMENTS = [
    b'{"specversion":"1.0","id":"1","source":"/","type":"t"',
    b'"data"',
    b":",
    b",",
    b"}",
    b"{",
    b"[",
    b"]",
    b'"',
    b"\\",
    b'"data_base64":"AA=="',
    b'"id":"2"',
    b"null",
    b"1",
    b" ",
    b'"x":{"data":1}',
    b'"d\\u0061ta":1',
    b"\xff",
]
bodies = st.binary() | st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(b"".join)


@given(bodies)
@example(b'{"specversion":"1.0","id":"1","source":"/","type":"t","data":1,"data":2}')
@example(b'{"specversion":"1.0","id":"1","source":"/","type":"t,"data":1,"}')
def test_any_bytes_give_an_event_or_codec_error_and_both_ways_of_reading_agree(body):
    outcomes = []
    for read in (read_event, _slowly):
        try:
            outcomes.append(read(body, BOUNDS))
        except CodecError:
            outcomes.append(None)
    assert outcomes[0] == outcomes[1]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "ce-x", "content-type"])
            | st.text(),
            st.sampled_from(["1.0", "1", "application/cloudevents+json", "application/cloudevents-batch+json"])
            | st.text(),
        ),
        max_size=9,
    ),
    bodies,
    st.booleans(),
)
def test_any_headers_and_bytes_give_events_or_codec_error(headers, body, raw):
    try:
        found = read_events(headers, body, raw=raw)
    except CodecError:
        return
    for event in found:
        write_structured(event)
        write_binary(event)
