"""The secrets of the author's example: the values that must appear nowhere."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import TypeGuard

from pydantic import BaseModel, SecretBytes, SecretStr

from omnibridge.connector import Settings

__all__ = ["Heard", "listening", "secrets_of", "shown_in"]


def secrets_of(value: object) -> list[str]:
    """Every secret in settings, or in one value of them."""
    return list(_walk(value))


def _walk(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, SecretBytes):
        yield value.get_secret_value().decode("latin-1")
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _walk(getattr(value, name))
    elif _is_table(value):
        for item in value.values():
            yield from _walk(item)
    elif _is_list(value):
        for item in value:
            yield from _walk(item)


def _is_table(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)


def _is_list(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, list | tuple | set | frozenset)


def shown_in(settings: Settings, text: str) -> bool:
    """Whether one of the settings' secrets is in a text."""
    return any(secret in text for secret in secrets_of(settings) if secret)


class Heard(logging.Handler):
    """All that was logged or printed."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.printed = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        """Note a record, with its arguments and its exception."""
        self.printed.write(f"{record.getMessage()} {record.args!r} {record.exc_info!r} {record.__dict__!r}\n")

    @property
    def text(self) -> str:
        """All of it."""
        return self.printed.getvalue()


@contextlib.contextmanager
def listening() -> Generator[Heard]:
    """Hear what is logged at any level, and what is printed."""
    heard, root = Heard(), logging.getLogger()
    level = root.level
    root.addHandler(heard)
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(heard.printed), contextlib.redirect_stderr(heard.printed):
            yield heard
    finally:
        root.removeHandler(heard)
        root.setLevel(level)
