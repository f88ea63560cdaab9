"""The sandbox's campaigns: what was sent to whom, and what people did with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from omnibridge.connector import Response, SandboxRequest
from omnibridge_mailchimp.sandbox_answers import Refused, Route, Rows, answer, page
from omnibridge_mailchimp.wire import Json, instant, subscriber_hash

__all__ = ["Reports"]


class Reports:
    """Campaigns by id. No list gives more than `largest_page` at once."""

    def __init__(self, list_id: str, now: Callable[[], datetime]) -> None:
        self.list_id, self.now = list_id, now
        self.largest_page = 1000
        self.campaigns: dict[str, Json] = {}
        self.activity: dict[str, dict[str, Rows]] = {}
        self.routes = (
            Route("GET", "/reports", self._list),
            Route("GET", "/reports/{}", self._show),
            Route("GET", "/reports/{}/email-activity", self._activity),
        )

    # ── What people do ────────────────────────────────────────────────────────────────────────────────────────

    def sends(self, campaign: str, title: str, recipients: Sequence[str], *, list_id: str | None = None) -> None:
        """A campaign goes out."""
        self.campaigns[campaign] = {
            "id": campaign,
            "campaign_title": title,
            "type": "regular",
            "list_id": list_id or self.list_id,
            "list_is_active": True,
            "list_name": "Customers",
            "subject_line": title,
            "emails_sent": len(recipients),
            "send_time": self._stamp(),
        }
        self.activity[campaign] = {email: [] for email in recipients}

    def opens(self, campaign: str, email: str) -> None:
        """Somebody, or their mail program, opens it."""
        self._add(campaign, email, {"action": "open"})

    def clicks(self, campaign: str, email: str, url: str) -> None:
        """Somebody follows a link in it."""
        self._add(campaign, email, {"action": "click", "url": url})

    def returns(self, campaign: str, email: str, how: str = "hard") -> None:
        """It comes back (`hard`, `soft`)."""
        self._add(campaign, email, {"action": "bounce", "type": how})

    def _add(self, campaign: str, email: str, act: Json) -> None:
        self.activity[campaign][email].append({**act, "timestamp": self._stamp(), "ip": "192.0.2.10"})

    def _stamp(self) -> str:
        return self.now().isoformat(timespec="seconds")

    # ── The API ───────────────────────────────────────────────────────────────────────────────────────────────

    def _known(self, campaign: str) -> Json:
        if campaign not in self.campaigns:
            raise Refused(404, "Resource Not Found", "The requested resource could not be found.")
        return self.campaigns[campaign]

    def _list(self, request: SandboxRequest) -> Response:
        since = instant(request.query.get("since_send_time"))
        rows = [
            one for one in self.campaigns.values() if since is None or (instant(one["send_time"]) or since) >= since
        ]
        return answer(request, {"reports": page(request, rows)[: self.largest_page], "total_items": len(rows)})

    def _show(self, request: SandboxRequest, campaign: str) -> Response:
        return answer(request, self._known(campaign))

    def _activity(self, request: SandboxRequest, campaign: str) -> Response:
        found, since = self._known(campaign), instant(request.query.get("since"))
        rows: Rows = [
            {
                "campaign_id": campaign,
                "list_id": found["list_id"],
                "list_is_active": True,
                "email_id": subscriber_hash(email),
                "email_address": email,
                "activity": [act for act in acts if since is None or (instant(act["timestamp"]) or since) > since],
            }
            for email, acts in self.activity[campaign].items()
        ]
        shown = page(request, rows)[: self.largest_page]
        return answer(request, {"emails": shown, "campaign_id": campaign, "total_items": len(rows)})
