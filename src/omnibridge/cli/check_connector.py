"""`omnibridge check-connector`: how far a connector can be trusted, and what to mend."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ValidationError

from omnibridge.cli.app import AsJson, app
from omnibridge.cli.output import say, write_json
from omnibridge.errors import ConfigError
from omnibridge.testing.conformance import (
    End,
    Result,
    Subject,
    Tier,
    checks_of,
    examples,
    run_check,
    write_record,
)

__all__ = ["check_connector_command"]


@app.command("check-connector")
def check_connector_command(
    name: Annotated[str, typer.Argument(help="The connector, as `omnibridge connectors` lists it.")],
    tier: Annotated[
        Tier | None, typer.Option("--tier", help="Up to which tier; default: `omnibridge_tier` of the pyproject.toml.")
    ] = None,
    file: Annotated[Path, typer.Option("--examples", help="The file with its settings and examples.")] = Path(
        "tests/conformance.py"
    ),
    write_golden: Annotated[
        bool, typer.Option("--write-golden", help="Write the golden files instead of comparing with them.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Write the tier into the package, for `omnibridge connectors`.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Try an installed connector on the examples of its author: the tier that it reaches, and each miss.

    Run it in the connector's project. The same checks run as tests under pytest.
    """
    if not file.is_file():
        raise ConfigError(
            "there is no such file",
            where=str(file),
            remedy="run it in the connector's project, or name its conformance.py with --examples",
        )
    given = [one for one in examples(file) if one.connector == name]
    if len(given) != 1:
        raise ConfigError(f"it must have one Conformance with connector={name!r}, not {len(given)}", where=str(file))
    subject = Subject(name, given[0], file.resolve().parent, write_golden)
    tier = tier or _asked_by_project(subject.home)
    results = [run_check(check, subject) for check in checks_of(tier)]
    reached = _reached(results, tier)
    if record and reached is not None:
        waived = tuple(r.check.id for r in results if r.end is End.WAIVED and r.check.tier in reached.includes)
        version = subject.points[0].dist.version if subject.points[0].dist else ""
        write_record(subject.package, version, reached, waived)
    if as_json:
        write_json(_document(name, tier, reached, results))
    else:
        _tell(name, tier, reached, results)
    raise typer.Exit(0 if reached is tier else 1)


def _asked_by_project(home: Path) -> Tier:
    """What `omnibridge_tier` says in the nearest pyproject.toml, as for pytest. Raises ConfigError when it is none."""
    file = next((file for folder in (home, *home.parents) if (file := folder / "pyproject.toml").is_file()), None)
    if file is None:
        return Tier.BRONZE
    try:
        return _Project.model_validate(tomllib.loads(file.read_text("utf-8"))).tool.pytest.ini_options.omnibridge_tier
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"it is no TOML: {error}", where=str(file)) from None
    except ValidationError:
        remedy = f"one of {', '.join(Tier)}, in [tool.pytest.ini_options]"
        raise ConfigError("its `omnibridge_tier` is no tier", where=str(file), remedy=remedy) from None


class _Options(BaseModel):
    omnibridge_tier: Tier = Tier.BRONZE


class _Pytest(BaseModel):
    ini_options: _Options = _Options()


class _Tools(BaseModel):
    pytest: _Pytest = _Pytest()


class _Project(BaseModel):
    """The part of a pyproject.toml that matters here."""

    tool: _Tools = _Tools()


def _reached(results: Sequence[Result], tier: Tier) -> Tier | None:
    """The highest tier of which nothing is missed, and of those before it; None when it is not even the first."""
    reached = None
    for step in tier.includes:
        tried = [result for result in results if result.check.tier is step]
        if not tried or not all(result.good for result in tried):
            break
        reached = step
    return reached


def _document(name: str, tier: Tier, reached: Tier | None, results: Sequence[Result]) -> object:
    return {
        "connector": name,
        "asked": tier,
        "reached": reached,
        "checks": [
            {
                "check": result.check.id,
                "tier": result.check.tier,
                "end": result.end,
                "told": result.told,
                **({} if result.good else {"why": result.check.why, "mend": result.check.mend}),
            }
            for result in results
        ],
    }


def _tell(name: str, tier: Tier, reached: Tier | None, results: Sequence[Result]) -> None:
    missed = [result for result in results if not result.good]
    for result in missed:
        check = result.check
        if result.end is End.BLOCKED:
            say(f"{check.tier} {check.id}: not tried, as {result.told}\n")
            continue
        say(f"{check.tier} {check.id}: {result.end}\n  {_indented(result.told)}")
        say(f"  What must hold: {check.means}\n  Why:            {check.why}\n  Mend it:        {check.mend}\n")
    for result in results:
        if result.end is End.WAIVED:
            say(f"{result.check.tier} {result.check.id}: waived {result.told}")
    held = sum(result.good and result.end is not End.WAIVED for result in results)
    apart = sum(result.end is End.NOT_APPLICABLE for result in results)
    waived = len(results) - held - len(missed)
    parts = [
        f"{held} of {len(results)} checks hold" + (f" ({apart} do not apply)" if apart else ""),
        *([f"{waived} waived"] if waived else []),
        *([f"{len(missed)} do not"] if missed else []),
    ]
    say(", ".join(parts) + ".")
    waiting = sum(result.end is End.BLOCKED for result in missed)
    if waiting:
        first = ", ".join(result.check.id for result in missed if result.end is End.MISSED)
        say(f"{waiting} could not be tried. Mend first: {first}.")
    if reached is None:
        say(f"{name} reaches no tier yet.")
    elif reached is not tier:
        say(f"{name} reaches {reached}. {reached.meaning} It was to reach {tier}.")
    else:
        above = next((one for one in Tier if one not in tier.includes), None)
        tried = f" {above.capitalize()} was not tried: --tier {above}." if above else ""
        say(f"{name} holds {reached}. {reached.meaning}{tried}")


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")
