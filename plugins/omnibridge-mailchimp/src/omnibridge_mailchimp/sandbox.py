"""A small Mailchimp in memory: one account with one audience and one store, and the people in it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from omnibridge.connector import Outgoing, Response, Sandbox, SandboxRequest, form_bytes, same
from omnibridge.errors import InvalidMessage
from omnibridge_mailchimp.sandbox_answers import Refused, Route, Rows, answer, dispatch, required
from omnibridge_mailchimp.sandbox_audience import Audience
from omnibridge_mailchimp.sandbox_batches import RESULTS, Batches
from omnibridge_mailchimp.sandbox_reports import Reports
from omnibridge_mailchimp.sandbox_segments import Segments
from omnibridge_mailchimp.sandbox_store import EcommerceStore
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Json, is_object

__all__ = ["MailchimpSandbox", "webhook_body"]


def webhook_body(kind: str, fired: datetime, data: Mapping[str, object]) -> bytes:
    """The body of a webhook as Mailchimp sends it: a form with bracketed keys, the time in UTC without a zone."""
    pairs = [("type", kind), ("fired_at", fired.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"))]

    def add(key: str, value: object) -> None:
        if is_object(value):
            for name, item in value.items():
                add(f"{key}[{name}]", item)
        else:
            pairs.append((key, "" if value is None else str(value)))

    add("data", dict(data))
    return form_bytes(pairs)


class MailchimpSandbox(Sandbox):
    """Answers the calls that the connector makes, and those of Mailchimp's own client library for the same resources.

    `audience` has what people do (`joins`, `leaves`, `changes`, `moves`, `bounces`), and `campaign` what an
    administrator does; each puts webhooks into `outbox` as the audience's webhooks are set. `reachable` stands for
    the GET by which Mailchimp checks an address. `segments` are the static ones, `batches` what is done many at a
    time, and `reports` has the campaigns and what people did with them (`sends`, `opens`, `clicks`). There is no
    e-mail: `audience.asked` lists the confirmations that were sent.
    """

    def __init__(self, settings: MailchimpSettings, now: Callable[[], datetime] | None = None) -> None:
        super().__init__(now)
        self.settings = settings
        self.hooks: dict[str, Json] = {}
        self.reachable: Callable[[str], bool] = lambda url: True
        self.audience = Audience(settings.list_id, lambda: self.now(), self.tell)
        self.store = EcommerceStore(settings.store_id or "store", self.audience)
        self.segments = Segments(self.audience)
        self.reports = Reports(settings.list_id, lambda: self.now())
        self.batches = Batches(lambda: self.now(), lambda request: self.respond(request), settings.root)
        self._base = "/3.0"
        self._routes = (
            Route("GET", "/ping", self._ping),
            Route("GET", "/lists/{}", self._list),
            Route("GET", "/lists/{}/webhooks", self._hooks),
            Route("POST", "/lists/{}/webhooks", self._make_hook),
            Route("GET", "/lists/{}/webhooks/{}", self._hook),
            Route("PATCH", "/lists/{}/webhooks/{}", self._change_hook),
            Route("DELETE", "/lists/{}/webhooks/{}", self._drop_hook),
            *self.audience.routes,
            *self.segments.routes,
            *self.reports.routes,
            *self.store.routes,
            *self.batches.routes,
        )

    def respond(self, request: SandboxRequest) -> Response:
        """What Mailchimp answers."""
        if request.path.startswith(RESULTS):
            return self.batches.result(request)
        try:
            self._authorised(request)
            path = request.path.partition(self._base)[2] if self._base in request.path else request.path
            return dispatch(self._routes, request, path)
        except Refused as refused:
            return refused.response(len(self.log))
        except InvalidMessage:
            return Refused(400, "JSON Parse Error", "We encountered an unspecified JSON parsing error.").response(
                len(self.log)
            )

    def records(self) -> Mapping[str, Rows]:
        """Members, webhooks, and the store's tables."""
        return {
            "members": list(self.audience.members.values()),
            "webhooks": list(self.hooks.values()),
            **self.store.records(),
        }

    def tell(self, kind: str, source: str, data: Mapping[str, object]) -> None:
        """Send a webhook to every address that wants this kind of event from this source (`user`, `admin`, `api`)."""
        body = webhook_body(kind, self.now(), {"list_id": self.settings.list_id, **data})
        headers = {"content-type": "application/x-www-form-urlencoded", "user-agent": "MailChimp"}
        for hook in self.hooks.values():
            if hook["events"].get(kind) and hook["sources"].get(source):
                self.outbox.append(Outgoing(hook["url"], headers, body))

    def campaign(self, campaign: str, subject: str, status: str = "sent") -> None:
        """A campaign was sent, or called off, by an administrator."""
        self.tell("campaign", "admin", {"id": campaign, "subject": subject, "status": status, "reason": ""})

    # ── Account and audience ──────────────────────────────────────────────────────────────────────────────────

    def _authorised(self, request: SandboxRequest) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        key = self.settings.api_key.get_secret_value()
        try:
            password = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except ValueError:
            password = ""
        fits = (scheme.lower() == "basic" and same(key, password)) or (scheme.lower() == "bearer" and same(key, given))
        if not fits:
            raise Refused(
                401, "API Key Invalid", "Your API key may be invalid, or you've attempted the wrong datacenter."
            )

    def _ping(self, request: SandboxRequest) -> Response:
        return answer(request, {"health_status": "Everything's Chimpy!"})

    def _list(self, request: SandboxRequest, list_id: str) -> Response:
        self.audience.check(list_id)
        return answer(request, {"id": list_id, "name": "Customers", "double_optin": False})

    # ── Webhooks ──────────────────────────────────────────────────────────────────────────────────────────────

    def _one_hook(self, list_id: str, hook: str) -> Json:
        self.audience.check(list_id)
        if hook not in self.hooks:
            raise Refused(404, "Resource Not Found", "The requested resource could not be found.")
        return self.hooks[hook]

    def _hooks(self, request: SandboxRequest, list_id: str) -> Response:
        self.audience.check(list_id)
        rows = list(self.hooks.values())
        return answer(request, {"webhooks": rows, "list_id": list_id, "total_items": len(rows)})

    def _hook(self, request: SandboxRequest, list_id: str, hook: str) -> Response:
        return answer(request, self._one_hook(list_id, hook))

    def _make_hook(self, request: SandboxRequest, list_id: str) -> Response:
        self.audience.check(list_id)
        body = required(request.json(), "url")
        self._check_address(body["url"], None)
        hook: Json = {
            "id": f"{len(self.log):010x}",
            "url": body["url"],
            "events": {kind: bool(body.get("events", {}).get(kind)) for kind in _EVENTS},
            "sources": {source: bool(body.get("sources", {}).get(source)) for source in ("user", "admin", "api")},
            "list_id": list_id,
        }
        self.hooks[hook["id"]] = hook
        return answer(request, hook)

    def _change_hook(self, request: SandboxRequest, list_id: str, hook: str) -> Response:
        found, body = self._one_hook(list_id, hook), required(request.json())
        if "url" in body:
            self._check_address(body["url"], hook)
            found["url"] = body["url"]
        for part in ("events", "sources"):
            found[part] |= {name: bool(on) for name, on in body.get(part, {}).items() if name in found[part]}
        return answer(request, found)

    def _drop_hook(self, request: SandboxRequest, list_id: str, hook: str) -> Response:
        self._one_hook(list_id, hook)
        del self.hooks[hook]
        return Response(204)

    def _check_address(self, url: str, hook: str | None) -> None:
        if any(other["url"] == url and key != hook for key, other in self.hooks.items()):
            raise Refused(
                400,
                "Invalid Resource",
                "The resource submitted could not be validated.",
                [("url", "Sorry, you can't set up multiple WebHooks for one URL.")],
            )
        if not self.reachable(url):
            raise Refused(
                400,
                "Invalid Resource",
                "The resource submitted could not be validated.",
                [("url", "We couldn't validate the URL: it did not answer with 200.")],
            )


_EVENTS = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign")
