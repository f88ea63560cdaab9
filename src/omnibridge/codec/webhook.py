"""What both ends of the WebHook specification share: tokens and where they stand, consent, forms that nobody reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, unquote_plus

from omnibridge.codec.http import Mode, mode_of
from omnibridge.errors import CodecError

__all__ = ["bearer_token", "consent", "unknown_form", "without_token"]

_TOKEN = "access_token"


def bearer_token(headers: Mapping[str, str], query: str) -> str | None:
    """The token, in either place where a target must look (section 3); the header's where there are both.

    `headers` have lower-case names, `query` is the query string as it came.
    """
    scheme, _, credentials = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and credentials:
        return credentials.strip()
    if not query:
        return None
    return next((value for name, value in parse_qsl(query) if name == _TOKEN), None)


def without_token(query: str) -> str:
    """A query string that may be stored and shown: a dash stands for the token."""
    if not query:
        return query
    return "&".join(
        f"{_TOKEN}=-" if unquote_plus(part.partition("=")[0]).strip().lower() == _TOKEN else part
        for part in query.split("&")
    )


def consent(origins: Iterable[str], rate: int | None, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that allow the sender that asks to deliver; none for one that is not among `origins` (section 4.2).

    `origins` are DNS names, `*` for every sender. `rate` is how many requests a minute are taken, None for any number.
    """
    asked = headers.get("webhook-request-origin", "").strip()
    known = {name.lower() for name in origins}
    if not asked or not ("*" in known or asked.lower() in known):
        return {}
    # A wildcard is answered as such: what a stranger sent does not go back into a header.
    named = "*" if "*" in known else asked
    return {"webhook-allowed-origin": named, "webhook-allowed-rate": "*" if rate is None else str(rate)}


def unknown_form(headers: Mapping[str, str]) -> str | None:
    """Why a message's headers announce no event that is understood, which is answered 415; None where they do."""
    try:
        mode = mode_of(headers.get("content-type"))
    except CodecError as error:
        return str(error)
    if mode is Mode.BINARY and not any(name.startswith("ce-") for name in headers):
        return "no CloudEvent: no ce- headers, and Content-Type is none of application/cloudevents"
    return None
