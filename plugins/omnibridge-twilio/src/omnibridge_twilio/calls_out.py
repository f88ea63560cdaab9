"""Placing a call, and finding out whether one was placed whose answer was lost."""

from __future__ import annotations

from datetime import datetime, timedelta

from omnibridge.connector import Delivery, Http, Receipt, Reference, Snapshot
from omnibridge.errors import Ambiguous, InvalidMessage, Permanent
from omnibridge.model import Call, PlaceCall, phone_or_none
from omnibridge_twilio import twiml
from omnibridge_twilio.answers import refusal
from omnibridge_twilio.calls import record_call
from omnibridge_twilio.inbound import callback_url
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.wire import CallPage, CallRecord, instant, parse

__all__ = ["call_form", "find_call", "place"]

_STEP = "place"
_SKEW = timedelta(minutes=1)
_LONGEST = 4000  # API specification, CreateCallRequest: Twiml
_EVENTS = ("initiated", "ringing", "answered", "completed")


def call_form(settings: Twilio, command: PlaceCall, key: str) -> list[tuple[str, str]]:
    """The fields of the request that calls. Raises Permanent when the call cannot be placed as it is."""
    to = phone_or_none(command.to)
    if to is None:
        raise Permanent("the recipient is no phone number", where="to", remedy="give it in E.164, such as +14155550100")
    if settings.caller is None:
        raise Permanent("the channel has no number to call from", remedy="set voice_from in the channel's settings")
    connect = phone_or_none(command.connect) if command.connect else None
    if command.connect and connect is None:
        raise Permanent("whom to put through is no phone number", where="connect", remedy="give it in E.164")
    if not command.say and connect is None:
        raise Permanent("there is nothing to do in the call", remedy="give `say`, `connect`, or both")
    text = twiml.spoken(command.say, command.language or settings.voice_language, connect)
    if len(text) > _LONGEST:
        raise Permanent("what is to be said is too long", where="say", remedy=f"{_LONGEST} characters of TwiML in all")
    fields = [("To", to), ("From", settings.caller), ("Twiml", text)]
    if settings.record_calls:
        fields.append(("Record", "true"))
    if settings.callback_url is not None:
        fields.append(("StatusCallback", callback_url(settings.callback_url, key)))
        fields += [("StatusCallbackEvent", event) for event in _EVENTS]
    return fields


def _receipt(key: str, record: CallRecord, note: str | None = None) -> Receipt:
    seen = next(one for one in record_call(record) if isinstance(one, Snapshot) and one.kind == Call.KIND)
    snapshot = Snapshot(seen.entity, seen.external_id, version=seen.version, ours=key)
    return Receipt((Reference(Call.KIND, record.sid, key),), (snapshot,), note)


async def _again(settings: Twilio, key: str, sid: str, http: Http) -> Receipt:
    response = await http.get(f"{settings.account_path}/Calls/{sid}.json")
    if response.status == 404:
        return Receipt((Reference(Call.KIND, sid, key),), note="placed, and since deleted at Twilio")
    if not response.ok:
        raise refusal(response, "the call was placed and cannot be read")
    return _receipt(key, parse(CallRecord, response))


async def place(settings: Twilio, command: PlaceCall, delivery: Delivery, http: Http) -> Receipt:
    """Call once. As with messages, Twilio has no idempotency key, and `find_call` follows a lost answer.

    The request's own key goes into the status callback's address and is the canonical id of the call.
    """
    key = http.key(_STEP)
    sid = delivery.references.get((Call.KIND, key))
    if sid is not None:
        return await _again(settings, key, sid, http)
    fields = call_form(settings, command, key)
    response = await http.post(f"{settings.account_path}/Calls.json", form=fields, step=_STEP)
    if not response.ok:
        raise refusal(response, "Twilio refuses the call")
    try:
        record = parse(CallRecord, response)
    except InvalidMessage as error:
        raise Ambiguous(f"Twilio took the call, and its answer is unreadable: {error.what}") from error
    await http.keep(Reference(Call.KIND, record.sid, key))
    return _receipt(key, record)


async def find_call(settings: Twilio, command: PlaceCall, delivery: Delivery, http: Http) -> Receipt | None:
    """Whether a call whose answer was lost was placed: the one call to the person since the command was given is it.

    A listed call tells neither what is said in it nor our key. So of several, or for a repetition on purpose (a later
    generation), nothing tells which it is, and whether to call somebody once more is for a person to say: Ambiguous.
    The status callback, which carries the key, decides it better; so it is worth waiting before asking.
    """
    key = http.key(_STEP)
    sid = delivery.references.get((Call.KIND, key))
    if sid is not None:
        return await _again(settings, key, sid, http)
    fields = dict(call_form(settings, command, key))
    begin = (delivery.event.get_time() or await http.now() - timedelta(days=1)) - _SKEW
    params = {"To": fields["To"], "From": fields["From"], "PageSize": "50"}
    response = await http.get(f"{settings.account_path}/Calls.json", params=params)
    if not response.ok:
        raise refusal(response, "the calls cannot be listed")
    found = [record for record in parse(CallPage, response).calls if _since(record, begin)]
    if not found:
        return None
    if len(found) == 1 and delivery.generation == 0:
        return _receipt(key, found[0], "found by its recipient and time")
    raise Ambiguous(
        f"{len(found)} calls to this number since {begin:%Y-%m-%d %H:%M} may be this one, and nothing tells which",
        remedy="look at the account's call log, then settle or resend by hand",
    )


def _since(record: CallRecord, begin: datetime) -> bool:
    at = instant(record.date_created) or instant(record.start_time)
    return record.direction.startswith("outbound") and (at is None or at >= begin)
