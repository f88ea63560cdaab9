"""What one Mailchimp channel needs to know: one audience of one account."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from omnibridge.connector import Settings

__all__ = ["MailchimpSettings"]

_DATA_CENTRE = re.compile(r"-([a-z]{2}\d{1,3})$")
_PATH_SECRET = re.compile(r"[A-Za-z0-9_-]{16,200}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class MailchimpSettings(Settings):
    """Settings of a channel to one Mailchimp audience (the API calls it a list)."""

    api_key: SecretStr = Field(
        description="API key of a Mailchimp user (it ends in the data centre: `-us21`), or an OAuth access token, "
        "which names no data centre and needs `base_url`"
    )
    list_id: str = Field(
        description="Audience id: Audience > Settings > Audience name and defaults", pattern=r"^[A-Za-z0-9]{1,50}$"
    )
    store_id: str | None = Field(
        default=None,
        description="Id of the e-commerce store that orders are written to; it must belong to the audience. "
        "Leave it out to write no orders",
        pattern=r"^[A-Za-z0-9_.-]{1,50}$",
    )
    path_secrets: tuple[SecretStr, ...] = Field(
        description="Secrets that end the webhook address, as Mailchimp signs nothing: 16 or more letters, digits, "
        "`-` and `_` each. Newest first; keep the old one until the webhook has been moved",
        min_length=1,
    )
    double_opt_in: bool = Field(
        default=False,
        description="When Mailchimp refuses to subscribe somebody who once unsubscribed or bounced: true lets it send "
        "its confirmation e-mail (status `pending`), false makes the delivery fail with that reason",
    )
    phone_region: str | None = Field(
        default=None,
        description="Country (ISO 3166 alpha-2) by which phone numbers without a country code are read",
        pattern=r"^[A-Z]{2}$",
    )
    segments: tuple[Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")], ...] = Field(
        default=(),
        description="Ids of static segments (tags) whose members are told: each is a custom field `segments.<id>`, "
        "true or false",
    )
    report_days: int = Field(
        default=14,
        ge=0,
        le=365,
        description="For how many days after a campaign was sent its opens and clicks are asked for; 0 for never",
    )
    erase_on_delete: bool = Field(
        default=False,
        description="What a deleted customer means here: false archives the member, which can be undone; true deletes "
        "it for good, after which the API can never add that address again",
    )
    base_url: str | None = Field(
        default=None,
        description="API root; by default `https://<data centre>.api.mailchimp.com/3.0`. Plain http only for this "
        "machine (a sandbox)",
    )

    @field_validator("path_secrets")
    @classmethod
    def _path_secrets(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(_PATH_SECRET.fullmatch(secret.get_secret_value()) for secret in secrets):
            raise ValueError("each needs 16 to 200 characters of A-Z, a-z, 0-9, - and _")
        return secrets

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("not the root of an API: scheme, host and path only")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("must begin with https:// (http:// only for this machine)")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _reachable(self) -> MailchimpSettings:
        if self.base_url is None and self.data_centre is None:
            raise ValueError("api_key names no data centre (such as `-us21` at its end), so base_url is needed")
        return self

    @property
    def data_centre(self) -> str | None:
        """The suffix of an API key (`us21`); None for an OAuth token."""
        found = _DATA_CENTRE.search(self.api_key.get_secret_value())
        return found[1] if found else None

    @property
    def root(self) -> str:
        """The API root, without a slash at its end."""
        return self.base_url or f"https://{self.data_centre}.api.mailchimp.com/3.0"
