"""What a channel to one CloudEvents endpoint must be told: where it is, how each side proves who it is, which form."""

from __future__ import annotations

import base64
import binascii
import re
from functools import cached_property
from ipaddress import ip_address
from typing import Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from omnibridge.connector import Settings

__all__ = ["CloudEventsSettings"]

_PREFIX = "whsec_"
_CALLBACK = re.compile(r"/in/[a-z0-9-]+/[A-Za-z0-9_-]{16,}$")
_NAME = r"^[A-Za-z0-9*._:-]{1,253}$"


def _key(secret: SecretStr) -> bytes:
    """The bytes that sign: base64 after the prefix `whsec_` (Standard Webhooks, "Signature scheme")."""
    text = secret.get_secret_value().removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a secret is base64, written after the prefix whsec_") from None
    if not key:
        raise ValueError("a secret must not be empty")
    return key


def _port(parts: SplitResult) -> int | None:
    """The port; None where none is given, 0 for one that there cannot be."""
    try:
        return parts.port
    except ValueError:
        return 0


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class CloudEventsSettings(Settings):
    """One CloudEvents endpoint: its events come in with `secrets`, ours go out to `url`."""

    url: str | None = Field(
        default=None, description="Where events are sent to; http only for this very machine; none: receive only"
    )
    mode: Literal["binary", "structured"] = Field(
        default="binary", description="How events are sent: attributes in headers, or all in one JSON document"
    )
    target_secret: SecretStr | None = Field(
        default=None, description="Signs what is sent, as Standard Webhooks does: whsec_ and base64"
    )
    previous_target_secret: SecretStr | None = Field(
        default=None, description="Signs as well, while the receiver changes from this secret to target_secret"
    )
    bearer_token: SecretStr | None = Field(
        default=None, description="Sent as Authorization: Bearer, where the receiver asks for it"
    )
    raw_headers: bool = Field(
        default=False,
        description="No percent-encoding of attributes in headers, in and out, for peers that do not know it",
    )
    secrets: tuple[SecretStr, ...] = Field(
        default=(), description="Verify what comes in; newest first, the old one stays while the sender changes"
    )
    access_tokens: tuple[SecretStr, ...] = Field(
        default=(),
        description="Tokens that senders give as Authorization: Bearer or ?access_token=; newest first",
    )
    accept_unsigned: bool = Field(
        default=False,
        description="Take events without any proof of their sender; only where nobody else can reach the address",
    )
    webhook_origins: tuple[str, ...] = Field(
        default=(), description="Senders that may deliver here, for those that ask first; * for every one"
    )
    webhook_rate: int | None = Field(
        default=None, ge=1, description="Deliveries a minute that may come in; more are answered 429 with Retry-After"
    )
    origin: str | None = Field(
        default=None,
        pattern=_NAME,
        description="Our DNS name: the receiver is asked for its consent first, and told it with each delivery",
    )
    callback_url: SecretStr | None = Field(
        default=None,
        description="Where the receiver may agree later: <public_url>/in/<this channel>/ and a secret that you make up",
    )
    rate: int | None = Field(
        default=None,
        ge=1,
        le=60_000,
        description="Deliveries a minute that the receiver is asked for and that we keep to; less where it allows less",
    )

    @field_validator("url")
    @classmethod
    def _only_safe_targets(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        host = parts.hostname
        if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
            raise ValueError("give an https:// address; http:// is for localhost, 127.0.0.1 and ::1 only")
        if _port(parts) == 0:
            raise ValueError("a port is a number from 1 to 65535")
        if parts.fragment or parts.username is not None or parts.password is not None:
            raise ValueError("give scheme, host, port, path and query only")
        if not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("percent-encode what is not printable ASCII")
        return value

    @field_validator("callback_url")
    @classmethod
    def _a_secret_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            host = parts.hostname
            if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
                raise ValueError("give an https:// address; http:// is for localhost, 127.0.0.1 and ::1 only")
            if parts.query or parts.fragment or _CALLBACK.search(parts.path) is None:
                raise ValueError("give <public_url>/in/<channel>/ and 16 or more of A-Z, a-z, 0-9, - and _")
        return value

    @model_validator(mode="after")
    def _asked_at_all(self) -> Self:
        if self.callback_url is not None and (self.origin is None or self.url is None):
            raise ValueError("callback_url is for an answer to a question: set url and origin too")
        return self

    @field_validator("target_secret", "previous_target_secret")
    @classmethod
    def _readable_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _key(value)
        return value

    @field_validator("secrets")
    @classmethod
    def _readable_keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in value:
            _key(secret)
        return value

    @field_validator("bearer_token", "access_tokens")
    @classmethod
    def _sendable(cls, value: SecretStr | tuple[SecretStr, ...] | None) -> SecretStr | tuple[SecretStr, ...] | None:
        for token in value if isinstance(value, tuple) else (value,):
            text = "x" if token is None else token.get_secret_value()
            if not text or not text.isascii() or not text.isprintable() or " " in text:
                raise ValueError("a token is printable ASCII without spaces")
        return value

    @cached_property
    def root(self) -> str:
        """Scheme and host of `url`; empty where nothing is sent."""
        parts = urlsplit(self.url or "")
        return f"{parts.scheme}://{parts.netloc}" if self.url else ""

    @cached_property
    def path(self) -> str:
        """Path and query of `url`, exactly as given."""
        return (self.url or "").removeprefix(self.root) or "/"

    @cached_property
    def callback_secret(self) -> str | None:
        """The secret at the end of `callback_url`."""
        return self.callback_url.get_secret_value().rpartition("/")[2] if self.callback_url is not None else None

    @cached_property
    def inbound_keys(self) -> tuple[bytes, ...]:
        """The keys that may have signed what comes in."""
        return tuple(_key(secret) for secret in self.secrets)

    @cached_property
    def outbound_keys(self) -> tuple[bytes, ...]:
        """The keys that sign what goes out, newest first; none where it is not signed."""
        both = (self.target_secret, self.previous_target_secret)
        return tuple(_key(secret) for secret in both if secret is not None)

    @cached_property
    def authorization(self) -> str | None:
        """The Authorization header of what goes out."""
        return f"Bearer {self.bearer_token.get_secret_value()}" if self.bearer_token is not None else None
