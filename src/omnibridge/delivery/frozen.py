"""Requests and responses frozen as bytes, so that what is sent again under a key is exactly what was sent before."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic_core import from_json, to_json

from omnibridge.connector import NativeKey, Request, Response, Upsert

__all__ = ["Frozen", "freeze", "freeze_response", "thaw", "thaw_response"]


@dataclass(frozen=True, slots=True)
class Frozen:
    """A request as it was first sent, and when."""

    request: Request
    at: datetime

    def doubtful(self, now: datetime) -> bool:
        """Whether sending it again might do a second time what it did: nothing protects it, or no longer."""
        protection = self.request.protection
        if isinstance(protection, NativeKey):
            return now - self.at > protection.valid_for
        return protection is None


def freeze(request: Request, at: datetime) -> bytes:
    """Bytes for `Step.request`. Auth headers are not in it: they are made anew for each sending."""
    protection = request.protection
    return to_json(
        {
            "method": request.method,
            "path": request.path,
            "params": request.params,
            "headers": dict(request.headers),
            "body": base64.b64encode(request.body).decode(),
            "type": request.content_type,
            "step": request.step,
            "native": protection.valid_for.total_seconds() if isinstance(protection, NativeKey) else None,
            "upsert": isinstance(protection, Upsert),
            "at": at.isoformat(),
        }
    )


def thaw(content: bytes) -> Frozen:
    """What `freeze` wrote."""
    data = from_json(content)
    protection = None
    if data["native"] is not None:
        protection = NativeKey(timedelta(seconds=data["native"]))
    elif data["upsert"]:
        protection = Upsert()
    request = Request(
        method=data["method"],
        path=data["path"],
        params=tuple((name, value) for name, value in data["params"]),
        headers=data["headers"],
        body=base64.b64decode(data["body"]),
        content_type=data["type"],
        step=data["step"],
        protection=protection,
    )
    return Frozen(request, datetime.fromisoformat(data["at"]))


def freeze_response(response: Response | None) -> bytes:
    """Bytes for `Step.response`; None says that the vendor did not take the request, so it may be sent again."""
    if response is None:
        return b"null"
    return to_json([response.status, dict(response.headers), base64.b64encode(response.content).decode()])


def thaw_response(content: bytes) -> Response | None:
    """What `freeze_response` wrote."""
    data = from_json(content)
    return None if data is None else Response(data[0], data[1], base64.b64decode(data[2]))
