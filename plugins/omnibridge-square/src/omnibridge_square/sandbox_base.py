"""What every part of the sandbox stands on: its tables, idempotency keys, pages and signed notifications."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import blake2b

from omnibridge.connector import Outgoing, Sandbox, hmac_base64, json_bytes
from omnibridge.model import phone_or_none
from omnibridge_square.inbound import EVENT_TYPES, SIGNATURE
from omnibridge_square.sandbox_orders import invalid
from omnibridge_square.wire import Json, instant, wire_instant

__all__ = ["SandboxBase", "matches"]


class SandboxBase(Sandbox):
    """State in memory. Webhooks go to the subscriptions made here, else to `webhook_url`.

    `search_lag` keeps new profiles out of searches for a while, as Square's index does. `page_size` caps pages.
    """

    def __init__(
        self,
        *,
        token: str = "sandbox-token",
        signature_key: str = "sandbox-signature-key",
        main_location: str = "L-MAIN",
        webhook_url: str | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__(now)
        self.token, self.signature_key, self.webhook_url = token, signature_key, webhook_url
        self.search_lag = timedelta(0)
        self.page_size = 100
        self.customers: dict[str, Json] = {}
        self.merged: dict[str, str] = {}
        self.orders: dict[str, Json] = {}
        self.payments: dict[str, Json] = {}
        self.refunds: dict[str, Json] = {}
        self.counts: dict[tuple[str, str, str], Json] = {}
        self.items: dict[str, Json] = {}
        self.catalog_version = 1_700_000_000_000
        self.programs: dict[str, Json] = {"main": {"id": "PROGRAM", "status": "ACTIVE"}}
        self.accounts: dict[str, Json] = {}
        self.events: list[Json] = []
        self.cards: dict[str, Json] = {}
        self.activities: list[Json] = []
        self.subscriptions: dict[str, Json] = {}
        self.locations: dict[str, Json] = {}
        self._answers: dict[str, tuple[bytes, Json]] = {}
        self._made = 0
        self.main_location = main_location
        self.add_location(main_location, "Main shop")

    def add_location(self, id_: str, name: str) -> None:
        """A further place of the seller."""
        self.locations[id_] = {"id": id_, "name": name, "status": "ACTIVE", "timezone": "Etc/UTC", "currency": "EUR"}

    def webhook(self, type_: str, data: Json, url: str) -> Outgoing:
        """A notification with `data`, signed as Square signs: HMAC-SHA256 of the URL and the body."""
        event = {
            "merchant_id": "MERCHANT",
            "type": type_,
            "event_id": self._id("evt"),
            "created_at": wire_instant(self.now()),
            "data": data,
        }
        body = json_bytes(event)
        signature = hmac_base64(self.signature_key, url.encode() + body)
        headers = {"content-type": "application/json", SIGNATURE: signature, "square-environment": "Sandbox"}
        return Outgoing(url, headers, body)

    def _once(self, body: Json, do: Callable[[], Json]) -> Json:
        """The same key and body: the same answer. The same key and another body: refused."""
        key: str | None = body.get("idempotency_key")
        if key is None:
            return do()
        digest = blake2b(json_bytes(body)).digest()
        known = self._answers.get(key)
        if known is None:
            known = self._answers[key] = (digest, copy.deepcopy(do()))
        if known[0] != digest:
            raise invalid("IDEMPOTENCY_KEY_REUSED", "Different request parameters used for the same idempotency_key.")
        return known[1]

    def _notify(self, type_: str, name: str, id_: str, object_: Json, *, deleted: bool = False) -> None:
        data: Json = {"type": name, "id": id_, "object": copy.deepcopy(object_)}
        if deleted:
            data["deleted"] = True
        urls = [
            one["notification_url"]
            for one in self.subscriptions.values()
            if one.get("enabled", True) and type_ in one["event_types"]
        ]
        if not self.subscriptions and self.webhook_url is not None and type_ in EVENT_TYPES:
            urls = [self.webhook_url]
        for url in urls:
            self.outbox.append(self.webhook(type_, data, url))

    def _id(self, word: str) -> str:
        self._made += 1
        return f"{word}{self._made:08d}"

    def _known(self, table: dict[str, Json], id_: str) -> Json:
        if id_ not in table:
            raise invalid("NOT_FOUND", f"{id_} not found.", status=404)
        return table[id_]

    def _page(self, name: str, found: list[Json], body: Json) -> Json:
        """A page of what was found; the cursor is the place where the next one begins."""
        raw: str | None = body.get("cursor")
        if raw is not None and not raw.startswith("at-"):
            raise invalid("INVALID_CURSOR", "The cursor is not known.", "cursor")
        start = int(raw[3:]) if raw else 0
        size = min(self.page_size, int(body.get("limit") or self.page_size))
        told: Json = {name: found[start : start + size]} if found[start : start + size] else {}
        if start + size < len(found):
            told["cursor"] = f"at-{start + size}"
        return told


def matches(record: Json, name: str, want: Json) -> bool:
    """Whether a record's field passes a filter: `exact` text, or a time from `start_at` to `end_at`."""
    value: str | None = record.get(name)
    if "exact" in want:
        if name == "phone_number":
            return value is not None and phone_or_none(value, "US") == phone_or_none(want["exact"], "US")
        return value is not None and value.lower() == str(want["exact"]).lower()
    at = instant(value) if value else None
    start, end = want.get("start_at"), want.get("end_at")
    return at is not None and (not start or at >= instant(start)) and (not end or at <= instant(end))
