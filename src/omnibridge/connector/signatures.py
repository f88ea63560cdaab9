"""Signature checks that vendors share, all in constant time and over every secret that may be valid."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

from pydantic import SecretStr

from omnibridge.connector.inbound import Verdict

__all__ = ["hmac_base64", "same", "verify_any"]


def same(ours: str | bytes, theirs: str | bytes) -> bool:
    """Whether two secrets or signatures are equal, in time that tells nothing."""
    left = ours.encode() if isinstance(ours, str) else ours
    right = theirs.encode("utf-8", "surrogatepass") if isinstance(theirs, str) else theirs
    return hmac.compare_digest(left, right)


def hmac_base64(secret: str | bytes, message: bytes, algorithm: str = "sha256") -> str:
    """The base64 text of HMAC(secret, message)."""
    key = secret.encode() if isinstance(secret, str) else secret
    return base64.b64encode(hmac.digest(key, message, algorithm)).decode()


def verify_any(secrets: Iterable[SecretStr], message: bytes, given: str | None, algorithm: str = "sha256") -> Verdict:
    """OK when `given` is the base64 HMAC of `message` under one of `secrets` (a rotation has two), else why not."""
    if not given:
        return Verdict.UNSIGNED
    if algorithm not in hashlib.algorithms_guaranteed:
        raise ValueError(f"unknown algorithm {algorithm!r}")
    matched = False
    for secret in secrets:
        matched |= same(hmac_base64(secret.get_secret_value(), message, algorithm), given.strip())
    return Verdict.OK if matched else Verdict.FORGED
