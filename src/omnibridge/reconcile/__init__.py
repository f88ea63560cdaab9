"""From what was seen to what happened: references, shadows, and events derived from their difference."""

from omnibridge.reconcile.consent import ends_permission, told_by
from omnibridge.reconcile.derive import verbs
from omnibridge.reconcile.links import links_in, resolved
from omnibridge.reconcile.party import IMPERSONAL
from omnibridge.reconcile.reconcile import ChannelView, Derived, Prepared, Reconciler, prepare

__all__ = [
    "IMPERSONAL",
    "ChannelView",
    "Derived",
    "Prepared",
    "Reconciler",
    "ends_permission",
    "links_in",
    "prepare",
    "resolved",
    "told_by",
    "verbs",
]
