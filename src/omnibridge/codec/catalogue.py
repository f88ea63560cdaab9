"""The catalogue for other programs: JSON Schema of each type, AsyncAPI and xRegistry documents, from the one source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from omnibridge.errors import UnknownItem
from omnibridge.event import JSON
from omnibridge.model import EventType, catalogue, lookup
from omnibridge.model.examples import example

__all__ = ["asyncapi", "json_schema", "xregistry"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_GROUP = "io.omnibridge"
_CONTENT_TYPE = "content-type"
Document = dict[str, Any]


def json_schema(type_: str) -> Document:
    """The JSON Schema (draft 2020-12) of a short or full type's data. Raises UnknownItem for a foreign type.

    It lets unknown members pass although the model refuses them: a later release may add some to the same type.
    """
    entry = lookup(type_)
    if entry is None:
        raise UnknownItem(f"{type_!r} is not in the catalogue", remedy="omnibridge schema lists the types")
    body = _open(entry.model.model_json_schema(mode="validation"))
    return {
        "$schema": _DIALECT,
        "$id": entry.dataschema,
        **body,
        "title": entry.model.__name__,
        "description": _sentence(entry.model),
        "examples": [example(entry.name)],
    }


def asyncapi(tenant: str = "default") -> Document:
    """An AsyncAPI 3.1 document of every event and command, as HTTP messages in binary mode.

    A channel here is a kind of entity. It has no address: where a type goes is what an installation's routes say.
    """
    entries = catalogue()
    _, definitions = models_json_schema(
        [(model, "validation") for model in _models(entries)], ref_template="#/components/schemas/{model}"
    )
    channels: Document = {}
    operations: Document = {}
    for entry in entries:
        kind = entry.name.rpartition(".")[0]
        # Dots are no part of the names that the document allows everywhere.
        name = kind.replace(".", "_")
        channel = channels.setdefault(
            name, {"address": None, "title": kind, "description": _about(entry, kind), "messages": {}}
        )
        channel["messages"][entry.name] = {"$ref": f"#/components/messages/{entry.name}"}
        operations.setdefault(
            name,
            {
                "action": "receive" if entry.command else "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": f"OmniBridge {'carries out' if entry.command else 'tells of'} these.",
            },
        )
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": f"OmniBridge events of {tenant}",
            "version": "1.0.0",
            "description": "Canonical events and commands as CloudEvents 1.0.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {entry.name: _message(entry, tenant) for entry in entries},
            "schemas": _open(definitions.get("$defs", {})),
        },
    }


def xregistry() -> Document:
    """An xRegistry CloudEvents document (1.0-rc4; experimental, as that specification is not final)."""
    entries = catalogue()
    return {
        "messagegroups": {
            _GROUP: {
                "messagegroupid": _GROUP,
                "description": "Canonical events and commands.",
                "envelope": "CloudEvents/1.0",
                "labels": {"stability": "experimental"},
                "messages": {entry.type: _definition(entry) for entry in entries},
            }
        },
        "schemagroups": {
            _GROUP: {
                "schemagroupid": _GROUP,
                "description": "The data of canonical events and commands.",
                "schemas": {model.__name__: _schema(model, entries) for model in _models(entries)},
            }
        },
    }


def _models(entries: Iterable[EventType]) -> list[type[BaseModel]]:
    return list(dict.fromkeys(entry.model for entry in entries))


def _sentence(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n", 1)[0]


def _about(entry: EventType, kind: str) -> str:
    return _sentence(entry.model) if entry.command else f"What happens to a {kind}."


def _open(schema: Mapping[str, Any]) -> Document:
    """The schema without its refusals of unknown members."""

    def copy(value: Any) -> Any:
        if isinstance(value, dict):
            members = cast(Document, value)
            closed = members.get("additionalProperties") is False
            return {k: copy(v) for k, v in members.items() if not (closed and k == "additionalProperties")}
        return [copy(item) for item in cast(list[Any], value)] if isinstance(value, list) else value

    return {name: copy(value) for name, value in schema.items() if not (name == "additionalProperties" and not value)}


def _message(entry: EventType, tenant: str) -> Document:
    text = {"type": "string", "minLength": 1}
    return {
        "name": entry.type,
        "title": entry.name,
        "summary": entry.meaning,
        "contentType": JSON,
        "headers": {
            "type": "object",
            "required": ["ce-specversion", "ce-id", "ce-source", "ce-type"],
            "properties": {
                "ce-specversion": {"const": "1.0"},
                "ce-id": {**text, "description": "With ce-source it identifies the event."},
                "ce-source": {**text, "format": "uri-reference", "description": f"/{tenant}/<connector>/<channel>"},
                "ce-type": {"const": entry.type},
                "ce-subject": {**text, "description": "The canonical id of what the event is about."},
                "ce-time": {"type": "string", "format": "date-time"},
                "ce-dataschema": {"const": entry.dataschema},
                "ce-partitionkey": {**text, "description": "Events with an equal one are in order."},
                _CONTENT_TYPE: {"const": JSON},
            },
        },
        "payload": {"$ref": f"#/components/schemas/{entry.model.__name__}"},
        "examples": [
            {
                "name": entry.name,
                "headers": {
                    "ce-specversion": "1.0",
                    "ce-id": "3f2a9c0e5b7d4e618a90c2d4f6b81357",
                    "ce-source": f"/{tenant}/example/webshop",
                    "ce-type": entry.type,
                    _CONTENT_TYPE: JSON,
                },
                "payload": example(entry.name),
            }
        ],
    }


def _definition(entry: EventType) -> Document:
    schema = f"/schemagroups/{_GROUP}/schemas/{entry.model.__name__}"
    return {
        "messageid": entry.type,
        "name": entry.name,
        "description": entry.meaning,
        "envelope": "CloudEvents/1.0",
        "envelopemetadata": {
            "specversion": {"type": "string", "value": "1.0", "required": True},
            "id": {"type": "string", "required": True},
            "type": {"type": "string", "value": entry.type, "required": True},
            "source": {"type": "uritemplate", "value": "/{tenant}/{connector}/{channel}", "required": True},
            "subject": {"type": "string", "description": "The canonical id of what the event is about."},
            "time": {"type": "timestamp"},
            "dataschema": {"type": "uri", "value": entry.dataschema},
            "partitionkey": {"type": "string"},
        },
        "datacontenttype": JSON,
        "dataschemaformat": "JSONSchema/2020-12",
        "dataschemauri": schema,
        "dataschemaxid": schema,
    }


def _schema(model: type[BaseModel], entries: Iterable[EventType]) -> Document:
    first = next(entry for entry in entries if entry.model is model)
    body = json_schema(first.type)
    del body["examples"]
    return {
        "schemaid": model.__name__,
        "description": _sentence(model),
        "versions": {
            "1": {"schemaid": model.__name__, "versionid": "1", "format": "JSONSchema/2020-12", "schema": body}
        },
    }
