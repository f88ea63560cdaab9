"""Reading a whole shop by a bulk operation: Shopify runs the query by itself and puts the rows into one file.

The cursor holds the operation under way and the place in its file, so that an interruption costs nothing. Only a
completed operation is read: one that failed, was canceled or is no longer kept is begun anew, and what it left half
done (`partialDataUrl`) is never taken for the whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple, Self

from omnibridge.connector import Cursor, Http, Later, Observation, Upsert
from omnibridge.errors import InvalidMessage, Permanent
from omnibridge_shopify.documents_bulk import BULK_OPERATION, BULK_OPERATIONS, BULK_RUN, Export
from omnibridge_shopify.graphql import Json, as_object, ask, change, problems
from omnibridge_shopify.settings import Shopify

__all__ = ["GaveUp", "see_all"]

LOOK = timedelta(seconds=30)
"""How long Shopify is left alone with an operation before it is asked about it again."""
_BUSY = timedelta(minutes=1)
_ONGOING = ("CREATED", "RUNNING")
_OVER = ("CANCELED", "EXPIRED", "FAILED")
_TAKEN = ("LIMIT_REACHED", "OPERATION_IN_PROGRESS")
_TRIES = 3
_PAGE = 200
_MOST = 16 * 1024**3

See = Callable[[Json], Awaitable[Sequence[Observation]]]


class GaveUp(Exception):
    """Three operations came to nothing; the text says why the last one did."""


class _Job(NamedTuple):
    """The operation under way: its id, when it began by Shopify's clock, the place in its file.

    Without an id it is to be begun anew. `tries` counts those that were begun.
    """

    id: str | None = None
    began: str = ""
    byte: int = 0
    tries: int = 0

    @classmethod
    def of(cls, cursor: Cursor | None) -> Self:
        """What the cursor says of it."""
        told: Json = (cursor or {}).get("bulk") or {}
        return cls(
            told.get("id"), str(told.get("began") or ""), int(told.get("byte") or 0), int(told.get("tries") or 0)
        )


async def see_all(
    settings: Shopify, cursor: Cursor | None, http: Http, export: Export, see: See, after: Callable[[str], Cursor]
) -> Later | None:
    """Emit what `see` makes of every record that the export holds; then the cursor is `after(when it began)`.

    Until then the cursor is the one that was given, with the operation as `bulk`. `Later` while Shopify is at work.
    Raises GaveUp after three operations that came to nothing.
    """
    rest = {name: value for name, value in (cursor or {}).items() if name != "bulk"}
    job = _Job.of(cursor)
    operation = await _look(settings, http, job.id) if job.id is not None else None
    if operation is None or operation["status"] in _OVER:
        if job.tries >= _TRIES:
            raise GaveUp(_reason(operation))
        operation = await _under_way(settings, http, export) or await _begin(settings, http, export)
        if operation is None:
            return Later(_BUSY)
        job = _Job(operation["id"], operation["createdAt"], tries=job.tries + 1)
        await http.emit((), {**rest, "bulk": job._asdict()})
        operation = await _look(settings, http, operation["id"])
    if operation is None or operation["status"] != "COMPLETED":
        return Later(LOOK)
    anew: Cursor = {**rest, "bulk": {"tries": job.tries}}
    try:
        whole = operation["url"] is None or await _read(http, operation, job, rest, export, see)
    except InvalidMessage:
        await http.emit((), anew)  # another file may be right; this one will not become so
        raise
    if not whole:
        await http.emit((), anew)
        return Later(LOOK)
    await http.emit((), after(job.began))
    return None


def _reason(operation: Json | None) -> str:
    if operation is None:
        return "its file could not be had or read"
    return str(operation["errorCode"] or operation["status"])


async def _look(settings: Shopify, http: Http, id_: str) -> Json | None:
    data = await ask(settings, http, BULK_OPERATION, {"id": id_})
    found: Json | None = data["bulkOperation"]
    return found


async def _under_way(settings: Shopify, http: Http, export: Export) -> Json | None:
    """One of ours that Shopify is at work on, whose id got lost with the answer to its beginning."""
    data = await ask(settings, http, BULK_OPERATIONS, {})
    wanted = export.text.split()
    for node in data["bulkOperations"]["nodes"]:
        if node["status"] in _ONGOING and node["type"] == "QUERY" and str(node["query"]).split() == wanted:
            found: Json = node
            return found
    return None


async def _begin(settings: Shopify, http: Http, export: Export) -> Json | None:
    """A new operation, None while there are as many as Shopify runs for one app in one shop. Raises Permanent."""
    variables = {"query": export.text, "grouped": export.grouped}
    # To begin a second one changes nothing at the shop, so a lost answer is no danger.
    payload = await change(settings, http, BULK_RUN, variables, step="bulk", protection=Upsert())
    if errors := problems(payload):
        code, field, message = errors[0]
        if code in _TAKEN:
            return None
        raise Permanent(f"no bulk operation: {field}: {message}", code=code or None)
    begun: Json = payload["bulkOperation"]
    return begun


async def _read(http: Http, operation: Json, job: _Job, rest: Mapping[str, object], export: Export, see: See) -> bool:
    """Emit what stands in the file from `job.byte` on; False when the file cannot be had whole any more.

    Raises InvalidMessage for one that is not what was asked for.
    """
    file = await http.download(operation["url"], signed=True, most=_MOST)
    if not file.ok or file.size < int(operation["fileSize"] or 0):
        return False
    page: list[Observation] = []
    record: Json | None = None
    place = job.byte
    async for line in file.lines(job.byte):
        row = as_object(line.json())
        if "id" not in row:
            raise InvalidMessage("a line of a bulk operation that is no record")
        below = "__parentId" in row
        if below and export.grouped:
            _attach(record, row, export)
        else:
            if record is not None:
                page.extend(await see(record))
            if len(page) >= _PAGE:
                await http.emit(page, {**rest, "bulk": job._replace(byte=place)._asdict()})
                page = []
            record = _record(row, export) if below or export.grouped else None
        place = line.end
    if record is not None:
        page.extend(await see(record))
    if page:
        await http.emit(page, {**rest, "bulk": job._replace(byte=place)._asdict()})
    return True


def _record(row: Json, export: Export) -> Json:
    """The row with room for its children, in the shape of an answer with pages."""
    return row | {each.connection: {"nodes": []} for each in export.children}


def _attach(record: Json | None, row: Json, export: Export) -> None:
    if record is None or row["__parentId"] != record["id"]:
        raise InvalidMessage("a row of a bulk operation is not below its parent", where="__parentId")
    for field, connection, most in export.children:
        if field in row:
            nodes: list[Json] = record[connection]["nodes"]
            if most is None or len(nodes) < most:
                nodes.append(row)
            return
    raise InvalidMessage("a row of a bulk operation that nothing asked for", where="__parentId")
