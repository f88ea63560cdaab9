"""`[ownership]`: whose word holds, and every way to say what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_shop import small_shop

from omnibridge.config import Config, parse
from omnibridge.errors import ConfigError
from omnibridge.model import canonical_id
from omnibridge.registry import Registry

TOML = """
[channels.shop]
connector = "shop"
[channels.till]
connector = "till"
[channels.mute]
connector = "mute"

[ownership]
{lines}
"""
CONNECTORS = (
    small_shop("shop", emits=("customer", "product", "inventory")),
    small_shop("till", emits=("*",)),
    small_shop("mute", emits=("order",)),
)


def read(*lines: str) -> Config:
    return parse(TOML.format(lines="\n".join(lines)), {}, Registry(CONNECTORS), name="bridge.toml", folder=Path())


def owner(config: Config, kind: str, field: str, location: str | None = None) -> str | None:
    entity: dict[str, Any] = {} if location is None else {"location": {"kind": "location", "id": location}}
    return config.ownership.of(kind, entity)(field)


AARHUS = canonical_id("till", "location", "L 55")


@pytest.mark.parametrize(
    ("lines", "kind", "field", "location", "expected"),
    [
        ([], "customer", "email", None, None),
        (['"customer.email" = "shop"'], "customer", "email", None, "shop"),
        (['"customer.email" = "shop"'], "customer", "phone", None, None),
        (['customer = "till"', '"customer.email" = "shop"'], "customer", "email", None, "shop"),
        (['customer = "till"', '"customer.email" = "shop"'], "customer", "attributes.size", None, "till"),
        (['"customer.attributes.size" = "shop"'], "customer", "attributes.size", None, "shop"),
        (['"product.price" = "till"'], "product", "price.SKU-1", None, "till"),
        (['"product.price" = "till"'], "product", "title", None, None),
        (['inventory = "shop"', '"inventory@till/L 55" = "till"'], "inventory", "available", AARHUS, "till"),
        (['inventory = "shop"', '"inventory@till/L 55" = "till"'], "inventory", "available", "other", "shop"),
        (
            ['"inventory.sku" = "shop"', '"inventory@till/L 55" = "till"', '"inventory.sku@till/L 55" = "till"'],
            "inventory", "sku", AARHUS, "till",
        ),
    ],
)  # fmt: skip
def test_the_rule_that_says_most_decides(lines, kind, field, location, expected):
    config = read(*lines)
    assert [str(problem) for problem in config.problems if not problem.warning] == []
    assert owner(config, kind, field, location) == expected


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (['"customer.email" = ["shop", "till"]'], "2 owners of customer.email: shop, till (a field has one owner)"),
        (['"customer.email" = "crm"'], "there is no channel 'crm' (one of mute, shop, till)"),
        (['"customer.emial" = "shop"'], "customer has no field 'emial' (one of addresses, "),
        (['"customer.updated_at" = "shop"'], "customer has no field 'updated_at'"),
        (
            ['"order.note" = "shop"'],
            "a field of 'order' has no owner to choose (one of customer, inventory, location, ",
        ),
        (
            ['"customer" = "mute"'],
            "mute (mute) never reports a customer, so its word is never heard",
        ),
        (['"customer@till/1" = "shop"'], "customer is not kept by location (leave out what follows the @)"),
        (['"inventory@nowhere/1" = "shop"'], "'nowhere/1' names no location (CHANNEL/ID, with the location's id"),
        (['"inventory@till" = "shop"'], "'till' names no location"),
        (
            ['"inventory.available" = "shop"', '"inventory@till/1" = "till"'],
            "till and, by 'inventory.available', shop own inventory.available at till/1 "
            '(say which: "inventory.available@till/1" = "...")',
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_line_and_the_reason(lines, said):
    config = read(*lines)
    [problem] = [problem for problem in config.problems if not problem.warning]
    assert said in str(problem)
    assert str(problem).startswith(f"bridge.toml:{9 + len(lines)} ownership.")


def test_a_field_that_is_named_twice_is_said_to_be():
    with pytest.raises(ConfigError) as raised:
        read('"customer.email" = "shop"', '"customer.email" = "till"')
    assert "something is set twice there" in str(raised.value)
