"""Every code block of the README and of the documents runs, and every link leads somewhere."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest
from pages import Page, blocks

from omnibridge import connector as authors

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "reference" not in path.parts),
    *sorted((ROOT / "examples").rglob("*.md")),
]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TEST = re.compile(r"`((?:tests|plugins)/[\w/.-]+\.py)::(\w+)`")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [path for path in WRITTEN if blocks(path.read_text("utf-8"))], ids=name)
def test_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with Page(path, tmp_path, ROOT) as page:
        for variable, value in page.env.items():
            monkeypatch.setenv(variable, value)
        page.run()


@pytest.mark.parametrize("path", [*WRITTEN, *sorted((ROOT / "docs" / "reference").rglob("*.md"))], ids=name)
def test_links_lead_somewhere(path: Path):
    links = [link for link in LINK.findall(path.read_text("utf-8")) if not re.match(r"[a-z]+:", link)]
    assert not [link for link in links if not (path.parent / link.partition("#")[0]).exists()]


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_named_tests_exist(path: Path):
    wrong = [
        f"{file}::{function}"
        for file, function in TEST.findall(path.read_text("utf-8"))
        if not (ROOT / file).is_file() or not re.search(rf"^(async )?def {function}\(", (ROOT / file).read_text(), re.M)
    ]
    assert not wrong


def test_every_promise_of_the_readme_names_its_test():
    text = (ROOT / "README.md").read_text("utf-8")
    table = text.partition("## What is promised")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    assert len(rows) >= 8
    assert not [row for row in rows if not TEST.search(row)]


def test_every_page_is_short_and_linked():
    text = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = [
        path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "events" and path.name != "README.md"
    ]
    assert not [name(path) for path in pages if f"({path.relative_to(ROOT / 'docs').as_posix()})" not in text]
    assert not [name(path) for path in WRITTEN if path.read_text("utf-8").count("\n") > 200]


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = {re.split(r"[<>=;\[ ]", name)[0] for name in project["project"]["dependencies"]}
    text = (ROOT / "docs" / "explanation" / "dependencies.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == wanted


def test_a_page_with_a_mistake_fails(tmp_path: Path):
    """The runner itself refuses what does not exist, so that a page cannot pass by accident."""
    for text in ("```shell check\nomnibridge mend\n```", "```shell check\nomnibridge run --fast\n```", "```cobol\n```"):
        page = tmp_path / "page.md"
        page.write_text(text, "utf-8")
        with Page(page, tmp_path, ROOT) as read, pytest.raises(AssertionError):
            read.run()


def test_the_reference_has_every_name_of_the_authors_door():
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    told = [name for group in ("SLOTS", "ALIASES", "FILES", "EFFECTS", "TOOLS") for name in page[group]]
    there = [*told, *page["MARKERS"], "Http", "deliver", "deliver_many"]
    assert sorted(set(there)) == sorted(authors.__all__)
    assert len(told) == len(set(told))
