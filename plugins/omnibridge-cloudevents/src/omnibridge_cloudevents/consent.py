"""Asking before sending: the receiver's consent, kept as a credential for a day, and the rate that comes with it."""

from __future__ import annotations

from datetime import timedelta

from omnibridge.connector import Class, Credential, Http, Inbound, Outcome, Request, Response, Upsert, Window, same
from omnibridge.errors import AuthExpired
from omnibridge_cloudevents.refusals import refused
from omnibridge_cloudevents.settings import CloudEventsSettings

__all__ = ["CALLBACK", "ORIGIN", "agreed", "ask", "consented", "fits", "granted", "obtain"]

ORIGIN = "webhook-request-origin"
CALLBACK = "webhook-request-callback"
_ALLOWED, _RATE = "webhook-allowed-origin", "webhook-allowed-rate"
LASTS = timedelta(days=1)
"""How long a consent is taken for granted; then the receiver is asked again."""
AGAIN = timedelta(minutes=5)
"""How long after a refusal the receiver is asked again."""
_EARLY = timedelta(minutes=2)
"""The core renews a credential this long before it expires."""
_MINUTE = timedelta(minutes=1)
_ANY_RATE = 60_000
"""A thousand a second and more is no limit."""


async def ask(settings: CloudEventsSettings, http: Http, headers: dict[str, str]) -> Response:
    """The validation request of the WebHook specification, section 4.1, at the very address of deliveries."""
    return await http.request("OPTIONS", settings.path, headers=headers, step="ask", protection=Upsert())


async def obtain(settings: CloudEventsSettings, old: Credential | None, http: Http) -> Credential:
    """The receiver's consent; nothing to ask for where no `origin` is set.

    Raises Permanent when the receiver is gone, AuthExpired when a refused token is why it is asked for: another
    consent does not mend that.
    """
    now = await http.now()
    if old is not None and (old.expires is None or old.expires - _EARLY > now):
        raise AuthExpired("the receiver refuses the token", remedy="check bearer_token")
    terms = _terms(settings)
    if settings.url is None or settings.origin is None:
        return Credential(terms)
    headers = {ORIGIN: settings.origin}
    if settings.rate is not None:
        headers["webhook-request-rate"] = str(settings.rate)
    if settings.callback_url is not None:
        headers[CALLBACK] = settings.callback_url.get_secret_value()
    if settings.authorization is not None:
        headers["authorization"] = settings.authorization
    response = await ask(settings, http, headers)
    if response.status == 410:
        raise refused(response)
    return Credential({**terms, "allowed": _rate_of(response.header(_RATE))}, expires=now + LASTS)


def agreed(settings: CloudEventsSettings, inbound: Inbound) -> Credential | None:
    """The receiver's consent where it comes later, by GET or POST at `callback_url` (section 4.1.3).

    Somebody may have called the address by hand, out of a log, so this consent lasts until what was asked changes.
    """
    secret, given = settings.callback_secret, inbound.path_secret
    if secret is None or given is None or inbound.method not in ("GET", "POST") or not same(secret, given):
        return None
    if (inbound.header(_ALLOWED) or "*").strip().lower() not in _names(settings.origin or ""):
        return None
    return Credential({**_terms(settings), "allowed": _rate_of(inbound.header(_RATE))})


def _names(origin: str) -> tuple[str, str]:
    return "*", origin.lower()


def _rate_of(text: str | None) -> str:
    return (text or "").strip()


def _terms(settings: CloudEventsSettings) -> dict[str, str]:
    return {"url": settings.url or "", "origin": settings.origin or "", "asked": str(settings.rate or "")}


def fits(settings: CloudEventsSettings, credential: Credential) -> bool:
    """Whether a consent is for this address, this origin and this rate."""
    return all(credential.values.get(name) == value for name, value in _terms(settings).items())


def granted(settings: CloudEventsSettings, credential: Credential) -> Window | None:
    """The rate to keep to, evenly: the receiver's or our own, whichever is lower."""
    allowed = credential.values.get("allowed", "")
    rates = [rate for rate in (settings.rate, _number(allowed)) if rate is not None]
    return Window(1, _MINUTE / min(rates)) if rates else None


def _number(text: str) -> int | None:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        return None
    number = int(text)
    return number if 0 < number < _ANY_RATE else None


def consented(request: Request, response: Response) -> Outcome:
    """What the answer to the question means: consent is nothing but one header, whatever the status says."""
    origin = request.headers.get(ORIGIN, "")
    if (response.header(_ALLOWED) or "").strip().lower() in _names(origin):
        return Outcome(Class.OK)
    status = response.status
    return Outcome(
        Class.RETRY,
        after=AGAIN,
        code=str(status),
        reason=f"the receiver has not agreed to deliveries from {origin!r} (it answered {status})",
    )
