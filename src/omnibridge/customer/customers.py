"""Finding customers by whatever is known of them: a mail address, a phone number, a loyalty number, any id."""

from __future__ import annotations

from collections.abc import Sequence

from omnibridge.errors import UnknownItem
from omnibridge.journal import EntityKey, Journal, Key, Person
from omnibridge.model import Customer, email_or_none, phone_or_none

__all__ = ["Customers", "readable_key"]


def readable_key(text: str) -> tuple[str, str] | None:
    """What a value is (`email`, `phone`, else `loyalty`), and how it is compared; None for a misspelt one."""
    text = text.strip()
    email, phone = email_or_none(text), phone_or_none(text)
    if email is not None:
        return "email", email
    if phone is not None:
        return "phone", phone
    return None if not text or "@" in text or text.startswith("+") else ("loyalty", text)


class Customers:
    """Who is whom, for programs and for operators. Works on any journal, one that a daemon runs on included."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def person(self, id: str) -> Person:
        """The customer that an id names, an older id included; an id that nobody knows stands for itself."""
        return await self._journal.person(id)

    async def find(self, text: str) -> Sequence[Person]:
        """The customers that `text` leads to, by id in order; none where nobody is known by it.

        `text` is a mail address, a phone number in E.164 (`+4533123456`), a loyalty number, `channel:id` as a
        channel names a customer, or a canonical id of any age. A mail address may lead to several: it need not be
        verified to be found.
        """
        return sorted({await self._journal.person(root) for root in await self._ids(text)})

    async def roots(self, text: str) -> Sequence[str]:
        """Which of the ids that a customer has `text` names, as `find` takes it: those of the records that have it."""
        channel, _, external_id = text.strip().partition(":")
        found: list[str] = []
        for id in await self._ids(text):
            shown = await self._journal.showings((await self._journal.person(id)).roots)
            record = [one.root for one in shown if one[:3] == (channel, Customer.KIND, external_id)]
            found += record or [id]
        return found

    async def _ids(self, text: str) -> Sequence[str]:
        text = text.strip()
        key = self.key(text)
        holders = await self._journal.holders(key)
        if key.kind != "loyalty" and ":" not in text:  # some channels name customers by their addresses
            return holders
        return [*holders, *await self._by_id(text)]

    async def one(self, text: str) -> Person:
        """The one customer that `text` leads to, as `find` has it. Raises UnknownItem for none and for several."""
        found = await self.find(text)
        if len(found) == 1:
            return found[0]
        if not found:
            remedy = "give a mail address, a phone number with its country code, channel:id, or a canonical id"
            raise UnknownItem("nobody is known by that", remedy=remedy)
        ids = ", ".join(person.id for person in found)
        raise UnknownItem(f"{len(found)} customers are known by that", remedy=f"give one of their ids: {ids}")

    def key(self, text: str) -> Key:
        """The key that a value is: a mail address, a phone number, else a loyalty number."""
        return self._journal.key(*(readable_key(text) or ("loyalty", text)))

    async def _by_id(self, text: str) -> list[str]:
        channel, colon, external_id = text.partition(":")
        if colon:
            key = EntityKey(channel, Customer.KIND, external_id)
            id = (await self._journal.known([key]))[key].id
            return [] if id is None else [id]
        if await self._journal.links(Customer.KIND, text) or await self._journal.entities([(Customer.KIND, text)]):
            return [text]
        return []
