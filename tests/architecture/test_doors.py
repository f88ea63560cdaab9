"""One door per dependency: each third-party package is imported in the files named here and nowhere else."""

from __future__ import annotations

import re
import sys
import tomllib
from fnmatch import fnmatchcase
from importlib.metadata import packages_distributions

CORE = "src/omnibridge/"
EVERYWHERE = ("*",)

# package -> the files of src/omnibridge that may import it (`*` also crosses folders).
DOORS = {
    "anyio": EVERYWHERE,  # the project's word for waiting, on asyncio and trio alike
    "apsw": ("journal/sqlite*",),
    "asyncio": ("delivery/http1.py", "daemon/*", "cli/*"),  # standard, but it would shut trio out
    "babel": ("model/money.py", "model/locale.py"),
    "cloudevents": ("event.py", "codec/*", "testing/*"),
    "cryptography": ("journal/seal*", "customer/keyring*", "connector/signatures.py"),
    "httptools": ("delivery/http1.py",),
    "httpx": ("delivery/wire.py", "bridge.py", "testing/*"),  # the bridge only names the type of a transport
    "hypothesis": ("testing/*",),
    "orjson": ("codec/*", "connector/body.py", "journal/*"),
    "phonenumbers": ("model/contact.py",),
    "pluggy": ("registry.py", "connector/hooks.py"),
    "prometheus_client": ("daemon/metrics.py",),
    "pydantic": EVERYWHERE,  # the canonical model and every setting are pydantic models
    "pydantic_core": EVERYWHERE,
    "pytest": ("testing/*",),
    "rich": ("cli/*",),
    "sniffio": ("delivery/wire.py", "journal/sqlite_writer.py"),
    "starlette": ("daemon/*",),
    "structlog": EVERYWHERE,  # every stage may log; the daemon alone says where to
    "tenacity": ("delivery/retry.py",),
    "trio": ("testing/*",),
    "typer": ("cli/*",),
    "uvicorn": ("daemon/*",),
    "uvloop": ("daemon/*",),
}

# What a plugin may import: pydantic for its models, and of the core the authors' door. typing_extensions comes with
# pydantic, which takes no other TypedDict before Python 3.12.
PLUGIN_PACKAGES = {"pydantic", "pydantic_core", "typing_extensions"}
PLUGIN_ROOMS = ("omnibridge.model", "omnibridge.event", "omnibridge.connector", "omnibridge.errors")
PLUGIN_TEST_ROOMS = (*PLUGIN_ROOMS, "omnibridge.testing")

# Requests and time belong to the core, so a plugin has no use for these; its tests may have.
PLUGIN_BANNED = {
    "asyncio",
    "http.client",
    "selectors",
    "smtplib",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "urllib.request",
}


def _below(name, rooms):
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def _plugin(source):
    """The import name of the plugin that a file belongs to."""
    return source.path.split("/")[1].replace("-", "_")


def test_the_core_imports_each_dependency_through_its_door(python):
    wrong = []
    for source in python:
        if not source.path.startswith(CORE):
            continue
        place = source.path.removeprefix(CORE)
        for name, line in source.imports.items():
            package = name.partition(".")[0]
            if package == "omnibridge" or (package in sys.stdlib_module_names and package not in DOORS):
                continue
            doors = DOORS.get(package)
            if doors is None:
                wrong.append(f"{source.path}:{line}: {package} has no door yet; give it one in DOORS")
            elif not any(fnmatchcase(place, door) for door in doors):
                wrong.append(f"{source.path}:{line}: {package} belongs in {', '.join(doors)}")
    assert not wrong


def test_what_the_core_imports_is_what_it_asks_to_be_installed(python, repository):
    """Somebody else's dependency may bring it along today, and not tomorrow."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
    installed = {re.split(r"[^\w-]", requirement)[0].lower().replace("_", "-") for requirement in asked}
    providers = packages_distributions()
    missing = {
        f"{source.path}:{line}: {package}"
        for source in python
        if source.path.startswith(CORE)
        for package, line in ((name.partition(".")[0], line) for name, line in source.imports.items())
        if package not in sys.stdlib_module_names
        and package not in ("omnibridge", "pydantic_core")  # the latter is pydantic's other half, of one version
        and not {name.lower().replace("_", "-") for name in providers.get(package, [])} & installed
    }
    assert not missing


def test_plugins_import_the_authors_door_only(shipped):
    wrong = []
    for source in shipped:
        if source.path.startswith(CORE):
            continue
        for name, line in source.imports.items():
            package = name.partition(".")[0]
            if package == "omnibridge":
                right = _below(name, PLUGIN_ROOMS)
            elif package in sys.stdlib_module_names:
                right = not _below(name, PLUGIN_BANNED)
            else:
                right = package in PLUGIN_PACKAGES or package == _plugin(source)
            if not right:
                wrong.append(f"{source.path}:{line}: {name}")
    assert not wrong, f"of omnibridge a plugin imports {', '.join(PLUGIN_ROOMS)}"


def test_plugins_tests_import_the_authors_door_and_the_kit_only(python):
    wrong = [
        f"{source.path}:{line}: {name}"
        for source in python
        if source.path.startswith("plugins/") and "/tests/" in source.path
        for name, line in source.imports.items()
        if name.partition(".")[0] == "omnibridge" and not _below(name, PLUGIN_TEST_ROOMS)
    ]
    assert not wrong, f"of omnibridge a plugin's test imports {', '.join(PLUGIN_TEST_ROOMS)}"
