"""Requests about personal data that channels pass on: an erasure is begun, an export is put before an operator."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from pydantic_core import from_json, to_json

from omnibridge.customer import Customers
from omnibridge.erasure import REQUESTS, Whom
from omnibridge.errors import Permanent
from omnibridge.event import Event
from omnibridge.handlers import Handler
from omnibridge.journal import EntityKey, Journal
from omnibridge.model import Customer, PrivacyRequest, canonical_id, email_or_none, phone_or_none

__all__ = ["REQUESTS", "privacy_handler"]

_log = structlog.get_logger("omnibridge.privacy")
_ERASURE, _EXPORT = "erasure.requested", "export.requested"


def privacy_handler(journal: Journal, wake: Callable[[], None]) -> Handler:
    """The bridge's own handler of `erasure.requested` and `export.requested`: a delivery of each is as durable as any.

    `wake` is called when an erasure is to be carried out.
    """
    requests = _Requests(journal, wake)
    return Handler(REQUESTS, (_ERASURE, _EXPORT), requests.take)


class _Requests:
    def __init__(self, journal: Journal, wake: Callable[[], None]) -> None:
        self._journal = journal
        self._wake = wake

    async def take(self, request: PrivacyRequest, event: Event) -> None:
        """Begin the erasure, or tell the operator. Raises Permanent for what a person must decide."""
        channel = str(event.extensions.get("channel") or "")
        if event.name == _EXPORT:
            due = request.due.isoformat(timespec="seconds") if request.due else "unknown"
            _log.warning("somebody asks what is known of them: omnibridge export", channel=channel, due=due)
            return
        if request.everything:
            raise Permanent(
                "everything that this channel told is to be erased: that is for an operator to do",
                where=channel,
                remedy="see docs/how-to/forget-a-customer.md",
            )
        mark = f"{event.source} {event.id}"
        for erasure in await self._journal.erasures(open_only=True):
            if erasure.content is not None and from_json(erasure.content).get("request") == mark:
                return  # a crash came between asking and noting that it was asked
        whom = await self._whom(request, event, channel)
        whom["request"] = mark
        number = await self._journal.ask_erasure(to_json(whom))
        _log.info("a channel asks to have a customer erased", channel=channel, erasure=number)
        self._wake()

    async def _whom(self, request: PrivacyRequest, event: Event, channel: str) -> Whom:
        records: list[list[str]] = []
        parties = [event.id] if event.extensions.get("partitionkey") == event.id else []
        for ref in request.records:
            if ref.external_id is not None:
                records.append([channel, ref.kind, ref.external_id])
                # What names nobody else is a party of its own.
                parties.append(canonical_id(channel, ref.kind, ref.external_id))
        customer, ids = request.customer, set[str]()
        if customer is not None and customer.external_id is not None:
            records.append([channel, Customer.KIND, customer.external_id])
            ids.add(await self._known(channel, customer.external_id))
        ids |= {id for id in (event.subject, customer.id if customer is not None else None) if id}
        roots = await self._roots(ids)
        said = (*request.emails, *request.phones)
        addresses = {address for text in said if (address := email_or_none(text) or phone_or_none(text))}
        customers = Customers(self._journal)
        holders = {address: set(await self._journal.holders(customers.key(address))) for address in addresses}
        if not ids:
            roots = await self._one(set[str]().union(*holders.values()))
        if not (roots or addresses):
            raise Permanent("the request names nobody", where=channel, remedy="erase whom it means by hand")
        return {
            "roots": roots,
            # An address that somebody else has as well stays theirs.
            "contacts": sorted(address for address, found in holders.items() if found <= set(roots)),
            "parties": parties,
            "records": records,
            "asker": channel,
        }

    async def _known(self, channel: str, external_id: str) -> str:
        key = EntityKey(channel, Customer.KIND, external_id)
        return (await self._journal.known([key]))[key].id or canonical_id(channel, Customer.KIND, external_id)

    async def _roots(self, ids: set[str]) -> list[str]:
        roots: set[str] = set()
        for id in ids:
            person = await self._journal.person(id)
            roots |= {person.id, *person.roots}
        return sorted(roots)

    async def _one(self, holders: set[str]) -> list[str]:
        people = {(await self._journal.person(id)).id for id in holders}
        if len(people) > 1:
            raise Permanent(
                f"the request names an address of {len(people)} customers", remedy="`omnibridge erase ID` the right one"
            )
        return await self._roots(people)
