"""The OmniBridge connector for Square points of sale."""

from __future__ import annotations

from collections.abc import Sequence

from omnibridge.connector import AnyConnector, hookimpl
from omnibridge_square.connector import CONNECTOR

__all__ = ["CONNECTOR", "omnibridge_connectors"]


@hookimpl
def omnibridge_connectors() -> Sequence[AnyConnector]:
    """The one connector of this package."""
    return [CONNECTOR]
