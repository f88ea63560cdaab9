"""What one Shopify channel needs to know: the shop, its credentials, and what Shopify leaves unsaid."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from omnibridge.connector import Settings

__all__ = ["API_VERSION", "Shopify"]

API_VERSION = "2026-10"

ShopDomain = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9-]*\.myshopify\.com$")]


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Shopify(Settings):
    """One shop, reached by one app. Give a token, or the app's client id and secret to fetch tokens with."""

    shop: ShopDomain = Field(description="The shop's own domain, such as acme.myshopify.com")
    access_token: SecretStr | None = Field(default=None, description="Admin API access token of the installed app")
    client_id: str | None = Field(
        default=None, description="The app's client id, to fetch tokens by the client credentials grant"
    )
    client_secret: SecretStr | None = Field(default=None, description="The app's client secret, beside client_id")
    webhook_secrets: tuple[SecretStr, ...] = Field(
        default=(),
        description="What webhooks are signed with: the client secret, newest first; keep the old one while rotating",
    )
    api_version: str = Field(
        default=API_VERSION, pattern=r"^(\d{4}-\d{2}|unstable)$", description="Version of the Admin API"
    )
    base_url: str | None = Field(
        default=None, description="Root to send requests to instead of https://<shop>, such as a sandbox's"
    )
    currency: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{3}$",
        description="The shop's currency; product webhooks do not name it, so without it their prices are left out",
    )
    phone_region: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{2}$",
        description="Country (ISO 3166 alpha-2) by which phone numbers without a country code are read",
    )
    id_metafield: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_-]+(\.[a-z0-9_-]+)?\.[a-z0-9_-]+$",
        description="namespace.key of a customer metafield of type id, by which customers without an email address"
        " and a phone number are found again",
    )

    stock_writes: Literal["set", "adjust"] = Field(
        default="set",
        description="How stock is written: set to the count that is told, or adjusted by the difference to what"
        " the shop was last known to have, so that sales in the shop meanwhile stay counted",
    )

    @field_validator("base_url")
    @classmethod
    def _safe(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if not parts.hostname or parts.query or parts.fragment or parts.username or parts.password:
            raise ValueError("give a scheme and a host, such as https://acme.myshopify.com")
        if parts.scheme != "https" and not (parts.scheme == "http" and _loopback(parts.hostname)):
            raise ValueError("https:// only; http:// is for this machine's own addresses")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _credentials(self) -> Shopify:
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("client_id and client_secret belong together")
        if self.access_token is None and self.client_id is None:
            raise ValueError("give access_token, or client_id and client_secret")
        return self

    @property
    def root(self) -> str:
        """Where requests go, without a trailing slash."""
        return self.base_url or f"https://{self.shop}"

    @property
    def graphql_path(self) -> str:
        """The path of the Admin API's one endpoint."""
        return f"/admin/api/{self.api_version}/graphql.json"

    @property
    def signing_secrets(self) -> tuple[SecretStr, ...]:
        """What a webhook may be signed with: `webhook_secrets`, else the client secret, which is what Shopify uses."""
        if self.webhook_secrets:
            return self.webhook_secrets
        return (self.client_secret,) if self.client_secret is not None else ()
