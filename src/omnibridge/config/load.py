"""Reads `bridge.toml`: resolves `${ENV}` and `file:` values, and says what is wrong, where, and what to do."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import ValidationError

from omnibridge.channel import Channel
from omnibridge.config.consent import read_consent
from omnibridge.config.identity import read_identity
from omnibridge.config.locate import line_of
from omnibridge.config.model import ConfigFile
from omnibridge.config.ownership import read_ownership
from omnibridge.config.remedies import place_in_toml, remedy_of_shape, remedy_of_toml
from omnibridge.config.routes import read_routes
from omnibridge.customer import ConsentRules
from omnibridge.errors import ConfigError
from omnibridge.reconcile import OPERATOR, Ownership
from omnibridge.registry import Registry
from omnibridge.routing import Route

__all__ = ["Config", "Problem", "load", "parse"]

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_CHANNEL_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Say(Protocol):
    """Notes a problem at a path of the file."""

    def __call__(
        self, path: Sequence[str | int], what: str, remedy: str | None = None, *, warning: bool = False
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (`file:line field`), what, and what to do. A `warning` does not stop a start."""

    where: str
    what: str
    remedy: str | None = None
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.remedy})" if self.remedy else "")


@dataclass(slots=True)
class Config:
    """A configuration that was read: the file's sections, channels, routes, the gate's rules, and what is wrong.

    `disabled` channels are those whose connector is installed and broken, with the reason: nothing else stops for them.
    """

    file: ConfigFile
    folder: Path
    channels: dict[str, Channel] = field(default_factory=dict[str, Channel])
    disabled: dict[str, str] = field(default_factory=dict[str, str])
    routes: tuple[Route, ...] = ()
    consent: ConsentRules = field(default_factory=ConsentRules)
    ownership: Ownership = field(default_factory=Ownership)
    problems: list[Problem] = field(default_factory=list[Problem])

    @property
    def journal_path(self) -> Path:
        """The journal's file."""
        return self.folder / self.file.bridge.journal

    @property
    def keyring_path(self) -> Path:
        """The keyring's file."""
        named = self.file.bridge.keyring
        return self.folder / named if named else Path(f"{self.journal_path}.keyring")

    def require(self) -> Config:
        """Itself. Raises ConfigError with every problem that is no warning."""
        wrong = [problem for problem in self.problems if not problem.warning]
        if wrong:
            raise ConfigError("\n".join(map(str, wrong)))
        return self


def load(path: Path, env: Mapping[str, str], registry: Registry) -> Config:
    """Read a file. Raises ConfigError when it is no readable TOML; everything else wrong is in `problems`."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            "there is no such file", where=str(path), remedy="give its path with --config, or write one: see the README"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a path that cannot be, or bytes that are no text
        remedy = "save it as UTF-8" if isinstance(error, UnicodeDecodeError) else "name a file that this user may read"
        raise ConfigError(f"cannot be read: {type(error).__name__}", where=str(path), remedy=remedy) from None
    return parse(text, env, registry, name=path.name, folder=path.parent)


def parse(text: str, env: Mapping[str, str], registry: Registry, *, name: str, folder: Path) -> Config:
    """Read a configuration from text; `name` is used in messages, relative paths start at `folder`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = f"{name}:{place_in_toml(str(error), text)}"
        raise ConfigError(f"not valid TOML: {error}", where=where, remedy=remedy_of_toml(str(error))) from None
    except RecursionError:
        raise ConfigError("not valid TOML: nested too deeply", where=name, remedy="take out the brackets") from None
    problems: list[Problem] = []

    def problem(path: Sequence[str | int], what: str, remedy: str | None = None, *, warning: bool = False) -> None:
        line = line_of(text, path)
        dotted = ".".join(str(part) for part in path)
        place = f"{name}:{line} {dotted}" if line else f"{name} {dotted}".rstrip()
        problems.append(Problem(place, what, remedy, warning))

    resolved = _resolve(raw, (), env, folder, problem)
    try:
        file = ConfigFile.model_validate(resolved)
    except ValidationError as error:
        _explain(error, (), problem, "omnibridge schema --format config")
        return Config(ConfigFile(), folder, problems=problems)
    config = Config(file, folder, problems=problems)
    for setting, path in (("journal", config.journal_path), ("keyring", config.keyring_path)):
        if path.is_dir():
            problem(("bridge", setting), f"{path} is a folder", f"name a file, such as {path / 'omnibridge.db'}")
    _channels(config, registry, problem)
    config.routes = read_routes(file, problem)
    config.consent = read_consent(file.consent, problem)
    config.ownership = read_ownership(file, config.channels, problem)
    read_identity(file, problem)
    return config


def _resolve(value: Any, path: tuple[str | int, ...], env: Mapping[str, str], folder: Path, problem: Say) -> Any:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return {key: _resolve(item, (*path, key), env, folder, problem) for key, item in items.items()}
    if isinstance(value, list):
        elements = cast("list[Any]", value)
        return [_resolve(item, (*path, place), env, folder, problem) for place, item in enumerate(elements)]
    if not isinstance(value, str):
        return value
    if value.startswith("file:"):
        try:
            return (folder / value[5:]).read_text("utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            problem(path, f"{value} cannot be read: {type(error).__name__}", "create the file, or mend the path")
            return value

    def replace(match: re.Match[str]) -> str:
        fallback: str | None = match[2]
        found = env.get(match[1], fallback)
        if found is None:
            problem(path, f"the environment variable {match[1]} is not set", f"export {match[1]}=... and start again")
            return match[0]
        return found

    return _REFERENCE.sub(replace, value)


def _explain(error: ValidationError, prefix: tuple[str | int, ...], problem: Say, told: str) -> None:
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        path = [*prefix, *(part for part in item["loc"] if part != "[key]")]
        kind, what = item["type"], item["msg"].removeprefix("Value error, ")
        if kind == "extra_forbidden":
            what = "there is no such setting"
        elif kind == "missing":
            what = "is missing"
        problem(path, what, remedy_of_shape(kind, told))


def _channels(config: Config, registry: Registry, problem: Say) -> None:
    public = (config.file.bridge.public_url or "").rstrip("/")
    for name, section in config.file.channels.items():
        where = ("channels", name)
        if not _CHANNEL_NAME.fullmatch(name) or name in ("events", OPERATOR):
            what = "a channel's name is lower-case letters, digits and dashes, and not 'events' or 'operator'"
            problem(where, what, "rename it here and in the routes")
            continue
        installed = registry.find(section.connector)
        if installed.connector is None and installed.package:
            config.disabled[name] = installed.problem or "its connector cannot be used"
            what = f"{config.disabled[name]}; the channel is disabled, and what is for it waits"
            problem((*where, "connector"), what, "mend or update the package", warning=True)
            continue
        try:
            connector = registry.connector(section.connector)
        except ConfigError as error:
            problem((*where, "connector"), error.what, error.remedy)
            continue
        try:
            settings = connector.settings.model_validate(section.settings)
        except ValidationError as error:
            _explain(error, (*where, "settings"), problem, f"omnibridge schema {connector.name}")
            continue
        url = f"{public}/in/{name}" if public and connector.webhook is not None else None
        config.channels[name] = Channel(
            name=name,
            connector=connector,
            settings=settings,
            tenant=config.file.bridge.tenant,
            inward=section.map,
            collects_consent=section.collects_consent,
            url=url,
            max_age=section.give_up_hours * 3600,
        )
        if connector.webhook is not None and not public:
            problem(
                ("bridge", "public_url"),
                f"without it {name}'s vendor cannot be told where to deliver, and signatures over the URL fail",
                "set it to the address that vendors reach",
                warning=True,
            )
