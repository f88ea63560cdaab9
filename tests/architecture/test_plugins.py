"""The plugins' distributions are alike, and every list of plugins in pyproject.toml names all of them."""

from __future__ import annotations

import tomllib

import pytest


@pytest.fixture(scope="session")
def core(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="session")
def plugins(repository):
    found = sorted((repository / "plugins").glob("omnibridge-*/pyproject.toml"))
    assert found
    return {path.parent.name: tomllib.loads(path.read_text("utf-8")) for path in found}


def test_each_announces_itself_and_depends_on_the_core_alone(plugins):
    for folder, data in plugins.items():
        project = data["project"]
        name = folder.removeprefix("omnibridge-")
        package = folder.replace("-", "_")
        assert project["name"] == folder
        assert project["dependencies"] == ["omnibridge>=0.1,<0.2"], folder
        assert project["entry-points"] == {"omnibridge.connectors": {name: package}}, folder
        assert project["description"].endswith("."), folder


def test_each_has_the_version_of_the_core_it_was_made_with(core, plugins):
    for folder, data in plugins.items():
        assert data["project"]["version"].split(".")[:2] == core["project"]["version"].split(".")[:2], folder
        assert data["project"]["requires-python"] == core["project"]["requires-python"], folder


def test_each_has_what_a_reader_looks_for(repository, plugins):
    for folder in plugins:
        package = repository / "plugins" / folder / "src" / folder.replace("-", "_")
        assert (repository / "plugins" / folder / "README.md").is_file(), folder
        assert (package / "__init__.py").is_file(), folder
        assert (package / "py.typed").is_file(), folder


def test_every_list_names_every_plugin(core, plugins):
    packages = sorted(folder.replace("-", "_") for folder in plugins)
    linter = core["tool"]["importlinter"]
    contracts = {contract["id"]: contract for contract in linter["contracts"]}
    assert linter["root_packages"] == ["omnibridge", *packages]
    assert contracts["plugins"]["modules"] == packages
    assert contracts["core"]["forbidden_modules"] == packages
    paths = core["tool"]["pyright"]["extraPaths"]
    assert [path for path in paths if path.startswith("plugins/")] == [f"plugins/{name}/src" for name in plugins]
