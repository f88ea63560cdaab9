"""Whose clock counts, and when quiet hours are over, also where clocks are put forward and back."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from omnibridge.customer.hours import QuietHours, day_of, quiet_until, week_of, zone_or_none, zones_of
from omnibridge.model import Address, Customer

COPENHAGEN, NEW_YORK, TOKYO = ZoneInfo("Europe/Copenhagen"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")
NIGHT = QuietHours(time(21), time(8))


def keys(customer: Customer | None = None, contact: str = "ann@example.com") -> list[str]:
    return [zone.key for zone in zones_of(customer, contact, TOKYO)]


def test_the_address_says_it_then_the_number_then_the_language_then_the_company():
    spain = Customer(addresses=(Address(country="DE"),), phone="+4533123456", locale="sv-SE")
    assert keys(spain, "+4533123456") == ["Europe/Berlin"]
    assert keys(Customer(phone="+4533123456", locale="sv-SE")) == ["Europe/Copenhagen"]
    assert keys(Customer(locale="sv-SE"), "+81312345678") == ["Asia/Tokyo"]
    assert keys(Customer(locale="sv-SE")) == ["Europe/Stockholm"]
    assert keys(Customer(locale="sv")) == keys(Customer()) == keys() == ["Asia/Tokyo"]
    assert keys(Customer(addresses=(Address(city="Example Town"), Address(country="dk")))) == ["Europe/Copenhagen"]


def test_a_number_narrows_a_country_of_several_zones():
    american = Customer(addresses=(Address(country="US"),))
    assert keys(american, "+12125550123") == ["America/New_York"]
    several = keys(american)
    assert {"America/New_York", "America/Los_Angeles"} <= set(several)
    assert keys(american, "+4533123456") == several  # a foreign number says nothing about where they live


@pytest.mark.parametrize("unknown", ["ZZ", "", "nowhere"])
def test_a_country_that_there_is_not_says_nothing(unknown):
    assert keys(Customer(addresses=(Address(country=unknown),))) == ["Asia/Tokyo"]


def test_a_zone_that_there_is_not_is_none():
    assert zone_or_none("Europe/Copenhagen") == COPENHAGEN
    assert [zone_or_none(name) for name in ("Mars/Base", "", "../etc/passwd", "UTC\0")] == [None] * 4


def until(local: str, zone: ZoneInfo = COPENHAGEN, quiet: QuietHours = NIGHT, fold: int = 0) -> str | None:
    """The end as the wall clock there shows it."""
    now = datetime.fromisoformat(local).replace(tzinfo=zone, fold=fold).astimezone(UTC)
    found = quiet_until(now, quiet, [zone])
    return None if found is None else f"{found[0].astimezone(zone):%m-%d %H:%M %z}"


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-01-10 20:59", None),
        ("2026-01-10 21:00", "01-11 08:00 +0100"),
        ("2026-01-11 07:59:59", "01-11 08:00 +0100"),
        ("2026-01-11 08:00", None),
        ("2026-03-28 22:00", "03-29 08:00 +0200"),  # clocks go forward in that night
        ("2026-10-24 22:00", "10-25 08:00 +0100"),  # and back in that one
    ],
)
def test_a_night_ends_by_the_wall_clock(now, end):
    assert until(now) == end


def test_hours_within_one_day():
    noon = QuietHours(time(12), time(13, 30))
    assert until("2026-01-10 12:15", quiet=noon) == "01-10 13:30 +0100"
    assert until("2026-01-10 13:30", quiet=noon) is None


def test_an_end_that_is_skipped_comes_when_the_clock_is_past_it():
    early = QuietHours(time(22), time(2, 30))  # on 29 March 2026 the clock goes from 02:00 to 03:00
    assert until("2026-03-29 01:00", quiet=early) == "03-29 03:30 +0200"


def test_an_hour_that_comes_twice_is_quiet_both_times():
    early = QuietHours(time(22), time(2, 30))  # on 25 October 2026 it goes from 03:00 back to 02:00
    assert until("2026-10-25 02:10", quiet=early) == "10-25 02:30 +0200"
    assert until("2026-10-25 02:10", quiet=early, fold=1) == "10-25 02:30 +0100"


def test_of_several_zones_all_must_be_awake():
    now = datetime(2026, 1, 10, 10, tzinfo=UTC)  # 11:00 in Copenhagen, 05:00 in New York
    found = quiet_until(now, NIGHT, [COPENHAGEN, NEW_YORK])
    assert found == (datetime(2026, 1, 10, 13, tzinfo=UTC), NEW_YORK)


def test_zones_that_leave_no_hour_are_not_all_waited_for():
    around = [COPENHAGEN, ZoneInfo("Pacific/Auckland"), ZoneInfo("Pacific/Honolulu"), NEW_YORK]
    now = datetime(2026, 1, 10, 22, tzinfo=UTC)
    assert quiet_until(now, QuietHours(time(18), time(8)), around) == (datetime(2026, 1, 11, 7, tzinfo=UTC), COPENHAGEN)


YEARS = st.integers(0, 4 * 366 * 24 * 60).map(lambda m: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=m))
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
ZONES = st.sampled_from(["Europe/Copenhagen", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "UTC"])


@given(YEARS, TIMES, TIMES, st.lists(ZONES.map(ZoneInfo), min_size=1, max_size=3))
def test_it_is_never_sent_while_it_is_quiet_nor_held_for_longer_than_a_day_a_zone(now, start, end, zones):
    assume(start != end)
    quiet = QuietHours(start, end)
    found = quiet_until(now, quiet, zones)
    if found is None:
        assert now.astimezone(zones[0]).time() not in quiet
        return
    until, _ = found
    assert now < until <= now + timedelta(hours=25) * 8
    assert until.astimezone(zones[0]).time() not in quiet
    if len(zones) == 1:
        assert until <= now + timedelta(hours=25)
        for minutes in range(int((until - now) / timedelta(minutes=1)) - 61):  # a skipped end comes an hour late
            assert (now + timedelta(minutes=minutes)).astimezone(zones[0]).time() in quiet


def test_days_and_weeks_are_those_of_the_calendar_there():
    late = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)  # Sunday 29 March, 00:30 in Copenhagen, 23 hours long
    assert day_of(late, COPENHAGEN) == (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))
    assert week_of(late, COPENHAGEN) == (datetime(2026, 3, 22, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))
    assert week_of(late, NEW_YORK)[1] == datetime(2026, 3, 30, 4, tzinfo=UTC)
