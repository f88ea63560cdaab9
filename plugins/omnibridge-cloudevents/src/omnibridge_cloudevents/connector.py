"""The connector record: any HTTP endpoint that speaks CloudEvents, in and out."""

from __future__ import annotations

from datetime import timedelta

from omnibridge.connector import Auth, Connector, Limits, Native, Redelivery, Webhook, deliver
from omnibridge.event import Event
from omnibridge_cloudevents.inbound import delivery_id, greet, translate, verify
from omnibridge_cloudevents.outbound import auth_headers, classify, probe, send
from omnibridge_cloudevents.sandbox import CloudEventsSandbox
from omnibridge_cloudevents.settings import CloudEventsSettings

__all__ = ["CONNECTOR"]


def _root(settings: CloudEventsSettings) -> str:
    return settings.root


CONNECTOR = Connector(
    name="cloudevents",
    title="CloudEvents over HTTP",
    settings=CloudEventsSettings,
    api_version="1.0",
    base_url=_root,
    auth=Auth(headers=auth_headers),
    limits=Limits(
        concurrency=32,
        scope=_root,
        source="The receiver's own: it says 429 with Retry-After (CloudEvents WebHook, section 2.2)",
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
        greet=greet,
    ),
    delivers=(deliver(Event, send),),
    emits=("*",),
    sandbox=CloudEventsSandbox,
)
