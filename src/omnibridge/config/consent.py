"""The section `[consent]` of `bridge.toml`: its hours and caps as rules of the gate, and what is wrong."""

from __future__ import annotations

import re
from datetime import time
from zoneinfo import ZoneInfo

from omnibridge.config.model import ConsentSection
from omnibridge.config.routes import Report
from omnibridge.customer import Cap, ConsentRules, QuietHours, zone_or_none
from omnibridge.model import Medium

__all__ = ["read_consent"]

_SPAN = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


def read_consent(section: ConsentSection, report: Report) -> ConsentRules:
    """The rules; of what is wrong, the rest."""
    zone = zone_or_none(section.timezone)
    if zone is None:
        remedy = "write one as Europe/Copenhagen; if it is right, this system lacks its time zones: install tzdata"
        report(("consent", "timezone"), f"there is no time zone {section.timezone!r}", remedy)
    quiet: dict[Medium, QuietHours] = {}
    for medium, text in section.quiet_hours.items():
        match = _SPAN.fullmatch(text)
        span = [int(part) for part in match.groups()] if match is not None else []
        if not span or span[:2] == span[2:]:
            report(("consent", "quiet_hours", medium.value), "not two times of a day", "write them as 21:00-08:00")
            continue
        quiet[medium] = QuietHours(time(span[0], span[1]), time(span[2], span[3]))
    for medium, cap in section.caps.items():
        where = ("consent", "caps", medium.value)
        if cap.day is None and cap.week is None:
            report(where, "says no number", "give day, week or both")
        elif cap.day is not None and cap.week is not None and cap.day > cap.week:
            report(where, "allows more in a day than in its week", "make day the smaller one", warning=True)
    caps = {medium: Cap(cap.day, cap.week) for medium, cap in section.caps.items()}
    return ConsentRules(zone or ZoneInfo("UTC"), quiet, caps, section.beyond_cap == "wait")
