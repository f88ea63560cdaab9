"""The Twilio connector's record."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from omnibridge.connector import (
    Auth,
    Connector,
    Credential,
    Native,
    Poll,
    Redelivery,
    Request,
    Webhook,
    deliver,
)
from omnibridge.model import EraseCustomer, PlaceCall, SendMessage
from omnibridge_twilio.answers import LIMITS, classify
from omnibridge_twilio.calls_out import find_call, place
from omnibridge_twilio.conversations_poll import poll_conversations
from omnibridge_twilio.inbound import delivery_id, reply, translate
from omnibridge_twilio.outbound import erase, find, send
from omnibridge_twilio.reads import poll_calls, poll_messages, poll_outcomes, probe, read
from omnibridge_twilio.sandbox import TwilioSandbox
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.signature import verify

__all__ = ["CONNECTOR"]

_LEGACY = "an older name of MessageSid, with the same value"
_CALLBACK = "about the callback and not about the call"
_OWN = "the channel's own account, the same in every message"


def _headers(settings: Twilio, credential: Credential | None, request: Request, now: datetime) -> Mapping[str, str]:
    """Basic auth with the API key where there is one, else with the account's auth token."""
    secret = settings.api_secret or settings.auth_token
    user = settings.api_key or settings.account_sid
    pair = f"{user}:{secret.get_secret_value() if secret is not None else ''}"
    return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _hosts(settings: Twilio) -> Sequence[str]:
    """Conversations have a host of their own."""
    return (urlsplit(settings.conversations_root).netloc,)


def _root(settings: Twilio) -> str:
    return settings.root


CONNECTOR: Connector[Twilio] = Connector(
    name="twilio",
    title="Twilio messaging and voice",
    settings=Twilio,
    api_version="2010-04-01",
    base_url=_root,
    hosts=_hosts,
    auth=Auth(headers=_headers),
    limits=LIMITS,
    classify=classify,
    probe=probe,
    webhook=Webhook(
        delivery_id=Native(delivery_id),
        verify=verify,
        translate=translate,
        redelivery=Redelivery(
            on_5xx=False,
            lasts=timedelta(seconds=15),
            source="Twilio, webhook connection overrides: one repetition, only when the connection fails, 15 s in all",
        ),
        reply=reply,
    ),
    polls=(
        Poll(name="messages", every=timedelta(minutes=5), run=poll_messages),
        Poll(name="outcomes", every=timedelta(hours=1), run=poll_outcomes),
        Poll(name="calls", every=timedelta(minutes=15), run=poll_calls),
        Poll(name="conversations", every=timedelta(minutes=15), run=poll_conversations),
    ),
    read=read,
    delivers=(
        deliver(SendMessage, send, find=find),
        deliver(PlaceCall, place, find=find_call),
        deliver(EraseCustomer, erase),
    ),
    emits=("message", "call", "consent", "customer"),
    sandbox=TwilioSandbox,
    dropped={
        "SmsSid": _LEGACY,
        "SmsMessageSid": _LEGACY,
        "SmsStatus": "in a status callback an older name of MessageStatus, with the same value",
        "Caller*": "older names of From and what is about it, with the same values",
        "Called*": "older names of To and what is about it, with the same values",
        "Duration": "whole minutes, as billed; CallDuration has the seconds",
        "Timestamp": _CALLBACK,
        "SequenceNumber": _CALLBACK,
        "CallbackSource": _CALLBACK,
        "CallToken": "a credential that lets one forward the call",
        "to_formatted": "repeats `to`",
        "from_formatted": "repeats `from`",
        "AccountSid": _OWN,
        "ApiVersion": "a constant",
        "account_sid": _OWN,
        "api_version": "a constant",
        "uri": "follows from the SID",
        "subresource_uris.*": "follow from the SID",
    },
)
