"""Standard Webhooks signatures: `webhook-id`, `webhook-timestamp` and `webhook-signature` over the raw body."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from omnibridge.connector import Verdict, hmac_base64, same

__all__ = ["ID", "SIGNATURE", "TIMESTAMP", "TOLERANCE", "check", "sign"]

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"
TOLERANCE = timedelta(minutes=5)
"""How far a timestamp may be off, either way (Standard Webhooks' reference libraries)."""

_SECONDS = re.compile(r"[0-9]{1,12}")


def sign(keys: Sequence[bytes], id_: str, seconds: str, body: bytes) -> str:
    """The value of `webhook-signature`: one `v1,<base64>` for each key, with spaces between."""
    message = f"{id_}.{seconds}.".encode() + body
    return " ".join("v1," + hmac_base64(key, message) for key in keys)


def check(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> Verdict:
    """Whether one of the signatures is one of ours, and fresh. `headers` have lower-case names.

    Versions other than `v1` are for other kinds of keys and are passed over.
    """
    id_, seconds, given = headers.get(ID), headers.get(TIMESTAMP), headers.get(SIGNATURE)
    if not id_ or not seconds or not given:
        return Verdict.UNSIGNED
    if not _SECONDS.fullmatch(seconds) or not id_.isascii():
        return Verdict.FORGED
    message = f"{id_}.{seconds}.".encode() + body
    theirs = given.split(" ")
    matched = False
    for key in keys:
        ours = "v1," + hmac_base64(key, message)
        for one in theirs:
            matched |= same(ours, one)
    if not matched:
        return Verdict.FORGED
    off = now.timestamp() - int(seconds)
    return Verdict.OK if abs(off) <= TOLERANCE.total_seconds() else Verdict.EXPIRED
