"""Static segments: a member's place in them as custom fields `segments.<id>`, told and written."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from omnibridge.connector import Http, Upsert
from omnibridge_mailchimp.refusals import refusal
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Member

__all__ = ["segment_customs", "write_segments"]


def segment_customs(settings: MailchimpSettings, member: Member) -> dict[str, JsonValue]:
    """Whether a member is in each of the channel's segments; nothing where not all of its tags are told.

    A static segment is what people see as a tag, and a member's tags carry its id. Source: Mailchimp Marketing API,
    "How to use tags".
    """
    told = "tags" in member.model_fields_set and (member.tags_count is None or member.tags_count <= len(member.tags))
    if not told:
        return {}
    ids = {str(tag.id) for tag in member.tags if tag.id is not None}
    return {f"segments.{segment}": segment in ids for segment in settings.segments}


async def write_segments(
    settings: MailchimpSettings, email: str, member: str, custom: Mapping[str, JsonValue], http: Http
) -> None:
    """Put a member into the segments that `custom` says, and take it out of the others it names.

    Somebody who is not in a segment (404) is out of it. Raises Permanent for a refusal, as for a segment that is not
    static.
    """
    for name, value in custom.items():
        area, _, segment = name.partition(".")
        if area != "segments" or not isinstance(value, bool):
            continue
        path, step = f"/lists/{settings.list_id}/segments/{segment}/members", f"segment-{segment}"
        if value:
            answer = await http.post(path, json={"email_address": email}, step=step, protection=Upsert())
        else:
            answer = await http.delete(f"{path}/{member}", step=step, protection=Upsert())
        if not answer.ok and not (answer.status == 404 and not value):
            raise refusal(answer, "to change who is in a segment")
