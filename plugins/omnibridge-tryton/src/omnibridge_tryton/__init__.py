"""The OmniBridge connector for Tryton ERP servers."""

from __future__ import annotations

from collections.abc import Sequence

from omnibridge.connector import AnyConnector, hookimpl
from omnibridge_tryton.connector import CONNECTOR

__all__ = ["CONNECTOR", "omnibridge_connectors"]


@hookimpl
def omnibridge_connectors() -> Sequence[AnyConnector]:
    """The `tryton` connector."""
    return [CONNECTOR]
