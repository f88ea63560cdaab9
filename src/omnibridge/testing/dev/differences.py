"""Two JSON values compared place by place, as people read it: what is new, gone, other."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import JsonValue

__all__ = ["differences", "places"]


def places(value: JsonValue, at: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf with its place: `lines[0].sku` and its value as JSON."""
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from places(member, f"{at}.{name}" if at else name)
    elif isinstance(value, list) and value:
        for index, element in enumerate(value):
            yield from places(element, f"{at}[{index}]")
    else:
        yield at, json.dumps(value, ensure_ascii=False)


def differences(before: JsonValue, now: JsonValue) -> list[tuple[str, str | None, str | None]]:
    """What differs: place, then, now; None where nothing is. What is gone comes last."""
    old, new = dict(places(before)), dict(places(now))
    for one, other in ((old, new), (new, old)):  # of a list that was filled or emptied, its members say it all
        for place in [place for place, value in one.items() if value in ("[]", "{}") and place not in other]:
            if any(inner.startswith(place) for inner in other):
                del one[place]
    changed: list[tuple[str, str | None, str | None]] = [
        (place, old.get(place), value) for place, value in new.items() if old.get(place) != value
    ]
    return changed + [(place, value, None) for place, value in old.items() if place not in new]
