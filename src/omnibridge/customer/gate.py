"""The consent gate: asked inside delivery at the moment of sending, so that no connector and no flow can forget it."""

from __future__ import annotations

from datetime import datetime

from pydantic_core import from_json

from omnibridge.journal import Journal
from omnibridge.model import Command, Consent, ConsentState, Purpose, canonical_id, consent_key

__all__ = ["ConsentGate"]


class ConsentGate:
    """Answers whether a command may go out. Unknown is not granted."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def refusal(self, command: Command, now: datetime) -> str | None:
        """Why `command` must not be sent, or None when it may.

        Transactional and service messages answer a person and need no grant.
        """
        if command.gate is None or command.purpose is not Purpose.MARKETING:
            return None
        contact, medium = command.gate
        key = (Consent.KIND, canonical_id("", Consent.KIND, consent_key(contact, medium, command.purpose)))
        found = (await self._journal.entities([key])).get(key)
        state = from_json(found[0])["entity"].get("state", ConsentState.UNKNOWN) if found else ConsentState.UNKNOWN
        if state == ConsentState.GRANTED:
            return None
        return f"no granted consent for {command.purpose.value} by {medium.value}: it is {state}"
