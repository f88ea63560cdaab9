"""Silver: what the vendor answers is told apart, as the core retries, renews and gives up by it."""

from __future__ import annotations

from datetime import timedelta

from omnibridge.connector import Class, NativeKey, Outcome, Request, Response
from omnibridge.testing.conformance.check import silver
from omnibridge.testing.conformance.subject import Missed, NotApplicable, Subject

__all__ = ["ANSWER_CHECKS"]

_READ = Request("GET", "/", reads=True)
_BARE = Request("POST", "/", body=b"{}", content_type="application/json", step="send")
_KEYED = _BARE._replace(protection=NativeKey())
_HTML = {"content-type": "text/html"}
_LATER = {Class.RETRY}
_REFUSED = {Class.PERMANENT}
# What HTTP itself says, whatever the vendor means beside it. The bodies are those of gateways, which know no vendor.
_GENERAL: tuple[tuple[int, Request, set[Class]], ...] = (
    (400, _BARE, _REFUSED),
    (401, _READ, {Class.EXPIRED, Class.PERMANENT, Class.RETRY}),  # later: somebody may mend the settings meanwhile
    (404, _READ, _REFUSED),
    (422, _BARE, _REFUSED),
    (429, _READ, _LATER),
    (429, _BARE, _LATER),
    (502, _READ, _LATER),
    (502, _KEYED, {Class.RETRY, Class.AMBIGUOUS}),
    (502, _BARE, {Class.AMBIGUOUS}),
    (503, _READ, _LATER),
    (504, _BARE, {Class.AMBIGUOUS}),
)


def _classed(subject: Subject, request: Request, response: Response) -> Outcome:
    return subject.connector.classify(request, response, subject.given.now)


def _talks(subject: Subject) -> None:
    if subject.connector.base_url is None:
        raise NotApplicable("it sends no requests")


@silver(
    why="Whether a delivery is tried again, given up, or looked up is decided by this alone. What is refused for good "
    "and tried again blocks its lane for days; what is throttled and given up is lost.",
    mend="Give an `Answer` in `Conformance.answers` for each class, from the vendor's documentation, and a `classify` "
    "that tells them apart.",
)
def answers_classed(subject: Subject) -> None:
    """Each example of the vendor's answers is classed as its author says, with one of each class that it can give."""
    _talks(subject)
    wanted = {Class.OK, Class.RETRY, Class.PERMANENT}
    auth = subject.connector.auth
    if auth is not None and auth.obtain is not None:
        wanted.add(Class.EXPIRED)
    missing = wanted - {answer.means for answer in subject.given.answers}
    if missing:
        raise Missed(f"conformance.py has no `answers` that mean {', '.join(sorted(missing))}")
    for answer in subject.given.answers:
        outcome = _classed(subject, answer.request, answer.response)
        if outcome.kind is not answer.means:
            raise Missed(f"{answer.name} is classed {outcome.kind}, not {answer.means}")
        if answer.after is not None and outcome.after != answer.after:
            raise Missed(f"{answer.name} asks for a wait of {answer.after}, and {outcome.after} is understood")


@silver(
    why="Between a vendor and us stand gateways that answer in their own words: a lost answer to a write that nothing "
    "protects may not be repeated blindly, and a refusal may not be repeated for ever.",
    mend="Let `classify` end with `classify_http`, and judge by the body only where it is the vendor's.",
)
def answers_general(subject: Subject) -> None:
    """A gateway's answers mean what HTTP says: 4xx refused, 429 and 503 later, 502 and 504 to a bare write unknown."""
    _talks(subject)
    for status, request, right in _GENERAL:
        for headers, body in ((_HTML, b"<html>gateway</html>"), ({}, b"")):
            kind = _classed(subject, request, Response(status, headers, body)).kind
            if kind not in right:
                what = "a read" if request.reads else "a bare write" if request.protection is None else "a keyed write"
                raise Missed(f"{status} to {what} is classed {kind}, not {' or '.join(sorted(right))}")


@silver(
    why="Many systems answer 200 and say in the body that they did nothing: taken for success, the order is lost.",
    mend="Give an `Answer` with a 2xx status that means a refusal, and let `classify` read the body. Where the vendor "
    "says every error by the status, say so in `Conformance.without`.",
    excusable=True,
)
def answers_in_200(subject: Subject) -> None:
    """An error inside of a 200 is an error: an example of one is among the answers, and is not classed as success."""
    _talks(subject)
    inside = [answer for answer in subject.given.answers if answer.response.ok and answer.means is not Class.OK]
    excuse = subject.excuse("answers-in-200")
    if excuse is not None:
        if inside:
            raise Missed(f"`without` says {excuse!r}, and {inside[0].name} shows one")
        raise NotApplicable(excuse)
    if not inside:
        raise Missed("conformance.py has no `answers` with an error inside of a 2xx, nor says that there are none")
    for answer in inside:
        if _classed(subject, answer.request, answer.response).kind is Class.OK:
            raise Missed(f"{answer.name} is classed ok")


@silver(
    why="Who comes back before the time that a vendor names is blocked for longer.",
    mend="Give `retry_after(response, now)` as `Outcome.after` wherever an answer means later.",
)
def retry_after_kept(subject: Subject) -> None:
    """The wait that an answer asks for is understood, in seconds and as a date."""
    _talks(subject)
    at = subject.given.now + timedelta(seconds=90)
    date = at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    for text, seconds in (("7", 7), (date, 90)):
        outcome = _classed(subject, _READ, Response(429, {"retry-after": text}))
        told = outcome.after.total_seconds() if outcome.after is not None else None
        if told is None or abs(told - seconds) > 1:
            raise Missed(f"`Retry-After: {text}` is understood as {outcome.after}")


ANSWER_CHECKS = (answers_classed, answers_general, answers_in_200, retry_after_kept)
