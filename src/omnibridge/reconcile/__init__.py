"""From what was seen to what happened: references, shadows, and events derived from their difference."""

from omnibridge.reconcile.consent import ends_permission, told_by
from omnibridge.reconcile.derive import verbs
from omnibridge.reconcile.fields import flat, private, whole
from omnibridge.reconcile.fold import OPERATOR, SHARED, Owner, Shadow, Source, fold, nobody, sources_in
from omnibridge.reconcile.graves import Grave, laid_to_rest
from omnibridge.reconcile.links import Json, links_in, resolved
from omnibridge.reconcile.order import in_turn
from omnibridge.reconcile.ownership import Ownership, Rule
from omnibridge.reconcile.party import IMPERSONAL
from omnibridge.reconcile.reconcile import Reconciler
from omnibridge.reconcile.refold import links_of, refolded
from omnibridge.reconcile.turn import ChannelView, Derived, Prepared, prepare, readied, version_text

__all__ = [
    "IMPERSONAL",
    "OPERATOR",
    "SHARED",
    "ChannelView",
    "Derived",
    "Grave",
    "Json",
    "Owner",
    "Ownership",
    "Prepared",
    "Reconciler",
    "Rule",
    "Shadow",
    "Source",
    "ends_permission",
    "flat",
    "fold",
    "in_turn",
    "laid_to_rest",
    "links_in",
    "links_of",
    "nobody",
    "prepare",
    "private",
    "readied",
    "refolded",
    "resolved",
    "sources_in",
    "told_by",
    "verbs",
    "version_text",
    "whole",
]
