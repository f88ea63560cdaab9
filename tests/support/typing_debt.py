"""Counts where the type checker is told to look away; as a script, lowers the caps to what is there."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CAPS = ROOT / "tests" / "architecture" / "typing_debt.toml"
KINDS = ("any", "cast", "ignore")

_IGNORE = re.compile(r"#\s*(type|pyright):\s*ignore")
_HEAD = """\
# How often each distribution may say `Any`, call `cast` or ignore a type error. A number may only go down:
# `python tests/support/typing_debt.py` lowers each to what is there. To raise one, say why in the commit.
"""


def count(text: str) -> Counter[str]:
    """How often one file uses each kind. The import of a name does not count, its uses do."""
    found: Counter[str] = Counter()
    for node in ast.walk(ast.parse(text)):
        if _named(node, "Any"):
            found["any"] += 1
        elif isinstance(node, ast.Call) and _named(node.func, "cast"):
            found["cast"] += 1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and _IGNORE.search(token.string):
            found["ignore"] += 1
    return found


def _named(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == name and isinstance(node.value, ast.Name) and node.value.id == "typing"
    return isinstance(node, ast.Name) and node.id == name


def distribution(path: str) -> str:
    """The distribution that a file belongs to: `omnibridge` or the name of a folder of plugins."""
    return path.split("/")[1] if path.startswith("plugins/") else "omnibridge"


def totals(files: Iterable[tuple[str, str]]) -> dict[str, Counter[str]]:
    """The counts of (path, text) pairs, by distribution."""
    found: dict[str, Counter[str]] = {}
    for path, text in files:
        found.setdefault(distribution(path), Counter()).update(count(text))
    return found


def read_caps() -> dict[str, dict[str, int]]:
    """The caps, by distribution and kind."""
    return tomllib.loads(CAPS.read_text("utf-8"))


def lowered(caps: Mapping[str, Mapping[str, int]], counts: Mapping[str, Counter[str]]) -> str:
    """The text of the table with each cap lowered to its count; a cap is never raised."""
    lines = [_HEAD]
    for name in sorted(caps):
        current = counts.get(name, Counter())
        row = ", ".join(f"{kind} = {min(caps[name][kind], current[kind])}" for kind in KINDS)
        lines.append(f"{name} = {{ {row} }}")
    return "\n".join(lines) + "\n"


def _shipped() -> Iterable[tuple[str, str]]:
    for folder in (ROOT / "src", *sorted((ROOT / "plugins").glob("*/src"))):
        for path in sorted(folder.rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")


if __name__ == "__main__":
    CAPS.write_text(lowered(read_caps(), totals(_shipped())), "utf-8")
