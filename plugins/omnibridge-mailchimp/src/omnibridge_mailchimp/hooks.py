"""The audience's webhook at Mailchimp: one per address, for all events, and never for what we write ourselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from omnibridge.connector import Http, Subscription, Subscriptions, Upsert
from omnibridge_mailchimp.refusals import refusal
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Json, read_model

__all__ = ["EVENTS", "SOURCES", "SUBSCRIPTIONS", "TOPIC"]

EVENTS = ("campaign", "cleaned", "profile", "subscribe", "unsubscribe", "upemail")
SOURCES = ("admin", "user")
"""Who causes an event that is told: `api` is left out, or every write of ours would come back."""


class _Hook(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str
    url: str
    events: Mapping[str, bool] = {}
    sources: Mapping[str, bool] = {}

    @property
    def topic(self) -> str:
        return _topic(
            [name for name, on in self.events.items() if on], [name for name, on in self.sources.items() if on]
        )


class _Hooks(BaseModel):
    webhooks: tuple[_Hook, ...] = ()


def _topic(events: Sequence[str], sources: Sequence[str]) -> str:
    return f"{','.join(sorted(events))} from {','.join(sorted(sources))}"


TOPIC = _topic(EVENTS, SOURCES)
"""What a webhook tells and whose doings: a webhook that somebody changed has another topic, and is put right."""
_CONFIG: Json = {
    "events": dict.fromkeys(EVENTS, True),
    "sources": {"user": True, "admin": True, "api": False},
}


def _desired(settings: MailchimpSettings, url: str) -> Sequence[Subscription]:
    """The channel's address ends in the newest secret, so a rotation moves the webhook."""
    return (Subscription(TOPIC, f"{url.rstrip('/')}/{settings.path_secrets[0].get_secret_value()}"),)


def _path(settings: MailchimpSettings, hook: str | None = None) -> str:
    return f"/lists/{settings.list_id}/webhooks" + (f"/{hook}" if hook else "")


async def _hooks(settings: MailchimpSettings, http: Http) -> tuple[_Hook, ...]:
    answer = await http.get(_path(settings))
    if not answer.ok:
        raise refusal(answer, "to list webhooks")
    return read_model(_Hooks, answer.json(), "webhooks").webhooks


async def _list(settings: MailchimpSettings, http: Http) -> Sequence[Subscription]:
    """Every webhook of the audience; other people's too, which the core leaves alone."""
    return [Subscription(hook.topic, hook.url, hook.id) for hook in await _hooks(settings, http)]


async def _create(settings: MailchimpSettings, wanted: Subscription, http: Http) -> None:
    """Make the webhook, or put right the one that has the address: each can be used once. Raises Permanent."""
    answer = await http.post(_path(settings), json={"url": wanted.url, **_CONFIG}, step="create", protection=Upsert())
    if answer.ok:
        return
    there = next((hook for hook in await _hooks(settings, http) if hook.url == wanted.url), None)
    if there is None:
        raise refusal(answer, "to make the webhook (its address must answer a GET from the internet)")
    mended = await http.patch(_path(settings, there.id), json=_CONFIG, step="mend", protection=Upsert())
    if not mended.ok:
        raise refusal(mended, "to change the webhook")


async def _delete(settings: MailchimpSettings, unwanted: Subscription, http: Http) -> None:
    """Delete a webhook, unless it was put right since it was listed: its id stays the same then. Raises Permanent."""
    there = next((hook for hook in await _hooks(settings, http) if hook.id == unwanted.id), None)
    if there is None or there.topic != unwanted.topic:
        return
    answer = await http.delete(_path(settings, there.id), step=f"delete-{there.id}", protection=Upsert())
    if not answer.ok and answer.status != 404:
        raise refusal(answer, "to delete a webhook")


SUBSCRIPTIONS: Subscriptions[MailchimpSettings] = Subscriptions(
    desired=_desired, list=_list, create=_create, delete=_delete
)
