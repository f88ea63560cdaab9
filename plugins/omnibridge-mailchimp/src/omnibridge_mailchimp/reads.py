"""Reading an audience without changing it: a probe, and one member with all its tags."""

from __future__ import annotations

from collections.abc import Sequence

from omnibridge.connector import Http, Lookup, Observation
from omnibridge.errors import Permanent
from omnibridge.model import Customer
from omnibridge_mailchimp.members import member_snapshots
from omnibridge_mailchimp.outbound import path_of
from omnibridge_mailchimp.refusals import refusal
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Member, Store, Tag, TagPage, instant, read_model

__all__ = ["probe", "read"]

_TAGS = 1000  # the largest page


async def probe(settings: MailchimpSettings, http: Http) -> None:
    """See that the key is good, the audience is there, and the store is the audience's. Raises Permanent."""
    audience = await http.get(f"/lists/{settings.list_id}", params={"fields": "id,name"})
    if not audience.ok:
        raise refusal(audience, "to show the audience")
    if settings.store_id is None:
        return
    answer = await http.get(f"/ecommerce/stores/{settings.store_id}", params={"fields": "id,list_id,currency_code"})
    if not answer.ok:
        raise refusal(answer, "to show the store")
    store = read_model(Store, answer.json(), "store")
    if store.list_id != settings.list_id:
        raise Permanent(
            "the store belongs to another audience, which can never be changed",
            where="store_id",
            remedy="make a store for this audience, or leave store_id out",
        )


async def read(settings: MailchimpSettings, lookup: Lookup, http: Http) -> Sequence[Observation]:
    """One member as it is now, with all its tags; nothing when it is not there.

    The lookup's hint `at` is the time of the webhook that asked: what is read afterwards is at least that new, though
    `last_changed` may be a second older. Raises InvalidMessage and Permanent.
    """
    if lookup.kind != Customer.KIND:
        raise Permanent(f"Mailchimp has no {lookup.kind} to look up")
    path = path_of(settings, lookup.external_id)
    answer = await http.get(path, params={"exclude_fields": "_links"})
    at = instant(lookup.hint.get("at"))
    if answer.status == 404:
        return ()
    if not answer.ok:
        raise refusal(answer, "to show a member")
    member = read_model(Member, answer.json(), "member")
    if member.tags_count is not None and member.tags_count > len(member.tags):
        tags = await _all_tags(path, http)
        member = member.model_copy(update={"tags": tags, "tags_count": len(tags)})
    return member_snapshots(settings, member, at)


async def _all_tags(path: str, http: Http) -> tuple[Tag, ...]:
    found: dict[str, Tag] = {}
    offset = 0
    while True:
        answer = await http.get(f"{path}/tags", params={"count": _TAGS, "offset": offset})
        if not answer.ok:
            raise refusal(answer, "to show the tags of a member")
        page = read_model(TagPage, answer.json(), "tags")
        found |= {tag.name: tag for tag in page.tags}
        offset += len(page.tags)
        if len(page.tags) < _TAGS:
            return tuple(found.values())
