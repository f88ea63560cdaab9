"""Permissions to member status: a grant subscribes, everything that is no longer a permission unsubscribes."""

from __future__ import annotations

from omnibridge.connector import Delivery, Http, Receipt, Reference, Response, Snapshot, Upsert
from omnibridge.errors import Permanent
from omnibridge.model import Consent, ConsentState, Medium, Purpose
from omnibridge_mailchimp.members import consent_snapshot
from omnibridge_mailchimp.outbound import path_of
from omnibridge_mailchimp.refusals import COMPLIANCE, refusal, title_of
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Json, Member, read_model, subscriber_hash

__all__ = ["find_consent", "normal_consent", "write_consent"]

_ENDED = frozenset({ConsentState.WITHDRAWN, ConsentState.DENIED, ConsentState.EXPIRED})
_SILENT = frozenset({"unsubscribed", "cleaned", "archived"})


def _ours(consent: Consent) -> bool:
    return consent.medium is Medium.EMAIL and consent.purpose is Purpose.MARKETING


def normal_consent(settings: MailchimpSettings, consent: Consent) -> Consent:
    """What a member's status can hold: permission by e-mail for marketing, given or ended. Idempotent."""
    kept: dict[str, object] = {"contact": consent.contact, "medium": consent.medium, "purpose": consent.purpose}
    if consent.id is not None:
        kept["id"] = consent.id
    if "state" in consent.model_fields_set and _ours(consent):
        kept["state"] = ConsentState.WITHDRAWN if consent.state in _ENDED else consent.state
    return Consent.model_validate(kept)


async def write_consent(settings: MailchimpSettings, consent: Consent, delivery: Delivery, http: Http) -> Receipt:
    """Subscribe for a grant, unsubscribe for what ended one, and do nothing for a question still open.

    Whom Mailchimp will not subscribe again (they unsubscribed, bounced or complained once) it asks by e-mail, where
    `double_opt_in` allows that; a question that is open is left to them. Raises Permanent for a final refusal.
    """
    if not _ours(consent):
        return Receipt(note="not for Mailchimp, which knows permission for marketing by e-mail only")
    if consent.state in _ENDED:
        return await _unsubscribe(settings, consent, http)
    if consent.state is ConsentState.GRANTED:
        known = delivery.known
        if settings.double_opt_in and isinstance(known, Consent) and known.state is ConsentState.PENDING:
            return Receipt(note="nothing to do: Mailchimp asked them, and they have not confirmed")
        return await _subscribe(settings, consent, http)
    return Receipt(note=f"nothing to do: the permission is {consent.state}")


async def find_consent(settings: MailchimpSettings, consent: Consent, delivery: Delivery, http: Http) -> Receipt | None:
    """Whether a write whose answer was lost took effect: the member's status says it."""
    if not _ours(consent):
        return None
    member = await _member(settings, consent, http)
    if member is None:
        return None
    if consent.state is ConsentState.GRANTED and member.status in ("subscribed", "pending"):
        return _receipt(settings, member)
    if consent.state in _ENDED and member.status in _SILENT:
        return _receipt(settings, member)
    return None


async def _subscribe(settings: MailchimpSettings, consent: Consent, http: Http) -> Receipt:
    body: Json = {"email_address": consent.contact, "status_if_new": "subscribed", "status": "subscribed"}
    proof = consent.proof
    if proof is not None and proof.ip:
        body["ip_opt"] = proof.ip
    at = consent.changed_at or (proof.at if proof is not None else None)
    if at is not None:
        body["timestamp_opt"] = at.isoformat(timespec="seconds")
    answer = await _put(settings, body, "subscribe", http, repeatable=True)
    if answer.ok:
        return _receipt(settings, read_model(Member, answer.json(), "member"))
    refused = refusal(answer, "to subscribe a member")
    if title_of(answer) != COMPLIANCE or not settings.double_opt_in:
        raise refused
    member = await _member(settings, consent, http)
    if member is None or member.status != "pending":  # asking twice would send the question twice
        asked: Json = {"email_address": consent.contact, "status_if_new": "pending", "status": "pending"}
        answer = await _put(settings, asked, "ask", http, repeatable=False)
        if not answer.ok:
            raise Permanent(f"{refused.what}; then {refusal(answer, 'to ask').what}", code=COMPLIANCE)
        member = read_model(Member, answer.json(), "member")
    return _receipt(settings, member, "Mailchimp asked by e-mail; the permission is pending until they confirm")


async def _unsubscribe(settings: MailchimpSettings, consent: Consent, http: Http) -> Receipt:
    """A PATCH, which never makes a member: who is not in the audience gets nothing and need not become known there."""
    path = path_of(settings, subscriber_hash(consent.contact))
    answer = await http.patch(path, json={"status": "unsubscribed"}, step="unsubscribe", protection=Upsert())
    if answer.ok:
        return _receipt(settings, read_model(Member, answer.json(), "member"))
    if answer.status == 404:
        return Receipt(note="nothing to do: not in the audience")
    member = await _member(settings, consent, http)
    if member is None or member.status not in _SILENT:
        raise refusal(answer, "to unsubscribe a member")
    return _receipt(settings, member, f"nothing to do: the member is {member.status} already")


async def _put(settings: MailchimpSettings, body: Json, step: str, http: Http, *, repeatable: bool) -> Response:
    return await http.put(
        path_of(settings, subscriber_hash(str(body["email_address"]))),
        json=body,
        params={"skip_merge_validation": "true"},
        step=step,
        protection=Upsert() if repeatable else None,
    )


async def _member(settings: MailchimpSettings, consent: Consent, http: Http) -> Member | None:
    answer = await http.get(path_of(settings, subscriber_hash(consent.contact)))
    if answer.status == 404:
        return None
    if not answer.ok:
        raise refusal(answer, "to show a member")
    return read_model(Member, answer.json(), "member")


def _receipt(settings: MailchimpSettings, member: Member, note: str | None = None) -> Receipt:
    """What Mailchimp has now, restricted to the state, which alone was written."""
    seen = consent_snapshot(settings, member)
    if seen is None:
        return Receipt(note=note)
    told = seen.entity.model_dump(include={"contact", "medium", "purpose", "state"}, exclude_unset=True)
    snapshot = Snapshot(Consent.model_validate(told), seen.external_id, seen.version)
    return Receipt((Reference(Consent.KIND, seen.external_id),), (snapshot,), note)
