"""The OmniBridge connector for Shopify shops."""

from collections.abc import Sequence

from omnibridge.connector import AnyConnector, hookimpl
from omnibridge_shopify.connector import CONNECTOR

__all__ = ["CONNECTOR", "omnibridge_connectors"]


@hookimpl
def omnibridge_connectors() -> Sequence[AnyConnector]:
    """The one connector of this package."""
    return [CONNECTOR]
