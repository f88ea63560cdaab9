"""Bronze: what is written is what was meant, and secrets stay out of everything that people see."""

from __future__ import annotations

from collections.abc import Iterator

from omnibridge.connector import Receipt, Request, Response, dump_observations
from omnibridge.testing.conformance.check import bronze
from omnibridge.testing.conformance.golden import compare, requests_text
from omnibridge.testing.conformance.secrets import listening, shown_in
from omnibridge.testing.conformance.subject import Missed, Subject

__all__ = ["OUTBOUND_CHECKS"]


@bronze(
    why="It shows each request as the vendor gets it, and every later change of one as a difference.",
    mend="Give a `Write` for each slot of `delivers`; write the golden files with --write-golden, and hold them "
    "against the vendor's documentation.",
)
def golden_outbound(subject: Subject) -> None:
    """Each example that is delivered to the sandbox makes exactly the requests of its golden file."""
    for write in subject.writes:
        compare(subject, "outbound", write.name, requests_text(subject.deliver(write).requests))


def _exercise(subject: Subject, failures: list[Exception]) -> Iterator[str]:
    """What each thing gives that the connector does with its examples, also badly; its errors go into `failures`."""
    if subject.connector.webhook is not None:
        for arrival in subject.given.arrivals:
            signed = subject.given.sign(subject.settings, subject.inbound(arrival)) if subject.given.sign else None
            for inbound in filter(None, (signed, subject.inbound(arrival), subject.inbound(arrival, b"\xff"))):
                try:
                    subject.webhook.verify(subject.settings, inbound, inbound.received)
                    yield dump_observations(subject.translate(inbound)).decode("utf-8", "replace")
                except Exception as error:
                    failures.append(error)
    for poll in subject.connector.polls:
        for answers in (subject.sandbox(), _refuses, _breaks):
            try:
                driven = subject.poll(poll, answers)
                yield dump_observations(driven.emitted).decode("utf-8", "replace") + repr(driven.pages)
            except Exception as error:
                failures.append(error)
    for write in subject.given.writes if subject.connector.delivers else ():
        for answers in (subject.sandbox(), _refuses, _breaks):
            try:
                result = subject.deliver(write, answers).result
                yield repr(result)
                if isinstance(result, Receipt):
                    yield dump_observations(result.snapshots).decode("utf-8", "replace")
            except Exception as error:
                failures.append(error)


def _refuses(request: Request) -> Response:
    return Response(400, {"content-type": "application/json"}, b'{"error": "refused"}')


def _breaks(request: Request) -> Response:
    return Response(200, {"content-type": "application/json"}, b"\xff")


@bronze(
    why="Logs are read by more people than settings, and are kept longer.",
    mend="Log nothing in a connector: say what happened in the error, the receipt's note or the observation.",
)
def secrets_logged(subject: Subject) -> None:
    """Nothing that the connector logs or prints while it works holds a secret."""
    settings = subject.settings
    with listening() as heard:
        for _ in _exercise(subject, []):
            pass
    if shown_in(settings, heard.text):
        raise Missed("a secret was logged or printed")


@bronze(
    why="Errors are stored with the delivery and shown by every command that shows it.",
    mend="Say in an error what is wrong and with which field, never with which value of a setting.",
)
def secrets_raised(subject: Subject) -> None:
    """No error that the connector raises holds a secret, not even when the vendor refuses or answers nonsense."""
    failures: list[Exception] = []
    with listening():
        for _ in _exercise(subject, failures):
            pass
    for error in failures:
        if shown_in(subject.settings, f"{error}{error!r}"):
            raise Missed(f"a {type(error).__name__} shows a secret")


@bronze(
    why="Observations and receipts are stored, become events, and go to every other channel.",
    mend="Take nothing of the settings into a snapshot, cursor, reference, note or `vendor`.",
)
def secrets_told(subject: Subject) -> None:
    """No observation, cursor or receipt holds a secret."""
    with listening():
        told = list(_exercise(subject, []))
    if any(shown_in(subject.settings, text) for text in told):
        raise Missed("a secret is in an observation, a cursor or a receipt")


OUTBOUND_CHECKS = (golden_outbound, secrets_logged, secrets_raised, secrets_told)
