"""A small imitation of Twilio: messages, media, opt-outs, calls and signed webhooks, in memory."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

from omnibridge.connector import (
    Outgoing,
    Response,
    Sandbox,
    SandboxRequest,
    form_bytes,
    json_response,
    parse_form,
    parse_json,
)
from omnibridge_twilio.sandbox_answers import Record, error, page, within
from omnibridge_twilio.sandbox_calls import Telephones
from omnibridge_twilio.sandbox_conversations import Talks
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.signature import FORM, sign

__all__ = ["TwilioSandbox"]

_ADDRESS = re.compile(r"((whatsapp|rcs):)?\+[1-9]\d{7,14}")
_STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit"})
# Twilio, test credentials: recipients that are always refused.
_MAGIC = {
    "+15005550001": (21211, "Invalid 'To' Phone Number"),
    "+15005550002": (21612, "The 'To' phone number is not currently reachable via SMS or MMS"),
    "+15005550003": (21408, "Permission to send an SMS has not been enabled for the region"),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient"),
    "+15005550009": (21614, "'To' number is not a valid mobile number"),
}
_START = frozenset({"start", "unstop", "yes"})


def _same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode())


class TwilioSandbox(Sandbox):
    """Twilio for one account. `webhook_url` gets what comes in; `advanced_opt_out` adds OptOutType to it.

    A sent message stays queued until `advance`; `callbacks` puts several states at once, in any order. No list gives
    more than `largest_page` at once. Twilio's magic numbers of the test credentials, +1500555000x, are refused as
    there. `telephones` has the calls, `talks` the conversations.
    """

    def __init__(self, settings: Twilio, now: Callable[[], datetime] | None = None) -> None:
        super().__init__(now)
        self.settings = settings
        self.webhook_url = settings.callback_url or "http://localhost/in/twilio"
        self.advanced_opt_out = True
        self.largest_page = 1000
        self.opted_out: set[str] = set()
        self._messages: dict[str, Record] = {}
        self._media: dict[str, list[Record]] = {}
        self._callbacks: dict[str, str] = {}
        self._count = 0
        self.talks = Talks(settings, lambda: self.now(), self._sid, self.webhook, self.outbox.append)
        self.telephones = Telephones(settings, lambda: self.now(), self._sid, self.webhook, self.outbox.append)

    # -- people and networks ---------------------------------------------------------------------------------------

    def incoming(
        self, sender: str, recipient: str, body: str = "", *, media: Sequence[str] = (), **more: str
    ) -> Record:
        """A person writes: the message is listed and its webhook put in the outbox. `media` are content types."""
        word = body.strip().casefold()
        said = "STOP" if word in _STOP else "START" if word in _START else "HELP" if word == "help" else None
        if said == "STOP":
            self.opted_out.add(sender)
        elif said == "START":
            self.opted_out.discard(sender)
        made = self._make(sender, recipient, body, "inbound", "received", media)
        fields = {
            "MessageSid": made["sid"],
            "SmsSid": made["sid"],
            "SmsMessageSid": made["sid"],
            "AccountSid": self.settings.account_sid,
            "ApiVersion": "2010-04-01",
            "From": sender,
            "To": recipient,
            "Body": body,
            "SmsStatus": "received",
            "NumMedia": str(len(media)),
            "NumSegments": made["num_segments"],
        }
        for index, item in enumerate(self._media.get(made["sid"], ())):
            fields[f"MediaUrl{index}"] = self.settings.root + item["uri"].removesuffix(".json")
            fields[f"MediaContentType{index}"] = item["content_type"]
        if said is not None and self.advanced_opt_out:
            fields["OptOutType"] = said
        self.outbox.append(self.webhook({**fields, **more}))
        return made

    def advance(self, sid: str, status: str, *, error: int | None = None, text: str | None = None) -> None:
        """A sent message reaches a state; its status callback is put in the outbox if it asked for one."""
        made = self._messages[sid]
        made["status"], made["date_updated"] = status, self._date()
        made["error_code"], made["error_message"] = error, text
        if made["date_sent"] is None and status in ("sent", "delivered"):
            made["date_sent"] = self._date()
        self.callbacks(sid, status)

    def callbacks(self, sid: str, *states: str, copies: int = 1) -> None:
        """Put status callbacks for these states in the outbox, in this order, each `copies` times."""
        url = self._callbacks.get(sid)
        if url is None:
            return
        made = self._messages[sid]
        for state in states:
            fields = {
                "SmsSid": sid,
                "SmsStatus": state,
                "MessageStatus": state,
                "To": made["to"],
                "MessageSid": sid,
                "AccountSid": self.settings.account_sid,
                "ApiVersion": "2010-04-01",
            }
            if made["from"]:
                fields["From"] = made["from"]
            if made["messaging_service_sid"]:
                fields["MessagingServiceSid"] = made["messaging_service_sid"]
            if state in ("undelivered", "failed") and made["error_code"]:
                fields |= {"ErrorCode": str(made["error_code"]), "ErrorMessage": made["error_message"] or ""}
            self.outbox.extend(self.webhook(fields, url) for _ in range(copies))

    def webhook(self, fields: Mapping[str, str] | Sequence[tuple[str, str]], url: str | None = None) -> Outgoing:
        """A form, signed as the settings say that webhooks are signed. A fragment is never sent."""
        target = (url or self.webhook_url).partition("#")[0]
        pairs = list(fields.items()) if isinstance(fields, Mapping) else list(fields)
        headers = {"content-type": FORM, **self._signed(target, pairs)}
        return Outgoing(target, headers, form_bytes(pairs))

    def json_webhook(self, body: bytes, url: str | None = None) -> Outgoing:
        """A JSON body, whose hash stands in the signed address."""
        target = (url or self.webhook_url).partition("#")[0]
        target += ("&" if "?" in target else "?") + "bodySHA256=" + hashlib.sha256(body).hexdigest()
        return Outgoing(target, {"content-type": "application/json", **self._signed(target, [])}, body)

    def _signed(self, url: str, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
        if self.settings.webhook_signing == "auth_token":
            secret = self.settings.signing_tokens[0].get_secret_value()
            return {"x-twilio-signature": sign(secret, url, pairs)}
        secret = self.settings.webhook_shared_keys[0].get_secret_value()
        named = f"key=webhooks_sharedkey_{'0' * 26},algorithm=HMAC_SHA256"
        signature = sign(secret, url, pairs, "sha256")
        return {"x-twilio-signature": signature, "x-twilio-webhooks-signature-settings": named}

    # -- the API ---------------------------------------------------------------------------------------------------

    def records(self) -> Mapping[str, list[Record]]:
        """The messages and calls, newest first, and who opted out."""
        listed = [dict(made) for made in reversed(self._messages.values())]
        calls = [dict(made) for made in reversed(self.telephones.calls.values())]
        return {"messages": listed, "calls": calls, "opt_outs": [{"address": who} for who in sorted(self.opted_out)]}

    def respond(self, request: SandboxRequest) -> Response:
        """Answer as the 2010-04-01 API does."""
        if not self._authorized(request):
            return error(401, 20003, "Authenticate")
        root = self.settings.account_path
        path, method = request.path, request.method
        if path.startswith("/v1/Conversations"):
            return self.talks.respond(request)
        if path == f"{root}.json" and method == "GET":
            return self._account()
        if path == f"{root}/Messages.json":
            return self._send(request) if method == "POST" else self._list(request)
        if call := re.fullmatch(re.escape(root) + r"/Calls(?:/(CA[0-9a-f]{32}))?\.json", path):
            return self.telephones.respond(request, call[1])
        match = re.fullmatch(re.escape(root) + r"/Messages/([A-Z]{2}[0-9a-f]{32})(/Media)?\.json", path)
        sid = match[1] if match else ""
        if match is None or sid not in self._messages:
            return error(404, 20404, f"The requested resource {path} was not found")
        if match[2]:
            return self._list_media(sid)
        if method == "DELETE":
            del self._messages[sid]
            self._media.pop(sid, None)
            return Response(204)
        if method == "POST":
            return self._update(sid, request.form())
        return json_response(self._messages[sid])

    def _authorized(self, request: SandboxRequest) -> bool:
        scheme, _, coded = request.headers.get("authorization", "").partition(" ")
        settings = self.settings
        pairs = [(settings.account_sid, settings.auth_token), (settings.api_key, settings.api_secret)]
        wanted = [f"{user}:{secret.get_secret_value()}" for user, secret in pairs if user and secret]
        given = [base64.b64encode(pair.encode()).decode() for pair in wanted]
        return scheme.lower() == "basic" and any(_same(one, coded) for one in given)

    def _account(self) -> Response:
        made = self._date()
        account = {"sid": self.settings.account_sid, "friendly_name": "Sandbox", "status": "active", "type": "Full"}
        return json_response({**account, "date_created": made, "date_updated": made})

    def _send(self, request: SandboxRequest) -> Response:
        fields = request.form()
        to, sender, service = (fields.get(name, "") for name in ("To", "From", "MessagingServiceSid"))
        media = [value for name, value in parse_form(request.body) if name == "MediaUrl"]
        body = fields.get("Body", "")
        if "ContentSid" in fields:
            values = parse_json(fields.get("ContentVariables", "{}").encode())
            body = " ".join(["Template", *map(str, values.values())])
        if not to:
            return error(400, 21604, "A 'To' phone number is required.")
        if not _ADDRESS.fullmatch(to):
            return error(400, 21211, f"Invalid 'To' Phone Number: {to[:-4]}XXXX")
        if not sender and not service:
            return error(400, 21603, "A 'From' phone number is required.")
        if not body and not media:
            return error(400, 21602, "Message body is required.")
        if len(body) > 1600:
            return error(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        if len(media) > 10:
            return error(400, 21623, "Number of media files exceeds allowed limit")
        if to in self.opted_out:
            to = "+15005550004"
        if to in _MAGIC:
            code, message = _MAGIC[to]
            return error(400, code, f"{message}: {fields['To']}")
        made = self._make(sender or None, to, body, "outbound-api", "queued", [""] * len(media), service or None)
        if "StatusCallback" in fields:
            self._callbacks[made["sid"]] = fields["StatusCallback"]
        return json_response(made, 201)

    def _update(self, sid: str, fields: Mapping[str, str]) -> Response:
        made = self._messages[sid]
        if fields.get("Status") == "canceled":
            if made["status"] not in ("scheduled", "queued", "accepted"):
                return error(400, 30409, "The message cannot be canceled")
            made["status"] = "canceled"
        if fields.get("Body") == "":
            made["body"] = ""
        made["date_updated"] = self._date()
        return json_response(made)

    def _list(self, request: SandboxRequest) -> Response:
        query = request.query
        wanted = {"to": query.get("To"), "from": query.get("From")}
        rows = [
            made
            for made in reversed(self._messages.values())
            if all(value in (None, made[name]) for name, value in wanted.items())
            and within(query, "DateSent", made["date_sent"])
        ]
        return page(request, "messages", rows, self.largest_page)

    def _list_media(self, sid: str) -> Response:
        uri = f"{self.settings.account_path}/Messages/{sid}/Media.json"
        items = self._media.get(sid, [])
        paging = {"page": 0, "page_size": 50, "start": 0, "end": max(len(items) - 1, 0)}
        uris = {"uri": uri, "first_page_uri": uri, "next_page_uri": None, "previous_page_uri": None}
        return json_response({"media_list": items, **paging, **uris})

    # -- records ---------------------------------------------------------------------------------------------------

    def _date(self) -> str:
        return format_datetime(self.now().astimezone(UTC))

    def _sid(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count:032x}"

    def _make(
        self,
        sender: str | None,
        recipient: str,
        body: str,
        direction: str,
        status: str,
        media: Sequence[str],
        service: str | None = None,
    ) -> Record:
        sid, made = self._sid("MM" if media else "SM"), self._date()
        uri = f"{self.settings.account_path}/Messages/{sid}"
        record = {
            "sid": sid,
            "account_sid": self.settings.account_sid,
            "api_version": "2010-04-01",
            "body": body,
            "date_created": made,
            "date_sent": made if direction == "inbound" else None,
            "date_updated": made,
            "direction": direction,
            "error_code": None,
            "error_message": None,
            "from": sender,
            "messaging_service_sid": service,
            "num_media": str(len(media)),
            "num_segments": str(1 + len(body) // 153),
            "price": None,
            "price_unit": "USD",
            "status": status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": recipient,
            "uri": f"{uri}.json",
        }
        for kind in media:
            item = self._sid("ME")
            entry = {"sid": item, "parent_sid": sid, "account_sid": self.settings.account_sid, "content_type": kind}
            entry |= {"date_created": made, "date_updated": made, "uri": f"{uri}/Media/{item}.json"}
            self._media.setdefault(sid, []).append(entry)
        self._messages[sid] = record
        return record
