"""The one hook: how an installed package offers its connectors. Discovery ends here; nothing awaitable crosses it."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from omnibridge.connector.record import AnyConnector

__all__ = ["PROJECT", "hookimpl", "hookspec", "omnibridge_connectors"]

PROJECT = "omnibridge"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def omnibridge_connectors() -> Sequence[AnyConnector]:
    """The connectors of this package: frozen records, made without I/O."""
    raise NotImplementedError
