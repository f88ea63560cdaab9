"""Gold: what an operator reads is there and true, and the package says what it was tried with."""

from __future__ import annotations

import json
import re
from importlib.metadata import version as installed_version

from pydantic import JsonValue

from omnibridge.testing.conformance.check import gold
from omnibridge.testing.conformance.package_checks import section
from omnibridge.testing.conformance.subject import Blocked, Missed, NotApplicable, Subject

__all__ = ["DOCUMENT_CHECKS"]

_ROW = re.compile(r"^\|([^|]*`[a-z0-9_]+`[^|]*)\|", re.MULTILINE)
_NAME = re.compile(r"`([a-z0-9_]+)`")
_RANGE = re.compile(r"^omnibridge(?:\[[a-z, ]*\])?\s*(.*?)(?:;.*)?$", re.IGNORECASE)
_CORE = "omnibridge"
_CORES = "cores.json"


@gold(
    why="An operator who sets what is no longer there, or misses what is new, learns of it when the channel does not "
    "start.",
    mend="Let the table under `## Settings` have one row for each setting, by its name in backquotes, and no others.",
)
def settings_table(subject: Subject) -> None:
    """The README's table of settings has each setting once, and none that does not exist."""
    text = section(subject.readme, "setting")
    if text is None:
        raise Blocked("readme-settings")
    named = [name for row in _ROW.findall(text) for name in _NAME.findall(row)]
    there = list(subject.connector.settings.model_fields)
    missing = [name for name in there if name not in named]
    more = [name for name in dict.fromkeys(named) if name not in there]
    twice = [name for name in dict.fromkeys(named) if named.count(name) > 1]
    wrong = [
        *(f"no row for `{name}`" for name in missing),
        *(f"a row for `{name}`, which is no setting" for name in more),
        *(f"two rows for `{name}`" for name in twice),
    ]
    if wrong:
        raise Missed("the table of settings has " + ", ".join(wrong))


def _written(subject: Subject, word: str, words: int) -> None:
    text = section(subject.readme, word)
    if text is None or len(text.split()) < words:
        raise Missed(f"the README has no section about {word}, or an empty one")


@gold(
    why="What a connector cannot do is found out in production otherwise, by the customer.",
    mend="Write a section `## Limits`: the vendor's limits, what is left out, and what is not tried.",
)
def readme_limits(subject: Subject) -> None:
    """The README says in a section of its own what the connector does not do, and what the vendor limits."""
    _written(subject, "limits", 10)


@gold(
    why="At three in the morning somebody has an error text and this page.",
    mend="Write a section `## Troubleshooting`: what an operator sees, what it means, and what to do, the commonest "
    "first.",
)
def readme_troubleshooting(subject: Subject) -> None:
    """The README says in a section of its own what to do about what goes wrong."""
    _written(subject, "troubleshooting", 20)


@gold(
    why="Whoever updates wants to know what changes before it does.",
    mend="Keep a CHANGELOG.md beside the README, with a heading for each version, the newest first.",
)
def changelog(subject: Subject) -> None:
    """A CHANGELOG.md has a section for the version that is installed, and it says something."""
    for folder in (subject.home, *subject.home.parents):
        if (folder / "README.md").is_file():
            break
    else:
        raise Blocked("readme-settings")
    file = folder / "CHANGELOG.md"
    if not file.is_file():
        raise Missed("there is no CHANGELOG.md beside the README")
    told = section(file.read_text("utf-8"), re.escape(_version(subject)))
    if told is None or len(told.split()) < 3:
        raise Missed(f"the CHANGELOG.md says nothing about {_version(subject)}")


def _version(subject: Subject) -> str:
    if len(subject.points) != 1 or subject.points[0].dist is None:
        raise Blocked("entry-point")
    return subject.points[0].dist.version


def _range(subject: Subject) -> tuple[str, str]:
    """The lowest core, and the one that is too new, as the package says it."""
    _ = _version(subject)
    dist = subject.points[0].dist
    for wanted in (dist.requires if dist else None) or ():
        found = _RANGE.match(wanted)
        if found and "extra ==" not in wanted:
            parts = [part.strip(" ()") for part in found[1].split(",")]
            low = next((part[2:].strip() for part in parts if part.startswith(">=")), "")
            high = next((part[1:].strip() for part in parts if re.match(r"<[^=]", part)), "")
            return low, high
    raise Missed("the package does not say that it needs omnibridge")


def _numbers(text: str) -> tuple[int, ...]:
    """A version as numbers, as far as it has any; zeros at its end count for nothing."""
    numbers = [int(part) for part in re.findall(r"\d+", text)]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


@gold(
    why="A core that is newer than the connector knows may have changed what it stands on; one that is older has not "
    "got it.",
    mend='In pyproject.toml: dependencies = ["omnibridge>=LOWEST,<NEXT"], with both ends.',
)
def core_range(subject: Subject) -> None:
    """The package says between which versions of the core it works, and this one is among them."""
    low, high = _range(subject)
    if not low or not high:
        raise Missed(
            "the package names " + ("no lowest" if not low else "no first unsupported") + " version of omnibridge"
        )
    here = installed_version(_CORE)
    if not _numbers(low) <= _numbers(here) < _numbers(high):
        raise Missed(f"it says omnibridge>={low},<{high}, and {here} is installed")


@gold(
    why="A range of which only one end was tried is a guess.",
    mend="Run `pytest --write-golden` once with the lowest core installed and once with the newest: the kit writes "
    "down which it was, in golden/cores.json.",
)
def core_ends(subject: Subject) -> None:
    """The kit has run with the lowest core that the package claims, as well as with this one."""
    low, _ = _range(subject)
    here = installed_version(_CORE)
    file = subject.golden / _CORES
    found: JsonValue = json.loads(file.read_text("utf-8")) if file.is_file() else []
    tried = [str(one) for one in found] if isinstance(found, list) else []
    if subject.write_golden and here not in tried:
        tried.append(here)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(sorted(tried)) + "\n", "utf-8")
    if _numbers(low) == _numbers(here):
        raise NotApplicable(f"the lowest core that it claims is {here}, the one that is installed")
    if _numbers(low) not in [_numbers(one) for one in tried]:
        raise Missed(f"nobody has run the kit with omnibridge {low}")


DOCUMENT_CHECKS = (settings_table, readme_limits, readme_troubleshooting, changelog, core_range, core_ends)
