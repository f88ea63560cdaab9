"""The connector record: any HTTP endpoint that speaks CloudEvents, in and out."""

from __future__ import annotations

from datetime import timedelta

from omnibridge.connector import Auth, Connector, Limits, Native, Redelivery, Webhook, deliver
from omnibridge.event import Event
from omnibridge_cloudevents.consent import agreed, fits, granted, obtain
from omnibridge_cloudevents.inbound import accepted, delivery_id, greet, rate, refuse, translate, verify
from omnibridge_cloudevents.outbound import auth_headers, classify, probe, send
from omnibridge_cloudevents.sandbox import CloudEventsSandbox
from omnibridge_cloudevents.settings import CloudEventsSettings

__all__ = ["CONNECTOR"]


def _root(settings: CloudEventsSettings) -> str:
    return settings.root


def _address(settings: CloudEventsSettings) -> str:
    return settings.url or ""


CONNECTOR = Connector(
    name="cloudevents",
    title="CloudEvents over HTTP",
    settings=CloudEventsSettings,
    api_version="1.0",
    base_url=_root,
    auth=Auth(headers=auth_headers, obtain=obtain, fits=fits, agreed=agreed),
    limits=Limits(
        concurrency=32,
        scope=_address,
        granted=granted,
        source="The receiver's own: WebHook-Allowed-Rate, and 429 with Retry-After (CloudEvents WebHook, 4.2 and 2.2)",
    ),
    classify=classify,
    probe=probe,
    webhook=Webhook(
        delivery_id=Native(delivery_id),
        verify=verify,
        translate=translate,
        redelivery=Redelivery(
            on_5xx=True,
            lasts=timedelta(days=1),
            source="Standard Webhooks asks senders to retry over a day or more; each sender decides for itself",
        ),
        reply=accepted,
        greet=greet,
        refuse=refuse,
        rate=rate,
    ),
    delivers=(deliver(Event, send),),
    emits=("*",),
    sandbox=CloudEventsSandbox,
)
