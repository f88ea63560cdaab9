"""The OmniBridge connector for any system that speaks CloudEvents over HTTP."""

from collections.abc import Sequence

from omnibridge.connector import AnyConnector, hookimpl
from omnibridge_cloudevents.connector import CONNECTOR
from omnibridge_cloudevents.settings import CloudEventsSettings

__all__ = ["CONNECTOR", "CloudEventsSettings", "omnibridge_connectors"]


@hookimpl
def omnibridge_connectors() -> Sequence[AnyConnector]:
    """This package's only connector."""
    return [CONNECTOR]
