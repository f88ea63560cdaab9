"""What the core's and the plugins' tests share, as a pytest plugin: vendors' truth, backends, no silent skips.

It is loaded for every run in this repository (`addopts` in pyproject.toml) and is not part of any distribution.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIRE_ALL = os.environ.get("OMNIBRIDGE_REQUIRE_ALL") == "1"

# Deadlines measure the machine, not the code. In CI the examples are the same each time, so that a change is
# judged by what it changes; everywhere else each run looks for new ones.
hypothesis.settings.register_profile("local", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


def _folder(variable: str, default: str) -> Path:
    path = (ROOT / os.environ.get(variable, default)).resolve()
    if not path.is_dir():
        pytest.skip(f"{variable}: there is no folder {path}")
    return path


@pytest.fixture(scope="session")
def vendor_specs() -> Path:
    """The folder of vendors' own specifications and samples, one folder a vendor."""
    return _folder("OMNIBRIDGE_VENDOR_SPECS", "../shared/vendors")


@pytest.fixture(scope="session")
def cloudevents_specs() -> Path:
    """The folder of the CloudEvents project's own schemas and conformance cases."""
    return _folder("OMNIBRIDGE_CLOUDEVENTS", "../shared/cloudevents")


@pytest.fixture(scope="session")
def tryton_bin() -> Path:
    """The `bin` folder of the environment that holds a Tryton server (`make test` builds it)."""
    path = ROOT / os.environ.get("OMNIBRIDGE_TRYTON_VENV", ".venv-tryton") / "bin"
    if not (path / "trytond").is_file():
        pytest.skip(f"OMNIBRIDGE_TRYTON_VENV: there is no Tryton server in {path}")
    return path


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of this repository."""
    return ROOT


# ── Backends: asyncio, and trio as well for a test marked `both_backends` ─────────────────────────────────────
# An async fixture of module or session scope must name `anyio_backend` among its parameters when such a test uses
# it; otherwise it would be kept from one backend to the next.


class Backends:
    """Replaces anyio's own fixture, which runs each test on every backend; so it is registered after anyio."""

    @pytest.fixture(scope="session")
    @staticmethod
    def anyio_backend(request: pytest.FixtureRequest) -> str:
        return getattr(request, "param", "asyncio")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("both_backends") and "anyio_backend" in metafunc.fixturenames:
        metafunc.parametrize("anyio_backend", ["asyncio", "trio"], indirect=True, scope="session")


# ── No silent skips: with OMNIBRIDGE_REQUIRE_ALL=1 a skipped test fails the run ───────────────────────────────


class SkipGuard:
    """Remembers each skip that nothing allows, and fails the run at its end."""

    def __init__(self) -> None:
        self.skipped: dict[str, str] = {}

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail") and "may_skip" not in getattr(report, "keywords", ()):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.skipped[report.nodeid] = reason

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return (yield)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.skipped:
            return
        terminalreporter.section("skipped, although OMNIBRIDGE_REQUIRE_ALL=1", red=True)
        for test, reason in sorted(self.skipped.items()):
            terminalreporter.line(f"{test}: {reason}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Backends(), "omnibridge-backends")
    on_a_worker = hasattr(config, "workerinput")
    if REQUIRE_ALL and not on_a_worker:
        config.pluginmanager.register(SkipGuard(), "omnibridge-skip-guard")
