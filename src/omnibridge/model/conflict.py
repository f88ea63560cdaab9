"""A conflict: two channels state different values for one field, and only one of them can hold."""

from __future__ import annotations

from omnibridge.model.base import Instant, Model, Ref

__all__ = ["Conflict"]


class Conflict(Model):
    """`winner` and `loser` are channels: what the winner says about `field` of `entity` holds, and goes to the loser.

    `field` is a field's name, `attributes.NAME`, or `price.SKU` of a product. The values are not in it: they may be
    somebody's, and are shown by `omnibridge conflicts`.
    """

    kind: str
    entity: Ref
    field: str
    winner: str
    loser: str
    at: Instant
