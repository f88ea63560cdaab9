"""The HTTP protocol binding, rule by rule: modes, headers and their encoding, bodies, peers that do otherwise."""

from __future__ import annotations

import pytest

from omnibridge.codec import (
    Bounds,
    HttpMessage,
    Mode,
    mode_of,
    read_event,
    read_events,
    write_batch,
    write_binary,
    write_structured,
)
from omnibridge.errors import CodecError
from omnibridge.event import Event

BASE = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
STRUCTURED = b'{"specversion":"1.0","id":"2","source":"/s","type":"t"}'


def read(headers=None, body=b"", **options) -> Event:
    (event,) = read_events({**BASE, **(headers or {})}, body, **options)
    return event


def refused(headers, body=b"", **options) -> CodecError:
    with pytest.raises(CodecError) as caught:
        read_events(headers, body, **options)
    return caught.value


def made(**changed) -> Event:
    return Event(**{"id": "1", "source": "/s", "type": "t", **changed})


def headers_of(message: HttpMessage) -> dict[str, str]:
    kind = {"Content-Type": message.content_type} if message.content_type else {}
    return {**message.headers, **kind}


# -- modes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "mode"),
    [
        (None, Mode.BINARY),
        ("application/json", Mode.BINARY),
        ("application/cloud", Mode.BINARY),
        ("text/application/cloudevents", Mode.BINARY),
        ("application/cloudevents+json", Mode.STRUCTURED),
        ("Application/CloudEvents+JSON", Mode.STRUCTURED),
        ("application/cloudevents+json; charset=utf-8", Mode.STRUCTURED),
        (' application/cloudevents+json ;Charset = "UTF-8"; x=y', Mode.STRUCTURED),
        ("application/cloudevents-batch+json", Mode.BATCH),
        ("APPLICATION/CLOUDEVENTS-BATCH+JSON;charset=UTF-8", Mode.BATCH),
    ],
)
def test_the_mode_is_chosen_by_content_type_in_any_case(content_type, mode):
    assert mode_of(content_type) is mode


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents",
        "application/cloudevents+xml",
        "application/cloudevents+avro",
        "application/cloudevents-batch",
        "application/cloudevents-batch+xml",
        "application/cloudevents+json; charset=iso-8859-1",
    ],
)
def test_a_format_that_is_not_known_is_named(content_type):
    assert refused({**BASE, "content-type": content_type}).where == "content-type"


def test_headers_do_not_make_a_structured_message_binary():
    headers = {**BASE, "content-type": "application/cloudevents+json"}
    assert read_events(headers, STRUCTURED)[0].id == "2"
    assert [
        event.id
        for event in read_events(
            {**BASE, "Content-Type": "application/cloudevents-batch+json"}, b"[" + STRUCTURED + b"]"
        )
    ] == ["2"]


def test_structured_json_without_its_content_type_is_no_event():
    assert refused({"content-type": "application/json"}, STRUCTURED).where == "headers"
    assert refused({}, b"").where == "headers"


# -- binary: headers -----------------------------------------------------------------------------------------------


def test_attributes_are_headers_in_any_case():
    headers = {name.upper(): value for name, value in BASE.items()}
    (event,) = read_events({**headers, "CE-Subject": "s", "Ce-TIME": "2026-11-21T10:00:00Z", "CE-X": "y"}, b"")
    assert event == made(subject="s", time="2026-11-21T10:00:00Z", extensions={"x": "y"})


@pytest.mark.parametrize("name", ["ce-specversion", "ce-id", "ce-source", "ce-type"])
def test_required_headers(name):
    left = {key: value for key, value in BASE.items() if key != name}
    assert refused(left).where == name
    refused({**BASE, name: ""})
    refused({**BASE, name: "  "})


@pytest.mark.parametrize("version", ["0.3", "1.1", "2.0"])
def test_only_version_1_0(version):
    assert refused({**BASE, "ce-specversion": version}).where == "ce-specversion"


def test_datacontenttype_is_content_type_and_nothing_else():
    assert read({"Content-Type": "text/plain; charset=utf-8"}).datacontenttype == "text/plain; charset=utf-8"
    assert read().datacontenttype is None
    assert refused({**BASE, "ce-datacontenttype": "text/plain"}).where == "ce-datacontenttype"


@pytest.mark.parametrize("name", ["ce-data", "ce-data_base64", "ce-a_b", "ce-", "ce-a-b"])
def test_headers_that_are_no_attribute_name(name):
    refused({**BASE, name: "x"})


@pytest.mark.parametrize("name", ["ce-id", "CE-ID", "Content-Type", "ce-x"])
def test_a_repeated_header_is_refused_where_the_server_tells_of_it(name):
    pairs = [*BASE.items(), ("ce-x", "1"), ("content-type", "text/plain")]
    assert len(read_events(pairs, b"")) == 1
    assert "twice" in str(refused([*pairs, (name, "1")]))


def test_other_headers_are_not_looked_at():
    assert read({"host": "é", "x-ce-id": "2", "cookie": "%"}) == made()


ENCODED = [
    ("a", "a"),
    ("/s?x=y#z", "/s?x=y#z"),
    ("a b", "a%20b"),
    ('"', "%22"),
    ("%", "%25"),
    ("%20", "%2520"),
    ("Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
    ("\xa0", "%C2%A0"),
    ("!#$&'()*+,-./:;<=>?@[\\]^_`{|}~", "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"),
]


@pytest.mark.parametrize(("value", "encoded"), ENCODED)
def test_values_are_percent_encoded_and_decoded_once(value, encoded):
    message = write_binary(made(subject=value, extensions={"x": value}))
    assert message.headers["ce-subject"] == message.headers["ce-x"] == encoded
    assert read({"ce-subject": encoded}).subject == value


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ("%e2%82%ac", "€"),
        ("%41%62", "Ab"),
        ("%2525", "%25"),
        ('"quoted"', "quoted"),
        ('"a \\"b\\" \\\\ c"', 'a "b" \\ c'),
        ('"%20x"', " x"),
        ('in "the" middle', 'in "the" middle'),
        (" around ", "around"),
    ],
)
def test_what_is_decoded_though_we_never_write_it(encoded, value):
    assert read({"ce-subject": encoded}).subject == value


@pytest.mark.parametrize(
    "encoded",
    [
        "%C0%A0",
        "%FF",
        "%ED%A0%80",
        "%E2%82",
        "%",
        "%2",
        "%zz",
        "% 20",
        '"',
        '"open',
        "é",
        "€",
        "%00",
        "%0A",
        "%EF%BF%BF",
    ],
)
def test_what_is_refused_in_a_header(encoded):
    error = refused({**BASE, "ce-subject": encoded})
    assert error.where in ("ce-subject", "subject")


def test_integers_and_booleans_have_their_canonical_text():
    headers = write_binary(made(extensions={"i": -5, "t": True, "f": False, "z": 0})).headers
    assert [headers[f"ce-{name}"] for name in "itfz"] == ["-5", "true", "false", "0"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("31", 31),
        ("-1", -1),
        ("2147483647", 2**31 - 1),
        ("2147483648", "2147483648"),
        ("03", "03"),
        ("x", "x"),
    ],
)
def test_an_extension_known_to_be_an_integer_comes_in_as_one(text, value):
    assert read({"ce-hops": text, "ce-other": text}).extensions == {"hops": value, "other": text}


# -- binary: body --------------------------------------------------------------------------------------------------


def test_the_body_is_the_data_as_it_is():
    assert read({"content-type": "application/json"}, b' {"n": 1.10} ').content == b' {"n": 1.10} '
    assert read({"content-type": "application/json"}, b"{").content == b"{"  # judged by whoever reads it
    assert read({}, b"null").content == b"null"


def test_an_empty_body_is_no_data():
    assert read({"content-type": "application/json"}, b"").content is None
    assert write_binary(made()) == HttpMessage(BASE, None, b"")


def test_the_type_that_the_json_format_implies_is_said_in_a_header():
    event = read_event(STRUCTURED[:-1] + b',"data":"just a string"}')
    message = write_binary(event)
    assert (message.content_type, message.body) == ("application/json", b'"just a string"')
    assert write_binary(made(content=b"no json")).content_type is None


def test_a_body_has_a_largest_size():
    assert read({}, b"12", bounds=Bounds(event=2)).content == b"12"
    assert refused(BASE, b"123", bounds=Bounds(event=2)).where == "body"


# -- peers that encode nothing -------------------------------------------------------------------------------------


def test_raw_headers_go_out_as_utf8_bytes_and_come_back():
    event = made(subject='50% "æ€"', extensions={"x": "%20", "n": 1})
    message = write_binary(event, raw=True)
    assert message.headers["ce-subject"].encode("latin-1").decode() == '50% "æ€"'
    (back,) = read_events(headers_of(message), message.body, raw=True)
    assert back == event.with_extensions(n="1")


def test_raw_headers_that_are_no_utf8_are_kept_as_they_came():
    assert read({"ce-subject": "\xe6"}, raw=True).subject == "æ"
    assert read({"ce-subject": "€"}, raw=True).subject == "€"


def test_the_remedy_names_the_switch():
    for value in ("é", "100% wool"):
        assert "raw headers" in str(refused({**BASE, "ce-subject": value}))


# -- there and back ------------------------------------------------------------------------------------------------

FULL = made(
    subject="s æ",
    time="2026-11-21T10:00:00.123456789+01:00",
    datacontenttype="application/json",
    dataschema="urn:x",
    content=b'{"n": 1.10}',
    extensions={"x": "y", "hops": 3},
)


@pytest.mark.parametrize("write", [write_binary, write_structured])
def test_an_event_comes_back_the_same(write):
    message = write(FULL)
    assert read_events(headers_of(message), message.body) == (FULL,)
    assert read_events(list(headers_of(message).items()), message.body) == (FULL,)


def test_batches_come_back_the_same():
    message = write_batch([FULL, made()])
    assert message.content_type == "application/cloudevents-batch+json"
    assert read_events(headers_of(message), message.body) == (FULL, made())


@pytest.mark.parametrize("write", [write_binary, write_structured])
def test_other_extensions_can_be_given(write):
    message = write(FULL, extensions={"only": "this"})
    (event,) = read_events(headers_of(message), message.body)
    assert event.extensions == {"only": "this"}
