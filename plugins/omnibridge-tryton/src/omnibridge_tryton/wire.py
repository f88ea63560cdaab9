"""Tryton's JSON-RPC as it travels: typed values, the envelope, and errors, most of which come with HTTP 200.

Facts: Tryton 8.2, seen on a running server. A body holds exactly `id`, `method` and `params`; with a further key the
server answers without an envelope and with HTTP errors. The last of `params` is always the context. `Decimal`, `date`
and `datetime` (UTC, without a zone) are objects with a `__class__`. An answer of more than 1,400 bytes says that it is
compressed, whether or not it is, unless the request accepts gzip: so every request does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import TypeGuard, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from omnibridge.connector import Class, Outcome, Request, Response, classify_http
from omnibridge.errors import InvalidMessage, Permanent

__all__ = [
    "HEADERS",
    "PATH",
    "Fault",
    "Row",
    "answer",
    "classify",
    "envelope",
    "fault",
    "is_list",
    "is_object",
    "pack",
    "rows",
    "unpack",
]

PATH = "/rpc/"
HEADERS: Mapping[str, str] = {"Accept-Encoding": "gzip"}

_AGAIN = timedelta(seconds=2)
_PASSING = ("OperationalError", "Timeout", "TransactionError", "InterfaceError", "Deadlock", "LockNotAvailable")


class Row(BaseModel):
    """A record as the server reads it; fields it was not asked for do no harm."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    id: int


RowT = TypeVar("RowT", bound=Row)


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether it is a JSON array."""
    return isinstance(value, list)


def is_tuple(value: object) -> TypeGuard[tuple[object, ...]]:
    """Whether it is a tuple, which travels as an array."""
    return isinstance(value, tuple)


# ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────


def pack(value: object) -> object:
    """A Python value as Tryton's JSON. A `Decimal` becomes a typed object, a float stays a plain JSON number."""
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": format(value, "f")}
    if isinstance(value, datetime):
        at = value.astimezone(UTC)
        parts: dict[str, object] = {"__class__": "datetime"}
        return parts | {part: getattr(at, part) for part in (*_DATE, *_TIME)}
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    if is_object(value):
        return {key: pack(item) for key, item in value.items()}
    if is_list(value) or is_tuple(value):
        return [pack(item) for item in value]
    return value


_DATE = ("year", "month", "day")
_TIME = ("hour", "minute", "second", "microsecond")


def unpack(value: object) -> object:
    """Tryton's JSON as Python values; datetimes are aware, in UTC. Raises InvalidMessage for a malformed value."""
    try:
        return _unpack(value)
    except RecursionError:
        raise InvalidMessage("values nested too deeply", where="result") from None


def _unpack(value: object) -> object:
    if is_list(value):
        return [_unpack(item) for item in value]
    if isinstance(value, str):
        return _sound(value)
    if not is_object(value):
        return value
    kind = value.get("__class__")
    if not isinstance(kind, str):
        return {key: _unpack(item) for key, item in value.items()}
    try:
        return _typed(kind, value)
    except (KeyError, TypeError, ValueError, OverflowError, InvalidOperation):
        raise InvalidMessage(f"a malformed {kind[:32]}", where="result") from None


def _sound(text: str) -> str:
    """The text with each half of a surrogate pair that has lost the other replaced: JSON can hold one, UTF-8 cannot."""
    if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _typed(kind: str, fields: Mapping[str, object]) -> object:
    def whole(name: str) -> int:
        number = fields.get(name, 0) if name in _TIME else fields[name]
        if not isinstance(number, int):
            raise TypeError(name)
        return number

    if kind == "Decimal":
        number = Decimal(str(fields["decimal"]))
        if not number.is_finite():
            raise ValueError("not finite")
        return number
    if kind == "datetime":
        day = date(whole("year"), whole("month"), whole("day"))
        return datetime.combine(day, _clock(whole), UTC)
    if kind == "date":
        return date(whole("year"), whole("month"), whole("day"))
    if kind == "time":
        return _clock(whole)
    if kind == "timedelta":
        return timedelta(seconds=float(str(fields["seconds"])))
    if kind == "bytes":
        try:
            return base64.b64decode(str(fields["base64"]), validate=True)
        except binascii.Error:
            raise ValueError("not base64") from None
    raise ValueError("of a kind that is not known")


def _clock(whole: Callable[[str], int]) -> time:
    return time(whole("hour"), whole("minute"), whole("second"), whole("microsecond"))


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Fault:
    """An error of the server: its class by name (`UserError`), and what it says to people.

    `question` is the name of a warning (a digest of the records, a dot, what it is about), by which it is answered.
    """

    name: str
    message: str
    question: str | None = None


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if is_list(value):
        return [item for item in value if isinstance(item, str)]
    return []


def fault(body: object) -> Fault | None:
    """The error in an answer's envelope, or None. Unknown names keep their text: `'bogus'` is a field that is none."""
    if not is_object(body):
        return None
    error = body.get("error")
    if error is None:
        return None
    if not is_list(error) or not error:
        return Fault("Error", str(error)[:500])
    name, *rest = error
    texts = _texts(rest[0]) if rest else []
    question = None
    if name == "UserWarning" and texts:
        question, *texts = texts
    if name not in ("UserError", "UserWarning"):
        texts = [text.strip().splitlines()[-1] for text in texts[:1] if text.strip()]
    return Fault(str(name)[:200], " ".join(text for text in texts if text)[:500], question)


def classify(request: Request, response: Response, now: datetime) -> Outcome:
    """Tryton's answers as retry classes.

    401 is an ended session. With HTTP 200: `UserError` and `UserWarning` are permanent, `ConcurrencyException` and
    the database's passing troubles come again, `LoginException` ends the session, all else is a permanent mistake
    (an unknown field or model). An error in an envelope always means that the transaction was rolled back, so even a
    write that nothing protects did not happen.
    """
    if not response.ok:
        return classify_http(request, response, now)
    harmless = request.reads or request.protection is not None
    try:
        body: object = response.json()
    except InvalidMessage:
        return Outcome(Class.RETRY if harmless else Class.AMBIGUOUS, code="unreadable", reason="no JSON in the answer")
    found = fault(body)
    if found is None:
        return Outcome(Class.OK)
    if found.name == "LoginException":
        return Outcome(Class.EXPIRED, code=found.name, reason=found.message)
    if found.name == "ConcurrencyException" or any(part in found.name for part in _PASSING):
        return Outcome(Class.RETRY, after=_AGAIN, code=found.name, reason=found.message or found.name)
    return Outcome(Class.PERMANENT, code=found.name, reason=found.message)


_REMEDIES = {
    "UserError": "mend the record or the setting that it names",
    "UserWarning": "name it in `warnings`, or do it once in Tryton as this user and ignore the warning always; replay",
    "403": "give the user the access rights in Tryton",
    "404": "look at base_url and database",
    "405": "the server must be Tryton 8 or later, where calls go to /<database>/rpc/",
}


def answer(method: str, response: Response) -> object:
    """The result of a call as Python values. Raises Permanent for a refusal, InvalidMessage for no envelope."""
    if not response.ok:
        code = str(response.status)
        remedy = _REMEDIES.get(code, "look at the server's log")
        raise Permanent(f"{method} answered HTTP {code}", code=code, remedy=remedy)
    body: object = response.json()
    found = fault(body)
    if found is not None:
        remedy = _REMEDIES.get(found.name, "are the modules party, product, sale and stock activated in 8.2?")
        raise Permanent(f"{method}: {found.message or found.name}", code=found.name, remedy=remedy)
    if not is_object(body) or "result" not in body:
        raise InvalidMessage("no envelope with a result", where=method)
    return unpack(body["result"])


def rows(model: type[RowT], result: object) -> list[RowT]:
    """Records as read by `search_read` or `read`. Raises InvalidMessage."""
    if not is_list(result):
        raise InvalidMessage("not a list of records", where=model.__name__)
    try:
        return [model.model_validate(record) for record in result]
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidMessage(f"a malformed record: {first['msg']}", where=f"{model.__name__}.{place}") from None


def envelope(method: str, params: Sequence[object]) -> dict[str, object]:
    """The body of one call."""
    return {"id": 1, "method": method, "params": pack(list(params))}
