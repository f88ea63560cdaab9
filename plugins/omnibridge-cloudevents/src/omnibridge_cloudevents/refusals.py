"""What a receiver's refusals mean, in words."""

from __future__ import annotations

from omnibridge.connector import Response
from omnibridge.errors import Permanent

__all__ = ["REFUSALS", "refused"]

REFUSALS = {
    404: ("there is nothing at the address", "correct url"),
    410: ("the receiver wants no more events at this address", "remove the channel or give it a new url"),
    413: ("the receiver finds the event too large", "leave large events out by the route's filter"),
    415: ("the receiver does not understand this form of an event", "set mode to the other one"),
}


def refused(response: Response) -> Permanent:
    """The error for an answer that refuses for good."""
    status = response.status
    if 300 <= status < 400:
        what, remedy = "the receiver redirects, which a webhook sender does not follow", "set url to where it points"
    else:
        what, remedy = REFUSALS.get(status, ("the receiver refuses the event", "see what it answered"))
    said = "".join(sign if sign.isprintable() else " " for sign in response.text[:200]).strip()
    return Permanent(f"{what}: {status} {said}".rstrip(), code=str(status), remedy=remedy)
