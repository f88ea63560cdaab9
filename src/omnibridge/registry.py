"""Finds connectors: entry points of installed packages, imported only when a configuration names them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

import pluggy

from omnibridge.connector import PROJECT, AnyConnector, hooks
from omnibridge.errors import ConfigError

__all__ = ["GROUP", "Installed", "Registry"]

GROUP = "omnibridge.connectors"


@dataclass(frozen=True, slots=True)
class Installed:
    """One entry point: its name, the package that offers it, and why it cannot be used, if it cannot."""

    name: str
    package: str
    version: str
    connector: AnyConnector | None = None
    problem: str | None = None


class Registry:
    """One per bridge; holds the only plugin manager. `extra` are connectors handed in without an entry point."""

    def __init__(self, extra: Iterable[AnyConnector] = ()) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hooks)
        self._found: dict[str, Installed] = {}
        for connector in extra:
            self._found[connector.name] = Installed(connector.name, "handed in", "", connector)

    def connector(self, name: str) -> AnyConnector:
        """The connector called `name`. Raises ConfigError when it is not installed or cannot be used; why is in it."""
        installed = self.find(name)
        if installed.connector is None:
            raise ConfigError(
                installed.problem or f"connector {name!r} cannot be used",
                remedy=None if installed.package else f"pip install omnibridge-{name}",
            )
        return installed.connector

    def find(self, name: str) -> Installed:
        """What there is under a name: without a `package` it is not installed, without a `connector` it is broken."""
        return self._found.get(name) or self._load(name)

    def installed(self) -> list[Installed]:
        """Every connector there is, loaded; a broken one with its reason."""
        names = {point.name for point in entry_points(group=GROUP)} | set(self._found)
        return [self.find(name) for name in sorted(names)]

    def _load(self, name: str) -> Installed:
        points = [point for point in entry_points(group=GROUP) if point.name == name]
        self._found[name] = found = self._judge(name, points)
        return found

    def _judge(self, name: str, points: list[EntryPoint]) -> Installed:
        if not points:
            return Installed(name, "", "", problem=f"no connector {name!r} is installed")
        point = points[0]
        package = point.dist.name if point.dist else point.value
        version = point.dist.version if point.dist else ""
        if len({p.value for p in points}) > 1:
            return Installed(name, package, version, problem=f"two packages offer a connector {name!r}")
        try:
            module = point.load()
            if self._manager.get_plugin(name) is None:
                self._manager.register(module, name)
                self._manager.check_pending()
            offered: list[AnyConnector] = [c for c in module.omnibridge_connectors() if c.name == name]
        except Exception as error:  # a broken package disables its own channels and nothing else
            return Installed(
                name, package, version, problem=f"{package} does not load: {type(error).__name__}: {error}"
            )
        if len(offered) != 1:
            return Installed(name, package, version, problem=f"{package} offers no connector record called {name!r}")
        connector = offered[0]
        wrong = _contradiction(connector)
        if wrong:
            return Installed(name, package, version, problem=f"{package}: {wrong}")
        return Installed(name, package, version, connector)


def _contradiction(connector: AnyConnector) -> str | None:
    webhook = connector.webhook
    if webhook is not None and not webhook.redelivery.on_5xx and not connector.polls:
        return "its vendor does not repeat after a 5xx, so it needs a poll that closes the gap"
    if connector.delivers and connector.base_url is None and connector.line is None:
        return "it delivers without a base_url or a line"
    return None
