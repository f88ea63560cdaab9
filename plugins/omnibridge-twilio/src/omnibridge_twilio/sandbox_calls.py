"""The sandbox's telephones: people call, calls are placed, and status callbacks tell how far they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qs

from omnibridge.connector import Outgoing, Response, SandboxRequest, json_response
from omnibridge_twilio.sandbox_answers import Record, error, page, within
from omnibridge_twilio.settings import Twilio

__all__ = ["Telephones"]

_NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_OVER = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
_EVENT_OF = {"queued": "initiated", "initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}
_PAGE = 1000


class Telephones:
    """The account's calls. `webhook` signs a form for an address; `voice_url` is where calls that come in are told."""

    def __init__(
        self,
        settings: Twilio,
        now: Callable[[], datetime],
        sid: Callable[[str], str],
        send: Callable[[Mapping[str, str], str], Outgoing],
        outbox: Callable[[Outgoing], None],
    ) -> None:
        self.settings = settings
        self.largest_page = _PAGE
        self.calls: dict[str, Record] = {}
        self._now, self._sid, self._send, self._outbox = now, sid, send, outbox
        self._callbacks: dict[str, tuple[str, Sequence[str]]] = {}
        self._sequence: dict[str, int] = {}
        self._recorded: set[str] = set()

    # -- people and networks ---------------------------------------------------------------------------------------

    def ring(self, caller: str, callee: str, voice_url: str, status_url: str | None = None, **more: str) -> Record:
        """A person calls: the call is listed, and what shall become of it is asked at `voice_url`.

        `status_url` is told when it is over, as the number's own setting does.
        """
        made = self._make(caller, callee, "inbound", "ringing")
        if status_url is not None:
            self._callbacks[made["sid"]] = (status_url, ("completed",))
        self._outbox(
            self._send({**self._fields(made, "ringing"), "CallToken": "made-up-call-token", **more}, voice_url)
        )
        return made

    def advance(self, sid: str, status: str, *, seconds: int | None = None) -> None:
        """A call reaches a state; the callback for it is put in the outbox where one was asked for."""
        made = self.calls[sid]
        made["status"], made["date_updated"] = status, self._date()
        if status in _OVER:
            made["end_time"] = self._date()
            made["duration"] = None if status != "completed" else str(seconds or 0)
        self.callbacks(sid, status)

    def callbacks(self, sid: str, *states: str, copies: int = 1) -> None:
        """Put callbacks for these states in the outbox, in this order, each `copies` times."""
        if sid not in self._callbacks:
            return
        url, wanted = self._callbacks[sid]
        for state in states:
            if _EVENT_OF.get(state, "completed") not in wanted:
                continue
            fields = {
                **self._fields(self.calls[sid], state),
                "Timestamp": self._date(),
                "CallbackSource": "call-progress-events",
                "SequenceNumber": str(self._sequence.setdefault(sid, 0)),
            }
            if state in _OVER:
                seconds = int(self.calls[sid]["duration"] or 0)
                fields |= {"CallDuration": str(seconds), "Duration": str(-(-seconds // 60)), "SipResponseCode": "200"}
            if state == "completed" and sid in self._recorded:
                recording = self._sid("RE")
                place = f"{self.settings.root}{self.settings.account_path}/Recordings/{recording}"
                fields |= {
                    "RecordingUrl": place,
                    "RecordingSid": recording,
                    "RecordingDuration": fields["CallDuration"],
                }
            self._sequence[sid] += 1
            for _ in range(copies):
                self._outbox(self._send(fields, url))

    def _fields(self, made: Record, status: str) -> dict[str, str]:
        return {
            "CallSid": made["sid"],
            "AccountSid": self.settings.account_sid,
            "ApiVersion": "2010-04-01",
            "From": made["from"],
            "Caller": made["from"],
            "To": made["to"],
            "Called": made["to"],
            "Direction": made["direction"],
            "CallStatus": "initiated" if status == "queued" else status,
        }

    # -- the API ---------------------------------------------------------------------------------------------------

    def respond(self, request: SandboxRequest, sid: str | None) -> Response:
        """Answer for the list of calls, or for one."""
        if sid is None:
            return self._place(request) if request.method == "POST" else self._list(request)
        if sid not in self.calls:
            return error(404, 20404, f"The requested resource {request.path} was not found")
        made = self.calls[sid]
        if request.method == "DELETE":
            del self.calls[sid]
            return Response(204)
        if request.method == "POST" and request.form().get("Status") in ("canceled", "completed"):
            if made["status"] in _OVER:
                return error(400, 21220, "Call is not in-progress. Cannot redirect.")
            self.advance(sid, request.form()["Status"])
        return json_response(made)

    def _place(self, request: SandboxRequest) -> Response:
        fields = parse_qs(request.body.decode(), keep_blank_values=True)
        one = {name: values[-1] for name, values in fields.items()}
        to, sender = one.get("To", ""), one.get("From", "")
        if not to:
            return error(400, 21201, "No 'To' number is specified")
        if not _NUMBER.fullmatch(to):
            return error(400, 21211, f"Invalid 'To' Phone Number: {to[:-4]}XXXX")
        if not _NUMBER.fullmatch(sender):
            return error(400, 21212, "Invalid 'From' Phone Number")
        if not any(name in one for name in ("Twiml", "Url", "ApplicationSid")):
            return error(400, 21205, "Url parameter is required.")
        made = self._make(sender, to, "outbound-api", "queued")
        if one.get("Record") == "true":
            self._recorded.add(made["sid"])
        if "StatusCallback" in one:
            self._callbacks[made["sid"]] = one["StatusCallback"], fields.get("StatusCallbackEvent", ["completed"])
        return json_response(made, 201)

    def _list(self, request: SandboxRequest) -> Response:
        query = request.query
        wanted = {"to": query.get("To"), "from": query.get("From"), "status": query.get("Status")}
        rows = [
            made
            for made in reversed(self.calls.values())
            if all(value in (None, made[name]) for name, value in wanted.items())
            and within(query, "StartTime", made["start_time"])
        ]
        return page(request, "calls", rows, self.largest_page)

    def _date(self) -> str:
        return format_datetime(self._now().astimezone(UTC))

    def _make(self, sender: str, recipient: str, direction: str, status: str) -> Record:
        sid, made = self._sid("CA"), self._date()
        uri = f"{self.settings.account_path}/Calls/{sid}"
        record: Record = {
            "sid": sid,
            "account_sid": self.settings.account_sid,
            "api_version": "2010-04-01",
            "annotation": None,
            "answered_by": None,
            "caller_name": None,
            "date_created": made,
            "date_updated": made,
            "direction": direction,
            "duration": None,
            "end_time": None,
            "forwarded_from": None,
            "from": sender,
            "from_formatted": sender,
            "group_sid": None,
            "parent_call_sid": None,
            "phone_number_sid": None,
            "price": None,
            "price_unit": "USD",
            "queue_time": "0",
            "start_time": made,
            "status": status,
            "subresource_uris": {"recordings": f"{uri}/Recordings.json"},
            "to": recipient,
            "to_formatted": recipient,
            "trunk_sid": None,
            "uri": f"{uri}.json",
        }
        self.calls[sid] = record
        return record
