"""What a Square channel must be told: whose account, which secrets, which location, how far back."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from omnibridge.connector import Settings

__all__ = ["API_VERSION", "SquareSettings", "base_url", "scope"]

API_VERSION = "2026-09-16"
"""The API release that this connector was written against; the current official client sends the same."""

_HOSTS = {"production": "https://connect.squareup.com", "sandbox": "https://connect.squareupsandbox.com"}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class SquareSettings(Settings):
    """Settings of one Square channel: one seller account."""

    access_token: SecretStr = Field(description="Access token of the seller's account, personal or from OAuth")
    signature_keys: tuple[SecretStr, ...] = Field(
        default=(),
        description="Signature keys of the webhook subscription, newest first; keep the old one while rotating",
    )
    location_id: str | None = Field(
        default=None, description="Location for orders whose own is not known at Square; without it those are refused"
    )
    environment: Literal["production", "sandbox"] = Field(
        default="production", description="Which of Square's two environments the token belongs to"
    )
    base_url: str | None = Field(
        default=None,
        description="Another API root instead of the environment's own; http only for this very machine",
    )
    api_version: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] = Field(
        default=API_VERSION, description="Sent as Square-Version; other releases than the default are untested"
    )
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = Field(
        default=None, description="Country (ISO 3166 alpha-2) to read phone numbers by that have no country code"
    )
    history: timedelta = Field(
        default=timedelta(days=90), description="How far back the first poll of orders, payments and refunds reads"
    )
    overlap: timedelta = Field(
        default=timedelta(minutes=5),
        description="How much each poll reads again; Square's search index lags by up to a minute or longer",
    )
    pickup_preparation: timedelta = Field(
        default=timedelta(minutes=30),
        description="Preparation time told to the till for a pick-up order that names no time",
    )
    refund_money: bool = Field(
        default=False,
        description="Give money that Square took back to the buyer when another channel tells of a refund",
    )
    stock_writes: Literal["set", "adjust"] = Field(
        default="set",
        description="How stock is written: set by a count, or adjusted by the difference to what Square was last known"
        " to have, so that sales at the till meanwhile stay counted",
    )
    stock_falls_as: Literal["sold", "waste"] = Field(
        default="sold",
        description="With stock_writes = adjust: what became of stock that is less elsewhere, sold or lost",
    )
    loyalty: bool = Field(default=True, description="Read loyalty accounts; an OAuth token needs `LOYALTY_READ`")
    gift_cards: bool = Field(default=True, description="Read gift cards; an OAuth token needs `GIFTCARDS_READ`")
    subscribe: bool = Field(
        default=True, description="Keep the webhook subscription at Square right; needs a personal access token"
    )

    @field_validator("base_url")
    @classmethod
    def _only_safe_roots(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not secure or not parts.hostname:
            raise ValueError("give an https:// address; http:// is for localhost, 127.0.0.1 and ::1 only")
        if parts.query or parts.fragment or parts.username:
            raise ValueError("give scheme, host, port and path only")
        return value.rstrip("/")


def base_url(settings: SquareSettings) -> str:
    """The API root, without a slash at its end."""
    return settings.base_url or _HOSTS[settings.environment]


def scope(settings: SquareSettings) -> str:
    """Who shares Square's limits: the account behind the token, named without telling the token."""
    return hashlib.sha256(settings.access_token.get_secret_value().encode()).hexdigest()[:16]
