"""What Tryton has of what we name by words: taxes and methods of payment, for an operator to match."""

from __future__ import annotations

from collections.abc import Sequence

from omnibridge.connector import Http, Term
from omnibridge_tryton.payments import list_methods
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.taxes import list_taxes

__all__ = ["list_terms"]


async def list_terms(settings: TrytonSettings, http: Http) -> Sequence[Term]:
    """Taxes, then methods of payment."""
    return [*await list_taxes(settings, http), *await list_methods(settings, http)]
