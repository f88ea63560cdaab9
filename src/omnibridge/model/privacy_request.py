"""What a system tells when a person, or the law, asks it to have somebody erased or to tell what is known of them."""

from __future__ import annotations

from omnibridge.model.base import Instant, Model, Ref

__all__ = ["PrivacyRequest"]


class PrivacyRequest(Model):
    """Whom a request is about, as the system that passes it on knows them.

    `customer`, `emails` and `phones` say who it is, `records` name what else of theirs it is about: orders, by the
    system's own ids. `everything` asks for all that the system ever told, about everybody. `due` is the last moment to
    answer; `number` is the request's own in the system that asks.
    """

    customer: Ref | None = None
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    records: tuple[Ref, ...] = ()
    everything: bool = False
    due: Instant | None = None
    number: str | None = None
