"""The record: everything that OmniBridge needs to talk to one Mailchimp audience."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from omnibridge.connector import (
    Auth,
    Connector,
    Credential,
    Derived,
    Limits,
    Poll,
    Redelivery,
    Request,
    Webhook,
    deliver,
    deliver_many,
)
from omnibridge.model import Consent, Customer, EraseCustomer, Order
from omnibridge_mailchimp.batches import LEAST, MOST, find_batched, upsert_members
from omnibridge_mailchimp.consents import find_consent, normal_consent, write_consent
from omnibridge_mailchimp.erasure import erase_person
from omnibridge_mailchimp.hooks import SUBSCRIPTIONS
from omnibridge_mailchimp.inbound import CAMPAIGN_CHANGED, delivery_text, greet, translate, verify
from omnibridge_mailchimp.order_map import normal_order
from omnibridge_mailchimp.orders import write_order
from omnibridge_mailchimp.outbound import delete_member, normal_customer, upsert_member
from omnibridge_mailchimp.polls import poll_archived, poll_members
from omnibridge_mailchimp.reads import probe, read
from omnibridge_mailchimp.refusals import classify
from omnibridge_mailchimp.sandbox import MailchimpSandbox
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.touches import poll_touches

__all__ = ["CONNECTOR", "DROPPED"]

_WRITTEN = ("created", "updated")  # a merge is written as an update of the survivor

DROPPED: Mapping[str, str] = {
    "data.merges.EMAIL": "repeats data.email",
    "full_name": "first and last name put together by Mailchimp",
    "email_client": "guessed from opened mails; changes without the customer changing",
    "member_rating": "computed from opened mails; changes without the customer changing",
    "location.*": "guessed from the address of opened mails",
    "stats.*": "computed by Mailchimp; changes without the customer changing",
    "tags[].id": "the name is what people write tags by; `segments` names those that count as segments",
    "id": "the MD5 of email_address, which is mapped",
    "list_id": "the audience of the channel, in every row",
    "_links[].*": "hypermedia about the API itself",
}


def _headers(
    settings: MailchimpSettings, credential: Credential | None, request: Request, now: datetime
) -> Mapping[str, str]:
    """Basic with any user name for an API key, Bearer for an OAuth token, which never expires."""
    key = settings.api_key.get_secret_value()
    if settings.data_centre is None:
        return {"authorization": f"Bearer {key}"}
    return {"authorization": "Basic " + base64.b64encode(f"omnibridge:{key}".encode()).decode()}


def _scope(settings: MailchimpSettings) -> str:
    """The limit is a user's; the key stands for the user, as nothing else names one without asking."""
    return hashlib.sha256(settings.api_key.get_secret_value().encode()).hexdigest()[:16]


CONNECTOR: Connector[MailchimpSettings] = Connector(
    name="mailchimp",
    title="Mailchimp",
    settings=MailchimpSettings,
    api_version="3.0",
    base_url=lambda settings: settings.root,
    auth=Auth(headers=_headers),
    limits=Limits(
        concurrency=10,
        scope=_scope,
        timeout=timedelta(seconds=120),
        source="Mailchimp Marketing API, Fundamentals: 10 simultaneous connections a user, calls end after 120 s",
    ),
    classify=classify,
    probe=probe,
    webhook=Webhook(
        delivery_id=Derived(delivery_text, window=timedelta(hours=3)),
        verify=verify,
        translate=translate,
        redelivery=Redelivery(
            on_5xx=True,
            lasts=timedelta(minutes=75),
            source="Mailchimp Marketing API, Sync audience data with webhooks: retries at growing intervals, 75 min",
        ),
        greet=greet,
    ),
    subscriptions=SUBSCRIPTIONS,
    polls=(
        Poll(name="members", every=timedelta(minutes=15), run=poll_members),
        Poll(name="archived", every=timedelta(hours=6), run=poll_archived),
        Poll(name="touches", every=timedelta(hours=1), run=poll_touches),
    ),
    read=read,
    delivers=(
        deliver_many(
            Customer,
            upsert_members,
            most=MOST,
            least=LEAST,
            one=upsert_member,
            verbs=_WRITTEN,
            find=find_batched,
            normal=normal_customer,
        ),
        deliver(Customer, delete_member, verbs=("deleted",)),
        deliver(Consent, write_consent, find=find_consent, normal=normal_consent),
        deliver(Order, write_order, normal=normal_order),
        deliver(EraseCustomer, erase_person),
    ),
    emits=("customer", "consent", "touch", CAMPAIGN_CHANGED),
    sandbox=MailchimpSandbox,
    dropped=DROPPED,
)
