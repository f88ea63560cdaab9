"""A touch: somebody did something with what the company sent them, such as opening it or following a link in it."""

from __future__ import annotations

from typing import ClassVar

from omnibridge.model.base import Entity, Instant, OpenEnum, Ref
from omnibridge.model.consent import Medium

__all__ = ["Touch", "TouchKind"]


class TouchKind(OpenEnum):
    """What happened to it. An open is often a mail program's doing and not the person's."""

    OPENED = "opened"
    CLICKED = "clicked"
    BOUNCED = "bounced"
    OTHER = "other"


class Touch(Entity):
    """One touch; it never changes. `contact` is the address that was written to, `url` the link that was followed.

    `campaign` is the vendor's id of what was sent, and `campaign_title` the name that people know it by.
    """

    KIND: ClassVar[str] = "touch"

    kind: TouchKind = TouchKind.OTHER
    kind_raw: str | None = None
    medium: Medium = Medium.EMAIL
    contact: str | None = None
    customer: Ref | None = None
    campaign: str | None = None
    campaign_title: str | None = None
    url: str | None = None
    at: Instant | None = None
