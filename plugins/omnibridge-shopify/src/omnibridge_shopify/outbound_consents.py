"""Consents to Shopify: marketing permissions for a customer's own email address and phone number."""

from __future__ import annotations

from datetime import timedelta

from omnibridge.connector import Delivery, Http, Later, Receipt, Reference, Snapshot, Upsert
from omnibridge.errors import Permanent
from omnibridge.model import Basis, Consent, ConsentState, Medium, Purpose, consent_key
from omnibridge_shopify.customers import consents_of
from omnibridge_shopify.documents import EMAIL_CONSENT, SMS_CONSENT
from omnibridge_shopify.graphql import Json, change, problems
from omnibridge_shopify.outbound_customers import find_customer
from omnibridge_shopify.reads import customer_body
from omnibridge_shopify.settings import Shopify
from omnibridge_shopify.wire import CUSTOMER

__all__ = ["normal_consent", "set_consent"]

_STATES = {
    ConsentState.GRANTED: "SUBSCRIBED",
    ConsentState.PENDING: "PENDING",
    ConsentState.WITHDRAWN: "UNSUBSCRIBED",
    ConsentState.DENIED: "UNSUBSCRIBED",
    ConsentState.EXPIRED: "UNSUBSCRIBED",
}
_BACK = {
    ConsentState.DENIED: ConsentState.WITHDRAWN,
    ConsentState.EXPIRED: ConsentState.WITHDRAWN,
}
_LEVELS = {Basis.SINGLE_OPT_IN: "SINGLE_OPT_IN", Basis.DOUBLE_OPT_IN: "CONFIRMED_OPT_IN"}
_PERMISSIVE = frozenset({ConsentState.GRANTED, ConsentState.PENDING})
_PATIENCE = 5


def normal_consent(settings: Shopify, consent: Consent) -> Consent:
    """What Shopify keeps of a consent: a refusal and an expired permission are both "unsubscribed" there."""
    values: dict[str, object] = {
        "contact": consent.contact,
        "medium": consent.medium,
        "purpose": consent.purpose,
        "state": _BACK.get(consent.state, consent.state),
    }
    return Consent.model_validate(values)


async def set_consent(settings: Shopify, consent: Consent, delivery: Delivery, http: Http) -> Receipt | Later:
    """Write one marketing permission to the customer whose own address or number it is about.

    "Subscribed" is written for a consent in state `granted` and for nothing else. Shopify keeps email and SMS marketing
    only; other permissions, and states that say nothing, are left alone with a note. A grant for a person whom the shop
    does not have yet waits a little for the customer to come; a withdrawal then has nothing to withdraw from. Raises
    Permanent for what Shopify refuses.
    """
    state = _STATES.get(consent.state)
    if consent.medium not in (Medium.EMAIL, Medium.SMS) or consent.purpose is not Purpose.MARKETING:
        return Receipt(note=f"Shopify keeps no consent for {consent.purpose.value} by {consent.medium.value}")
    if state is None:
        return Receipt(note="an unknown consent says nothing to write")
    by_email = consent.medium is Medium.EMAIL
    # Looked up by the contact itself: the permission must never land on another address that the customer now has.
    found = await find_customer(
        settings, http, email=consent.contact if by_email else None, phone=None if by_email else consent.contact
    )
    if found is None:
        return _nobody(consent, delivery)
    said: dict[str, object] = {"marketingState": state}
    if consent.state is ConsentState.PENDING:
        said["marketingOptInLevel"] = "CONFIRMED_OPT_IN"  # the only level at which Shopify waits for a confirmation
    elif consent.state is ConsentState.GRANTED:
        said["marketingOptInLevel"] = _LEVELS.get(consent.basis or Basis.OTHER, "UNKNOWN")
    at = consent.changed_at or (consent.proof.at if consent.proof else None)
    if at is not None:
        said["consentUpdatedAt"] = at.isoformat().replace("+00:00", "Z")
    document, name = (EMAIL_CONSENT, "emailMarketingConsent") if by_email else (SMS_CONSENT, "smsMarketingConsent")
    payload = await change(
        settings,
        http,
        document,
        {"input": {"customerId": found["id"], name: said}},
        step=f"{consent.medium.value}-consent",
        protection=Upsert(),
    )
    errors = problems(payload)
    if errors or payload["customer"] is None:
        code, field, message = errors[0] if errors else ("", "", "Shopify returned no customer")
        raise Permanent(f"{field}: {message}" if field else message, code=code or None)
    return _receipt(settings, consent, payload["customer"])


def _nobody(consent: Consent, delivery: Delivery) -> Receipt | Later:
    if consent.state not in _PERMISSIVE:
        return Receipt(note="no customer of the shop has this address or number, so there is nothing to withdraw")
    tried = delivery.state if isinstance(delivery.state, int) else 0
    if tried < _PATIENCE:
        return Later(after=timedelta(minutes=1) * 2**tried, state=tried + 1)
    raise Permanent(
        "no customer of the shop has this address or number",
        code="NOT_FOUND",
        remedy="route customers to this channel too, then replay the consent",
    )


def _receipt(settings: Shopify, consent: Consent, node: Json) -> Receipt:
    """What Shopify has now for this contact, in the fields that were written.

    It does not claim that the shop's customer is the consent's: another canonical customer may be known by it.
    """
    key = consent_key(consent.contact, consent.medium)
    references = (Reference("consent", key),)
    for seen in consents_of(settings, CUSTOMER.validate_python(customer_body(node))):
        if seen.external_id == key and isinstance(seen.entity, Consent):
            told = seen.entity.model_dump(include={"contact", "medium", "state", "basis", "changed_at", "vendor"})
            return Receipt(references, (Snapshot(Consent.model_validate(told), key, seen.version),))
    return Receipt(references)
