"""The base of every connector's settings: frozen, strict about names, and silent about values in its errors."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Settings"]


class Settings(BaseModel):
    """Settings of one channel. Every field has a `description`; secrets are `SecretStr`; errors never echo input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)
