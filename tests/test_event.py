"""The envelope: the core specification's rules for attributes, data read late, and the shape that the SDK takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from cloudevents.core.base import BaseCloudEvent
from hypothesis import given
from hypothesis import strategies as st

from omnibridge.errors import CodecError, InvalidMessage
from omnibridge.event import Event, is_json
from omnibridge.model import Customer, Money, Order, OrderTotals


def event(**changed) -> Event:
    return Event(**{"id": "1", "source": "/s", "type": "t", **changed})


@pytest.mark.parametrize("name", ["id", "source", "type"])
@pytest.mark.parametrize("value", [None, "", 1, b"x"])
def test_required_attributes_are_non_empty_strings(name, value):
    with pytest.raises(CodecError) as caught:
        event(**{name: value})
    assert caught.value.where == name


@pytest.mark.parametrize("name", ["subject", "dataschema", "datacontenttype", "time"])
@pytest.mark.parametrize("value", ["", 1, b"x"])
def test_optional_attributes_are_absent_or_non_empty_strings(name, value):
    with pytest.raises(CodecError) as caught:
        event(**{name: value})
    assert caught.value.where == name
    assert name not in event(**{name: None}).attributes()


@pytest.mark.parametrize("bad", ["\x00", "\n", "\x1f", "\x7f", "\x80", "\x9f", "\ud800", "\ufdd0", "\ufdef"])
@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "dataschema"])
def test_strings_have_no_control_characters_surrogates_or_noncharacters(bad, name):
    with pytest.raises(CodecError):
        event(**{name: f"a{bad}b"})
    with pytest.raises(CodecError):
        event(extensions={"x": f"a{bad}b"})


@pytest.mark.parametrize("plane", range(17))
def test_the_last_two_code_points_of_a_plane_are_noncharacters(plane):
    for last in (0xFFFE, 0xFFFF):
        with pytest.raises(CodecError):
            event(subject="a" + chr(plane * 0x10000 + last))
    assert event(subject="a" + chr(plane * 0x10000 + 0xFFFD))


@pytest.mark.parametrize("good", ["æøå", "€", "😀", " ", '"', "%", "\xa0", "\ufdcf", "\ufdf0"])
def test_other_characters_are_allowed(good):
    assert event(id=good, subject=good, extensions={"x": good}).id == good


@pytest.mark.parametrize(
    "name", ["", "A", "a_b", "a-b", "é", "data", "id", "specversion", "data_base64", "time", "a" * 999 + "_"]
)
def test_extension_names_are_lower_case_letters_and_digits(name):
    with pytest.raises(CodecError) as caught:
        event(extensions={name: "x"})
    assert len(caught.value.where or "") <= 64


@pytest.mark.parametrize("name", ["a", "1", "a1", "0a", "a" * 200])
def test_extension_names_may_be_long_and_start_with_a_digit(name):
    assert event(extensions={name: "x"}).extensions[name] == "x"


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 1.0, None, [], {}, b"x", Decimal(1)])
def test_extensions_are_strings_32_bit_integers_or_booleans(value):
    with pytest.raises(CodecError):
        event(extensions={"x": value})


@pytest.mark.parametrize("value", [2**31 - 1, -(2**31), 0, True, False, "", "text"])
def test_extension_values_that_are_allowed(value):
    assert event(extensions={"x": value}).get_extension("x") is value


GOOD_TIMES = {
    "2026-11-21T10:00:00Z": datetime(2026, 11, 21, 10, tzinfo=UTC),
    "2026-11-21t10:00:00z": datetime(2026, 11, 21, 10, tzinfo=UTC),
    "2026-11-21T10:00:00.1+05:30": datetime(2026, 11, 21, 10, 0, 0, 100000, timezone(timedelta(hours=5.5))),
    "2026-11-21T10:00:00.123456789Z": datetime(2026, 11, 21, 10, 0, 0, 123456, UTC),
    "2026-11-21T10:00:00.12345678901234567890Z": datetime(2026, 11, 21, 10, 0, 0, 123456, UTC),
    "2024-02-29T00:00:00-00:00": datetime(2024, 2, 29, tzinfo=UTC),
    "2016-12-31T23:59:60Z": datetime(2016, 12, 31, 23, 59, 59, 999999, UTC),
    "0001-01-01T00:00:00+23:59": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=23, minutes=59))),
}


@pytest.mark.parametrize("text", GOOD_TIMES)
def test_timestamps_are_kept_as_written(text):
    made = event(time=text)
    assert made.time == text
    assert made.get_time() == GOOD_TIMES[text]
    assert made.get_attributes()["time"] == GOOD_TIMES[text]


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21",
        "2026-11-21 10:00:00Z",
        "2026-11-21T10:00:00",
        "2026-11-21T10:00Z",
        "2026-11-21T10:00:00.Z",
        "2026-11-21T10:00:00,5Z",
        "2026-13-01T10:00:00Z",
        "2026-00-01T10:00:00Z",
        "2026-02-29T10:00:00Z",
        "2026-04-31T10:00:00Z",
        "2026-11-32T10:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T10:60:00Z",
        "2026-11-21T10:00:61Z",
        "2026-11-21T10:00:00+24:00",
        "2026-11-21T10:00:00+0100",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-11-21T10:00:00Z",
        "2026-11-21T10:00:00Z\n",
    ],
)
def test_other_timestamps_are_refused(text):
    with pytest.raises(CodecError) as caught:
        event(time=text)
    assert caught.value.where == "time"


@pytest.mark.parametrize(
    "value", ["application/json", "text/plain; charset=utf-8", "application/vnd.a+b-c.d+json", "a/b;c"]
)
def test_media_types(value):
    assert event(datacontenttype=value).datacontenttype == value


@pytest.mark.parametrize("value", ["json", "a/b/c", "/json", "a/", "a b/c", "application/jsön", "a/b; ø", "x" * 200])
def test_what_is_no_media_type(value):
    with pytest.raises(CodecError):
        event(datacontenttype=value)


@pytest.mark.parametrize(
    ("value", "is_it"),
    [
        (None, True),
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("text/json", True),
        ("application/vnd.x+json", True),
        ("application/cloudevents+json", True),
        ("application/jsonp", False),
        ("application/json+xml", False),
        ("text/plain", False),
        ("json", False),
    ],
)
def test_which_content_is_json(value, is_it):
    assert is_json(value) is is_it


@pytest.mark.parametrize(
    ("media_type", "content", "data"),
    [
        (None, None, None),
        ("application/json", b"null", None),
        ("application/json", b'{"a": [1, "x", true]}', {"a": [1, "x", True]}),
        (None, b'"x"', "x"),
        ("text/plain", "æ".encode(), "æ"),
        ("application/octet-stream", b"\xff", b"\xff"),
    ],
)
def test_data_is_read_as_its_media_type_says(media_type, content, data):
    assert event(datacontenttype=media_type, content=content).data == data


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("application/json", b""),
        ("application/json", b"{"),
        ("application/json", b"NaN"),
        ("application/json", b"[" * 100_000),
        (None, b"\xff"),
        ("text/plain", b"\xff"),
    ],
)
def test_data_that_is_not_what_it_claims_raises_when_it_is_read(media_type, content):
    made = event(datacontenttype=media_type, content=content)
    with pytest.raises(CodecError) as caught:
        _ = made.data
    assert caught.value.where == "data"


def test_data_reads_numbers_of_any_length():
    assert event(content=b"123456789012345678901234567890").data == 123456789012345678901234567890


def test_make_writes_what_is_set_and_nothing_else():
    made = Event.make("t", Customer(given_name="A", note=None), id="1", source="/s")
    assert made.content == b'{"given_name":"A","note":null}'
    assert made.datacontenttype == "application/json"
    assert made.time is None


@pytest.mark.parametrize("data", [float("nan"), [float("inf")], {"a": {1, 2}.__iter__}, "\ud800"])
def test_what_json_cannot_say_is_refused(data):
    with pytest.raises(CodecError):
        Event.make("t", data, id="1", source="/s")
    with pytest.raises(CodecError):
        Event.from_attributes({"id": "1", "source": "/s", "type": "t"}, data)


def test_the_words_not_a_number_may_be_text():
    assert Event.make("t", "NaN", id="1", source="/s").data == "NaN"


def test_parse_gives_the_canonical_model():
    order = Order(currency="DKK", totals=OrderTotals(total=Money.from_minor(12990, "DKK")))
    made = Event.make("io.omnibridge.order.placed.v1", order, id="1", source="/s")
    assert made.name == "order.placed"
    assert made.parse() == order
    assert made.parse().model_fields_set == {"currency", "totals"}


def test_parse_names_the_place():
    made = Event.make("io.omnibridge.order.placed.v1", {"currency": "DKK", "totals": {"total": 1}}, id="1", source="/")
    with pytest.raises(InvalidMessage) as caught:
        made.parse()
    assert caught.value.where == "data.totals.total"
    for wrong in (event(), event(type="io.omnibridge.order.placed.v1"), event(type="order.placed", content=b"{")):
        with pytest.raises(InvalidMessage):
            wrong.parse()


def test_with_extensions_sets_and_removes():
    made = event(extensions={"a": 1, "b": "x"}, content=b"1", time="2026-11-21T10:00:00Z")
    changed = made.with_extensions(a=None, c=True)
    assert changed.extensions == {"b": "x", "c": True}
    assert made.extensions == {"a": 1, "b": "x"}
    assert changed.with_extensions(a=1, c=None) == made


def test_equality_is_by_value_and_hash_by_identity():
    assert event() == event()
    assert event() != event(content=b"")
    assert event() != event(extensions={"a": 1})
    assert event() != "event"
    assert hash(event()) == hash(event(type="other"))


def test_it_is_what_the_sdk_takes():
    made = event(
        subject="s", dataschema="urn:x", datacontenttype="application/json", content=b"{}", extensions={"a": 1}
    )
    assert all(hasattr(made, name) for name in vars(BaseCloudEvent) if name.startswith("get_"))
    assert made.get_attributes() == made.attributes()
    assert [made.get_id(), made.get_source(), made.get_type(), made.get_specversion()] == ["1", "/s", "t", "1.0"]
    assert [made.get_subject(), made.get_dataschema(), made.get_datacontenttype()] == ["s", "urn:x", "application/json"]
    assert made.get_time() is None
    assert made.get_extension("b") is None


def test_an_offset_of_seconds_which_rfc_3339_cannot_say_becomes_utc():
    made = Event.make("t", 1, id="1", source="/", time=datetime(1900, 1, 1, tzinfo=timezone(timedelta(seconds=3001))))
    assert made.time == "1899-12-31T23:09:59Z"


def test_from_attributes_takes_what_the_sdk_gives():
    given_ = {
        "id": "1",
        "source": "/s",
        "type": "t",
        "specversion": "1.0",
        "time": datetime(2026, 11, 21, 10, tzinfo=UTC),
        "subject": None,
        "binary": b"\x01",
        "at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    made = Event.from_attributes(given_, ["x"])
    assert made == event(
        time="2026-11-21T10:00:00Z", content=b'["x"]', extensions={"binary": "AQ==", "at": "2026-01-01T00:00:00Z"}
    )
    assert set(given_) >= {"specversion", "subject"}  # the argument is left as it was


@pytest.mark.parametrize(
    ("attributes", "data"),
    [
        ({"specversion": "0.3"}, None),
        ({"specversion": 1}, None),
        ({"id": None}, None),
        ({"datacontenttype": "text/plain"}, {"a": 1}),
        ({"datacontenttype": "text/plain"}, "\ud800"),
        ({"datacontenttype": 1}, {"a": 1}),
        ({"time": datetime(2026, 1, 1)}, None),  # noqa: DTZ001 - that it has no zone is the point
        ({"x": 1.5}, None),
    ],
)
def test_from_attributes_refuses_the_rest(attributes, data):
    with pytest.raises(CodecError):
        Event.from_attributes({"id": "1", "source": "/s", "type": "t", **attributes}, data)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()))
def test_any_attributes_give_an_event_or_codec_error(attributes):
    base = {"id": "1", "source": "/s", "type": "t"}
    try:
        made = Event.from_attributes({**base, **attributes})
    except CodecError:
        return
    assert Event.from_attributes(made.attributes()) == made


@given(st.text() | st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()))
def test_any_time_is_readable_or_refused(text):
    try:
        made = event(time=text)
    except CodecError:
        return
    assert made.get_time() is not None
