"""Whether a webhook is Twilio's: its two signature schemes, over address and form fields or the body's hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from omnibridge.connector import Inbound, Verdict, hmac_base64, parse_form, same, verify_any
from omnibridge.errors import InvalidMessage
from omnibridge_twilio.settings import Twilio

__all__ = ["FORM", "SHARED_KEY_HEADER", "SIGNATURE_HEADER", "addresses", "is_form", "sign", "signed_text", "verify"]

FORM = "application/x-www-form-urlencoded"
SIGNATURE_HEADER = "x-twilio-signature"
SHARED_KEY_HEADER = "x-twilio-webhooks-signature-settings"

_URL = re.compile(
    r"(?P<scheme>https?)://(?:[^/?#@]*@)?(?P<host>\[[^\]]*\]|[^/?#:]*)(?::(?P<port>\d*))?(?P<rest>.*)", re.S
)


def is_form(inbound: Inbound) -> bool:
    """Whether the body is a form: Twilio's messaging webhooks are."""
    return (inbound.header("content-type") or "").partition(";")[0].strip().lower() == FORM


def addresses(url: str, overrides: str = "") -> Iterator[str]:
    """The texts that Twilio may have signed for `url`.

    With and without the port, as Twilio's own validators try both, and without user name and password, which it leaves
    out (webhooks security guide). `overrides` is the fragment with connection overrides that the address was
    configured with: it never reaches us, and Twilio does not say whether it is signed, so both are tried.
    """
    match = _URL.fullmatch(url)
    if match is None:
        yield url
        return
    scheme, host, rest = match["scheme"], match["host"], match["rest"]
    port = match["port"] or ("443" if scheme == "https" else "80")
    for text in (f"{scheme}://{host}{rest}", f"{scheme}://{host}:{port}{rest}"):
        yield text
        if overrides:
            yield f"{text}#{overrides}"


def signed_text(url: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """The address followed by each field's name and value, sorted; equal pairs count once, empty values count."""
    pairs = sorted(set(fields))
    return (url + "".join(name + value for name, value in pairs)).encode("utf-8", "surrogatepass")


def sign(secret: str, url: str, fields: Sequence[tuple[str, str]], algorithm: str = "sha1") -> str:
    """The signature that Twilio sends for these fields; `algorithm` is sha1 (auth token) or sha256 (shared key)."""
    return hmac_base64(secret, signed_text(url, fields), algorithm)


def _body_is_signed(inbound: Inbound) -> bool:
    """Whether the address, which is signed, carries the SHA-256 of the body."""
    try:
        query = parse_qsl(urlsplit(inbound.url).query, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return False
    given = [value for name, value in query if name == "bodySHA256"]
    digest = hashlib.sha256(inbound.body).hexdigest()
    return len(given) == 1 and same(digest, given[0].lower())


def verify(settings: Twilio, inbound: Inbound, now: datetime) -> Verdict:
    """Judge a delivery by the pinned scheme. There is no time in the signature, so nothing ever expires.

    The header that names an algorithm is not signed, so it decides nothing. A body that is not a form counts only when
    the signed address carries its hash. Source: Twilio, webhooks security, and its SDKs' request validators.
    """
    given = inbound.header(SIGNATURE_HEADER)
    if not given:
        return Verdict.UNSIGNED
    fields: list[tuple[str, str]] = []
    if is_form(inbound):
        try:
            fields = parse_form(inbound.body)
        except InvalidMessage:
            return Verdict.FORGED
    elif not _body_is_signed(inbound):
        return Verdict.FORGED
    overrides = urlsplit(settings.callback_url or "").fragment
    genuine = False
    for url in addresses(inbound.url, overrides):
        text = signed_text(url, fields)
        if settings.webhook_signing != "shared_key":
            genuine |= verify_any(settings.signing_tokens, text, given, "sha1") is Verdict.OK
        if settings.webhook_signing != "auth_token":
            genuine |= verify_any(settings.webhook_shared_keys, text, given, "sha256") is Verdict.OK
    return Verdict.OK if genuine else Verdict.FORGED
