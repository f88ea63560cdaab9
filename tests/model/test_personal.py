"""Every field that can hold what is about a person says what it is kept for, or is named here as impersonal."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from datetime import date
from enum import Enum

import pytest
from pydantic import BaseModel

from omnibridge.model import COMMANDS, ENTITIES, PERSONAL, PrivacyRequest, Ref, without_person
from omnibridge.model.base import Entity
from omnibridge.model.examples import example

# Text that is about goods, money, places of the company, or a system's own words.
IMPERSONAL = {
    "Entity": {"id"},
    "Order": {"number", "status_raw", "payment_status_raw", "fulfilment_status_raw", "currency", "sales_channel",
              "cancel_reason", "placed_at", "updated_at", "cancelled_at", "closed_at"},
    "Cart": {"number", "currency", "created_at", "updated_at", "completed_at"},
    "OrderLine": {"external_id", "title", "sku", "unit"},
    "TaxLine": {"title"},
    "Discount": {"title"},
    "ShippingLine": {"title", "code"},
    "Discrepancy": {"rule"},
    "Money": {"currency"},
    "Customer": {"created_at", "updated_at"},
    "ContactPoint": {"medium"},
    "Consent": {"changed_at"},
    "Proof": {"at"},
    "Message": {"state_raw", "error_code", "sent_at", "updated_at"},
    "Media": {"content_type"},
    "Call": {"state_raw", "started_at", "ended_at", "updated_at"},
    "PlaceCall": {"language"},
    "Touch": {"kind_raw", "campaign", "campaign_title", "at"},
    "SendMessage": {"template"},
    "PrivacyRequest": {"due"},
    "Fulfilment": {"state_raw", "carrier", "pickup_at", "created_at", "updated_at"},
    "FulfilmentLine": {"line_external_id", "sku"},
    "Payment": {"method_raw", "state_raw", "gateway", "created_at", "updated_at"},
    "Return": {"state_raw", "created_at", "updated_at"},
    "ReturnLine": {"line_external_id", "sku"},
    "Refund": {"state_raw", "created_at", "updated_at"},
    "LoyaltyAccount": {"program", "enrolled_at", "created_at", "updated_at"},
    "LoyaltyEntry": {"id", "kind_raw", "source", "at"},
    "PointsDiscrepancy": {"rule"},
    "GiftCard": {"state_raw", "expires_at", "created_at", "updated_at"},
    "GiftCardActivity": {"id", "kind_raw", "at"},
}  # fmt: skip
ABOUT_NOBODY = {"product", "inventory", "location"}


def models() -> Iterator[type[BaseModel]]:
    """Every model that data about a person can be made of."""
    waiting: list[type[BaseModel]] = [model for kind, model in ENTITIES.items() if kind not in ABOUT_NOBODY]
    waiting += [*COMMANDS.values(), PrivacyRequest]
    seen: set[type[BaseModel]] = set()
    while waiting:
        model = waiting.pop()
        if model not in seen and model is not Ref:
            seen.add(model)
            yield model
            waiting += [part for field in model.model_fields.values() for part in inside(field.annotation)]


def inside(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from inside(part)


def textual(annotation: object) -> bool:
    """Whether a value of this type can hold free text, a date or a reference, itself and not in a model of its own."""
    if annotation is Ref:
        return True
    if isinstance(annotation, type):
        if issubclass(annotation, (Enum, BaseModel)):
            return False
        if issubclass(annotation, (str, date, dict)):
            return True
    if typing.get_origin(annotation) is dict:
        return True
    return any(textual(part) for part in typing.get_args(annotation) if part is not types.NoneType)


COMPANYS = {"location", "product", "variant", "order", "payment"}
"""References to what is about nobody, or is stripped itself."""


EVERY = {model.__name__: model for model in models()}


@pytest.mark.parametrize("model", [EVERY[name] for name in sorted(EVERY)], ids=sorted(EVERY))
def test_every_field_names_its_purpose_or_is_impersonal(model):
    marked = {name for base in model.__mro__ if base in PERSONAL for name in PERSONAL[base]}
    plain = {name for base in model.__mro__ for name in IMPERSONAL.get(base.__name__, ())} | COMPANYS
    held = {name for name, field in model.model_fields.items() if textual(field.annotation)}
    assert held - marked - plain == set(), "say in model/personal.py what it is kept for, or here that it is impersonal"
    assert marked <= set(model.model_fields), "a field that is no more"


def test_the_walk_sees_what_it_should():
    assert {model.__name__ for model in models()} >= {"Customer", "Address", "Order", "OrderLine", "Proof", "Media"}
    assert textual(str | None)
    assert textual(dict[str, str])
    assert not textual(bool | None)


@pytest.mark.parametrize("kind", ["order", "fulfilment", "payment", "return", "refund", "loyalty", "giftcard"])
def test_what_is_left_is_still_one_of_its_kind(kind):
    data = example({"order": "order.placed", "return": "return.requested"}.get(kind, f"{kind}.created"))
    left = without_person(kind, data)
    assert left is not None
    ENTITIES[kind].model_validate(left)
    assert not set(left) & {*PERSONAL[Entity], *PERSONAL.get(ENTITIES[kind], {})}


@pytest.mark.parametrize("kind", ["customer", "consent", "message", "unheard of"])
def test_nothing_is_left_of_what_is_only_the_person(kind):
    assert without_person(kind, {"given_name": "Ann"}) is None
