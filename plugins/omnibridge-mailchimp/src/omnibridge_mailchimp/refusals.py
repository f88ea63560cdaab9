"""How Mailchimp refuses: retry classes of its answers, and permanent refusals with what to do about them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from omnibridge.connector import Class, Outcome, Request, Response, classify_http
from omnibridge.errors import Permanent
from omnibridge_mailchimp.wire import Problem

__all__ = ["COMPLIANCE", "already_exists", "classify", "refusal", "title_of"]

COMPLIANCE = "Member In Compliance State"
"""Somebody who unsubscribed, bounced or complained cannot be subscribed by the API; only they can, by confirming."""

_REMEDIES = {
    COMPLIANCE: "only the person can subscribe again: set double_opt_in = true so that Mailchimp asks them, or send "
    "them to a Mailchimp form",
    "Forgotten Email Not Subscribed": "the address was deleted for good and the API cannot add it again; the person "
    "can subscribe by a Mailchimp form",
    "Resource Not Found": "check list_id and store_id; a user of the key must be able to see them",
    "Wrong Datacenter": "the key belongs to another data centre; leave base_url out",
    "User Disabled": "the account is disabled; log in at Mailchimp",
    "Forbidden": "the user of the key lacks the right; it needs the role Manager or higher",
}


def classify(request: Request, response: Response, now: datetime) -> Outcome:
    """Retry classes by status and error document.

    Beyond HTTP's own meaning: more than ten connections at once are refused with 429, or with 403 without an error
    document, which a refused permission always has. Source: Mailchimp Marketing API, "Throttling" and the error
    glossary.
    """
    outcome = classify_http(request, response, now)
    problem = None if response.ok else Problem.of(response)
    if response.status == 403 and (problem is None or not problem.title):
        return Outcome(Class.RETRY, code="403", reason="throttled: too many connections at once")
    if problem is None or outcome.kind is Class.OK:
        return outcome
    return replace(outcome, code=problem.title or outcome.code, reason=problem.text or None)


def title_of(response: Response) -> str:
    """The title of an error document; empty where there is none."""
    problem = Problem.of(response)
    return problem.title if problem else ""


def already_exists(response: Response) -> bool:
    """Whether a create was refused because it had been made: a 400 that only its text tells apart."""
    problem = Problem.of(response) if response.status == 400 else None
    return problem is not None and "already exists" in problem.text.lower()


def refusal(response: Response, doing: str) -> Permanent:
    """A final refusal as the error to raise: `doing` says what was tried; `code` is Mailchimp's title."""
    problem = Problem.of(response)
    title = problem.title if problem else ""
    said = problem.text if problem else f"status {response.status}"
    return Permanent(
        f"Mailchimp refused {doing}: {said}", code=title or str(response.status), remedy=_REMEDIES.get(title)
    )
