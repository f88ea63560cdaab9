"""Quiet hours: which time zones a person may be in, whether it is quiet there, and when it no longer is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from omnibridge.model import Customer, country_zones, phone_zones

__all__ = ["QuietHours", "day_of", "quiet_until", "week_of", "zone_or_none", "zones_of"]

_ROUNDS = 8
"""Zones around the globe may leave no hour at all; after so many ends of one another's quiet hours nobody looks on."""


class QuietHours(NamedTuple):
    """From `start` to `end` by the wall clock; over midnight where the end is before the start."""

    start: time
    end: time

    def __contains__(self, at: object) -> bool:
        if not isinstance(at, time):
            return False
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


@lru_cache(maxsize=1024)
def zone_or_none(name: str) -> ZoneInfo | None:
    """A time zone by its name (`Europe/Copenhagen`); None for one that this system does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zones_of(customer: Customer | None, contact: str, default: ZoneInfo) -> Sequence[ZoneInfo]:
    """The time zones that a person may be in, those of the default's kind last.

    The country of their first address that has one says it; else the number that is written to, or their own; else the
    country of their language (`da-DK`); else the default. A number narrows a country of several zones.
    """
    numbers = [contact] if contact.startswith("+") else []
    countries: list[str] = []
    if customer is not None:
        numbers += [customer.phone] if customer.phone else []
        countries = [address.country for address in customer.addresses if address.country][:1]
    told = [zones for country in countries if (zones := country_zones(country))]
    told += [zones for number in numbers if (zones := phone_zones(number))]
    if customer is not None and customer.locale and not told:
        told += [zones for zones in (country_zones(_region(customer.locale)),) if zones]
    names = told[0] if told else ()
    for narrower in told[1:]:
        names = [name for name in names if name in narrower] or names
    found = [zone for name in names if (zone := zone_or_none(name)) is not None]
    return found or [default]


def _region(locale: str) -> str:
    parts = locale.replace("_", "-").split("-")
    return next((part for part in parts[1:] if len(part) == 2 and part.isalpha()), "")


def quiet_until(now: datetime, quiet: QuietHours, zones: Sequence[ZoneInfo]) -> tuple[datetime, ZoneInfo] | None:
    """When quiet hours are over in every zone, in UTC, and the zone that is last; None when they are not on anywhere.

    Where the zones leave no hour free at all, only the first one counts.
    """
    until, last = now, None
    for _ in range(_ROUNDS):
        ends = [(_end(until, quiet, zone), zone) for zone in zones if until.astimezone(zone).time() in quiet]
        if not ends:
            return None if last is None else (until, last)
        until, last = max(ends, key=lambda end: end[0])
    return quiet_until(now, quiet, zones[:1])


def _end(at: datetime, quiet: QuietHours, zone: ZoneInfo) -> datetime:
    """The next time the wall clock shows the end. One that is skipped when clocks go forward comes an hour later."""
    local = at.astimezone(zone)
    day = local.date() + timedelta(days=1 if quiet.end <= local.time() else 0)
    end = datetime.combine(day, quiet.end, zone)
    if end.astimezone(UTC) <= at:  # the hour that comes twice: it is the second one
        end = end.replace(fold=1)
    return end.astimezone(UTC)


def day_of(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The beginning of the day there, and of the next one, in UTC."""
    return _span(now, zone, 0, 1)


def week_of(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The beginning of the week there, a Monday, and of the next one, in UTC."""
    return _span(now, zone, now.astimezone(zone).weekday(), 7)


def _span(now: datetime, zone: ZoneInfo, back: int, days: int) -> tuple[datetime, datetime]:
    first = now.astimezone(zone).date() - timedelta(days=back)
    begin, end = (datetime.combine(first + timedelta(days=d), time(), zone).astimezone(UTC) for d in (0, days))
    return begin, end
