"""Voice calls: what a webhook, a status callback, a recording's callback or the API tells of one."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from omnibridge.connector import Lookup, Observation, Reply, Snapshot
from omnibridge.errors import InvalidMessage
from omnibridge.model import Call, CallState, Direction
from omnibridge_twilio import twiml
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.snapshots import customer, customer_ref
from omnibridge_twilio.wire import CallRecord, address, call_state_of, instant, sid_or_none

__all__ = ["call_delivery_id", "call_reply", "record_call", "translate_call"]

# Said elsewhere, about the callback and not the call, or (CallToken) a credential.
_LEFT_OUT = frozenset(
    {
        "CallSid",
        "AccountSid",
        "ApiVersion",
        "CallStatus",
        "Direction",
        "From",
        "To",
        "CallDuration",
        "RecordingUrl",
        "Caller",
        "Called",
        "Duration",
        "Timestamp",
        "SequenceNumber",
        "CallbackSource",
        "CallToken",
    }
)
_OLDER = ("Caller", "Called")  # CallerCity is FromCity, and so on
_SAME = {"answered_by": "AnsweredBy", "forwarded_from": "ForwardedFrom", "caller_name": "CallerName"}
_RECORD_LEFT_OUT = frozenset(
    {"account_sid", "api_version", "uri", "subresource_uris", "to_formatted", "from_formatted", *_SAME}
)


def call_delivery_id(fields: Mapping[str, str]) -> str | None:
    """SID, state and number of a callback: signed, and the same in every repetition."""
    sid = sid_or_none(fields.get("CallSid"))
    if sid is None:
        return None
    parts = [fields.get(name) for name in ("CallStatus", "SequenceNumber", "RecordingSid", "RecordingStatus")]
    return ":".join([sid, *(part for part in parts if part)])


def call_reply(settings: Twilio, fields: Mapping[str, str]) -> Reply:
    """What becomes of a call that rings: the greeting, then the number to put through; neither is a busy signal.

    A callback only reports, and whatever answers it is ignored.
    """
    rings = fields.get("CallStatus") == "ringing" and fields.get("Direction") == "inbound"
    if not rings or "CallbackSource" in fields:
        text = twiml.EMPTY
    elif settings.voice_greeting or settings.voice_forward_to:
        text = twiml.spoken(settings.voice_greeting, settings.voice_language, settings.voice_forward_to)
    else:
        text = twiml.turned_away()
    return Reply(200, text.encode(), twiml.TYPE)


def translate_call(fields: Mapping[str, str], key: str | None) -> list[Observation]:
    """The call and who called. `key` is that of the request that placed it. Raises InvalidMessage for no voice webhook.

    Source: Twilio, "TwiML Voice: Twilio's request to your application", "Call resource: StatusCallback", and
    "Recording status callback". A callback tells the time at which it was made, not the call's own times: those come
    with the resource.
    """
    sid = sid_or_none(fields.get("CallSid"))
    if sid is None:
        raise InvalidMessage("not a voice webhook: no CallSid", where="body")
    word = fields.get("CallStatus")
    if not word:
        return _recording(sid, fields)
    inbound = _direction(fields.get("Direction")) is Direction.INBOUND
    told: dict[str, object] = {"direction": _direction(fields.get("Direction"))}
    for name, field in (("From", "caller"), ("To", "callee")):
        if name in fields:
            told[field] = address(fields[name])[1]
    if (seconds := _seconds(fields.get("CallDuration"))) is not None:
        told["duration"] = seconds
    if fields.get("RecordingUrl"):
        told["recording_url"] = fields["RecordingUrl"]
    vendor: dict[str, JsonValue] = {
        name: value for name, value in fields.items() if value and name not in _LEFT_OUT and name[:6] not in _OLDER
    }
    if fields.get("Direction"):
        vendor["direction"] = fields["Direction"]
    if vendor:
        told["vendor"] = vendor
    return _with_caller(fields.get("From") if inbound else None, _call(sid, told, word, key))


def _recording(sid: str, fields: Mapping[str, str]) -> list[Observation]:
    """A recording that became available: it says nothing else about the call, so the call is read beside it."""
    if not fields.get("RecordingUrl"):
        raise InvalidMessage("not a voice webhook: no CallStatus, no RecordingUrl", where="body")
    return [Snapshot(Call(recording_url=fields["RecordingUrl"]), sid), Lookup(Call.KIND, sid)]


def record_call(record: CallRecord) -> list[Observation]:
    """A Call resource as the API tells it (API specification, `api.v2010.account.call`): the call and who called."""
    direction = _direction(record.direction)
    fields: dict[str, object] = {"direction": direction}
    for name, field in (("from_", "caller"), ("to", "callee")):
        if name in record.model_fields_set:
            fields[field] = address(getattr(record, name))[1]
    if (seconds := _seconds(record.duration)) is not None:
        fields["duration"] = seconds
    vendor: dict[str, JsonValue] = {
        name: value for name, value in record.extra.items() if name not in _RECORD_LEFT_OUT and value not in (None, "")
    }
    vendor |= {theirs: value for name, theirs in _SAME.items() if (value := record.extra.get(name))}
    vendor["direction"] = record.direction
    for name, field in (("start_time", "started_at"), ("end_time", "ended_at"), ("date_updated", "updated_at")):
        raw = getattr(record, name)
        if (at := instant(raw)) is not None:
            fields[field] = at
        elif raw:
            vendor[name] = raw
    if record.date_created:
        vendor["date_created"] = record.date_created
    fields["vendor"] = vendor
    caller = record.from_ if direction is Direction.INBOUND else None
    return _with_caller(caller, _call(record.sid, fields, record.status))


def _call(sid: str, fields: Mapping[str, object], word: str, key: str | None = None) -> Snapshot:
    """A call in the state that Twilio calls `word`; the version is its rank, as callbacks come in any order."""
    state: CallState = call_state_of(word)
    entity = Call.model_validate({**fields, "state": state, "state_raw": word})
    return Snapshot(entity, sid, version=state.rank, ours=key)


def _with_caller(caller: str | None, call: Snapshot) -> list[Observation]:
    person, ref = customer(caller, {}), customer_ref(caller)
    if person is None or ref is None:
        return [call]
    entity = call.entity.model_copy(update={"customer": ref})
    return [person, Snapshot(entity, call.external_id, version=call.version, ours=call.ours)]


def _direction(word: str | None) -> Direction:
    """`trunking-` is of SIP trunks: an originating call comes in to the company, a terminating one leaves it."""
    word = word or ""
    if word in ("inbound", "trunking-originating"):
        return Direction.INBOUND
    return Direction.OUTBOUND if word.startswith(("outbound", "trunking-")) else Direction.OTHER


def _seconds(raw: str | None) -> int | None:
    return int(raw) if raw and raw.isascii() and raw.isdecimal() and len(raw) < 8 else None
