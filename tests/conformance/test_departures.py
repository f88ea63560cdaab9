"""What ends at the vendor must be told: each subscribed webhook of an end, and each kind of request that is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from acme_connector import run
from acme_gold import write_gold
from acme_mutant import CONFORMANCE, SRC, Change, apply

from omnibridge.testing.conformance import CHECKS, End

_DELETIONS = '        "deletions-told": "Acme keeps everybody",\n'
_REQUESTS = '        "privacy-told": "Acme asks its people to write to the shop",\n'
_SEEN = "    return [customer_snapshot(notice.customer)]\n"
_GONE = '    return [Snapshot.gone("customer", notice.customer.id)]\n'
_ANOTHER = """        Arrival(
            name="another",
            body=(PAYLOADS / "customer-updated.json").read_bytes(),
            headers={"x-topic": "customer/deleted"},
        ),
"""
_SNAPSHOT = Change(SRC + "inbound.py", "Observation, Verdict", "Observation, Occurrence, Snapshot, Verdict")


def tried(folder: Path, check: str, *changes: Change) -> tuple[End, str]:
    apply(folder, changes)
    (result,) = run(folder, tuple(one for one in CHECKS if one.id == check))
    return result.end, result.told


@pytest.mark.parametrize(
    ("topic", "changes", "end", "told"),
    [
        ("customer.updated", (_DELETIONS, _GONE), End.PASSED, ""),
        ("CUSTOMER_DELETED", (_DELETIONS, _GONE), End.MISSED, "subscribes to CUSTOMER_DELETED, and no example is one"),
        ("customer.deleted", ("", _SEEN), End.MISSED, "and customer.deleted is subscribed to"),
        ("customer.deleted", ("", _GONE), End.MISSED, "customer-updated tells a deletion"),
    ],
    ids=["told", "no example of the webhook", "excused and subscribed", "excused and told"],
)
def test_a_subscribed_end_is_told(tmp_path: Path, topic: str, changes: tuple[str, str], end: End, told: str) -> None:
    gone, seen = changes
    result, said = tried(
        write_gold(tmp_path, "subscriptions"),
        "deletions-told",
        _SNAPSHOT,
        Change(CONFORMANCE, gone or _DELETIONS, "" if gone else _DELETIONS),
        Change(SRC + "inbound.py", _SEEN, seen),
        Change(SRC + "connector.py", '"customer.updated"', f'"{topic}"'),
    )
    assert (result, told in said) == (end, True), said


def test_a_webhook_of_an_end_that_tells_another_thing_is_a_miss(tmp_path: Path) -> None:
    """Another example tells a deletion, and the one of the subscribed webhook does not."""
    result, said = tried(
        write_gold(tmp_path, "subscriptions"),
        "deletions-told",
        _SNAPSHOT,
        Change(CONFORMANCE, _DELETIONS, ""),
        Change(SRC + "inbound.py", _SEEN, f'    if not inbound.header("x-topic"):\n    {_GONE}{_SEEN}'),
        Change(CONFORMANCE, "    arrivals=(\n", f"    arrivals=(\n{_ANOTHER}"),
        Change(SRC + "connector.py", '"customer.updated"', '"customer.deleted"'),
    )
    assert (result, said) == (End.MISSED, "another, which is a customer.deleted, tells no deletion")


def _request(data: str) -> tuple[Change, ...]:
    told = f'    return [Occurrence(key="r", type="erasure.requested", data={data}, at=inbound.received)]\n'
    return _SNAPSHOT, Change(SRC + "inbound.py", _SEEN, told)


_NAMES = Change(SRC + "connector.py", 'emits=("customer",)', 'emits=("customer", "export.requested")')


@pytest.mark.parametrize(
    ("excused", "changes", "end", "told"),
    [
        (False, _request('{"emails": ["ann@example.com"]}'), End.PASSED, ""),
        (False, _request("{}"), End.MISSED, "tells erasure.requested and not whom it is about"),
        (False, (*_request('{"everything": True}'), _NAMES), End.MISSED, "`emits` names export.requested, and no"),
        (True, _request('{"everything": True}'), End.MISSED, "customer-updated tells one"),
        (True, (_NAMES,), End.MISSED, "`emits` names export.requested"),
        (False, (), End.MISSED, "it tells of customers"),
    ],
    ids=["told", "about nobody", "named and not told", "excused and told", "excused and named", "nothing said"],
)
def test_a_request_to_be_forgotten_is_told(
    tmp_path: Path, excused: bool, changes: tuple[Change, ...], end: End, told: str
) -> None:
    excuse = () if excused else (Change(CONFORMANCE, _REQUESTS, ""),)
    result, said = tried(write_gold(tmp_path), "privacy-told", *excuse, *changes)
    assert (result, told in said) == (end, True), said
