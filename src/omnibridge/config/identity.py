"""Reads `[identity]`: what may join two customers, and what must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from omnibridge.config.model import ConfigFile, IdentitySection
from omnibridge.customer import Rules, readable_key
from omnibridge.journal import Key

if TYPE_CHECKING:
    from omnibridge.config.load import Say

__all__ = ["read_identity", "rules"]


def read_identity(file: ConfigFile, problem: Say) -> None:
    """Note what cannot be meant: a channel that there is not, a mail address or phone number that is none."""
    section = file.identity
    for channel in section.trusted:
        if channel not in file.channels:
            problem(("identity", "trusted", channel), f"there is no channel {channel!r}", "mend the name, or remove it")
    for place, value in enumerate(section.blocked):
        if readable_key(value) is None:
            what = "is neither a mail address, nor a phone number such as +4533123456, nor a loyalty number"
            problem(("identity", "blocked", place), what, "mend it, or remove it")
    for kind in section.unique:
        if kind not in section.priority:
            problem(("identity", "unique"), f"{kind} is not in `priority`, so it identifies nobody", "add it there")


def rules(section: IdentitySection, key: Callable[[str, str], Key]) -> Rules:
    """The rules of a configuration; `key` makes the key of a readable value."""
    blocked = (readable_key(value) for value in section.blocked)
    return Rules(
        priority=tuple(section.priority),
        unique=frozenset(section.unique),
        trusted={channel: frozenset(kinds) for channel, kinds in section.trusted.items()},
        limits=dict(section.limits.items()),
        blocked=frozenset(key(*one) for one in blocked if one is not None),
    )
