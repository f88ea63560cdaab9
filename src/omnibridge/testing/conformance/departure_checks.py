"""Gold: what ends at the vendor, things and people's consent to be known, is told, so that it ends everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from pydantic import ValidationError

from omnibridge.connector import Observation, Occurrence, Snapshot
from omnibridge.model import Customer, PrivacyRequest, short_type
from omnibridge.testing.conformance.check import gold
from omnibridge.testing.conformance.exactness_checks import told_by
from omnibridge.testing.conformance.given import Arrival
from omnibridge.testing.conformance.inbound_checks import type_of
from omnibridge.testing.conformance.subject import CHANNEL, PUBLIC_URL, Missed, NotApplicable, Subject

__all__ = ["DEPARTURE_CHECKS"]

_REQUESTS = ("erasure.requested", "export.requested")
_ENDS = re.compile(r"delet|redact|eras|purg|data_?request", re.IGNORECASE)


def _is_deletion(seen: Observation) -> bool:
    return isinstance(seen, Snapshot) and seen.deleted


def _is_request(seen: Observation) -> bool:
    return isinstance(seen, Occurrence) and type_of(seen) in _REQUESTS


@gold(
    why="What is deleted in one system lives on in all others; a person who was promised to be forgotten is not.",
    mend="Tell `Snapshot.gone(kind, id)`, and give an example of it, and of each subscribed webhook that "
    "is named after a deletion. Where the vendor tells of no deletion, say so in `Conformance.without`.",
    excusable=True,
)
def deletions_told(subject: Subject) -> None:
    """An example tells that something was deleted, and so does one of each subscribed webhook that is named so."""
    excuse = subject.excuse("deletions-told")
    deleting = [name for name, told in told_by(subject) if any(map(_is_deletion, told))]
    topics = list(_topics(subject))
    if excuse is not None:
        if deleting or topics:
            what = f"{deleting[0]} tells a deletion" if deleting else f"{topics[0]} is subscribed to"
            raise Missed(f"`without` says {excuse!r}, and {what}")
        raise NotApplicable(excuse)
    if not deleting:
        raise Missed("no example tells a deletion, nor does conformance.py say that there is none")
    for topic in topics:
        about = [arrival for arrival in subject.given.arrivals if _plain(topic) in _text(arrival)]
        if not about:
            raise Missed(f"it subscribes to {topic}, and no example is one")
        told = [seen for arrival in about for seen in subject.translate(subject.inbound(arrival))]
        if not any(_is_deletion(seen) or _is_request(seen) for seen in told):
            raise Missed(f"{about[0].name}, which is a {topic}, tells no deletion")


def _topics(subject: Subject) -> Iterator[str]:
    """The webhooks that it subscribes to and whose names speak of an end."""
    wanted = subject.connector.subscriptions
    for one in wanted.desired(subject.settings, f"{PUBLIC_URL}/in/{CHANNEL}") if wanted is not None else ():
        for topic in re.split(r"[,\s]+", one.topic):  # some vendors take several in one subscription
            if _ENDS.search(topic):
                yield topic


def _plain(text: str) -> str:
    """A topic as it is written in every of its spellings: `CUSTOMERS_DELETE`, `customers/delete`."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _text(arrival: Arrival) -> str:
    body = unquote(arrival.body.decode("utf-8", "replace"))
    return " ".join(map(_plain, (*arrival.headers.values(), arrival.query, body)))


@gold(
    why="The law gives weeks to answer somebody who asks to be forgotten or what is known of them, and the vendor's "
    "notice may be the only one that comes.",
    mend="Tell an `Occurrence` of the type `erasure.requested` or `export.requested` with a `PrivacyRequest` that says "
    "whom it is about, and give an example of each. Where the vendor passes none on, say so in `Conformance.without`.",
    excusable=True,
)
def privacy_told(subject: Subject) -> None:
    """Each kind of request about personal data that `emits` names is told by an example, and says whom it is about."""
    told = [(name, seen) for name, several in told_by(subject) for seen in several if isinstance(seen, Occurrence)]
    asked = [(name, seen) for name, seen in told if _is_request(seen)]
    named = [kind for kind in _REQUESTS if kind in {short_type(one) for one in subject.connector.emits}]
    excuse = subject.excuse("privacy-told")
    if excuse is not None:
        if asked or named:
            what = f"{asked[0][0]} tells one" if asked else f"`emits` names {named[0]}"
            raise Missed(f"`without` says {excuse!r}, and {what}")
        raise NotApplicable(excuse)
    for kind in named:
        if kind not in {type_of(seen) for _, seen in asked}:
            raise Missed(f"`emits` names {kind}, and no example tells one")
    for name, seen in asked:
        if not _says_whom(seen):
            raise Missed(f"{name} tells {type_of(seen)} and not whom it is about")
    if not asked:
        if not _knows_people(subject, [several for _, several in told_by(subject)]):
            raise NotApplicable("it tells of no customers")
        raise Missed("it tells of customers, and no example asks to forget one, nor does conformance.py say why")


def _says_whom(seen: Occurrence) -> bool:
    try:
        request = PrivacyRequest.model_validate(seen.event.data if seen.event is not None else seen.data)
    except ValidationError:
        return False
    return bool(request.customer or request.emails or request.phones or request.everything)


def _knows_people(subject: Subject, told: Sequence[Sequence[Observation]]) -> bool:
    people = {Customer.KIND, "*"} & {short_type(one) for one in subject.connector.emits}
    return bool(people) or any(not isinstance(s, Occurrence) and s.kind == Customer.KIND for one in told for s in one)


DEPARTURE_CHECKS = (deletions_told, privacy_told)
