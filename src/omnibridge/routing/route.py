"""A route: which events, and the channels that get them."""

from __future__ import annotations

from dataclasses import dataclass

from omnibridge.routing.filters import Filter

__all__ = ["MAX_HOPS", "Route"]

MAX_HOPS = 8
"""An event that was passed on from bridge to bridge this often goes no further."""


@dataclass(frozen=True, slots=True)
class Route:
    """`filter` decides, `to` names channels.

    `on_poison`: after a permanent failure the lane goes on (`skip`) or waits for an operator (`park`). `on_unknown`:
    what to do with an attempt that may have taken effect and cannot be looked up: show it and go on (`hold`), send it
    again (`resend`), or stop the lane (`park`).
    """

    name: str
    filter: Filter
    to: tuple[str, ...]
    on_poison: str = "skip"
    on_unknown: str = "hold"
    echo: bool = False
