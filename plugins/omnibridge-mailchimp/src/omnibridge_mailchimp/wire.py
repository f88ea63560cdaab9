"""Mailchimp's own shapes: audience members, error documents, and the nested keys of its webhook forms."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeGuard, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from omnibridge.connector import Response
from omnibridge.errors import InvalidMessage
from omnibridge.model import decimal_text

__all__ = [
    "Form",
    "Json",
    "Member",
    "MemberPage",
    "Problem",
    "Store",
    "Tag",
    "TagPage",
    "instant",
    "is_array",
    "is_object",
    "nested",
    "plain",
    "read_model",
    "subscriber_hash",
]

Json = dict[str, Any]
"""A JSON object as it came or as it goes out."""
Form = dict[str, "str | Form"]
"""Form fields after their bracketed keys were taken apart."""

_DEPTH = 8
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_FIRED = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)")
M = TypeVar("M", bound=BaseModel)


class _Wire(BaseModel):
    """Unknown fields are kept; `model_fields_set` tells an absent field from an empty one."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Tag(_Wire):
    """A tag on a member; `id` is that of the static segment that it is."""

    name: str
    id: int | None = None


class Member(_Wire):
    """An audience member, as `GET /lists/{list_id}/members/{subscriber_hash}` answers.

    `id` is the MD5 of the lower-cased address and changes with it; `contact_id` does not change. Empty text means
    that there is no value. Source: Mailchimp Marketing API 3.0 specification.
    """

    id: str
    email_address: str
    status: str | None = None
    contact_id: str | None = None
    language: str | None = None
    merge_fields: dict[str, object] = {}
    interests: dict[str, bool] = {}
    tags: tuple[Tag, ...] = ()
    tags_count: int | None = None
    source: str | None = None
    unsubscribe_reason: str | None = None
    ip_opt: str | None = None
    timestamp_opt: str | None = None
    timestamp_signup: str | None = None
    last_changed: str | None = None


class MemberPage(_Wire):
    """One page of members; the rows stay raw, so that one broken row does not lose the others."""

    members: tuple[Json, ...]
    total_items: int = 0


class TagPage(_Wire):
    """One page of `GET .../tags`."""

    tags: tuple[Tag, ...]
    total_items: int = 0


class Store(_Wire):
    """An e-commerce store; `list_id` can never be changed."""

    id: str
    list_id: str
    currency_code: str | None = None


class _FieldError(_Wire):
    field: str = ""
    message: str = ""


class Problem(_Wire):
    """An error document (RFC 7807, `application/problem+json`). `title` is what programs branch on."""

    title: str = ""
    detail: str = ""
    errors: tuple[_FieldError, ...] = Field(default=())

    @classmethod
    def of(cls, response: Response) -> Problem | None:
        """The error document in an answer, or None where it has none (throttling answers have no body)."""
        try:
            return cls.model_validate(response.json())
        except (InvalidMessage, ValidationError):
            return None

    @property
    def text(self) -> str:
        """Title, detail and the fields complained about, in one line."""
        fields = "; ".join(f"{error.field}: {error.message}" for error in self.errors)
        return ": ".join(part for part in (self.title, self.detail) if part) + (f" [{fields}]" if fields else "")


def read_model(model: type[M], value: object, where: str) -> M:
    """A JSON value as a wire model. Raises InvalidMessage that names the field and never its content."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise InvalidMessage(f"not a Mailchimp {model.__name__.lower()}: {path} {first['type']}", where=where) from None


def subscriber_hash(email: str) -> str:
    """The id of a member: the MD5 (hex) of the lower-cased address; dots and plus signs count."""
    return hashlib.md5(email.strip().lower().encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def instant(text: str | None) -> datetime | None:
    """A time of the API (ISO 8601 with offset) or of a webhook (`2026-01-31 12:00:00`, UTC by Mailchimp's word).

    None where the text is empty. Raises InvalidMessage for anything else that is no time.
    """
    if not text:
        return None
    fired = _FIRED.fullmatch(text)
    try:
        if fired:
            return datetime(*(int(part) for part in fired.groups()), tzinfo=UTC)
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidMessage("not a time that Mailchimp writes", where="time") from None


def is_object(value: object) -> TypeGuard[Json]:
    """Whether a parsed JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    """Whether a parsed JSON value is an array."""
    return isinstance(value, (list, tuple))


def plain(value: object) -> JsonValue:
    """A parsed JSON value with exact fractions as text, so that it can be stored and sent on."""
    if isinstance(value, Decimal):
        return decimal_text(value)
    if is_object(value):
        return {key: plain(item) for key, item in value.items()}
    if is_array(value):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def nested(pairs: Iterable[tuple[str, str]]) -> Form:
    """Form fields with bracketed keys, as PHP writes and reads them: `data[merges][FNAME]=x` is nested.

    Of equal keys the last wins. Raises InvalidMessage when a key is both a value and a container, or nested too deeply.
    """
    root: Form = {}
    for key, value in pairs:
        found = _KEY.fullmatch(key)
        if not found:
            raise InvalidMessage("a form key that is not of the shape a[b][c]", where="body")
        path = [found[1], *re.findall(r"\[([^\[\]]*)\]", found[2])]
        if len(path) > _DEPTH:
            raise InvalidMessage("form keys nested too deeply", where="body")
        here = root
        for part in path[:-1]:
            below = here.setdefault(part or str(len(here)), {})
            if isinstance(below, str):
                raise InvalidMessage("a form key is a value and a container at once", where="body")
            here = below
        last = path[-1] or str(len(here))
        if isinstance(here.get(last), dict):
            raise InvalidMessage("a form key is a value and a container at once", where="body")
        here[last] = value
    return root
