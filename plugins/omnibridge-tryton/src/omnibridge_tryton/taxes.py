"""Taxes: which one of Tryton's a rate is booked with, and the list that an operator matches rates with.

A rate is booked with the tax that it was matched with (`omnibridge match --kind tax`), else with the one that the
setting `taxes` names. What a sale's line may bear is what Tryton 8.2 says in the domain of `sale.line.taxes`: taxes of
the company without a parent, of no group or of a group for sales.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import ClassVar

from omnibridge.connector import Delivery, Http, Term
from omnibridge.errors import Permanent
from omnibridge.model import TaxLine, rate_word
from omnibridge_tryton.rows import Named
from omnibridge_tryton.rpc import Rpc
from omnibridge_tryton.settings import TrytonSettings

__all__ = ["booked", "list_taxes", "tax_ids"]


class _TaxRow(Named):
    """`account.tax`; only one of a percentage has a rate."""

    FIELDS: ClassVar[tuple[str, ...]] = ("name", "rate")

    rate: Decimal | None = None


def booked(settings: TrytonSettings, taxes: Iterable[TaxLine], delivery: Delivery) -> list[tuple[str, TaxLine]]:
    """Those of `taxes` that Tryton computes, each with the word for its rate.

    Where no rate is named, and none of the order's is matched, Tryton computes none. Where one is, a rate without a tax
    is refused (Permanent): books that are wrong in silence are worse than an order that waits.
    """
    rated = [(rate_word(tax.rate), tax) for tax in taxes if tax.rate is not None and tax.amount]
    if not settings.taxes and not any(kind == "tax" for kind, _ in delivery.references):
        return []
    for rate, _ in rated:
        if delivery.matched("tax", rate) is None and rate not in settings.taxes:
            raise delivery.unmatched("tax", f"the tax rate {rate}", remedy=f'add "{rate}" to `taxes` of the channel')
    return rated


async def tax_ids(rpc: Rpc, rates: Iterable[str], delivery: Delivery) -> dict[str, int]:
    """Tryton's taxes for rates that are matched or named. Raises Permanent for one that is not there."""
    wanted = set(rates)
    matched = {rate: id_ for rate in wanted if (id_ := delivery.matched("tax", rate)) is not None}
    named = {rate: rpc.settings.taxes[rate] for rate in wanted - matched.keys()}
    return {**await _matched(rpc, matched), **await _named(rpc, named)}


async def _matched(rpc: Rpc, ids: dict[str, str]) -> dict[str, int]:
    if not ids:
        return {}
    domain = [["id", "in", sorted({int(id_) for id_ in ids.values() if id_.isdigit()})], *_of_sales(rpc)]
    there = {str(row.id): row.id for row in await rpc.find("account.tax", Named, domain, ["name"])}
    for rate, id_ in ids.items():
        if id_ not in there:
            raise Permanent(
                f"Tryton has no tax {id_} for sales, which the rate {rate} was matched with",
                code="tax",
                remedy=f"match it anew (omnibridge match {rate} CHANNEL:ID --kind tax), then replay",
            )
    return {rate: there[id_] for rate, id_ in ids.items()}


async def _named(rpc: Rpc, names: dict[str, str]) -> dict[str, int]:
    if not names:
        return {}
    domain = [["name", "in", sorted(set(names.values()))], ["company", "=", rpc.settings.company]]
    found = {row.name: row.id for row in await rpc.find("account.tax", Named, domain, ["name"])}
    if missing := sorted(set(names.values()) - set(found)):
        raise Permanent(f"Tryton has no tax named {', '.join(missing)}", code="tax", remedy="mend `taxes`")
    return {rate: found[name] for rate, name in names.items()}


def _of_sales(rpc: Rpc) -> list[object]:
    for_sales = ["OR", ["group", "=", None], ["group.kind", "in", ["sale", "both"]]]
    return [["company", "=", rpc.settings.company], ["active", "=", True], ["parent", "=", None], for_sales]


async def list_taxes(settings: TrytonSettings, http: Http) -> Sequence[Term]:
    """The taxes that a sale's line may bear, each with the rate that it means.

    For a rate in `taxes` that is the tax which is named there, whatever others have the same rate.
    """
    rpc = Rpc(settings, http)
    found = await rpc.find("account.tax", _TaxRow, _of_sales(rpc), _TaxRow.FIELDS, order=[["id", "ASC"]])
    return [
        Term("tax", str(row.id), row.name or str(row.id), word=word) for row in found for word in _words(settings, row)
    ]


def _words(settings: TrytonSettings, row: _TaxRow) -> list[str | None]:
    if named := sorted(rate for rate, name in settings.taxes.items() if name == row.name):
        return [*named]
    own = rate_word(row.rate) if row.rate is not None else None
    return [None if own in settings.taxes else own]
