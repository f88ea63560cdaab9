"""Channels that write to each other and could never come to rest are refused, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_shop import book, small_shop, upsert

from omnibridge.config import check, parse
from omnibridge.connector import deliver
from omnibridge.model import Customer, Order
from omnibridge.registry import Registry

CHANNELS = """
[channels.shop]
connector = "shop"
[channels.crm]
connector = "crm"
settings.url = "https://crm.example"
"""
ROUTE = '[[routes]]\nname = "{0} to {1}"\nevents = ["{2}.*"]\nfrom = ["{0}"]\nto = ["{1}"]\n'
BOTH = ROUTE.format("shop", "crm", "customer") + ROUTE.format("crm", "shop", "customer")


def whole(settings: Any, customer: Customer) -> Customer:
    """What a sound vendor keeps: the blanks around a name are gone."""
    kept = {"given_name": (customer.given_name or "").strip() or None} if customer.given_name else {}
    return customer.model_copy(update=kept)


def growing(settings: Any, customer: Customer) -> Customer:
    """A vendor that puts something before a name each time."""
    return customer.model_copy(update={"given_name": f"Mx {customer.given_name or ''}"})


def turning(settings: Any, customer: Customer) -> Customer:
    """A vendor that turns a name around each time."""
    return customer.model_copy(update={"given_name": (customer.given_name or "")[::-1]})


def problems(toml: str, normal: Any = whole, **more: Any) -> list[str]:
    crm = small_shop("crm", delivers=(deliver(Customer, upsert, normal=normal), deliver(Order, book)), **more)
    config = parse(toml, {}, Registry([small_shop("shop"), crm]), name="bridge.toml", folder=Path())
    return [str(problem) for problem in check(config) if not problem.warning]


@pytest.mark.parametrize("normal", [growing, turning])
def test_a_channel_that_never_leaves_a_value_as_it_is_cannot_be_written_to_and_heard(normal):
    [said] = problems(CHANNELS + BOTH, normal)
    assert said == (
        "channels crm and shop: crm changes customer.given_name again each time that shop gives it back"
        " (mend `normal` of crm: what it makes of a value, it must leave as it is)"
    )


def test_what_is_heard_or_written_only_and_what_settles_is_no_trouble():
    assert problems(CHANNELS + ROUTE.format("shop", "crm", "customer"), growing) == []
    assert problems(CHANNELS + ROUTE.format("crm", "shop", "customer"), growing) == []
    # An order belongs to the channel that made it: nobody gives it back.
    assert (
        problems(CHANNELS + ROUTE.format("shop", "crm", "order") + ROUTE.format("crm", "shop", "order"), growing) == []
    )
    assert problems(CHANNELS + BOTH, whole) == []


def test_a_channel_whose_own_changes_are_sent_back_to_it_is_a_pair_with_itself():
    echo = '[[routes]]\nname = "e"\nevents = ["customer.*"]\nto = ["crm"]\nfrom = ["crm"]\necho = true\n'
    [said] = problems(CHANNELS + echo, growing)
    assert said.startswith("channels crm: crm changes customer.given_name again each time that crm gives it back")
    assert problems(CHANNELS + echo, whole) == []


def test_two_channels_of_one_system_would_make_each_others_records_anew():
    twice = CHANNELS.replace('connector = "crm"\nsettings.url = "https://crm.example"', 'connector = "shop"')
    [said] = problems(twice + BOTH)
    assert "crm and shop are one and the same system: each would make the other's customers anew" in said
    assert problems(twice + ROUTE.format("shop", "crm", "customer")) == []


def test_two_fields_of_a_vendor_for_one_of_ours_can_never_be_equal():
    doubled = CHANNELS + '[channels.crm.map]\nSIZE = "size"\nOLD_SIZE = "size"\n'
    [said] = problems(doubled + BOTH)
    assert "crm has SIZE and OLD_SIZE for the one field size, and gives back only the last" in said
    assert problems(doubled + ROUTE.format("crm", "shop", "customer")) == []
