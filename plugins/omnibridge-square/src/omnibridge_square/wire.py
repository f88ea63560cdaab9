"""Square's JSON read field by field: each leaf is taken, skipped by name, or left over and kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, TypeGuard, TypeVar

from pydantic import JsonValue

from omnibridge.errors import InvalidMessage
from omnibridge.model import Money

__all__ = ["Fields", "Json", "Node", "instant", "nanoseconds", "parsed", "plain", "wire_instant", "wire_money"]

T = TypeVar("T")

Fields = dict[str, Any]
"""What a canonical model is made of: only the fields that were told, by their names; the model checks the values."""

Json = dict[str, Any]
"""A JSON object of Square's, to be sent or as the sandbox holds it."""

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(?:[Zz]|([+-])(\d\d):(\d\d))")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_DEEPEST = 40


def _broken(where: str, wanted: str) -> InvalidMessage:
    return InvalidMessage(f"expected {wanted}", where=where)


def _instant(raw: str, where: str) -> tuple[datetime, str]:
    found = _TIME.fullmatch(raw)
    if found is None:
        raise _broken(where, "an RFC 3339 time")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    digits = found[7] or ""
    zone = UTC
    if found[8]:
        ahead = timedelta(hours=int(found[9]), minutes=int(found[10]))
        zone = timezone(ahead if found[8] == "+" else -ahead) if ahead < timedelta(days=1) else None
    if zone is None:
        raise _broken(where, "an offset below a day")
    try:
        at = datetime(year, month, day, hour, minute, min(second, 59), int(digits[:6].ljust(6, "0")), zone)
        at.astimezone(UTC)  # raises at the calendar's two ends, where an instant cannot be compared
    except (ValueError, OverflowError):
        raise _broken(where, "a time of the calendar") from None
    return at, digits


def instant(raw: str, where: str = "") -> datetime:
    """An RFC 3339 time, aware; digits finer than a microsecond are cut off. Raises InvalidMessage."""
    return _instant(raw, where)[0]


def nanoseconds(raw: str, where: str = "") -> str:
    """An RFC 3339 time as text in UTC with exactly nine fractional digits, so that it sorts. Raises InvalidMessage.

    Square's inventory times carry up to nine digits, and trailing zeros are left out.
    """
    at, digits = _instant(raw, where)
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}.{digits[:9].ljust(9, '0')}Z"


def wire_instant(at: datetime) -> str:
    """An aware time as Square writes it: RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wire_money(money: Money) -> dict[str, JsonValue]:
    """Money as Square writes it: whole minor units. Raises ValueError when it is finer than one."""
    return {"amount": money.to_minor(), "currency": money.currency}


def plain(value: object, where: str = "", depth: int = 0) -> JsonValue:
    """Any parsed JSON as a value that can be written as JSON again; fractions become text. Raises InvalidMessage."""
    if depth > _DEEPEST:
        raise _broken(where, f"at most {_DEEPEST} levels")
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, str):
        return _text(value, where)
    if _is_object(value):
        return {_text(key, where): plain(item, f"{where}.{key}", depth + 1) for key, item in value.items()}
    if _is_list(value):
        return [plain(item, f"{where}[]", depth + 1) for item in value]
    raise _broken(where, "JSON")


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _broken(where, "text without halves of characters") from None
    return value


class Node:
    """One JSON object. Reading a field takes it; `rest()` is what nobody took.

    Every reader gives None for an absent and for a null field (`has` tells them apart) and raises InvalidMessage,
    naming the field, for a value of another shape.
    """

    __slots__ = ("_children", "_left", "_raw", "where")

    def __init__(self, raw: object, where: str = "body") -> None:
        if not _is_object(raw):
            raise _broken(where, "an object")
        self._raw = raw
        self._left = dict(self._raw)
        self._children: dict[str, Node | list[Node]] = {}
        self.where = where

    def has(self, key: str) -> bool:
        """Whether the field is there, null included."""
        return key in self._raw

    @property
    def raw(self) -> Mapping[str, object]:
        """The whole object as it came."""
        return self._raw

    def _take(self, key: str, kind: type[T], wanted: str) -> T | None:
        self._left.pop(key, None)
        value = self._raw.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise _broken(f"{self.where}.{key}", wanted)
        return value

    def _any(self, key: str) -> object:
        self._left.pop(key, None)
        return self._raw.get(key)

    def text(self, key: str) -> str | None:
        """A string."""
        value = self._take(key, str, "a string")
        return None if value is None else _text(value, f"{self.where}.{key}")

    def need(self, key: str) -> str:
        """A string that must be there and not be empty."""
        value = self.text(key)
        if not value:
            raise _broken(f"{self.where}.{key}", "a string that is not empty")
        return value

    def whole(self, key: str) -> int | None:
        """An integer."""
        return self._take(key, int, "an integer")

    def truth(self, key: str) -> bool | None:
        """A truth value."""
        return self._take(key, bool, "true or false")

    def decimal(self, key: str) -> Decimal | None:
        """A decimal number written as a string, as Square writes quantities and percentages."""
        raw = self.text(key)
        if raw is None:
            return None
        try:
            value = Decimal(raw) if re.fullmatch(r"[+-]?\d{0,30}(\.\d{0,12})?", raw) else None
        except InvalidOperation:
            value = None
        if value is None:
            raise _broken(f"{self.where}.{key}", "a decimal number")
        return value

    def money(self, key: str) -> Money | None:
        """An amount in whole minor units with its currency."""
        part = self.node(key)
        if part is None:
            return None
        amount, currency = part.whole("amount"), part.text("currency")
        if amount is None or currency is None:
            return None
        if abs(amount) >= 10**30:
            raise _broken(f"{self.where}.{key}.amount", "an amount of ordinary size")
        return Money.from_minor(amount, currency)

    def instant(self, key: str) -> datetime | None:
        """An RFC 3339 time."""
        raw = self.text(key)
        return None if raw is None else instant(raw, f"{self.where}.{key}")

    def day(self, key: str) -> date | None:
        """A date with its year; None, and left in the rest, for Square's year 0000 (a birthday without a year)."""
        raw = self.text(key)
        if not raw:
            return None
        try:
            return date.fromisoformat(raw if _DAY.fullmatch(raw) else "")
        except ValueError:
            self._left[key] = raw
            return None

    def node(self, key: str) -> Node | None:
        """An object in the field."""
        known = self._children.get(key)
        if isinstance(known, Node):
            return known
        raw = self._any(key)
        if raw is None:
            return None
        child = Node(raw, f"{self.where}.{key}")
        self._children[key] = child
        return child

    def nodes(self, key: str) -> list[Node]:
        """A list of objects; empty when absent."""
        known = self._children.get(key)
        if isinstance(known, list):
            return known
        items = self._list(key)
        children = [Node(item, f"{self.where}.{key}[{index}]") for index, item in enumerate(items)]
        self._children[key] = children
        return children

    def _list(self, key: str) -> list[object]:
        raw = self._any(key)
        if raw is None:
            return []
        if not _is_list(raw):
            raise _broken(f"{self.where}.{key}", "a list")
        return raw

    def texts(self, key: str) -> list[str]:
        """A list of strings; empty when absent."""
        items = self._list(key)
        texts = [item for item in items if isinstance(item, str)]
        if len(texts) != len(items):
            raise _broken(f"{self.where}.{key}", "a list of strings")
        return [_text(item, f"{self.where}.{key}") for item in texts]

    def skip(self, *keys: str) -> None:
        """Leave fields out for good; the connector's `dropped` names them with the reason."""
        for key in keys:
            self._left.pop(key, None)

    def leave(self, key: str) -> None:
        """Put a field that was read back into the rest: its value is needed, and kept as it came as well."""
        if key in self._raw:
            self._left[key] = self._raw[key]

    def rest(self) -> dict[str, JsonValue]:
        """What nobody took, at any depth; places in lists are kept."""
        out: dict[str, JsonValue] = {}
        for key, value in self._left.items():
            out[_text(key, self.where)] = plain(value, f"{self.where}.{key}")
        for key, child in self._children.items():
            if isinstance(child, Node):
                below: JsonValue = child.rest() or None
            else:
                rests = [one.rest() for one in child]
                below = list[JsonValue](rests) if any(rests) else None
            if below is not None:
                out[key] = below
        return out


def parsed(where: str, build: Callable[[], T]) -> T:
    """`build()`, with the model's and the arithmetic's refusals told as InvalidMessage."""
    try:
        return build()
    except InvalidMessage:
        raise
    except (ValueError, ArithmeticError) as error:
        raise InvalidMessage(f"a value that cannot be understood ({type(error).__name__})", where=where) from error
