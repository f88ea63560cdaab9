"""`omnibridge schema`: the configuration's schema and the event catalogue, for editors and other programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from pydantic import JsonValue

from omnibridge.cli.app import app
from omnibridge.cli.output import table, write_json
from omnibridge.codec.catalogue import asyncapi, json_schema, xregistry
from omnibridge.config import ConfigFile
from omnibridge.errors import UnknownItem
from omnibridge.model import catalogue, lookup
from omnibridge.registry import Registry

__all__ = ["schema_command"]


class Format(StrEnum):
    """What to write."""

    TABLE = "table"
    JSONSCHEMA = "jsonschema"
    ASYNCAPI = "asyncapi"
    XREGISTRY = "xregistry"
    CONFIG = "config"


@app.command("schema")
def schema_command(
    what: Annotated[str | None, typer.Argument(help="An event type, or a connector (its settings).")] = None,
    format_: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.TABLE,
) -> None:
    """Show the event catalogue, one type's JSON Schema, a connector's settings, or the schema of bridge.toml."""
    if format_ is Format.CONFIG:
        write_json(_lenient(ConfigFile.model_json_schema()))
    elif format_ is Format.ASYNCAPI:
        write_json(asyncapi())
    elif format_ is Format.XREGISTRY:
        write_json(xregistry())
    elif what is not None:
        write_json(_one(what))
    elif format_ is Format.JSONSCHEMA:
        write_json({entry.type: json_schema(entry.type) for entry in catalogue()})
    else:
        rows = [[entry.name, entry.model.__name__, entry.meaning] for entry in catalogue()]
        table("Event types", ["type", "data", "meaning"], rows)


_REFERENCE: JsonValue = {
    "type": "string",
    "pattern": r"\$\{|^file:",
    "description": "${NAME}, ${NAME:-otherwise} or file:PATH",
}


def _lenient(schema: JsonValue) -> JsonValue:
    """The schema of the file as it is written: in place of any one value may stand a reference to where it is."""
    if isinstance(schema, list):
        return [_lenient(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _lenient(value) for name, value in schema.items()}
    free_text = made.get("type") == "string" and not {"pattern", "enum", "const"} & made.keys()
    if free_text or made.get("type") not in ("string", "integer", "number", "boolean"):
        return made
    beside = {name: made.pop(name) for name in ("title", "description", "default") if name in made}
    return {"anyOf": [made, _REFERENCE], **beside}


def _one(what: str) -> object:
    entry = lookup(what)
    if entry is not None:
        return json_schema(entry.type)
    for installed in Registry().installed():
        if installed.name == what and installed.connector is not None:
            return installed.connector.settings.model_json_schema()
    raise UnknownItem(f"{what!r} is neither an event type nor an installed connector")
