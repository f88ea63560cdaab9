"""The kit as a pytest plugin: one test for each check and connector; asleep until a project or an option wakes it.

A project wakes it with `omnibridge_connectors = ["acme"]` in its pytest options, a person with `--connector acme`.
Both name connectors by their entry points; the examples stand in `tests/conformance.py` (`omnibridge_conformance`).
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from omnibridge.errors import ConfigError
from omnibridge.testing.conformance.catalogue import checks_of, examples
from omnibridge.testing.conformance.check import Check, End, Result, Tier, run_check
from omnibridge.testing.conformance.subject import Subject

__all__ = ["pytest_addoption", "pytest_collect_file", "pytest_configure"]

Style = Literal["auto", "long", "short", "line", "no", "native", "value"] | None
_PROPERTY = "omnibridge-conformance"


class Miss(Exception):
    """A check that did not pass; the text is the whole report."""


class CheckItem(pytest.Item):
    """One check of one connector."""

    check: Check
    subject: Subject

    def runtest(self) -> None:
        """Try it."""
        result = run_check(self.check, self.subject)
        told = {
            "connector": result.connector,
            "check": result.check.id,
            "tier": str(result.check.tier),
            "end": str(result.end),
            "told": result.told,
        }
        self.user_properties.append((_PROPERTY, json.dumps(told)))
        if result.end is End.NOT_APPLICABLE:
            pytest.skip(f"not applicable: {result.told}")
        if result.end is End.WAIVED:
            pytest.xfail(f"waived {result.told}")
        if not result.good:
            raise Miss(report_text(result)) from result.error

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Style = None) -> str:
        """The report instead of a traceback; below it that of the connector's own error."""
        if not isinstance(excinfo.value, Miss):
            return str(super().repr_failure(excinfo, style))
        cause = excinfo.value.__cause__
        below = "".join(traceback.format_exception(cause)) if cause is not None else ""
        return f"{excinfo.value}\n\n{below}".rstrip()

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is said to be."""
        return self.path, None, f"{self.subject.name}: {self.check.id}"


class ConformanceFile(pytest.File):
    """`conformance.py`: an item for each connector and check."""

    def collect(self) -> Iterator[pytest.Item]:
        """Every check of the tier, for each connector that is named."""
        kit = kit_of(self.config)
        try:
            given = {one.connector: one for one in examples(self.path)}
        except ConfigError as error:
            raise self.CollectError(str(error)) from error
        for name in kit.connectors:
            if name not in given:
                raise self.CollectError(f"{self.path.name} has no Conformance with connector={name!r}")
            subject = Subject(name, given[name], self.path.parent, bool(self.config.getoption("--write-golden")))
            for check in checks_of(kit.tier):
                item = CheckItem.from_parent(self, name=f"{name}[{check.id}]")  # pyright: ignore[reportUnknownMemberType]
                item.check, item.subject = check, subject
                yield item


class Kit:
    """Awake: what is checked, what came of it, and whether all of it was tried."""

    def __init__(self, config: pytest.Config, file: Path, connectors: list[str], tier: Tier) -> None:
        self.config, self.file, self.connectors, self.tier = config, file, connectors, tier
        self.results: list[dict[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a result."""
        if report.when == "call":
            told = [value for name, value in report.user_properties if name == _PROPERTY]
            self.results += [json.loads(str(value)) for value in told]

    @property
    def untried(self) -> list[str]:
        """Checks that should have been tried and were not."""
        tried = {(result["connector"], result["check"]) for result in self.results}
        wanted = [(name, check.id) for name in self.connectors for check in checks_of(self.tier)]
        return [f"{name}: {check}" for name, check in wanted if (name, check) not in tried]

    def _whole(self) -> bool:
        """Whether nobody asked for a part of the tests."""
        option = self.config.option
        chosen = option.keyword or option.markexpr or option.deselect or getattr(option, "lf", False)
        partly = self.config.args_source is pytest.Config.ArgsSource.ARGS and not self.config.getoption("--connector")
        return not (chosen or partly or option.collectonly or hasattr(self.config, "workerinput"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run that passed with less than all; write the results."""
        file = self.config.getoption("--conformance-report")
        if file and not hasattr(self.config, "workerinput"):
            Path(str(file)).write_text(json.dumps(self.results), "utf-8")
        if self._whole() and self.untried and session.exitstatus in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was not tried."""
        if self._whole() and self.untried:
            terminalreporter.section(f"conformance checks that were not tried: {len(self.untried)}", red=True)
            for line in self.untried[:20]:
                terminalreporter.line(line)


def report_text(result: Result) -> str:
    """A miss for people: what was seen, what must hold, why, and how to mend it; a line for what was not tried."""
    check = result.check
    if result.end is End.BLOCKED:
        return f"{result.connector} was not tried on `{check.id}` ({check.tier}): {result.told}"
    return (
        f"{result.connector} misses `{check.id}` ({check.tier}): {result.told}\n\n"
        f"What must hold: {check.means}\nWhy:            {check.why}\nMend it:        {check.mend}"
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the kit."""
    group = parser.getgroup("omnibridge", "OmniBridge conformance")
    group.addoption("--connector", action="append", metavar="NAME", help="check this connector (repeatable)")
    group.addoption("--tier", choices=[str(tier) for tier in Tier], help="up to this tier (default: bronze)")
    group.addoption("--write-golden", action="store_true", help="write the golden files instead of comparing")
    group.addoption("--conformance-report", metavar="FILE", help="write the results as JSON")
    parser.addini("omnibridge_connectors", "connectors of this project that the conformance kit checks", "args", None)
    parser.addini("omnibridge_conformance", "the file with their examples", default="tests/conformance.py")
    parser.addini("omnibridge_tier", "the tier that they must reach", default="bronze")


def pytest_configure(config: pytest.Config) -> None:
    """Wake up where connectors are to be checked. Raises UsageError where none is named, or no examples are there."""
    asked: list[str] | None = config.getoption("--connector")
    connectors: list[str] | None = asked or config.getini("omnibridge_connectors")
    if connectors == []:
        raise pytest.UsageError("omnibridge_connectors names no connector: the conformance kit checks nothing")
    if connectors is None:
        return
    file = config.rootpath / str(config.getini("omnibridge_conformance"))
    if not file.is_file():
        raise pytest.UsageError(f"there is no {file}: settings and examples of {', '.join(connectors)}")
    tier = Tier(str(config.getoption("--tier") or config.getini("omnibridge_tier")))
    config.pluginmanager.register(Kit(config, file, connectors, tier), _PROPERTY)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The examples' file is where the tests come from."""
    if not parent.config.pluginmanager.has_plugin(_PROPERTY):
        return None
    if file_path.resolve() != kit_of(parent.config).file.resolve():
        return None
    return ConformanceFile.from_parent(parent, path=file_path)  # pyright: ignore[reportUnknownMemberType]


def kit_of(config: pytest.Config) -> Kit:
    """The kit that is awake."""
    kit: object = config.pluginmanager.getplugin(_PROPERTY)
    assert isinstance(kit, Kit)
    return kit
