"""Twilio's answers classed: its codes say more than the HTTP status, and a lost send is never taken for unsent."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from omnibridge.connector import Class, Learned, Limits, Outcome, Request, Response, classify_http, retry_after
from omnibridge.errors import InvalidMessage, Permanent
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.wire import Trouble, parse

__all__ = ["LIMITS", "classify", "refusal", "trouble"]

_SECONDS = re.compile(r"[0-9]{1,4}")
_NUMBER = re.compile(r"\+?\d[\d ()-]{5,}\d")

# Trouble that passes by itself: Twilio, error and warning dictionary.
_PASSES = frozenset(
    {
        14107,  # message rate limit exceeded
        20429,  # too many requests
        20503,  # service unavailable
        21611,  # the sender's queue is full
        30001,  # queue overflow
    }
)
# Trouble that a person must end, in the account or in the settings; nothing is lost while it lasts.
_WAITS: dict[int, tuple[timedelta, str]] = {
    10001: (timedelta(minutes=15), "the account is not active"),
    20003: (timedelta(minutes=5), "the account SID with its auth token or API key is refused"),
    20005: (timedelta(minutes=15), "the account is not active"),
    30002: (timedelta(minutes=15), "the account is suspended"),
}
_REMEDIES = {
    20008: "test credentials cannot do this; use live ones",
    20404: "check the SIDs in the settings",
    21211: "the recipient is no valid number; correct it in E.164",
    21212: "the sender is no valid number; check from_number",
    21408: "enable the recipient's country under the account's geographic permissions",
    21603: "set from_number, whatsapp_from or messaging_service_sid",
    21606: "this sender cannot send; check from_number",
    21610: "the person opted out; only a START from them ends it",
    21614: "the recipient is no mobile number",
    21617: "shorten the text: 1600 characters at most",
    21655: "the template does not exist; check its SID",
    21656: "the template's variables do not fit",
    21703: "the Messaging Service has no sender; add one",
    63007: "check whatsapp_from: there is no such WhatsApp sender",
    63016: "more than 24 hours since the person wrote: WhatsApp then takes templates only",
}


def trouble(response: Response) -> Trouble:
    """The error body, empty where there is none. Numbers in its text are masked, as they are people's."""
    try:
        found = parse(Trouble, response)
    except InvalidMessage:
        return Trouble()
    return Trouble(code=found.code, message=_NUMBER.sub("…", found.message)[:300])


def classify(request: Request, response: Response, now: datetime) -> Outcome:
    """HTTP's classes, made finer by Twilio's codes.

    A 503 without Twilio's own error body comes from something in between, so for a send its effect is unknown. Refused
    credentials are waited out: a rotated token in the settings ends it, and no message is lost until then.
    """
    if response.ok:
        return Outcome(Class.OK)
    found = trouble(response)
    code = str(found.code or response.status)
    reason = found.message or None
    wish = retry_after(response, now)
    if found.code in _PASSES or response.status == 429:
        return Outcome(Class.RETRY, after=wish, code=code, reason=reason)
    if found.code in _WAITS or response.status == 401:
        after, why = _WAITS[found.code if found.code in _WAITS else 20003]
        return Outcome(Class.RETRY, after=wish or after, code=code, reason=why)
    by_status = classify_http(request, response, now)
    kind = by_status.kind
    exposed = not request.reads and request.protection is None
    if response.status >= 500 and found.code is None and exposed:
        kind = Class.AMBIGUOUS
    return Outcome(kind, after=by_status.after, code=code, reason=reason)


def refusal(response: Response, what: str) -> Permanent:
    """The error to raise for an answer that refuses for good, with Twilio's code and what to do about it."""
    found = trouble(response)
    code = str(found.code or response.status)
    text = f"{what}: {found.message or f'HTTP {response.status}'}"
    remedy = _REMEDIES.get(found.code or 0, f"see error {code} in Twilio's error dictionary")
    return Permanent(text, code=code, remedy=remedy)


def _learn(response: Response) -> Learned | None:
    if response.status != 429:
        return None
    seconds = (response.header("retry-after") or "").strip()
    return Learned(pause=timedelta(seconds=int(seconds) if _SECONDS.fullmatch(seconds) else 1))


def _account(settings: Twilio) -> str:
    return settings.account_sid


LIMITS: Limits[Twilio] = Limits(
    concurrency=20,
    scope=_account,
    learn=_learn,
    source="Twilio, API best practices: concurrency is limited per account (429, code 20429); sends above a sender's "
    "rate are queued by Twilio and not refused",
)
