"""The sandbox's Conversations: people and the company's own say something, edit it and take it back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from omnibridge.connector import Outgoing, Response, SandboxRequest, json_bytes, json_response
from omnibridge_twilio.sandbox_answers import Record, error, meta_page
from omnibridge_twilio.settings import Twilio

__all__ = ["Talks"]

_PATH = re.compile(r"/v1/Conversations(?:/(CH[0-9a-f]{32})(?:(/Messages)(?:/(IM[0-9a-f]{32})(/Receipts)?)?)?)?")
_ROOT = "/v1/Conversations"
_SERVICE = "IS" + "0" * 31 + "1"
_WAYS = ("sent", "delivered", "read", "failed", "undelivered")


class Talks:
    """Conversations by SID, each a list of messages. The channel gets the post-action webhooks.

    No list gives more than `largest_page` at once, and that of the conversations comes by when something was last said.
    What the API itself writes is not told by webhook, as at Twilio without `X-Twilio-Webhook-Enabled`.
    """

    def __init__(
        self,
        settings: Twilio,
        now: Callable[[], datetime],
        sid: Callable[[str], str],
        tell: Callable[[Mapping[str, str]], Outgoing],
        outbox: Callable[[Outgoing], None],
    ) -> None:
        self.settings = settings
        self.largest_page = 100
        self.conversations: dict[str, Record] = {}
        self.messages: dict[str, list[Record]] = {}
        self.receipts: dict[str, list[Record]] = {}
        self._now, self._sid, self._tell, self._outbox = now, sid, tell, outbox

    # -- people ----------------------------------------------------------------------------------------------------

    def begins(self) -> str:
        """A new conversation; its SID."""
        conversation = self._sid("CH")
        self.messages[conversation] = []
        self.conversations[conversation] = {
            "sid": conversation,
            "account_sid": self.settings.account_sid,
            "chat_service_sid": _SERVICE,
            "messaging_service_sid": None,
            "friendly_name": None,
            "unique_name": None,
            "attributes": "{}",
            "date_created": self._date(),
            "date_updated": self._date(),
            "state": "active",
            "timers": {},
            "bindings": {},
            "url": f"{self.settings.conversations_root}{_ROOT}/{conversation}",
            "links": {"messages": f"{self.settings.conversations_root}{_ROOT}/{conversation}/Messages"},
        }
        return conversation

    def says(
        self, conversation: str, author: str, body: str, source: str = "SMS", *, media: Sequence[str] = ()
    ) -> Record:
        """Somebody says something (`source` is SMS, WhatsApp, SDK). `media` are content types."""
        made = self._make(conversation, author, body, "{}")
        files = [(self._sid("ME"), kind) for kind in media]
        told = {"Body": body, "Source": source, "Index": str(made["index"])}
        if files:
            made["media"] = [{"sid": sid, "content_type": kind, "filename": None, "size": 7} for sid, kind in files]
            named = [{"Sid": sid, "ContentType": kind, "Filename": None, "Size": 7} for sid, kind in files]
            told["Media"] = json_bytes(named).decode()
        self._send("onMessageAdded", made, **told)
        return made

    def edits(self, made: Record, body: str) -> None:
        """The words of a message change."""
        made["body"], made["date_updated"] = body, self._date()
        self._send("onMessageUpdated", made, Body=body, DateUpdated=made["date_updated"])

    def removes(self, made: Record) -> None:
        """A message is taken back."""
        self.messages[made["conversation_sid"]].remove(made)
        self._send("onMessageRemoved", made)

    def reaches(self, made: Record, status: str, code: int = 0) -> None:
        """A message gets that far on its way to one participant."""
        receipt = {
            "sid": self._sid("DY"),
            "account_sid": self.settings.account_sid,
            "conversation_sid": made["conversation_sid"],
            "message_sid": made["sid"],
            "channel_message_sid": self._sid("SM"),
            "participant_sid": made["participant_sid"],
            "status": status,
            "error_code": code,
            "date_created": self._date(),
            "date_updated": self._date(),
            "url": f"{made['url']}/Receipts",
        }
        self.receipts.setdefault(made["sid"], []).append(receipt)
        told = {name: "all" if name == status else "none" for name in _WAYS}
        made["delivery"] = {"total": len(self.receipts[made["sid"]]), **told}
        self._send("onDeliveryUpdated", made, DeliveryReceiptSid=str(receipt["sid"]), Status=status)

    def _send(self, event: str, made: Record, **more: str) -> None:
        """Webhooks tell thousandths of a second, the API whole seconds."""
        fields = {
            "EventType": event,
            "AccountSid": self.settings.account_sid,
            "ChatServiceSid": _SERVICE,
            "ConversationSid": made["conversation_sid"],
            "MessageSid": made["sid"],
            "ParticipantSid": made["participant_sid"],
            "Author": made["author"],
            "Attributes": made["attributes"],
            "DateCreated": made["date_created"],
            "RetryCount": "0",
        }
        told = {**fields, **more}
        exact = self._now().strftime(".%f")[:4] + "Z"
        dates = {name: value.replace("Z", exact) for name, value in told.items() if name.startswith("Date")}
        self._outbox(self._tell({**told, **dates}))

    # -- the API ---------------------------------------------------------------------------------------------------

    def respond(self, request: SandboxRequest) -> Response:
        """Answer as conversations.twilio.com does for conversations and their messages."""
        match = _PATH.fullmatch(request.path)
        if match is None or (match[1] is not None and match[1] not in self.messages):
            return error(404, 20404, f"The requested resource {request.path} was not found")
        if match[1] is None:
            return self._page(request, "conversations", self._by_activity())
        if match[2] is None:
            return json_response(self.conversations[match[1]])
        there = self.messages[match[1]]
        if match[3] is None:
            if request.method == "POST":
                return self._post(request, match[1])
            descending = request.query.get("Order") == "desc"
            return self._page(request, "messages", there[::-1] if descending else there)
        made = next((one for one in there if one["sid"] == match[3]), None)
        if made is None:
            return error(404, 20404, f"The requested resource {request.path} was not found")
        if match[4]:
            return self._page(request, "delivery_receipts", self.receipts.get(made["sid"], []))
        if request.method == "DELETE":
            there.remove(made)
            return Response(204)
        return json_response(made)

    def _by_activity(self) -> list[Record]:
        """The conversations, that in which somebody said something last first."""
        said = {sid: max((one["sid"][2:] for one in there), default="") for sid, there in self.messages.items()}
        return sorted(self.conversations.values(), key=lambda one: said[one["sid"]], reverse=True)

    def _post(self, request: SandboxRequest, conversation: str) -> Response:
        fields = request.form()
        if not fields.get("Body") and not fields.get("ContentSid") and not fields.get("MediaSid"):
            return error(400, 50422, "At least one of body, media or content must be provided")
        author, attributes = fields.get("Author", "system"), fields.get("Attributes", "{}")
        return json_response(self._make(conversation, author, fields.get("Body"), attributes), 201)

    def _page(self, request: SandboxRequest, name: str, rows: list[Record]) -> Response:
        return meta_page(request, self.settings.conversations_root, name, rows, self.largest_page)

    def _date(self) -> str:
        return self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _make(self, conversation: str, author: str, body: str | None, attributes: str) -> Record:
        sid = self._sid("IM")
        url = f"{self.settings.conversations_root}{_ROOT}/{conversation}/Messages/{sid}"
        made: Record = {
            "sid": sid,
            "account_sid": self.settings.account_sid,
            "conversation_sid": conversation,
            "index": len(self.messages[conversation]),
            "author": author,
            "body": body,
            "media": None,
            "attributes": attributes,
            "participant_sid": self._sid("MB"),
            "date_created": self._date(),
            "date_updated": self._date(),
            "delivery": None,
            "content_sid": None,
            "url": url,
            "links": {"delivery_receipts": f"{url}/Receipts", "channel_metadata": f"{url}/ChannelMetadata"},
        }
        self.messages[conversation].append(made)
        return made
