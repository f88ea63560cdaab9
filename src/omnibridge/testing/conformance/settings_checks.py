"""Bronze: settings explain themselves, refuse what is wrong by its name, and keep their secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import JsonValue, SecretBytes, SecretStr, ValidationError

from omnibridge.config import check as check_config
from omnibridge.config import parse
from omnibridge.registry import Registry
from omnibridge.testing.conformance.check import bronze
from omnibridge.testing.conformance.secrets import secrets_of, shown_in
from omnibridge.testing.conformance.subject import CHANNEL, Missed, Subject
from omnibridge.testing.conformance.toml import channel_toml

__all__ = ["SETTINGS_CHECKS"]

_SECRET_NAME = re.compile(
    r"(^|_)(secrets?|tokens?|passwords?|passwd|passphrase|api_?keys?|private_keys?|signing_keys?|access_keys?|credentials?)$"
)
_ADDRESS = re.compile(r"(^|_)(urls?|endpoints?)$")
_MISFITS: tuple[JsonValue, ...] = ({"\x00": []}, 7.5, [[[]]])


def _refused(subject: Subject, settings: Mapping[str, object]) -> ValidationError | None:
    """The error that these settings give; None where they are taken. Any other exception is a miss."""
    model = subject.connector.settings
    try:
        model.model_validate(dict(settings))
    except ValidationError as error:
        return error
    except Exception as error:
        raise Missed(f"settings are refused with {type(error).__name__} instead of a validation error") from error
    return None


def _names(error: ValidationError) -> set[str]:
    return {str(item["loc"][0]) for item in error.errors(include_input=False, include_context=False) if item["loc"]}


@bronze(
    why="Without a valid example nothing can be tried, and nobody can see what settings look like.",
    mend="Give `settings` in conformance.py that the settings class takes, with made-up secrets.",
)
def settings_example(subject: Subject) -> None:
    """The settings of conformance.py are valid."""
    error = _refused(subject, subject.given.settings)
    if error is not None:
        raise Missed(str(error))


@bronze(
    why="The reference, `omnibridge schema` and editors show the description; without one the operator guesses.",
    mend="Give every field `Field(description=...)`: what it is and where at the vendor to find it.",
)
def settings_described(subject: Subject) -> None:
    """The settings' JSON Schema can be made, and each field in it has a description."""
    schema = subject.connector.settings.model_json_schema()
    parts: dict[str, JsonValue] = {"": schema, **schema.get("$defs", {})}
    bare = sorted(f"{title}.{name}".removeprefix(".") for title, part in parts.items() for name in _undescribed(part))
    if bare:
        raise Missed("no description: " + ", ".join(bare))


def _undescribed(schema: JsonValue) -> Iterator[str]:
    fields = schema.get("properties") if isinstance(schema, dict) else None
    for name, field in fields.items() if isinstance(fields, dict) else ():
        if not isinstance(field, dict) or not field.get("description"):
            yield name


@bronze(
    why="An operator who is told only that something is wrong looks through all settings.",
    mend="Validate with field validators; in a model validator say which field it is about, and let it run after "
    'the fields\' own (`mode="after"`).',
)
def settings_errors(subject: Subject) -> None:
    """A wrong value is refused with an error that names its field, and so is a missing one."""
    good = dict(subject.given.settings)
    _ = subject.settings
    for name, field in subject.connector.settings.model_fields.items():
        key = field.alias or name
        errors = [_refused(subject, {**good, key: misfit}) for misfit in _MISFITS]
        given = [error for error in errors if error is not None]
        if not given:
            raise Missed(f"{name} takes anything: {', '.join(map(repr, _MISFITS))}")
        if any(not _names(error) & {name, key} for error in given):
            raise Missed(f"a wrong {name} is refused without naming it: {given[0]}")
        missing = _refused(subject, {other: value for other, value in good.items() if other != key})
        if field.is_required() and (missing is None or not _names(missing) & {name, key}):
            raise Missed(f"a missing {name} is not named")


@bronze(
    why="A misspelt setting that is ignored does nothing, and nobody learns of it.",
    mend='Derive from omnibridge.connector.Settings and leave `extra="forbid"` as it is.',
)
def settings_unknown(subject: Subject) -> None:
    """A setting that does not exist is refused by name."""
    _ = subject.settings
    error = _refused(subject, {**subject.given.settings, "omnibridge_unknown": 1})
    if error is None or "omnibridge_unknown" not in _names(error):
        raise Missed("an unknown setting is taken")


@bronze(
    why="Settings come from TOML, and secrets from the environment or a file; what only Python can give is of no use.",
    mend="Take what TOML has: text, numbers, true and false, lists and tables; do not make fields `strict`.",
)
def settings_references(subject: Subject) -> None:
    """`omnibridge check` finds a channel with these settings right, offline, with each secret as `${NAME}`."""
    example = subject.settings
    text, env = channel_toml(subject)
    config = parse(text, env, Registry(), name="bridge.toml", folder=Path())
    problems = [problem for problem in check_config(config) if not problem.warning]
    if problems:
        raise Missed("\n".join(map(str, problems)))
    if config.channels[CHANNEL].settings != example:
        raise Missed("settings read from TOML are others than the same ones from Python")


@bronze(
    why="A plain text that holds a token is shown by every log, error and dump that shows settings.",
    mend="Type it `SecretStr` (a rotation: `tuple[SecretStr, ...]`), and give it an example of 8 or more characters. "
    "An identifier that is only called so goes into `Conformance.public`, with the reason.",
)
def secrets_typed(subject: Subject) -> None:
    """Settings that are named like secrets are typed as secrets, and each example of one can be told from the rest."""
    fields = subject.connector.settings.model_fields
    plain = {
        name
        for name, field in fields.items()
        if _SECRET_NAME.search(name)
        and not any(kind in repr(field.annotation) for kind in ("SecretStr", "SecretBytes"))
    }
    if plain - set(subject.given.public):
        raise Missed(f"not typed as a secret: {', '.join(sorted(plain - set(subject.given.public)))}")
    stale = [name for name, reason in subject.given.public.items() if name not in plain or not reason.strip()]
    if stale:
        raise Missed(f"`public` in conformance.py names {', '.join(stale)} without need or without a reason")
    short = [secret for secret in secrets_of(subject.settings) if len(secret) < 8]
    if short:
        raise Missed("a secret in conformance.py has fewer than 8 characters, so it cannot be told from other text")


@bronze(
    why="Settings are printed in logs, error reports and bug reports by people who do not think of it.",
    mend="Unwrap secrets (`get_secret_value`) only where a request or signature needs them: never in `__repr__`, "
    "`__str__`, computed fields or serializers.",
)
def secrets_hidden(subject: Subject) -> None:
    """No secret can be seen in the settings' text, representation, dump or JSON."""
    settings = subject.settings
    for what, text in (
        ("repr()", repr(settings)),
        ("str()", str(settings)),
        ("model_dump()", repr(settings.model_dump())),
        ("model_dump_json()", settings.model_dump_json()),
    ):
        if shown_in(settings, text):
            raise Missed(f"{what} of the settings shows a secret")


@bronze(
    why="Operators paste errors about settings into tickets.",
    mend="Leave `hide_input_in_errors` on, and never put a value into the text of a validator's error.",
)
def secrets_refused(subject: Subject) -> None:
    """A refused secret is not in the error that refuses it."""
    settings = subject.settings
    for name, field in subject.connector.settings.model_fields.items():
        for secret in secrets_of(getattr(settings, name)):
            for misfit in ({"value": secret}, secret + " \n", [[secret]]):
                error = _refused(subject, {**subject.given.settings, field.alias or name: misfit})
                if error is not None and shown_in(settings, f"{error}{error!r}"):
                    raise Missed(f"the error about {name} shows it")


@bronze(
    why="What goes over plain http is read and changed on the way, tokens included.",
    mend="Refuse http:// in a validator of the address, except for localhost, 127.0.0.1 and ::1.",
)
def https_only(subject: Subject) -> None:
    """Addresses are https; http is taken for this machine alone, where sandboxes are."""
    settings, connector = subject.settings, subject.connector
    root = connector.base_url(settings) if connector.base_url else ""
    if root and not _encrypted(root):
        raise Missed("base_url is not https")
    for name, field in connector.settings.model_fields.items():
        now = getattr(settings, name)
        if isinstance(now, SecretStr | SecretBytes) or not (_ADDRESS.search(name) or str(now).startswith("https://")):
            continue
        address = str(now) if str(now).startswith("http") else (root or "https://vendor.example.com")
        path = urlsplit(address).path
        key = field.alias or name
        plain = _refused(subject, {**subject.given.settings, key: f"http://vendor.example.com{path}"})
        if plain is None:
            raise Missed(f"{name} may be http://")
        if not _names(plain) & {name, key}:
            raise Missed(f"http:// in {name} is refused without naming it")
        here = {**subject.given.settings, key: f"http://127.0.0.1:8080{path}"}
        if str(now).rstrip("/") == root.rstrip("/") and _refused(subject, here) is not None:
            raise Missed(f"{name} may not be http:// on this machine, so that no sandbox can be served")


def _encrypted(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")


SETTINGS_CHECKS = (
    settings_example,
    settings_described,
    settings_errors,
    settings_unknown,
    settings_references,
    secrets_typed,
    secrets_hidden,
    secrets_refused,
    https_only,
)
