"""The example as a channel of a bridge.toml, with every secret taken from the environment."""

from __future__ import annotations

import json

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from omnibridge.testing.conformance.secrets import secrets_of
from omnibridge.testing.conformance.subject import CHANNEL, PUBLIC_URL, Subject

__all__ = ["channel_toml"]


def channel_toml(subject: Subject) -> tuple[str, dict[str, str]]:
    """A configuration with one channel, and the environment that it refers to."""
    secrets, env = secrets_of(subject.settings), dict[str, str]()

    def hide(value: JsonValue) -> JsonValue:
        if isinstance(value, str) and value in secrets:
            env[f"SECRET_{secrets.index(value)}"] = value
            return f"${{SECRET_{secrets.index(value)}}}"
        if isinstance(value, dict):
            return {key: hide(item) for key, item in value.items()}
        return [hide(item) for item in value] if isinstance(value, list) else value

    given: dict[str, JsonValue] = to_jsonable_python(dict(subject.given.settings), fallback=str)
    lines = [f"{name} = {_toml(hide(value))}" for name, value in given.items() if value is not None]
    text = (
        f'[bridge]\npublic_url = "{PUBLIC_URL}"\n\n[channels.{CHANNEL}]\nconnector = "{subject.name}"\n\n'
        f"[channels.{CHANNEL}.settings]\n"
    )
    return text + "\n".join(lines) + "\n", env


def _toml(value: JsonValue) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
