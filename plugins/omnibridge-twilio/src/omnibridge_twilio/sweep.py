"""Going through a list of the 2010-04-01 API page by page, newest first, so that nothing is skipped or lost."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeAlias, TypeVar

from omnibridge.connector import Cursor, Http, Observation, Response
from omnibridge.errors import InvalidMessage
from omnibridge_twilio.answers import refusal
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.wire import instant, next_page

__all__ = ["PAGE_SIZE", "Listing", "Place", "place_of", "sweep", "text_of", "time_of"]

PAGE_SIZE = 200
Place: TypeAlias = dict[str, list[str]]
"""The query of a page within a list."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Listing(Generic[R]):
    """One list: its name in the address, the filter by time, and how to read its pages and rows.

    `rows` gives a page's rows and the address of the next page; `at` is the time by which the filter goes; `seen`
    is what a row tells, for the rows of the channel.
    """

    name: str
    after: str
    rows: Callable[[Response], tuple[Sequence[R], str | None]]
    at: Callable[[R], str | None]
    seen: Callable[[Twilio, R, Http, datetime], Coroutine[Any, Any, Sequence[Observation]]]


async def sweep(listing: Listing[R], settings: Twilio, cursor: Cursor | None, http: Http, overlap: timedelta) -> None:
    """Every page of rows since the cursor, less `overlap`.

    The list comes newest first, so the cursor stays until the last page, while `next` keeps the place within the list:
    `{"since": time, "high": newest time seen, "next": query}`. A place that Twilio no longer knows starts the list
    again. Filtering by time of day is what the API specification's examples of `DateSent>` and Twilio's SDKs show.
    """
    path = f"{settings.account_path}/{listing.name}.json"
    now = await http.now()
    since = time_of(cursor, "since") or now - settings.history
    high = time_of(cursor, "high") or since
    place = place_of(cursor)
    resumed = place is not None
    first = {listing.after: text_of(since - overlap), "PageSize": [str(PAGE_SIZE)]}
    passed: list[Place] = []
    while True:
        response = await http.get(path, params=place or first)
        if not response.ok and resumed:
            place, resumed = None, False
            continue
        if not response.ok:
            raise refusal(response, f"the {listing.name.lower()} cannot be listed")
        rows, uri = listing.rows(response)
        following = next_page(uri, path)
        if following is not None and (following in passed or following == place):
            raise InvalidMessage(f"the list of {listing.name.lower()} runs in a circle", where="next_page_uri")
        seen: list[Observation] = []
        for row in rows:
            found = await listing.seen(settings, row, http, now)
            if found:
                seen += found
                high = max(high, min(instant(listing.at(row)) or high, now))
        if following is None:
            await http.emit(seen, {"since": text_of(max(since, high))})
            return
        await http.emit(seen, {"since": text_of(since), "high": text_of(high), "next": following})
        passed.append(following)
        place, resumed = following, False


def text_of(at: datetime) -> str:
    """A time as a cursor and a filter write it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_of(cursor: Cursor | None, name: str) -> datetime | None:
    """A time in a cursor, None where it has none."""
    text = (cursor or {}).get(name)
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def place_of(cursor: Cursor | None) -> Place | None:
    """The place within a list at which a run was cut off."""
    place = (cursor or {}).get("next")
    return {str(name): [str(value) for value in values] for name, values in place.items()} if place else None
