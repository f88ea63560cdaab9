"""`omnibridge customer`: the card of a customer, as an agent would see it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from omnibridge.cli.app import AsJson, ConfigPath, app, attached, run_async
from omnibridge.cli.output import say, table, write_json
from omnibridge.customer import Card, Customers, card

__all__ = ["customer_command"]


@app.command("customer")
def customer_command(
    who: Annotated[str, typer.Argument(metavar="ID|EMAIL|PHONE", help="Also `channel:id`, or a loyalty number.")],
    config: ConfigPath = Path("bridge.toml"),
    before: Annotated[int | None, typer.Option("--before", help="The next page of the timeline.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How much of the timeline.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show a customer: profile with its sources, open orders, conversation, consents, points, gift cards, timeline."""

    async def read() -> Card:
        async with attached(config) as journal:
            return await card(journal, await Customers(journal).one(who), before=before, limit=limit)

    found = run_async(read)
    if as_json:
        write_json(found.model_dump(mode="json", exclude_unset=True))
    else:
        _show(found)


def _show(found: Card) -> None:
    say(f"customer {found.id}")
    for reference in found.references:
        say(f"  {reference.channel}: {reference.external_id}")
    profile = [(name, fact.value, fact.channel, _time(fact.at)) for name, fact in found.profile.items()]
    table("Profile", ["field", "value", "says", "since"], profile)
    if found.orders:
        orders = [
            (o.number, o.status, o.payment_status, o.fulfilment_status, f"{o.totals.total.amount} {o.currency}")
            for o in found.orders
        ]
        table("Open orders", ["number", "status", "payment", "goods", "total"], orders)
    if found.conversation:
        said = [(_time(m.sent_at or m.updated_at), m.medium, m.direction, m.body) for m in found.conversation]
        table("Conversation", ["at", "medium", "direction", "text"], said)
    if found.consents:
        consents = [(c.contact, c.medium, c.purpose, c.state, _time(c.since)) for c in found.consents]
        table("Consents", ["contact", "medium", "purpose", "state", "since"], consents)
    if found.points:
        held = [(p.channel, p.program, p.balance, p.lifetime, _time(p.at)) for p in found.points]
        table("Points", ["channel", "program", "balance", "ever earned", "since"], held)
    if found.gift_cards:
        cards = [
            (g.channel, g.last_four, g.state, f"{g.balance.amount} {g.balance.currency}" if g.balance else None)
            for g in found.gift_cards
        ]
        table("Gift cards", ["channel", "last four", "state", "left"], cards)
    table(
        "Timeline",
        ["at", "event", "channel", "what"],
        [(_time(one.at), one.type, one.channel, one.what) for one in found.timeline],
    )
    if found.more is not None:
        say(f"there is more: --before {found.more}")


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at is not None else "-"
