"""Every error OmniBridge raises, classed by what happens next rather than by where it came from.

OmniBridgeError
├── Retryable          try again later; nothing is wrong with the input
├── Permanent          will never succeed as it stands; becomes a dead letter
├── AuthExpired        renew the credential and repeat at once
├── Ambiguous          may or may not have happened; look it up before repeating
├── InvalidMessage     bytes from outside that cannot be understood; kept and shown, never lost
│   └── CodecError     ... because they are no valid CloudEvent
├── ConfigError        the operator must change something before a start
├── ExpressionError    a CESQL text that does not compile
├── UnknownItem        the caller named a channel, event or delivery that does not exist
└── StorageError       the journal cannot take work now; callers answer 503
    ├── StorageFailed  the disk failed a sync; the process must stop
    └── SchemaError    the file is not ours, or was written by a newer version
"""

from __future__ import annotations

from datetime import timedelta

__all__ = [
    "Ambiguous",
    "AuthExpired",
    "CodecError",
    "ConfigError",
    "ExpressionError",
    "InvalidMessage",
    "OmniBridgeError",
    "Permanent",
    "Retryable",
    "SchemaError",
    "StorageError",
    "StorageFailed",
    "UnknownItem",
]


class OmniBridgeError(Exception):
    """The root. `what` happened, `where` (channel, field, file and line), and the `remedy` to try next."""

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} ({self.remedy})" if self.remedy else text


class Retryable(OmniBridgeError):
    """Trouble that passes. `after` is the least time to wait, when the other side named one."""

    def __init__(
        self,
        what: str,
        *,
        after: timedelta | None = None,
        where: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.after = after


class Permanent(OmniBridgeError):
    """A refusal that repeating cannot change. `code` is the vendor's own error code, when it has one."""

    def __init__(
        self,
        what: str,
        *,
        code: str | None = None,
        where: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.code = code


class AuthExpired(OmniBridgeError):
    """The credential is no longer accepted; the core renews it once for all who wait."""


class Ambiguous(OmniBridgeError):
    """A request whose effect is unknown: it left, and no trustworthy answer came back."""


class InvalidMessage(OmniBridgeError):
    """Bytes from outside that do not have the shape they promise."""


class CodecError(InvalidMessage):
    """Bytes that claim to be a CloudEvent and are not one."""


class ConfigError(OmniBridgeError):
    """A configuration that cannot be used; `where` is file, line and field."""


class ExpressionError(OmniBridgeError):
    """A CESQL text that cannot be compiled; `position` is the offset in characters from its start."""

    def __init__(self, what: str, *, position: int, remedy: str | None = None) -> None:
        super().__init__(what, where=f"position {position}", remedy=remedy)
        self.position = position


class UnknownItem(OmniBridgeError):
    """The caller named something that does not exist here."""


class StorageError(OmniBridgeError):
    """The journal cannot take work at this moment; nothing was acknowledged."""


class StorageFailed(StorageError):
    """A write or sync failed for good. What was not acknowledged may be lost; the process must stop, never retry."""


class SchemaError(StorageError):
    """The journal file is not an OmniBridge journal, or a newer version wrote it."""


def trail(error: BaseException) -> str:
    """Where an error came from, for logs: its name and the last places that it passed.

    Neither its message nor anybody's variables, which may hold what a person wrote, or a secret.
    """
    places: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_qualname if hasattr(code, 'co_qualname') else code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__} at {' > '.join(places[-6:])}"
