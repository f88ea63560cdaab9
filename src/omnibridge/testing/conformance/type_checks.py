"""Bronze: a type checker, in its strict mode, finds nothing wrong with the connector's own package."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ValidationError

from omnibridge.testing.conformance.check import bronze
from omnibridge.testing.conformance.subject import Missed, NotApplicable, Subject

__all__ = ["TYPE_CHECKS", "complaints"]

_SHOWN = 5
_PATIENCE = 600
# A comment that lets a whole file off: a weaker mode, a rule switched off, or a first line that ignores everything.
_EASIER = re.compile(
    r"^#\s*pyright:\s*(?:basic|standard|off|.*=\s*(?:false|none))|\A#\s*type:\s*ignore", re.MULTILINE | re.IGNORECASE
)


class _Position(BaseModel):
    line: int


class _Range(BaseModel):
    start: _Position


class _Complaint(BaseModel):
    file: Path
    severity: str
    message: str
    rule: str = ""
    range: _Range = _Range(start=_Position(line=0))


class _Summary(BaseModel):
    filesAnalyzed: int


class _Verdict(BaseModel):
    """The part of pyright's answer that matters here."""

    generalDiagnostics: tuple[_Complaint, ...]
    summary: _Summary


class _Pyright(BaseModel):
    strict: tuple[str, ...] = ()


class _Tools(BaseModel):
    pyright: _Pyright = _Pyright()


class _Project(BaseModel):
    """The part of a pyproject.toml that matters here."""

    tool: _Tools = _Tools()


@bronze(
    why="A coroutine that nobody awaits, a function in a slot that hands it something else, a field of the vendor's "
    "that may be missing: the types of the slots tell all of these before anything runs, and only in strict mode.",
    mend="Run `pyright` over the package with it under `strict`, and mend what it says. It is installed with "
    '`pip install "omnibridge[test]"`. One line may be excused with `# pyright: ignore[RULE]`, a whole file may not. '
    "Where your build runs pyright already, with the package under `strict` in the pyproject.toml, say so in "
    "`Conformance.without`, and it is not run twice.",
    excusable=True,
)
def typed_strictly(subject: Subject) -> None:
    """Pyright finds no error in the package in strict mode, and no file of it asks for less."""
    package = subject.package
    for file in sorted(package.rglob("*.py")):
        easier = _EASIER.search(file.read_text("utf-8"))
        if easier:
            raise Missed(f"{file.relative_to(package.parent)} asks for less: {easier[0]}")
    excuse = subject.excuse("typed-strictly")
    if excuse is not None:
        if not _strict_in_its_project(package):
            raise Missed(f"`without` says {excuse!r}, and no pyproject.toml above it has the package under `strict`")
        raise NotApplicable(excuse)
    program = _program()
    if program is None:
        if os.environ.get("CI"):
            raise Missed("pyright is not installed, and this is a build server (CI is set), which must have it")
        raise NotApplicable('pyright is not installed: pip install "omnibridge[test]"')
    found = complaints(program, [package])[package]
    if found:
        more = f"\nand {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise Missed("\n".join(found[:_SHOWN]) + more)


def complaints(program: Sequence[str], packages: Sequence[Path]) -> dict[Path, list[str]]:
    """What pyright finds wrong with each package in strict mode: where, and what. Raises Missed when it fails."""
    with tempfile.TemporaryDirectory(prefix="omnibridge-types-") as folder:
        project = Path(folder).resolve() / "pyrightconfig.json"
        places = [os.path.relpath(package.resolve(), project.parent) for package in packages]
        settings = {
            "include": places,
            "strict": places,
            "exclude": ["**/__pycache__"],  # its own list leaves out what is installed below a folder like .venv
            "executionEnvironments": [{"root": str(Path(place).parent)} for place in places],
        }
        project.write_text(json.dumps(settings), "utf-8")
        done = subprocess.run(  # noqa: S603
            [*program, "--outputjson", "--pythonpath", sys.executable, "--project", str(project)],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
            env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        )
    try:
        verdict = _Verdict.model_validate_json(done.stdout)
    except ValidationError:
        raise Missed(f"pyright does not run: {(done.stderr or done.stdout).strip()[-500:]}") from None
    if not verdict.summary.filesAnalyzed:
        raise Missed("pyright has looked at no file of it")
    found: dict[Path, list[str]] = {package: [] for package in packages}
    for one in verdict.generalDiagnostics:
        package = next((package for package in packages if one.file.is_relative_to(package.resolve())), None)
        if one.severity == "error" and package is not None:
            where = f"{one.file.relative_to(package.resolve().parent)}:{one.range.start.line + 1}"
            found[package].append(f"{where} {one.message.splitlines()[0]} ({one.rule})")
    return found


def _strict_in_its_project(package: Path) -> bool:
    """Whether the nearest pyproject.toml that configures pyright lets it be strict with this package."""
    for folder in package.resolve().parents:
        file = folder / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            patterns = _Project.model_validate(tomllib.loads(file.read_text("utf-8"))).tool.pyright.strict
        except (tomllib.TOMLDecodeError, ValidationError):
            return False
        if patterns:
            inside = package.resolve().relative_to(folder)
            places = [place.as_posix() for place in (inside, *inside.parents)]
            return any(fnmatchcase(place, pattern.rstrip("/")) for place in places for pattern in patterns)
    return False


def _program() -> Sequence[str] | None:
    """How pyright is started: the one that is installed beside the connector before any other."""
    if find_spec("pyright") is not None:
        return [sys.executable, "-m", "pyright"]
    found = shutil.which("pyright")
    return [found] if found else None


TYPE_CHECKS = (typed_strictly,)
