"""Which key seals what is about whom: remembered as far as it was met lately, and taken anew for whom nobody met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omnibridge.journal.seal import GENERAL, Seal

__all__ = ["CONTACT", "Parties"]

CONTACT = "contact:"
"""Stands before an address of whom nothing else is known; the file has `contact/` and the address's digest."""

_REMEMBERED = 16_384


class Parties:
    """The names and keys of parties as the journal's file has them. Belongs to the event loop's side."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._keys: dict[str, int] = {}

    def name(self, party: str) -> str:
        """How the file calls a party: an address by its digest."""
        if party.startswith(CONTACT):
            return "contact/" + self._seal.digest(party).hex()
        return party

    def key(self, name: str | None, new: dict[str, int]) -> int:
        """The key of a party by its name; one that is not remembered gets a new key, which `new` then holds."""
        if name is None:
            return GENERAL
        found = self._keys.get(name) or new.get(name)
        if found is None:
            found = new[name] = self._seal.take("party")
        return found

    def remember(self, keys: Mapping[str, int]) -> None:
        """These stand in the file."""
        while len(self._keys) + len(keys) > _REMEMBERED and self._keys:
            del self._keys[next(iter(self._keys))]
        self._keys.update(keys)

    def forget(self, names: Sequence[str]) -> None:
        """These no longer do."""
        for name in names:
            self._keys.pop(name, None)
