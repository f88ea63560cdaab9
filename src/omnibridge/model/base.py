"""The two bases of the canonical model: `Model` for values, `Entity` for what systems keep and synchronise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, PlainSerializer

__all__ = ["Entity", "Instant", "Model", "OpenEnum", "Ref", "rfc3339"]

_MINUTE = timedelta(minutes=1)


def rfc3339(value: datetime) -> str:
    """An aware time as RFC 3339, in its own zone; in UTC where the zone's offset is not whole minutes."""
    if value.tzinfo is UTC:  # most are, and an order has a dozen
        return value.isoformat()[:-6] + "Z"
    offset = value.utcoffset()
    if offset is not None and offset % _MINUTE:
        value = value.astimezone(UTC)
    return value.isoformat().replace("+00:00", "Z")


Instant = Annotated[AwareDatetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""A point in time with its offset known, written as RFC 3339 (`2026-11-22T10:00:00+01:00`)."""


class Model(BaseModel):
    """A frozen value that refuses unknown fields; `model_fields_set` tells an absent field from a null one."""

    # Built when first used: most commands, and most bridges, need few of the models.
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_enum_values=False, validate_default=False, defer_build=True
    )


class Ref(Model):
    """A link to another entity: by the vendor's id in what a connector says, by the canonical id in an event.

    A connector fills `kind` and `external_id` (always a string, however the vendor writes it). The core fills `id`
    and keeps `external_id` only inside the channel that knows it.
    """

    kind: str
    external_id: str | None = None
    id: str | None = None


class Entity(Model):
    """Something that a system keeps: it has an identity there and changes over time.

    `KIND` names it in references and event types (`order` in `order.placed`). `id` is the canonical id; connectors
    leave it unset. `attributes` are a company's own fields, mapped by configuration. `vendor` holds vendor fields
    that are kept as they came because the model has no word for them; no other channel is written from it.
    """

    KIND: ClassVar[str] = ""

    id: str | None = None
    attributes: dict[str, JsonValue] = Field(default_factory=dict)
    vendor: dict[str, JsonValue] = Field(default_factory=dict)

    def check(self) -> tuple[Model, ...] | None:
        """The sums inside that do not come out; None where this says too little to tell, or has none."""
        return None


class OpenEnum(StrEnum):
    """An enumeration whose unknown members become `other`; the raw value is kept beside it by the model."""

    @classmethod
    def of(cls, raw: object) -> OpenEnum:
        """The member for a vendor's word, or `other`."""
        try:
            return cls(str(raw).lower())
        except ValueError:
            return cls("other")
