"""Feeds damaged events to the codec for a while: nothing but events and CodecError may come out, however read.

    python bench/fuzz_codec.py --seconds 600 --seed 1

Prints how many bodies were read and every finding; the exit status is 1 when there is one.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from collections.abc import Callable
from typing import TypeVar

from omnibridge.codec import BOUNDS, read_events, write_binary, write_event, write_structured
from omnibridge.codec.json import _slowly, read_batch, read_event  # pyright: ignore[reportPrivateUsage]
from omnibridge.errors import CodecError
from omnibridge.event import Event

R = TypeVar("R")
BASE = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
SEEDS = [
    write(members).encode()
    for members in (
        BASE,
        {**BASE, "data": {"a": [1.10, "x", None, {"data": {}}], "id": 7}},
        {"data": '"data":', **BASE, "subject": "æ", "time": "2026-11-21T10:00:00.123456789+01:00", "hops": 3},
        {**BASE, "datacontenttype": "text/plain", "data": "x,}]"},
        {**BASE, "data_base64": "AP8=", "datacontenttype": "image/png", "flag": True},
        {**BASE, "data": None, "subject": None, "dataschema": "urn:x"},
    )
    for write in (
        json.dumps,
        lambda members: json.dumps(members, indent=1),
        lambda members: json.dumps(members, separators=(",", ":"), ensure_ascii=False),
    )
]
PIECES = [
    *(b'{}[],:"\\ \n0-.eE' [i : i + 1] for i in range(16)),
    b'"data":', b'"data_base64":"AA=="', b'"id":"2"', b"null", b"true", b"1e400", b"NaN", b"\\u0061", b"\\ud800",
    b"\xff", b"\xef\xbb\xbf", b"\x00", b'"d\\u0061ta":1,', b"[" * 200, b"9" * 5000, b"%zz", b"%E2%82%AC", b"\xc3\xa6",
]  # fmt: skip
NAMES = ["ce-id", "CE-Source", "ce-type", "ce-specversion", "ce-time", "ce-subject", "ce-x", "ce-hops", "content-type"]
VALUES = ["1.0", "1", "/s", "t", "application/cloudevents+json", "application/cloudevents-batch+json", "text/plain"]


def damaged(random: random.Random, content: bytes) -> bytes:
    """The content after one to six changes."""
    body = bytearray(content)
    for _ in range(random.randint(1, 6)):
        at, to = sorted((random.randint(0, len(body)), random.randint(0, len(body))))
        match random.randint(0, 5):
            case 0:
                body[at:at] = random.choice(PIECES)
            case 1:
                del body[at : min(to, at + 8)]
            case 2:
                body[at : at + 1] = bytes([random.randint(0, 255)])
            case 3:
                body[at:at] = body[at : min(to, at + 40)]
            case 4:
                body[at:to] = b""
            case _:
                other = random.choice(SEEDS)
                start = random.randint(0, len(other))
                body[at:at] = other[start : start + 20]
    return bytes(body)


def outcome(read: Callable[..., R], *arguments: object) -> R | None:
    """What was read; None for a CodecError."""
    try:
        return read(*arguments)
    except CodecError:
        return None


def one(random: random.Random) -> None:
    """One body and one set of headers. Raises what must not be."""
    body = damaged(random, random.choice(SEEDS))
    event = outcome(read_event, body)
    assert event == outcome(_slowly, body, BOUNDS), "two ways of reading differ"
    if isinstance(event, Event):
        again = read_event(write_event(event))
        assert again.attributes() == event.attributes(), "attributes changed"
        assert (again.content or b"").strip() == (event.content or b"").strip(), "data changed"
        outcome(lambda: event.data)
    outcome(read_batch, damaged(random, b"[" + body + b"," + random.choice(SEEDS) + b"]"))
    headers = [
        (random.choice(NAMES), random.choice([*VALUES, damaged(random, random.choice(SEEDS)).decode("latin-1")]))
        for _ in range(random.randint(0, 9))
    ]
    headers += [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/"), ("ce-type", "t")][: random.randint(0, 4)]
    raw = random.random() < 0.5
    given = headers if random.random() < 0.5 else dict(headers)
    for found in outcome(lambda: read_events(given, body, raw=raw)) or ():
        message = write_binary(found)
        kind = {"content-type": message.content_type} if message.content_type else {}
        (back,) = read_events({**message.headers, **kind}, message.body)
        assert (back.id, back.source, back.subject) == (found.id, found.source, found.subject), "headers changed"
        write_structured(found)


def main() -> int:
    """Run until the time is over."""
    parser = argparse.ArgumentParser(description="Feed damaged events to the codec.")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = findings = 0
    end = time.monotonic() + options.seconds
    while time.monotonic() < end and findings < 10:
        seed = options.seed * 1_000_000_000 + count
        try:
            one(random.Random(seed))
        except Exception:
            findings += 1
            print(f"finding with seed {seed}:\n{traceback.format_exc()}")
        count += 1
    print(f"{count} executions, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
