"""What one Twilio account needs to be told: who we are there, how its webhooks are signed, and whom we send as."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, SecretStr, StringConstraints, model_validator

from omnibridge.connector import Settings
from omnibridge.model import phone_or_none

__all__ = ["Twilio"]

_HOST = re.compile(r"[A-Za-z0-9.:-]+")


def _is_loopback(host: str) -> bool:
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _secure(scheme: str, host: str | None) -> None:
    if scheme != "https" and not (scheme == "http" and host and _is_loopback(host)):
        raise ValueError("must be https, except for a loopback address")


def _secure_base(url: HttpUrl) -> HttpUrl:
    _secure(url.scheme, url.host)
    return url


def _secure_callback(url: str) -> str:
    parts = urlsplit(url)
    _secure(parts.scheme, parts.hostname)
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise ValueError("must name a host, and Twilio refuses underscores in it")
    return url


def _without_prefix(value: object) -> object:
    return value.removeprefix("whatsapp:") if isinstance(value, str) else value


AccountSid = Annotated[str, StringConstraints(pattern=r"^AC[0-9a-fA-F]{32}$")]
KeySid = Annotated[str, StringConstraints(pattern=r"^SK[0-9a-fA-F]{32}$")]
ServiceSid = Annotated[str, StringConstraints(pattern=r"^MG[0-9a-fA-F]{32}$")]
ContentSid = Annotated[str, StringConstraints(pattern=r"^HX[0-9a-fA-F]{32}$")]
# E.164, a short code, or an alphanumeric sender of up to eleven letters, digits and spaces.
Sender = Annotated[
    str, StringConstraints(pattern=r"^(\+[1-9]\d{6,14}|\d{3,8}|[A-Za-z0-9 ]{0,10}[A-Za-z][A-Za-z0-9 ]{0,10})$")
]
WhatsAppSender = Annotated[str, BeforeValidator(_without_prefix), StringConstraints(pattern=r"^\+[1-9]\d{6,14}$")]


class Twilio(Settings):
    """One Twilio account, or subaccount."""

    account_sid: AccountSid = Field(description="The account's SID, AC and 32 hexadecimal digits")
    auth_token: SecretStr | None = Field(
        default=None, description="The account's primary auth token; not needed for requests where an API key is given"
    )
    api_key: KeySid | None = Field(default=None, description="The SID of an API key, SK...; better than the auth token")
    api_secret: SecretStr | None = Field(default=None, description="The secret of that API key")
    webhook_signing: Literal["auth_token", "shared_key", "both"] = Field(
        default="auth_token",
        description="How webhooks are signed: HMAC-SHA1 with the auth token, HMAC-SHA256 with a shared key, or, only "
        "while changing over, both. The algorithm is taken from here and never from the request",
    )
    webhook_auth_tokens: tuple[SecretStr, ...] = Field(
        default=(),
        description="Auth tokens that may have signed a webhook, newest first; keep the old one while rotating. "
        "Empty: `auth_token`",
    )
    webhook_shared_keys: tuple[SecretStr, ...] = Field(
        default=(), description="Shared-key secrets that may have signed a webhook, newest first"
    )
    callback_url: Annotated[str, AfterValidator(_secure_callback)] | None = Field(
        default=None,
        description="This channel's public address, for status callbacks; without it, delivery states come by poll",
    )
    from_number: Sender | None = Field(
        default=None, description="Sender of SMS and MMS: an E.164 number, a short code or an alphanumeric name"
    )
    messaging_service_sid: ServiceSid | None = Field(
        default=None, description="A Messaging Service, MG..., that chooses the sender; needed for RCS"
    )
    whatsapp_from: WhatsAppSender | None = Field(default=None, description="WhatsApp sender, an E.164 number")
    voice_from: WhatsAppSender | None = Field(
        default=None, description="Number that calls come from, in E.164. Empty: `from_number`, if it is such a number"
    )
    voice_greeting: str | None = Field(default=None, description="What a person who calls hears first")
    voice_forward_to: WhatsAppSender | None = Field(
        default=None,
        description="Number that a person who calls is put through to. With neither this nor a greeting, callers hear "
        "a busy signal",
    )
    voice_language: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        description="Language of what is read out: `da-DK`",
    )
    record_calls: bool = Field(
        default=False, description="Record the calls that are placed; the law may ask that the person is told"
    )
    conversations: bool = Field(
        default=False,
        description="Poll what was said in Twilio Conversations; set it where their webhooks come to this channel",
    )
    staff: tuple[str, ...] = Field(
        default=(),
        description="Identities of the company's own people in Twilio Conversations; other identities are then "
        "customers who chat. Empty: every identity is the company's, and customers are those who write from a number",
    )
    conversation_author: str | None = Field(
        default=None, description="Identity that messages into a conversation are written by. Empty: `system`"
    )
    templates: dict[str, ContentSid] = Field(
        default_factory=dict, description="Names of content templates, each with its SID HX..."
    )
    stop_words: tuple[str, ...] = Field(
        default=("stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"),
        description="A whole SMS of one of these takes consent back where Twilio sends no OptOutType (it does so only "
        "with Advanced Opt-Out). Empty: only OptOutType counts",
    )
    own_only: bool = Field(
        default=False,
        description="Poll only messages from or to the senders above; set it where the account serves others as well",
    )
    history: timedelta = Field(
        default=timedelta(days=1), gt=timedelta(0), description="How far back the first poll reads"
    )
    base_url: Annotated[HttpUrl, AfterValidator(_secure_base)] = Field(
        default=HttpUrl("https://api.twilio.com"), description="API root without the version"
    )

    conversations_url: Annotated[HttpUrl, AfterValidator(_secure_base)] = Field(
        default=HttpUrl("https://conversations.twilio.com"), description="Root of the Conversations API"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.api_key is None) != (self.api_secret is None):
            raise ValueError("api_key and api_secret belong together")
        if self.api_key is None and self.auth_token is None:
            raise ValueError("give api_key and api_secret, or auth_token")
        if self.webhook_signing != "shared_key" and not self.signing_tokens:
            raise ValueError("webhook_signing needs webhook_auth_tokens or auth_token")
        if self.webhook_signing != "auth_token" and not self.webhook_shared_keys:
            raise ValueError("webhook_signing needs webhook_shared_keys")
        return self

    @property
    def signing_tokens(self) -> tuple[SecretStr, ...]:
        """The auth tokens that a webhook's signature is tried with, newest first."""
        if self.webhook_auth_tokens:
            return self.webhook_auth_tokens
        return (self.auth_token,) if self.auth_token is not None else ()

    @property
    def caller(self) -> str | None:
        """The number that calls come from, None where there is none."""
        return self.voice_from or phone_or_none(self.from_number or "")

    @property
    def root(self) -> str:
        """The API's address without a slash at its end."""
        return str(self.base_url).rstrip("/")

    @property
    def conversations_root(self) -> str:
        """The Conversations API's address without a slash at its end."""
        return str(self.conversations_url).rstrip("/")

    @property
    def account_path(self) -> str:
        """Where the account's resources are, below `root`."""
        return f"/2010-04-01/Accounts/{self.account_sid}"
