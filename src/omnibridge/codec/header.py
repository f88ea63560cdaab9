"""One attribute's value in one HTTP header: percent-encoded on the way out, unquoted and decoded once on the way in."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from omnibridge.errors import CodecError
from omnibridge.event import AttributeValue

__all__ = ["decode", "decode_raw", "encode", "encode_raw"]

_encoded = re.compile("[^!#$&-~]+").search
_ENCODED = re.compile("[^!#$&-~]+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_INCOMPLETE = re.compile("%(?![0-9A-Fa-f]{2})")


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def _text(value: AttributeValue) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    return str(value)


def encode(value: AttributeValue) -> str:
    """The header value of an attribute, in U+0021-7E (HTTP protocol binding, section 3.1.3.2)."""
    text = value if type(value) is str else _text(value)
    return _ENCODED.sub(_percent, text) if _encoded(text) else text


def encode_raw(value: AttributeValue) -> str:
    """The header value for a peer that decodes nothing: its UTF-8 bytes, each as one character."""
    text = value if type(value) is str else _text(value)
    return text if text.isascii() else text.encode().decode("latin-1")


def decode(value: str, where: str) -> str:
    """The attribute's text: quotes taken off, percent-decoded once. Raises CodecError, with `where` as its place."""
    if value[:1] == '"':
        if len(value) < 2 or value[-1] != '"':
            raise CodecError("a quoted value does not end", where=where)
        value = _ESCAPE.sub(r"\1", value[1:-1])
    if not value.isascii():
        raise CodecError(
            "characters beyond ASCII must be percent-encoded in a header",
            where=where,
            remedy="switch raw headers on for a peer that does not encode",
        )
    if "%" not in value:
        return value
    if _INCOMPLETE.search(value):
        raise CodecError(
            "'%' must be followed by two hexadecimal digits",
            where=where,
            remedy="switch raw headers on for a peer that does not encode",
        )
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise CodecError("percent-encoded bytes are not UTF-8", where=where) from None


def decode_raw(value: str, where: str) -> str:
    """The attribute's text from a peer that encodes nothing: UTF-8 where the bytes are, else as they came."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value
