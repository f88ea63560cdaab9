"""What the vendored specification lacks is judged by the official client: its request and answer types, strictly.

The client itself takes any field; here a field that its types do not have, or a value of another kind, is an error.
"""

from __future__ import annotations

import re
import types
import typing
from typing import Any

from pydantic import BaseModel
from square.types.get_gift_card_response import GetGiftCardResponse
from square.types.get_loyalty_program_response import GetLoyaltyProgramResponse
from square.types.list_gift_card_activities_response import ListGiftCardActivitiesResponse
from square.types.list_gift_cards_response import ListGiftCardsResponse
from square.types.loyalty_event_query import LoyaltyEventQuery
from square.types.search_loyalty_events_response import SearchLoyaltyEventsResponse

from omnibridge.connector import Response, SandboxRequest

ANSWERS: dict[tuple[str, str], type[BaseModel]] = {
    ("POST", "/v2/loyalty/events/search"): SearchLoyaltyEventsResponse,
    ("GET", "/v2/loyalty/programs/[^/]+"): GetLoyaltyProgramResponse,
    ("GET", "/v2/gift-cards"): ListGiftCardsResponse,
    ("GET", "/v2/gift-cards/activities"): ListGiftCardActivitiesResponse,
    ("GET", "/v2/gift-cards/[^/]+"): GetGiftCardResponse,
}
"""Operations of the official client (square.loyalty, square.gift_cards) → the type of their answer."""
QUERIES = {
    "/v2/gift-cards": {"type", "state", "limit", "cursor", "customer_id"},
    "/v2/gift-cards/activities": {
        *("gift_card_id", "type", "location_id", "begin_time", "end_time", "limit", "cursor", "sort_order"),
    },
}
"""Parameters of the client's list functions."""


def judged(request: SandboxRequest, response: Response) -> bool:
    """Whether this operation is one of those; AssertionError where request or answer has what the client has not."""
    found = [
        name
        for (method, path), name in ANSWERS.items()
        if method == request.method and re.fullmatch(path, request.path)
    ]
    if not found:
        return False
    unknown = set(request.query) - QUERIES.get(request.path, set())
    assert not unknown, f"the client has no parameter {unknown}"
    if request.path.endswith("/events/search"):
        body = request.json()
        assert set(body) <= {"query", "limit", "cursor"}
        holds(LoyaltyEventQuery, body.get("query", {}), "query")
    if response.ok:
        holds(found[0], response.json(), "answer")
    return True


def holds(annotation: Any, value: Any, where: str) -> None:
    """AssertionError where a value is not of the client's type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        assert isinstance(value, dict), f"{where}: expected an object"
        fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
        assert set(value) <= set(fields), f"{where}: the client has no {set(value) - set(fields)}"
        for name, field in fields.items():
            assert name in value or not field.is_required(), f"{where}: no {name}"
            if name in value:
                holds(field.annotation, value[name], f"{where}.{name}")
        return
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (list, typing.List):  # noqa: UP006 - what the client's own annotations have
        assert isinstance(value, list), f"{where}: expected a list"
        for one in value:
            holds(arguments[0], one, f"{where}[]")
    elif origin in (typing.Union, types.UnionType):
        words = [word for one in arguments if typing.get_origin(one) is typing.Literal for word in typing.get_args(one)]
        if words:  # an open enumeration: the client allows any value, we send and expect none but its own
            assert value in words, f"{where}: {value!r} is none of {words}"
        else:
            [inner] = [one for one in arguments if one is not type(None)]
            holds(inner, value, where)
    elif isinstance(annotation, type):
        assert type(value) is annotation, f"{where}: expected {annotation.__name__}"
