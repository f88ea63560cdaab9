"""The one hook keeps its signature: what is installed was written against it."""

from __future__ import annotations

import inspect
import types
from importlib.metadata import EntryPoint, entry_points
from typing import get_type_hints

import pluggy
import pytest

from omnibridge.connector import PROJECT, AnyConnector, Connector, hookimpl, hooks
from omnibridge.connector import omnibridge_connectors as spec
from omnibridge.registry import GROUP

POINTS = sorted(entry_points(group=GROUP), key=lambda point: point.name)


def manager() -> pluggy.PluginManager:
    made = pluggy.PluginManager(PROJECT)
    made.add_hookspecs(hooks)
    return made


def test_there_is_one_hook_it_takes_nothing_and_gives_connectors():
    assert PROJECT == "omnibridge"
    assert GROUP == "omnibridge.connectors"
    specified = [name for name in vars(hooks) if getattr(getattr(hooks, name), "omnibridge_spec", None)]
    assert specified == ["omnibridge_connectors"]
    assert not inspect.signature(spec).parameters
    assert not inspect.iscoroutinefunction(spec)
    returned = get_type_hints(spec)["return"]
    assert returned.__origin__.__name__ == "Sequence"
    assert returned.__args__ == (AnyConnector,)


def test_an_implementation_with_a_parameter_is_refused():
    module = types.ModuleType("omnibridge_wrong")

    @hookimpl
    def omnibridge_connectors(config: object) -> list[AnyConnector]:
        return []

    module.omnibridge_connectors = omnibridge_connectors  # type: ignore[attr-defined]
    with pytest.raises(pluggy.PluginValidationError, match="config"):
        manager().register(module)


def test_a_hook_of_another_name_is_refused():
    module = types.ModuleType("omnibridge_wrong")

    @hookimpl
    def omnibridge_conectors() -> list[AnyConnector]:
        return []

    module.omnibridge_conectors = omnibridge_conectors  # type: ignore[attr-defined]
    made = manager()
    made.register(module)
    with pytest.raises(pluggy.PluginValidationError, match="omnibridge_conectors"):
        made.check_pending()


@pytest.mark.parametrize("point", POINTS, ids=[point.name for point in POINTS])
def test_every_installed_plugin_implements_it(point: EntryPoint):
    made = manager()
    made.register(point.load(), point.name)
    made.check_pending()
    (offered,) = made.hook.omnibridge_connectors()
    assert all(isinstance(connector, Connector) for connector in offered)
    assert [connector.name for connector in offered].count(point.name) == 1


def test_some_plugin_is_installed():
    assert POINTS
