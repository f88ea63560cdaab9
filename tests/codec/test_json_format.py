"""The JSON event format, rule by rule: members, nulls, data and data_base64, batches, bounds, exact bytes."""

from __future__ import annotations

import base64
import json

import pytest

from omnibridge.codec import Bounds, read_event, read_events, write_event
from omnibridge.codec.json import read_batch, write_batch
from omnibridge.errors import CodecError
from omnibridge.event import Event

BASE = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def body(**members) -> bytes:
    return json.dumps({**BASE, **members}).encode()


def refused(content: bytes, where: str | None = None, bounds: Bounds | None = None) -> CodecError:
    with pytest.raises(CodecError) as caught:
        read_event(content, bounds or Bounds())
    assert where is None or caught.value.where == where
    return caught.value


# -- envelope ------------------------------------------------------------------------------------------------------


def test_the_smallest_event():
    assert read_event(body()) == Event(id="1", source="/s", type="t")


def test_every_attribute_and_any_extension():
    made = read_event(
        body(
            subject="s",
            time="2026-11-21T10:00:00.123456789Z",
            datacontenttype="application/json",
            dataschema="urn:x",
            text="æ",
            number=-5,
            flag=False,
        )
    )
    assert made.attributes() == {
        **BASE,
        "subject": "s",
        "time": "2026-11-21T10:00:00.123456789Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:x",
        "text": "æ",
        "number": -5,
        "flag": False,
    }


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
def test_required_members(name):
    left = {key: value for key, value in BASE.items() if key != name}
    assert "is missing" in str(refused(json.dumps(left).encode(), name))
    assert "is missing" in str(refused(body(**{name: None}), name))
    refused(body(**{name: ""}), name)
    refused(body(**{name: 1}), name)


@pytest.mark.parametrize("version", ["0.3", "1.1", "1", "1.0 ", 1.0])
def test_only_version_1_0(version):
    refused(body(specversion=version), "specversion")


@pytest.mark.parametrize("name", ["subject", "time", "datacontenttype", "dataschema", "extension", "data_base64"])
def test_a_null_member_is_unset(name):
    assert read_event(body(**{name: None})) == Event(id="1", source="/s", type="t")


@pytest.mark.parametrize("value", [1.5, 1.0, 2**31, -(2**31) - 1, 2**64, 10**30, [], {}, [1], {"a": 1}])
def test_members_that_are_no_attribute_value(value):
    refused(body(x=value), "x")
    refused(body(subject=value), "subject")


@pytest.mark.parametrize("name", ["X", "a_b", "a-b", "", "ä", "data_base65"])
def test_members_that_are_no_attribute_name(name):
    refused(body(**{name: "x"}), name)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"null",
        b"1",
        b'"x"',
        b"[]",
        b"{}",
        b"{",
        b'{"specversion":"1.0"',
        b"{'specversion':'1.0'}",
        b"\xef\xbb\xbf" + body(),
        body() + b"x",
        body() + body(),
        body()[:-1] + b",}",
        body()[:-1] + b',"data":}',
        body()[:-1] + b',"data":1,}',
        body()[:-1] + b',"data" 1}',
        body()[:-1] + b',"data":1 "x":2}',
        body()[:-1] + b',,"data":1}',
        b'{,"data":1}',
        b'{"specversion":"1.0","source":"/","type":"t","id":"x,"data":1,"}',  # valid once the data is cut out
        body()[:-1] + b',"x": "data":1,2}',  # and this
        body()[:-1] + b',"data":NaN}',
        body()[:-1] + b',"data":Infinity}',
        body()[:-1] + b',"data":01}',
        body()[:-1] + b',"data":"\x01"}',
        body()[:-1] + b',"data":"\\ud800"}',
        body()[:-1] + b',"x":"\\ud800"}',
        body()[:-1] + b',"x":"\xff"}',
        body()[:-1] + b",x:1}",
        body()[:-1] + b',"x"}',
        body()[:-1] + b',"x":"\\u00"}',
        body().decode().encode("utf-16"),
    ],
)
def test_what_is_no_json_object(content):
    refused(content)


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        (b',"id":"2"}', "id"),
        (b',"x":1,"x":1}', "x"),
        (b',"x":null,"x":1}', "x"),
        (b',"data":1,"data":2}', "data"),
        (b',"data":null,"data":null}', "data"),
        (b',"data":{},"id":"2"}', "id"),
        (b',"data":{"a":1},"data":{"a":1}}', "data"),
        (b',"id":"2","data":{}}', "id"),
        (b',"i\\u0064":"2"}', "id"),
        (b',"d\\u0061ta":1,"data":{"data":1}}', "data"),
        (b',"data_base64":"","data_base64":""}', "data_base64"),
    ],
)
def test_a_member_stands_once(extra, where):
    assert "twice" in str(refused(body()[:-1] + extra, where))


def test_escaped_names_and_values_are_read():
    content = b'{"specversi\\u006fn":"1.0","id":"\\u0031","source":"\\/s","type":"t","d\\u0061ta":{"a":"\\""}}'
    assert read_event(content) == Event(id="1", source="/s", type="t", content=b'{"a":"\\""}')


# -- data ----------------------------------------------------------------------------------------------------------

NESTED = '{"data": {"data": [1, {"data": "data"}]}, "id": "other"}'


@pytest.mark.parametrize("media_type", [None, "application/json", "text/json; charset=utf-8", "application/x+json"])
@pytest.mark.parametrize(
    "raw",
    [
        "null",
        "true",
        "0",
        "-1.50",
        "1e3",
        "123456789012345678901234567890",
        '"text"',
        '"data"',
        '"\\u00e6\\\\\\""',
        "[]",
        "{}",
        "[1, 2 ,3]",
        NESTED,
        '{"a":1,"a":2}',
    ],
)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_json_data_is_kept_as_the_bytes_it_is(media_type, raw, place):
    members = [f'"{name}": "{value}"' for name, value in BASE.items()]
    if media_type:
        members.append(f'"datacontenttype": "{media_type}"')
    members.insert({"first": 0, "middle": 2, "last": 99}[place], f'"data" :\n {raw} ')
    made = read_event(("{ " + " , ".join(members) + " }\n").encode())
    assert made.content == raw.encode()
    assert made.id == "1"
    assert made.datacontenttype == media_type
    assert read_event(write_event(made)) == made


def test_null_data_is_a_value_and_no_data_is_none():
    assert read_event(body(data=None)).content == b"null"
    assert read_event(body(data=None)).data is None
    assert read_event(body()).content is None


def test_a_json_string_is_not_read_a_second_time():
    assert read_event(body(data='{"a": 1}')).data == '{"a": 1}'


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/octet-stream"])
def test_data_that_is_not_json_is_the_text_of_a_string(media_type):
    made = read_event(body(datacontenttype=media_type, data='<much wow="xml"/> æ'))
    assert made.content == '<much wow="xml"/> æ'.encode()
    for value in (None, 1, {}, [], True):
        refused(body(datacontenttype=media_type, data=value), "data")


@pytest.mark.parametrize("media_type", [None, "application/json", "image/png"])
def test_base64_data_is_bytes_whatever_the_media_type(media_type):
    made = read_event(body(datacontenttype=media_type, data_base64="AP8="))
    assert made.content == b"\x00\xff"


@pytest.mark.parametrize("value", ["AP8", "AP8=\n", " AP8=", "AP9=" + "=", "_-8=", "=", "A", 1, [], True, "Ω"])
def test_what_is_no_base64(value):
    refused(body(data_base64=value), "data_base64")


@pytest.mark.parametrize("data", [None, 1, "x", {}])
def test_data_and_data_base64_exclude_each_other(data):
    refused(body(data=data, data_base64="AA=="), "data_base64")
    refused(json.dumps({"data": data, "data_base64": "AA==", **BASE}).encode(), "data_base64")
    # Null is unset, so it excludes nothing.
    assert read_event(body(data=data, data_base64=None)).content == json.dumps(data).encode()


# -- bounds --------------------------------------------------------------------------------------------------------


def test_an_event_has_a_largest_size():
    content = body(data="x" * 100)
    assert read_event(content, Bounds(event=len(content)))
    refused(content, "body", Bounds(event=len(content) - 1))


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("first", [True, False])
def test_data_has_a_greatest_depth(opening, closing, first):
    def nested(depth: int) -> bytes:
        data = opening * depth + "1" + closing * depth
        members = json.dumps(BASE)[1:-1]
        return (f'{{"data":{data},{members}}}' if first else f'{{{members},"data":{data}}}').encode()

    assert read_event(nested(128))
    refused(nested(129), "data")
    refused(nested(1023), "data")
    refused(nested(200_000), "data")


def test_many_brackets_side_by_side_are_not_deep():
    assert read_event(body(data=[[[]] * 500, {"a": {}}])).data == [[[]] * 500, {"a": {}}]


def test_a_member_that_is_too_deep_is_named():
    refused(b'{"x":' + b"[" * 200_000, "x")
    refused(b"[" * 200_000)
    refused(b'{"x":' * 200_000)


def test_long_names_are_not_repeated_in_full():
    assert len(refused(body(**{"X" * 9999: 1})).where or "") == 64
    assert len(str(refused(body(datacontenttype="x/" + "y" * 9999, data=1)))) < 300


# -- batch ---------------------------------------------------------------------------------------------------------


def test_a_batch_is_an_array_of_events_in_order():
    one, two = body(data={"n": 1.10}), body(id="2", data_base64="AA==")
    events = read_batch(b" [\n" + one + b" , " + two + b"]\n")
    assert [event.content for event in events] == [b'{"n": 1.1}', b"\x00"]
    assert read_batch(write_batch(events)) == events
    assert read_batch(b"[]") == read_batch(b" [ ] ") == ()
    assert write_batch([]) == b"[]"


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"", "body"),
        (b"{}", "body"),
        (body(), "body"),
        (b"[", "[0]"),
        (b"[1]", "[0]"),
        (b"[null]", "[0]"),
        (b"[[]]", "[0]"),
        (b"[" + body() + b",]", "[1]"),
        (b"[" + body() + b"," + body(id="") + b"]", "[1].id"),
        (b"[" + body() + b',{"specversion":"1.0","id":"1"}]', "[1].source"),
        (b"[" + body() + b"," + body()[:-1], "[1]"),
        (b"[" + body() + body() + b"]", "body"),
        (b"[" + body() + b"] x", "body"),
        (b"[" + body() + b"}", "body"),
        (b"[" + b"{" * 9 + b"]", "[0]"),
        (b'["' + b"\xff" + b'"]', "body"),
    ],
)
def test_a_batch_with_something_wrong_is_wrong(content, where):
    with pytest.raises(CodecError) as caught:
        read_batch(content)
    assert caught.value.where == where


def test_a_batch_has_a_largest_count_and_size():
    two = write_batch([Event(id="1", source="/s", type="t")] * 2)
    assert len(read_batch(two, Bounds(count=2))) == 2
    for bounds in (Bounds(count=1), Bounds(batch=len(two) - 1), Bounds(event=20)):
        with pytest.raises(CodecError):
            read_batch(two, bounds)


def test_a_batch_finds_events_that_hold_what_looks_like_its_end():
    tricky = body(data=']},{[\\"', subject='a"]b')
    assert len(read_batch(b"[" + tricky + b"," + tricky + b"]")) == 2


# -- writing -------------------------------------------------------------------------------------------------------


def made(**changed) -> Event:
    return Event(**{"id": "1", "source": "/s", "type": "t", **changed})


def test_json_data_is_embedded_as_it_is():
    event = made(datacontenttype="application/json", content=b'{"n": 1.10}', extensions={"a": 1, "b": True})
    assert write_event(event) == (
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/json",'
        b'"a":1,"b":true,"data":{"n": 1.10}}'
    )


@pytest.mark.parametrize("content", [b"", b"{", b"NaN", b"\xff", b'1,"id":"2"', b"\xef\xbb\xbf1", b'"\\ud800"'])
@pytest.mark.parametrize("media_type", [None, "application/json"])
def test_what_is_no_json_goes_as_base64_and_never_breaks_the_envelope(content, media_type):
    event = made(datacontenttype=media_type, content=content)
    assert json.loads(write_event(event))["data_base64"] == base64.b64encode(content).decode()
    assert read_event(write_event(event)) == event


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "image/svg+xml; charset=utf-8"])
def test_text_goes_as_a_string_and_other_bytes_as_base64(media_type):
    assert json.loads(write_event(made(datacontenttype=media_type, content="æ".encode())))["data"] == "æ"
    assert json.loads(write_event(made(datacontenttype=media_type, content=b"\xff")))["data_base64"] == "/w=="


@pytest.mark.parametrize("media_type", ["image/png", "text/plain; charset=latin1", "application/octet-stream"])
def test_what_is_not_known_to_be_utf8_text_goes_as_base64(media_type):
    assert json.loads(write_event(made(datacontenttype=media_type, content=b"abc")))["data_base64"] == "YWJj"


def test_no_data_is_no_member_and_null_is_one():
    assert b"data" not in write_event(made())
    assert json.loads(write_event(made(content=b"null")))["data"] is None


def test_other_extensions_can_be_given():
    event = made(extensions={"channel": "x", "a": "1"})
    assert json.loads(write_event(event, {"a": "2"})) == {**BASE, "a": "2"}
    assert json.loads(write_event(event, {})) == BASE


def test_the_same_event_is_always_the_same_bytes():
    event = made(extensions={"b": "1", "a": "2"}, content=b"{}")
    assert write_event(event) == write_event(read_event(write_event(event)))


def test_what_is_written_is_valid_by_the_published_schema(cloudevents_specs):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((cloudevents_specs / "formats" / "cloudevents.json").read_text())
    validator = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())
    full = {"subject": "s", "time": "2026-11-21T10:00:00Z", "dataschema": "urn:x", "extensions": {"a": 1, "b": True}}
    for media_type, content in [
        (None, None),
        (None, b"null"),
        ("application/json", b'{"a":1}'),
        ("application/json", b"{"),
        ("text/plain", b"x"),
        ("image/png", b"\xff"),
    ]:
        event = made(datacontenttype=media_type, content=content, **full)
        validator.validate(json.loads(write_event(event)))
        assert read_events({"content-type": "application/cloudevents+json"}, write_event(event)) == (event,)
