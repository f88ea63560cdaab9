"""The consent gate: asked inside delivery at the moment of sending, so that no connector and no flow can forget it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from omnibridge.customer.hours import QuietHours, day_of, quiet_until, week_of, zones_of
from omnibridge.journal import Journal
from omnibridge.model import Command, Consent, ConsentState, Customer, Medium, Purpose, Ref, canonical_id, consent_key

__all__ = ["Cap", "ConsentGate", "ConsentRules", "Stop"]


class Cap(NamedTuple):
    """How many marketing messages one person may get by one medium, each day and each week of theirs; None: any."""

    day: int | None = None
    week: int | None = None


@dataclass(frozen=True, slots=True)
class ConsentRules:
    """When marketing may not disturb, and how often it may come.

    `zone` counts where nothing tells a person's own. `wait`: what is beyond a cap waits for the next day or week; else
    it is refused.
    """

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    quiet: Mapping[Medium, QuietHours] = field(default_factory=dict[Medium, QuietHours])
    caps: Mapping[Medium, Cap] = field(default_factory=dict[Medium, Cap])
    wait: bool = False


class Stop(NamedTuple):
    """Why a command must not leave now; `until` when it may be asked again, None for a refusal."""

    reason: str
    until: datetime | None = None


class _Permission(BaseModel):
    """What the gate must know of a consent, whatever else stands there."""

    state: ConsentState = ConsentState.UNKNOWN
    customer: Ref | None = None


class _Consent(BaseModel):
    entity: _Permission


class _Customer(BaseModel):
    entity: Customer


class ConsentGate:
    """Answers whether a command may go out. Unknown is not granted."""

    def __init__(self, journal: Journal, rules: ConsentRules | None = None) -> None:
        self._journal = journal
        self._rules = rules or ConsentRules()

    async def stop(self, command: Command, delivery: int, now: datetime, expires: datetime | None) -> Stop | None:
        """Why `command` must not be sent now, or None when it may.

        Transactional and service messages answer a person: they need no grant, and no hour is wrong for them. What
        waits is not kept beyond `expires`. Where a cap holds, a None counts as a message that leaves.
        """
        if expires is not None and expires <= now:
            return Stop(f"it expired at {expires.isoformat(timespec='seconds')}")
        if command.gate is None or command.purpose is not Purpose.MARKETING:
            return None
        contact, medium = command.gate
        consent = consent_key(contact, medium, command.purpose)
        key = (Consent.KIND, canonical_id("", Consent.KIND, consent))
        found = (await self._journal.entities([key])).get(key)
        known = _Consent.model_validate_json(found[0]).entity if found else _Permission()
        state = known.state
        if state != ConsentState.GRANTED:
            return Stop(f"no granted consent for {command.purpose.value} by {medium.value}: it is {state}")
        quiet, cap = self._rules.quiet.get(medium), self._rules.caps.get(medium)
        if quiet is None and cap is None:
            return None
        owner = command.customer or known.customer
        customer = await self._customer(owner.id) if owner is not None and owner.id is not None else None
        zones = zones_of(customer, contact, self._rules.zone)
        held = quiet_until(now, quiet, zones) if quiet is not None else None
        if held is not None:
            until, zone = held
            shown = f"{until.astimezone(zone):%Y-%m-%d %H:%M}"
            return _waiting(f"quiet hours for {medium.value} until {shown} {zone.key}", until, expires)
        return await self._over(cap, consent, medium, delivery, now, zones[0], expires) if cap is not None else None

    async def _customer(self, id: str) -> Customer | None:
        key = (Customer.KIND, (await self._journal.person(id)).id)
        found = (await self._journal.entities([key])).get(key)
        return _Customer.model_validate_json(found[0]).entity if found else None

    async def _over(
        self,
        cap: Cap,
        consent: str,
        medium: Medium,
        delivery: int,
        now: datetime,
        zone: ZoneInfo,
        expires: datetime | None,
    ) -> Stop | None:
        spans = [(cap.day, "day", day_of(now, zone)), (cap.week, "week", week_of(now, zone))]
        limits = [(most, name, span) for most, name, span in spans if most is not None]
        who = self._journal.key("sending", consent)
        full = await self._journal.send_to(who, delivery, now, [(span[0], most) for most, _, span in limits])
        if full is None:
            return None
        most, name, (_, after) = limits[full]
        reason = f"{most} marketing by {medium.value} this {name} already, which is the most"
        if not self._rules.wait:
            return Stop(reason)
        return _waiting(f"{reason}; until {after.astimezone(zone):%Y-%m-%d %H:%M} {zone.key}", after, expires)


def _waiting(reason: str, until: datetime, expires: datetime | None) -> Stop:
    if expires is not None and expires <= until:
        return Stop(f"{reason}, and it expires before, at {expires.astimezone(UTC).isoformat(timespec='seconds')}")
    return Stop(reason, until)
