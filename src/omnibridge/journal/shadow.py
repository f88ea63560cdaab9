"""What stands in a shadow: the fields that a channel has, and beside them what the channel itself claimed, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import from_json

__all__ = ["BASE", "CLAIMS", "HEARD", "Claims", "moment_of", "moved", "opened", "stamp"]

Json = dict[str, Any]
CLAIMS = "claims"
"""The member beside the fields."""
BASE = " "
"""The member of the claims that says what our last writes were upon, where the vendor gives versions: when the last was
made; for each the version before it, its own, and of each field when its value had come to be there, and the value."""
HEARD = ""
"""The member of the claims that says when the channel was last heard to state something by itself."""

Written = list[Any]
Claims = dict[str, int | Written]
"""For each field of a shadow, in microseconds since 1970: `at`, where the channel claims the value that it has;
`[made]` where the value is a copy, by a delivery made then; `[made, at, value]` where that copy took the place of the
channel's own claim, which the delivery knew; `[made, at, value, true]` where it did not know it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def stamp(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def moment_of(at: int) -> datetime:
    """The time of a stamp, in UTC."""
    return _EPOCH + timedelta(microseconds=at)


def opened(content: bytes) -> tuple[Json, Claims | None]:
    """A shadow's fields and claims; None for one that was stored before there were any, or whose kind has none."""
    fields: Json = from_json(content)
    return fields, fields.pop(CLAIMS, None)


def moved(claims: Claims | None) -> int:
    """When this shadow last came to differ from what was known before: by the channel's word, or by a write of ours."""
    if not claims:
        return 0
    heard = claims.get(HEARD)
    written = [claim[0] for claim in claims.values() if isinstance(claim, list)]
    return max(heard if isinstance(heard, int) else 0, *written, 0)
