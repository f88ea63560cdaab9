"""Webhooks of an audience: who may send them, what identifies one, and what it says was seen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

from pydantic import JsonValue

from omnibridge.connector import Inbound, Lookup, Observation, Occurrence, Reply, Snapshot, Verdict, form_bytes, same
from omnibridge.errors import InvalidMessage
from omnibridge.model import Basis, Consent, ConsentState, Customer, Medium, Proof, Purpose, Ref, consent_key
from omnibridge_mailchimp.members import contact_of, customer_fields, merge_customs, proof_source
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Form, instant, nested, plain, subscriber_hash

__all__ = ["CAMPAIGN_CHANGED", "delivery_text", "greet", "translate", "verify"]

CAMPAIGN_CHANGED = "mailchimp.campaign.changed"
"""A campaign was sent, or called off; the data are the webhook's fields."""

_MAPPED = frozenset({"list_id", "email", "merges"})
_IDENTITY = ("data[list_id]", "type", "fired_at", "data[id]", "data[new_id]", "data[email]")


def _secret_fits(settings: MailchimpSettings, given: str) -> bool:
    fits = False
    for secret in settings.path_secrets:  # all of them, so that the time taken tells nothing
        fits |= same(secret.get_secret_value(), given)
    return fits


def verify(settings: MailchimpSettings, inbound: Inbound, now: datetime) -> Verdict:
    """Mailchimp signs nothing: the address must end in one of our secrets, and a list that is named must be ours.

    What cannot be read is let through to `translate`, which keeps it where people see it.
    """
    if not inbound.path_secret:
        return Verdict.UNSIGNED
    if not _secret_fits(settings, inbound.path_secret):
        return Verdict.FORGED
    try:
        lists = {value for key, value in inbound.form() if key == "data[list_id]"}
    except InvalidMessage:
        return Verdict.OK
    return Verdict.OK if lists <= {settings.list_id} else Verdict.FORGED


def greet(settings: MailchimpSettings, inbound: Inbound) -> Reply:
    """Mailchimp fetches the address with GET when a webhook is made, and again later, and wants a 200."""
    known = bool(inbound.path_secret) and _secret_fits(settings, inbound.path_secret or "")
    return Reply(200 if known else 404)


def delivery_text(inbound: Inbound) -> str:
    """What identifies a delivery, as Mailchimp gives it no id: list, type, time, subject, and a hash of all fields.

    `fired_at` counts whole seconds, so two equal changes within one are one.
    """
    try:
        pairs = sorted(inbound.form())
    except InvalidMessage:
        return hashlib.sha256(inbound.body).hexdigest()
    fields = dict(pairs)
    named = [fields.get(name, "") for name in _IDENTITY]
    return "\n".join([*named, hashlib.sha256(form_bytes(pairs)).hexdigest()])


def translate(settings: MailchimpSettings, inbound: Inbound) -> Sequence[Observation]:
    """What a webhook says, at once, and a lookup of the member where it says only a part of it.

    A withdrawal takes effect from the webhook alone. The lookup brings tags and the proof, which webhooks lack, and
    makes the result independent of the order in which `upemail` and `profile` come. Raises InvalidMessage.
    """
    form = nested(inbound.form())
    kind, data = form.get("type"), form.get("data")
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise InvalidMessage("neither type nor data", where="body", remedy="is this an audience webhook of Mailchimp?")
    if _text(data, "list_id") != settings.list_id:
        raise InvalidMessage("of another audience than this channel's", where="data[list_id]")
    fired = form.get("fired_at")
    at = instant(fired) if isinstance(fired, str) else None
    if at is None:
        raise InvalidMessage("no fired_at", where="fired_at")
    handler = _HANDLERS.get(kind)
    if handler is None:
        raise InvalidMessage("a webhook type that this connector does not know", where="type")
    return handler(settings, data, at)


def _text(data: Form, name: str) -> str | None:
    value = data.get(name)
    if isinstance(value, dict):
        raise InvalidMessage("text expected", where=f"data[{name}]")
    return value


def _needed(data: Form, name: str) -> str:
    value = (_text(data, name) or "").strip()
    if not value:
        raise InvalidMessage("missing", where=f"data[{name}]")
    return value


def _customer(settings: MailchimpSettings, data: Form, at: datetime, *, deleted: bool = False) -> Snapshot:
    """The customer that a webhook describes; data that no field is for is kept, an empty `merges` tells nothing."""
    email = _needed(data, "email")
    merges = data.get("merges", {})
    if isinstance(merges, str):
        raise InvalidMessage("fields expected", where="data[merges]")
    told: dict[str, JsonValue] = {name: plain(value) for name, value in data.items() if name not in _MAPPED and value}
    if "id" in told:
        told["unique_email_id"] = told.pop("id")
    web_id = told.get("web_id")
    if isinstance(web_id, str) and web_id.isascii() and web_id.isdecimal() and len(web_id) < 19:
        told["web_id"] = int(web_id)  # a number, as the API has it: else each read after a webhook would be a change
    fields = customer_fields(email, merges, settings.phone_region)
    return Snapshot(
        entity=Customer.model_validate({**fields, "vendor": told} if told else fields),
        external_id=subscriber_hash(email),
        version=at,
        deleted=deleted,
        custom=merge_customs(merges),
    )


def _consent(
    settings: MailchimpSettings,
    data: Form,
    at: datetime,
    state: ConsentState,
    *,
    basis: Basis | None = None,
    ip: str | None = None,
    detail: str | None = None,
) -> Snapshot:
    email = _needed(data, "email")
    contact = contact_of(email)
    entity = Consent(
        contact=contact,
        medium=Medium.EMAIL,
        purpose=Purpose.MARKETING,
        state=state,
        basis=basis,
        proof=Proof(source=proof_source(settings), at=at, ip=ip, detail=detail),
        customer=Ref(kind=Customer.KIND, external_id=subscriber_hash(email)),
        changed_at=at,
    )
    return Snapshot(entity=entity, external_id=consent_key(contact, Medium.EMAIL, Purpose.MARKETING), version=at)


def _read(email: str, at: datetime) -> Lookup:
    return Lookup(Customer.KIND, subscriber_hash(email), {"at": at.isoformat()})


def _subscribe(settings: MailchimpSettings, data: Form, at: datetime) -> Sequence[Observation]:
    ip = _text(data, "ip_opt") or None
    consent = _consent(settings, data, at, ConsentState.GRANTED, ip=ip)
    return (_customer(settings, data, at), consent, _read(_needed(data, "email"), at))


def _unsubscribe(settings: MailchimpSettings, data: Form, at: datetime) -> Sequence[Observation]:
    """`action` is `unsub`, or `delete` where the member was also removed; `reason` is `manual` or `abuse`."""
    action, reason = _text(data, "action"), _text(data, "reason")
    basis = Basis.COMPLAINT if reason == "abuse" else Basis.VENDOR_OPT_OUT
    detail = " ".join(part for part in (action, reason) if part) or None
    consent = _consent(settings, data, at, ConsentState.WITHDRAWN, basis=basis, detail=detail)
    customer = _customer(settings, data, at, deleted=action == "delete")
    return (customer, consent) if customer.deleted else (customer, consent, _read(_needed(data, "email"), at))


def _profile(settings: MailchimpSettings, data: Form, at: datetime) -> Sequence[Observation]:
    """It tells no status, so nothing is said about a consent."""
    return (_customer(settings, data, at), _read(_needed(data, "email"), at))


def _cleaned(settings: MailchimpSettings, data: Form, at: datetime) -> Sequence[Observation]:
    """The address is no longer mailed: it bounced (`hard`), or its owner complained (`abuse`), which no read tells."""
    reason = _text(data, "reason") or None
    basis = Basis.COMPLAINT if reason == "abuse" else Basis.BOUNCE
    consent = _consent(settings, data, at, ConsentState.WITHDRAWN, basis=basis, detail=reason)
    return (_customer(settings, data, at), consent)


def _upemail(settings: MailchimpSettings, data: Form, at: datetime) -> Sequence[Observation]:
    """The same member under another address, so under another id: the old id is an alias of the new one.

    Nobody may write to the old address any more; whether the new one is subscribed, only the read tells.
    """
    new, old = _needed(data, "new_email"), _needed(data, "old_email")
    fields = customer_fields(new, {}, settings.phone_region)
    kept = {name: plain(value) for name, value in data.items() if name not in _MAPPED | {"new_email"} and value}
    if "new_id" in kept:
        kept["unique_email_id"] = kept.pop("new_id")
    customer = Snapshot(
        entity=Customer.model_validate({**fields, "vendor": kept}),
        external_id=subscriber_hash(new),
        version=at,
        aliases=(subscriber_hash(old),),
    )
    ended = _consent(settings, {"email": old}, at, ConsentState.EXPIRED, detail="the address was changed")
    return (customer, ended, _read(new, at))


def _campaign(settings: MailchimpSettings, data: Form, at: datetime) -> Sequence[Observation]:
    campaign, status = _needed(data, "id"), _text(data, "status") or ""
    return (Occurrence(key=f"campaign:{campaign}:{status}", type=CAMPAIGN_CHANGED, data=plain(data), at=at),)


_HANDLERS: dict[str, Callable[[MailchimpSettings, Form, datetime], Sequence[Observation]]] = {
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "profile": _profile,
    "cleaned": _cleaned,
    "upemail": _upemail,
    "campaign": _campaign,
}
