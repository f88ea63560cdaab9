"""Writes docs/reference from the code itself; `--check` says what is not up to date and changes nothing."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import anyio
import typer.main
from pydantic import BaseModel, RootModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from omnibridge import connector as authors
from omnibridge import errors
from omnibridge.cli import app
from omnibridge.config.model import (
    BridgeSection,
    CapSection,
    ChannelSection,
    ConfigFile,
    ConsentSection,
    IdentitySection,
    OwnershipSection,
    RetentionSection,
    RouteSection,
    ServerSection,
)
from omnibridge.connector import Connector, Delivery, Http, Receipt, Settings, deliver, deliver_many
from omnibridge.daemon.metrics import render
from omnibridge.errors import Retryable
from omnibridge.event import Event
from omnibridge.journal import NewInbox, Origin
from omnibridge.model import ENTITIES, Entity, catalogue
from omnibridge.model.catalogue import COMMANDS, NOTICES, EventType
from omnibridge.model.examples import example
from omnibridge.registry import Registry
from omnibridge.testing import TestBridge
from omnibridge.testing.conformance import CHECKS, Arrival, Conformance, Tier, Write

FOLDER = Path(__file__).resolve().parent / "reference"
NOTE = "<!-- Written by docs/generate.py; do not change it by hand. -->"

SLOTS = (
    *("Connector", "Webhook", "Subscriptions", "Subscription", "Poll", "Auth", "Credential", "Limits", "Window"),
    *("Learned", "Inbound", "Verdict", "Reply", "Redelivery", "Native", "Derived", "Hint", "Snapshot", "Occurrence"),
    *("Lookup", "Delivery", "Receipt", "Reference", "Later", "Alone", "NativeKey", "Upsert", "Request", "Response"),
    *(
        "Class",
        "Outcome",
        "Settings",
        "Deliver",
        "Term",
        "Sandbox",
        "SandboxRequest",
        "Outgoing",
        "Fault",
        "LostAnswer",
    ),
)
ALIASES = (
    "AnyConnector",
    "Cursor",
    "DeliveryId",
    "Effect",
    "Observation",
    "Protection",
    "Result",
    "Transmit",
    "Version",
)
"""Names for a type that others are made of; what stands below each in the code is what there is to say."""
FILES = ("Download", "Part", "Line", "Lines", "Archive")
EFFECTS = ("Send", "Fetch", "Slice", "Keep", "Emit", "Now")
TOOLS = (
    *("omnibridge_connectors", "classify_http", "retry_after", "hmac_base64", "same", "verify_any", "json_response"),
    *("parse_json", "json_bytes", "parse_form", "form_bytes", "dump_observations", "load_observations"),
    *("HttpMessage", "read_events", "write_binary", "write_structured", "write_batch", "unknown_form"),
    *("bearer_token", "without_token", "consent"),
)
MARKERS = ("PROJECT", "hookimpl", "hookspec")
"""What pluggy wants; the first connector's tutorial shows all there is to do with it."""
SECTIONS: Mapping[str, tuple[str, type[BaseModel]]] = {
    "bridge": ("[bridge]", BridgeSection),
    "server": ("[server]", ServerSection),
    "retention": ("[retention]", RetentionSection),
    "consent": ("[consent]", ConsentSection),
    "consent.caps": ("[consent.caps.MEDIUM]", CapSection),
    "identity": ("[identity]", IdentitySection),
    "channels": ("[channels.NAME]", ChannelSection),
    "ownership": ("[ownership]", OwnershipSection),
    "routes": ("[[routes]]", RouteSection),
}
STAMPS = re.compile(r"datetime\.timedelta\(([^)]*)\)")


def pages() -> dict[str, str]:
    """Every page of the reference: its path below `reference/` and its text."""
    made = {
        "configuration.md": "\n\n".join(configuration()),
        "cli.md": "\n\n".join(commands()),
        "events.md": "\n\n".join(events()),
        "connector.md": "\n\n".join(slots()),
        "settings.md": "\n\n".join(settings()),
        "errors.md": "\n\n".join(tree()),
        "metrics.md": "\n\n".join(metrics()),
        "checks.md": "\n\n".join(checks()),
    }
    notices = {name.partition(".")[0]: model for name, (model, _) in NOTICES.items()}
    for kind, model in {**ENTITIES, **COMMANDS, **notices}.items():
        made[f"events/{kind}.md"] = "\n\n".join(entity(kind, model))
    return {path: f"{NOTE}\n\n{text}\n" for path, text in made.items()}


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def doc(thing: object) -> str:
    """A docstring without its indentation."""
    return inspect.cleandoc(inspect.getdoc(thing) or "")


# -- fields of models ------------------------------------------------------------------------------------------------


def annotation(kind: Any) -> str:
    """A type as people write it."""
    text = kind.__name__ if isinstance(kind, type) and not getattr(kind, "__args__", None) else str(kind)
    text = re.sub(r"Annotated\[([\w.]+(?:\[[\w., ]*\])?), .*?\)\]", r"\1", text)
    text = re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text)
    text = re.sub(r"Optional\[(.*)\]$", r"\1 | None", text)  # how it is shown differs between versions of Python
    return f"`{text.replace('NoneType', 'None')}`"


def default(field: FieldInfo) -> str:
    """The default as TOML would write it; `required` without one."""
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or isinstance(value, BaseModel):
        return ""
    if isinstance(value, SecretStr):
        return "(secret)"
    shown = list(cast("Sequence[object]", value)) if isinstance(value, tuple) else value
    return f"`{json.dumps(shown, default=str)}`"


def fields(model: type[BaseModel], *, skip: Sequence[str] = ()) -> str:
    """A model's fields as a table."""
    rows = [
        [f"`{field.alias or name}`", annotation(field.annotation), default(field), field.description or ""]
        for name, field in model.model_fields.items()
        if name not in skip
    ]
    columns = ["name", "type", "default", "meaning"]
    width = 4 if any(row[3] for row in rows) else 3
    return table(columns[:width], [row[:width] for row in rows])


# -- the pages -------------------------------------------------------------------------------------------------------


def configuration() -> Iterator[str]:
    """bridge.toml."""
    assert {name.partition(".")[0] for name in SECTIONS} == set(ConfigFile.model_fields)
    yield "# The configuration file"
    yield (
        "One TOML file, `bridge.toml` by default. A value may hold `${NAME}` or `${NAME:-otherwise}` from the\n"
        "environment, or `file:PATH`, the content of a file relative to the configuration's folder. `omnibridge\n"
        "check` says what is wrong, with the line; `omnibridge schema --format config` writes the JSON Schema."
    )
    for title, model in SECTIONS.values():
        yield f"## `{title}`"
        yield doc(model)
        if not issubclass(model, RootModel):
            yield fields(model)


def commands() -> Iterator[str]:
    """The command line."""
    group: Any = typer.main.get_command(app)
    yield "# The command line"
    yield doc(group) if not group.help else group.help
    yield (
        "Errors are one message on stderr. Exit codes: 0 done, 1 it did not work, 2 the configuration or the call is\n"
        "wrong, 70 a bug, 74 the disk failed, 130 interrupted."
    )
    found = dict(group.commands)
    for name, command in group.commands.items():
        found |= {f"{name} {inner}": below for inner, below in getattr(command, "commands", {}).items()}
    for name, command in sorted(found.items()):
        yield f"## `omnibridge {name}`"
        yield inspect.cleandoc(command.help)
        rows: list[list[str]] = []
        for parameter in command.params:
            argument = type(parameter).__name__ == "TyperArgument"
            shown = (parameter.metavar or parameter.name.upper()) if argument else ", ".join(parameter.opts)
            preset = parameter.default
            told = "" if preset in (None, False) or callable(preset) else f"`{preset}`"
            needed = "**required**" if parameter.required else told
            rows.append([f"`{shown}`", needed, (parameter.help or "") + _environment(parameter)])
        if rows:
            yield table(["", "default", "meaning"], rows)


def _environment(parameter: Any) -> str:
    return f" Also `{parameter.envvar}` in the environment." if parameter.envvar else ""


def events() -> Iterator[str]:
    """The catalogue's table."""
    yield "# Event types"
    yield (
        "People write the short name; the CloudEvents `type` is `io.omnibridge.<name>.v1`. `omnibridge schema TYPE`\n"
        "gives the JSON Schema of a type's data, `omnibridge schema --format asyncapi` all of them as one document."
    )
    rows = [[f"[`{entry.name}`](events/{_page(entry)}.md)", entry.meaning] for entry in catalogue()]
    yield table(["type", "meaning"], rows)


def _page(entry: EventType) -> str:
    return entry.name.removeprefix("command.") if entry.command else entry.name.partition(".")[0]


def entity(kind: str, model: type[BaseModel]) -> Iterator[str]:
    """The page of one entity or command: its fields, and each event about it."""
    yield f"# `{kind}`"
    yield doc(model)
    yield fields(model)
    if issubclass(model, Entity):
        yield "Fields that a system has not told are absent; `null` means that it is known to be empty."
    for entry in catalogue():
        if entry.model is model and _page(entry) == kind:
            yield f"## `{entry.name}`"
            yield entry.meaning
            yield f"```json\n{json.dumps(example(entry.type), indent=2, ensure_ascii=False)}\n```"


def slots() -> Iterator[str]:
    """What a connector is made of."""
    yield "# What a connector is made of"
    yield (
        "Everything comes from `omnibridge.connector`. A connector is a frozen record of plain functions; what is\n"
        "filled in is what it can do. The [tutorial](../tutorials/first-connector.md) makes one."
    )
    for name in SLOTS:
        yield from _thing(name)
    yield "## `deliver(...)`"
    yield _signature("deliver", deliver)
    yield doc(deliver)
    yield "## `deliver_many(...)`"
    yield _signature("deliver_many", deliver_many)
    yield doc(deliver_many)
    yield "## `Http`"
    yield doc(Http)
    yield from _methods("http", Http)
    for name in FILES:
        yield from _thing(name)
        yield from _methods(name.lower(), getattr(authors, name))
    yield "## Types made of others"
    yield table(["name", "is"], [[f"`{name}`", _alias(name)] for name in ALIASES])
    yield "## Effects"
    yield "What `http` awaits; only who drives a coroutine by hand, as `omnibridge.testing` does, meets them."
    for name in EFFECTS:
        yield from _thing(name, level=3)
    yield "## Functions"
    for name in TOOLS:
        thing: Any = getattr(authors, name)
        yield f"### `{name}`"
        if inspect.isfunction(thing):
            yield _signature(name, thing)
        yield doc(thing)


def _thing(name: str, level: int = 2) -> Iterator[str]:
    """A class: what it is for, and its fields."""
    thing: Any = getattr(authors, name)
    yield f"{'#' * level} `{name}`"
    yield doc(thing)
    if dataclasses.is_dataclass(thing):
        rows = [[f"`{f.name}`", f"`{f.type}`", _preset(f)] for f in dataclasses.fields(thing)]
        if rows:
            yield table(["field", "type", "default"], rows)
    elif hasattr(thing, "_field_defaults"):
        yield table(["field", "type", "default"], list(_tuple_fields(thing)))
    elif hasattr(thing, "__members__"):
        yield ", ".join(f"`{member}`" for member in thing)


def _methods(name: str, owner: type) -> Iterator[str]:
    for called, method in inspect.getmembers(owner, inspect.isfunction):
        if not called.startswith("_"):
            yield f"### `{name}.{called}`"
            yield _signature(called, method)
            yield doc(method)


def _alias(name: str) -> str:
    """A type's own text, and what its module says below it."""
    module, text = next(
        (module, found[1])
        for module in (inspect.getmodule(thing) for thing in map(authors.__dict__.get, SLOTS + EFFECTS + ("Http",)))
        if module is not None
        and (found := re.search(rf"^{name} = (.+)$", inspect.getsource(module), re.MULTILINE)) is not None
    )
    said = re.search(rf'^{name} = [^\n]+\n"""(.+?)"""', inspect.getsource(module), re.MULTILINE | re.DOTALL)
    return f"`{text}`" + (f": {' '.join(said[1].split())}" if said else "")


def _tuple_fields(thing: Any) -> Iterator[list[str]]:
    """The fields of a named tuple; an empty mapping is no default worth showing, as with a dataclass's factory."""
    for name, kind in thing.__annotations__.items():
        given = thing._field_defaults.get(name, dataclasses.MISSING)
        required = given is dataclasses.MISSING
        preset = "**required**" if required else "" if isinstance(given, Mapping) else f"`{given!r}`"
        yield [f"`{name}`", f"`{kind.__forward_arg__}`", preset]


def _preset(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        value = repr(field.default)
        value = STAMPS.sub(lambda found: f"timedelta({found[1]})", re.sub(r"<function (\w+) at 0x\w+>", r"\1", value))
        return f"`{value}`"
    return "" if field.default_factory is not dataclasses.MISSING else "**required**"


def _signature(name: str, function: Any) -> str:
    shown = str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()").replace("'", "")
    return f"```text\n{name}{shown}\n```"


def settings() -> Iterator[str]:
    """Each connector's settings."""
    yield "# The connectors' settings"
    yield "What stands under `[channels.NAME.settings]`, by the channel's `connector`."
    for found in Registry().installed():
        if found.connector is None:
            raise SystemExit(f"{found.name}: {found.problem}")
        made = found.connector
        yield f"## `{found.name}`: {made.title}"
        yield doc(made.settings)
        yield fields(made.settings)
        takes = ", ".join(f"`{slot.operation}`" for slot in made.delivers)
        yield f"API {made.api_version or 'without versions'}. Takes {takes or 'nothing'}."


def tree() -> Iterator[str]:
    """The errors."""
    yield "# Errors"
    yield "Every error of OmniBridge is in this tree, classed by what happens next. All come from `omnibridge.errors`."
    yield f"```text\n{doc(errors).partition(chr(10) + chr(10))[2]}\n```"
    for name in errors.__all__:
        kind: type[Exception] = getattr(errors, name)
        yield f"## `{name}`"
        yield doc(kind)


def metrics() -> Iterator[str]:
    """What /metrics says."""
    yield "# Metrics"
    yield "The daemon serves these at `/metrics`, in Prometheus' text format. They hold no person's data."
    rows: list[list[str]] = []
    text = anyio.run(_rendered).decode()
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    for name, meaning in re.findall(r"^# HELP (\w+) (.*)$", text, re.MULTILINE):
        used = re.findall(rf"^{name}{{(.*)}}", text, re.MULTILINE)
        labels = sorted({label for sample in used for label in re.findall(r"(\w+)=", sample)})
        rows.append([f"`{name}`", kinds[name], ", ".join(f"`{label}`" for label in labels), meaning])
    yield table(["name", "kind", "labels", "meaning"], rows)


async def _rendered() -> bytes:
    """The metrics of a bridge that has something in each of them."""
    quiet = Connector(
        name="quiet",
        title="Quiet",
        settings=Settings,
        base_url=lambda _: "http://nobody",
        delivers=(deliver(Event, _refuse),),
    )
    toml = "[channels.a]\nconnector='quiet'\n[[routes]]\nname='all'\nevents=['*']\nto=['a']\n"
    async with TestBridge(toml, connectors=[quiet]) as bridge:
        await bridge.publish(Event.make("example.happened", {}, id="1", source="/example"))
        await bridge.journal.accept(NewInbox("a", Origin.READ, b"unreadable", bridge.clock.now()))
        bridge.wake()
        await bridge.settle()
        bridge.ingress.accepted["a", "stored"] = 1
        return await render(bridge)


async def _refuse(settings: Settings, event: Event, delivery: Delivery, http: Http) -> Receipt:
    raise Retryable("not now")


def checks() -> Iterator[str]:
    """What a connector is held to."""
    yield "# The conformance checks"
    yield (
        "What every connector must do, tried by `omnibridge check-connector NAME`, and by pytest in a project that\n"
        "names its connectors (`omnibridge_connectors` in its pytest options). The author gives examples in\n"
        "`tests/conformance.py`; `omnibridge new` writes one. What a connector has no part for is not applicable."
    )
    for tier in Tier:
        yield f"## {tier.capitalize()}"
        yield tier.meaning
        for check in CHECKS:
            if check.tier is tier:
                yield f"### `{check.id}`"
                yield f"{check.means}\n\nWhy: {check.why}\n\nMend it: {check.mend}"
    yield "## What the author gives"
    for thing in (Conformance, Arrival, Write):
        yield f"### `{thing.__name__}`"
        yield doc(thing)


# -- to and from the disk --------------------------------------------------------------------------------------------


def difference(made: Mapping[str, str]) -> list[str]:
    """What is wrong with the folder as it is: each page that is missing, different, or no longer made."""
    wrong: list[str] = []
    for path, text in made.items():
        file = FOLDER / path
        if not file.is_file():
            wrong.append(f"{path} is missing")
        elif file.read_text("utf-8") != text:
            wrong.append(f"{path} is not up to date")
    known = {FOLDER / path for path in made}
    wrong += [f"{file.relative_to(FOLDER)} is no longer made" for file in FOLDER.rglob("*.md") if file not in known]
    return wrong


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or compare them."""
    made = pages()
    wrong = difference(made)
    if "--check" in arguments:
        for line in wrong:
            print(f"docs/reference: {line}; run python docs/generate.py")
        return 1 if wrong else 0
    for path, text in made.items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_text(text, "utf-8")
    for file in set(FOLDER.rglob("*.md")) - {FOLDER / path for path in made}:
        file.unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
