"""Connectors are found by their entry points, imported when they are named, and one that is broken harms no other."""

from __future__ import annotations

import sys

import pytest
from installed import install
from small_shop import small_shop

from omnibridge.errors import ConfigError
from omnibridge.registry import Registry


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that packages can be installed into."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("omnibridge_"):
            del sys.modules[name]


def test_an_installed_connector_is_found_by_its_name(folder):
    install(folder, "acme")
    registry = Registry()
    assert registry.connector("acme").name == "acme"
    assert registry.connector("acme") is registry.connector("acme")
    found = registry.find("acme")
    assert (found.package, found.version, found.problem) == ("omnibridge-acme", "1.2", None)


def test_only_what_is_named_is_imported(folder):
    install(folder, "acme")
    install(folder, "loud", "raise AssertionError('imported')")
    Registry().connector("acme")
    assert "omnibridge_loud" not in sys.modules


def test_a_connector_that_is_not_installed_is_named_with_what_to_install():
    with pytest.raises(ConfigError) as error:
        Registry().connector("nowhere")
    assert error.value.what == "no connector 'nowhere' is installed"
    assert error.value.remedy == "pip install omnibridge-nowhere"


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("import missing_library", "ModuleNotFoundError: No module named 'missing_library'"),
        ("def", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("", "omnibridge_connectors"),
        ("def omnibridge_connectors(): return []", "no connector record called 'acme'"),
        ("import small_shop\ndef omnibridge_connectors(): return [small_shop.small_shop('x')]", "called 'acme'"),
        ("def omnibridge_connectors(): raise OSError('disk')", "OSError: disk"),
        ("def omnibridge_connectors(): return None", "TypeError"),
    ],
)  # fmt: skip
def test_a_broken_package_says_what_is_wrong_and_leaves_the_others_alone(folder, module, says):
    install(folder, "acme", module)
    install(folder, "good")
    registry = Registry()
    with pytest.raises(ConfigError) as error:
        registry.connector("acme")
    assert says in error.value.what
    assert "omnibridge-acme" in error.value.what
    assert registry.connector("good").name == "good"
    assert {found.name for found in registry.installed()} >= {"acme", "good"}


def test_two_packages_with_one_name_are_refused(folder):
    install(folder, "acme")
    install(folder, "acme", package="omnibridge_acme_fork")
    with pytest.raises(ConfigError, match="two packages offer"):
        Registry().connector("acme")


def test_connectors_that_are_handed_in_stand_before_installed_ones(folder):
    install(folder, "acme", "1 / 0")
    mine = small_shop("acme")
    assert Registry([mine]).connector("acme") is mine


def test_a_webhook_that_is_not_repeated_needs_a_poll(folder):
    """Storage trouble answers 503; where the vendor does not repeat then, only a poll closes the gap."""
    install(
        folder,
        "acme",
        """
from dataclasses import replace
from datetime import timedelta
from omnibridge.connector import Redelivery
from small_shop import small_shop
def omnibridge_connectors():
    shop = small_shop("acme")
    never = Redelivery(on_5xx=False, lasts=timedelta(0))
    return [replace(shop, webhook=replace(shop.webhook, redelivery=never))]
""",
    )
    with pytest.raises(ConfigError, match="needs a poll"):
        Registry().connector("acme")


@pytest.mark.parametrize(("line", "whole"), [("None", False), ("lambda settings: None", True)])
def test_what_delivers_has_an_address_or_a_line(folder, line, whole):
    module = f"""
from dataclasses import replace
from small_shop import small_shop
def omnibridge_connectors():
    return [replace(small_shop("acme"), base_url=None, line={line})]
"""
    install(folder, "acme", module)
    if whole:
        assert Registry().connector("acme").line is not None
        return
    with pytest.raises(ConfigError, match="without a base_url or a line"):
        Registry().connector("acme")


def test_every_connector_of_this_repository_is_whole():
    names = {found.name: found.problem for found in Registry().installed()}
    assert {name for name, problem in names.items() if problem is None} >= {
        "shopify", "square", "mailchimp", "twilio", "tryton", "cloudevents"
    }  # fmt: skip
