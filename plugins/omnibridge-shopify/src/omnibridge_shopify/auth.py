"""How requests prove who sends them: with a token from the settings, or one that the client credentials grant gives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from omnibridge.connector import Auth, Credential, Http, Request
from omnibridge.errors import Permanent
from omnibridge_shopify.graphql import Json
from omnibridge_shopify.settings import Shopify

__all__ = ["AUTH"]

_EARLY = timedelta(minutes=5)


def _headers(settings: Shopify, credential: Credential | None, request: Request, now: datetime) -> Mapping[str, str]:
    if settings.access_token is not None:
        return {"X-Shopify-Access-Token": settings.access_token.get_secret_value()}
    token = credential.values.get("access_token") if credential is not None else None
    return {"X-Shopify-Access-Token": token} if token else {}


async def _obtain(settings: Shopify, old: Credential | None, http: Http) -> Credential:
    """A token by the client credentials grant, which lives for 24 hours; nothing where the settings hold one.

    Source: Shopify documentation, "Using the client credentials grant". Raises Permanent when the app is refused, or
    when the token of the settings no longer works.
    """
    if settings.access_token is not None:
        if old is not None:
            raise Permanent(
                "the shop no longer accepts the access token", code="401", remedy="put a new one into access_token"
            )
        return Credential({})
    if settings.client_id is None or settings.client_secret is None:
        raise Permanent("no access token and no client credentials", remedy="set one of them")
    response = await http.post(
        "/admin/oauth/access_token",
        form={
            "grant_type": "client_credentials",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret.get_secret_value(),
        },
        step="token",
    )
    answer: Json = response.json() if response.ok else {}
    token = answer.get("access_token")
    if not isinstance(token, str) or not token:
        raise Permanent(
            f"Shopify gave no token ({response.status})",
            code=str(response.status),
            remedy="check client_id and client_secret, and that the app is installed in the shop",
        )
    lifetime = timedelta(seconds=int(answer.get("expires_in") or 86_399))
    return Credential({"access_token": token}, await http.now() + max(lifetime - _EARLY, lifetime / 2))


AUTH: Auth[Shopify] = Auth(headers=_headers, obtain=_obtain)
