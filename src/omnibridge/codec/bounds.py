"""How large, how many and how deep an event from outside may be."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BOUNDS", "Bounds"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """`event` and `batch` are bytes of one body, `count` events of one batch, `depth` levels of JSON within data.

    The specification asks an intermediary to forward events of 64 KiB and less; these leave room above that.
    """

    event: int = 4 * 1024 * 1024
    batch: int = 16 * 1024 * 1024
    count: int = 1000
    depth: int = 128


BOUNDS = Bounds()
"""What is used where nothing else is said."""
