"""What the parts of the sandbox's shop share: its clock, its webhooks, its numbers, and its idempotency keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from omnibridge_shopify.graphql import Json

__all__ = ["Announce", "Ledger", "Operation", "Refused", "problem", "since"]

Announce = Callable[[str, str, Json], None]
"""Called with a topic, its name in the schema, and the body, for every change."""
Operation = Callable[[Json], Json]
"""From an operation's variables to its `data`."""


class Refused(Exception):
    """The request does not fit: a top-level error rather than a user error."""


def problem(field: Sequence[str], message: str, code: str | None = None) -> Json:
    """A user error."""
    found: Json = {"field": list(field), "message": message}
    if code is not None:
        found["code"] = code
    return found


def since(nodes: list[Json], query: str | None) -> list[Json]:
    """The nodes that changed since the time in a search, oldest first."""
    if query:
        edge = datetime.fromisoformat(query.removeprefix("updated_at:>=").strip("'"))
        nodes = [node for node in nodes if datetime.fromisoformat(node["updatedAt"]) >= edge]
    return sorted(nodes, key=lambda node: (datetime.fromisoformat(node["updatedAt"]), node["id"]))


class Ledger:
    """One shop's clock, webhooks, numbers and keys. No list gives more than `largest_page` at once."""

    def __init__(self, currency: str, now: Callable[[], datetime], announce: Announce) -> None:
        self.currency = currency
        self.now = now
        self.announce = announce
        self.largest_page = 250
        self._keys: dict[str, tuple[Json, Json]] = {}
        self._last = 0

    def stamp(self) -> str:
        """The time as GraphQL writes it."""
        return self.now().astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")

    def number(self) -> int:
        """The number of a new record."""
        self._last += 1
        return 7_000_000_000_000 + self._last

    def once(self, key: str, given: Json, make: Callable[[Json], Json], empty: Json, *, coded: bool = True) -> Json:
        """The payload of a mutation with `@idempotent`: made once for a key, then told again.

        `empty` is the payload's other fields when it fails; `coded` says whether its user errors have a code.
        """

        def failed(message: str, code: str) -> Json:
            return {**empty, "userErrors": [problem([], message, code if coded else None)]}

        if key not in self._keys:
            self._keys[key] = (given, make(given))
            return self._keys[key][1]
        before, payload = self._keys[key]
        if before != given:
            return failed("The key was used with other parameters", "IDEMPOTENCY_KEY_PARAMETER_MISMATCH")
        if payload["userErrors"]:
            return failed("The previous attempt failed", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")
        return payload
