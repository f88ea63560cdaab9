"""What Twilio is told to do with a call, in TwiML: read a text out, put somebody through, or turn the call away."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

__all__ = ["EMPTY", "TYPE", "spoken", "turned_away"]

TYPE = "text/xml"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
EMPTY = f"{_HEAD}<Response/>"
"""TwiML that does nothing; an incoming call that gets it is answered and hung up."""


def spoken(say: str | None, language: str | None, connect: str | None) -> str:
    """Read `say` out, then put `connect` (a number) through. Source: Twilio, TwiML Voice: <Say>, <Dial>."""
    parts: list[str] = []
    if say:
        tongue = f" language={quoteattr(language)}" if language else ""
        parts.append(f"<Say{tongue}>{escape(say)}</Say>")
    if connect:
        parts.append(f"<Dial>{escape(connect)}</Dial>")
    return f"{_HEAD}<Response>{''.join(parts)}</Response>"


def turned_away() -> str:
    """A busy signal: the only answer for which Twilio does not pick up. Source: Twilio, TwiML Voice: <Reject>."""
    return f'{_HEAD}<Response><Reject reason="busy"/></Response>'
