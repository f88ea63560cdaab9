"""What Square's answers mean: its `errors` array classed by category and code, then HTTP's own meaning."""

from __future__ import annotations

from datetime import datetime

from omnibridge.connector import Class, Outcome, Request, Response, classify_http, retry_after
from omnibridge.errors import InvalidMessage, Permanent
from omnibridge_square.wire import Node

__all__ = ["classify", "code_of", "missing", "refused", "stale", "succeeded"]

_CREDENTIAL = {"UNAUTHORIZED", "ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_REVOKED"}
_GONE = frozenset({"NOT_FOUND", "CUSTOMER_NOT_FOUND", "GONE"})
_REMEDIES = {
    "ACCESS_TOKEN_EXPIRED": "renew access_token",
    "ACCESS_TOKEN_REVOKED": "give a new access_token",
    "UNAUTHORIZED": "check access_token, and that it belongs to the environment",
    "INSUFFICIENT_SCOPES": "grant the application the permission that the message names",
    "IDEMPOTENCY_KEY_REUSED": "resend the delivery, which gives it a new key",
    "INVALID_PHONE_NUMBER": "correct the phone number; Square takes 9 to 16 digits",
    "INVALID_EMAIL_ADDRESS": "correct the email address",
    "INVALID_LOCATION": "check location_id and the matched locations",
    "PAYMENT_AMOUNT_MISMATCH": "compare the order's amount due with the payment",
}


def _errors(response: Response) -> list[tuple[str, str, str, str]]:
    """(category, code, detail, field) of each error; empty when the body holds none that can be read."""
    try:
        found = Node(response.json()).nodes("errors")
        return [
            (
                one.text("category") or "",
                one.text("code") or "",
                one.text("detail") or "",
                one.text("field") or "",
            )
            for one in found
        ]
    except InvalidMessage:
        return []


def classify(request: Request, response: Response, now: datetime) -> Outcome:
    """Square's error categories (Square, "Handling errors"; the API specification's `ErrorCategory`).

    Rate limits come back later. Only a bad token is an authentication failure: a missing permission (403) cannot be
    renewed away. `API_ERROR` is Square's own trouble. All others are refusals, `VERSION_MISMATCH` among them, which
    goes back to the function that knows how to read again.
    """
    if response.ok:
        return Outcome(Class.OK)
    errors = _errors(response)
    if not errors:
        return classify_http(request, response, now)
    category, code, detail, field = errors[0]
    reason = ": ".join(part for part in (code, field, detail) if part)
    pause = retry_after(response, now)
    if category == "RATE_LIMIT_ERROR" or code == "RATE_LIMITED" or response.status == 429:
        return Outcome(Class.RETRY, pause, code, reason)
    if response.status == 401 or code in _CREDENTIAL:
        return Outcome(Class.EXPIRED, None, code, reason)
    if category == "API_ERROR" or response.status >= 500:
        harmless = request.reads or request.protection is not None
        certain = response.status in (408, 429, 503) or code in ("SERVICE_UNAVAILABLE", "TEMPORARY_ERROR")
        return Outcome(Class.RETRY if harmless or certain else Class.AMBIGUOUS, pause, code, reason)
    if response.status in (408, 425):
        return Outcome(Class.RETRY, pause, code, reason)
    return Outcome(Class.PERMANENT, None, code, reason)


def stale(response: Response) -> bool:
    """Whether a write was refused because the record has another version by now.

    Orders say `VERSION_MISMATCH`; customers have also been seen to say `CONFLICT`, both with status 409.
    """
    return any(
        code == "VERSION_MISMATCH" or (code == "CONFLICT" and response.status == 409)
        for _, code, _, _ in _errors(response)
    )


def code_of(response: Response) -> str | None:
    """The code of the first error, or None where the body holds none."""
    errors = _errors(response)
    return errors[0][1] or None if errors else None


def missing(response: Response) -> bool:
    """Whether a record is not there, or not any more."""
    return response.status == 404 or (not response.ok and code_of(response) in _GONE)


def refused(what: str, response: Response) -> Permanent:
    """The error to raise for a refusal: Square's own code and words, and what to do."""
    errors = _errors(response)
    code, detail, field = errors[0][1:] if errors else (str(response.status), "", "")
    words = ", ".join(part for part in (code, field, detail) if part)
    return Permanent(f"Square refused {what}: {words}", code=code, remedy=_REMEDIES.get(code))


def succeeded(what: str, response: Response) -> Node:
    """The body of a successful answer. Raises Permanent for a refusal, InvalidMessage for an answer without JSON."""
    if not response.ok:
        raise refused(what, response)
    return Node(response.json(), "answer")
