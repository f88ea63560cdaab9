"""Tokens and sessions obtained at run time: renewed once for all who wait, committed before they are used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import anyio
from pydantic_core import from_json, to_json

from omnibridge.channel import Channel
from omnibridge.clock import Clock
from omnibridge.connector import Credential, Http
from omnibridge.errors import OmniBridgeError
from omnibridge.journal import Journal

__all__ = ["Credentials"]

EARLY = timedelta(minutes=2)
"""A credential is renewed this long before it expires."""

Obtain = Callable[[Http, Credential | None], Awaitable[Credential]]


class Credentials:
    """The credential of one channel, sealed in the journal. `run` performs a coroutine of the author without auth."""

    def __init__(self, channel: Channel, journal: Journal, clock: Clock) -> None:
        self._channel = channel
        self._journal = journal
        self._clock = clock
        self._lock = anyio.Lock()
        self._current: Credential | None = None
        self._loaded = False

    @property
    def needed(self) -> bool:
        """Whether this channel obtains credentials at all."""
        auth = self._channel.connector.auth
        return auth is not None and auth.obtain is not None

    async def get(self, obtain: Callable[[Credential | None], Awaitable[Credential]]) -> Credential | None:
        """The credential to use now, obtained or renewed when there is none or it is about to expire."""
        if not self.needed:
            return None
        if self._fresh():
            return self._current
        return await self.renew(self._current, obtain)

    async def renew(
        self, stale: Credential | None, obtain: Callable[[Credential | None], Awaitable[Credential]]
    ) -> Credential:
        """Replace `stale`; whoever waited while somebody else did it gets that one's result."""
        async with self._lock:
            if not self._loaded:
                self._current = _load(await self._journal.credential(self._channel.name))
                self._loaded = True
                auth = self._channel.connector.auth
                if self._current is not None and auth is not None and auth.fits is not None:
                    self._current = self._current if auth.fits(self._channel.settings, self._current) else None
                if stale is None and self._fresh() and self._current is not None:
                    return self._current
            if self._current is not None and self._current is not stale and self._fresh():
                return self._current
            before = self._current
            try:
                renewed = await obtain(before)
            except OmniBridgeError:
                given = self._current
                if given is None or given is before or not self._fresh():
                    raise
                return given  # while it was asked for, the other side gave one by itself
            await self._journal.save_credential(self._channel.name, _dump(renewed))
            self._current = renewed
            return renewed

    async def take(self, given: Credential) -> None:
        """One that the other side gave by itself: committed, and used from now on. Raises StorageError.

        It waits for nobody who asks for one meanwhile: whoever is asked may give it before it answers.
        """
        await self._journal.save_credential(self._channel.name, _dump(given))
        self._current, self._loaded = given, True

    def _fresh(self) -> bool:
        current = self._current
        return current is not None and (current.expires is None or current.expires - EARLY > self._clock.now())


def _dump(credential: Credential) -> bytes:
    expires = credential.expires.isoformat() if credential.expires else None
    return to_json({"values": dict(credential.values), "expires": expires})


def _load(content: bytes | None) -> Credential | None:
    if content is None:
        return None
    data = from_json(content)
    return Credential(data["values"], datetime.fromisoformat(data["expires"]) if data["expires"] else None)
