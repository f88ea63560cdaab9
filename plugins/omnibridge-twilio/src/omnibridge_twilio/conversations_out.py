"""Writing into a conversation, and finding out whether it was written where the answer was lost."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from omnibridge.connector import Delivery, Http, Receipt, Reference, Snapshot, json_bytes
from omnibridge.errors import Ambiguous, InvalidMessage, Permanent
from omnibridge.model import Message, SendMessage
from omnibridge_twilio.answers import refusal
from omnibridge_twilio.conversations import KEY, ConversationMessage, made_by, message_url, record_conversation_message
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.wire import parse, sid_or_none

__all__ = ["conversation_of", "find_said", "say"]

_NEWEST = 100


class _Page(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    messages: tuple[ConversationMessage, ...]


def conversation_of(command: SendMessage, delivery: Delivery) -> str | None:
    """The conversation at Twilio that the command's is, where there is one."""
    sid = sid_or_none(delivery.external(command.conversation))
    return sid if sid is not None and sid.startswith("CH") else None


def _receipt(settings: Twilio, key: str, record: ConversationMessage, note: str | None = None) -> Receipt:
    seen = record_conversation_message(settings, record)
    own = next(one for one in seen if isinstance(one, Snapshot) and one.kind == Message.KIND)
    snapshot = Snapshot(own.entity, own.external_id, version=own.version, ours=key)
    return Receipt((Reference(Message.KIND, own.external_id, key),), (snapshot,), note)


async def say(
    settings: Twilio, command: SendMessage, conversation: str, template: str | None, key: str, http: Http
) -> Receipt:
    """Post a message to everybody in the conversation. Its attributes hold the request's key.

    Source: Twilio, Conversation Message resource. Media would have to be uploaded first, so they are refused.
    """
    if command.media:
        raise Permanent("media cannot be sent into a conversation", where="media", remedy="send them without one")
    fields = [("Attributes", json_bytes({KEY: key}).decode())]
    if settings.conversation_author is not None:
        fields.append(("Author", settings.conversation_author))
    if template is not None:
        fields.append(("ContentSid", template))
        if command.variables:
            fields.append(("ContentVariables", json_bytes(command.variables).decode()))
    elif command.body:
        fields.append(("Body", command.body))
    else:
        raise Permanent("there is nothing to send", remedy="give a body or a template")
    response = await http.post(message_url(settings, conversation), form=fields, step="send")
    if not response.ok:
        raise refusal(response, "Twilio refuses the message")
    try:
        record = parse(ConversationMessage, response)
    except InvalidMessage as error:
        raise Ambiguous(f"Twilio took the message, and its answer is unreadable: {error.what}") from error
    await http.keep(Reference(Message.KIND, f"{record.conversation_sid}/{record.sid}", key))
    return _receipt(settings, key, record)


async def find_said(settings: Twilio, conversation: str, key: str, http: Http) -> Receipt | None:
    """The message whose attributes hold the key, among the newest of the conversation; None where it is not there."""
    params = {"Order": "desc", "PageSize": str(_NEWEST)}
    response = await http.get(message_url(settings, conversation), params=params)
    if not response.ok:
        raise refusal(response, "the conversation cannot be listed")
    found = [record for record in parse(_Page, response).messages if made_by(record) == key]
    return _receipt(settings, key, found[0], "found by its key") if found else None
