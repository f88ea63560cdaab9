"""The webhook bodies that tell less than a record: consents, tags, edits, deletions, personal data requests."""

from __future__ import annotations

from typing import Required

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from omnibridge_shopify.wire import ConsentIn, Id, Text

__all__ = [
    "COMPLIANCE",
    "CONSENT",
    "GONE",
    "ORDER_EDIT",
    "RETURN",
    "TAGS",
    "ComplianceIn",
    "ConsentUpdateIn",
    "DataRequestIn",
    "EditIn",
    "GoneIn",
    "OrderEditIn",
    "ReturnNoticeIn",
    "SubjectIn",
    "TagsIn",
]


class ConsentUpdateIn(TypedDict, total=False):
    """The body of both consent topics: the email one names the customer `customer_id`, the other `id`."""

    id: Id
    customer_id: Id
    email_address: Text
    phone: Text
    email_marketing_consent: ConsentIn | None
    sms_marketing_consent: ConsentIn | None


class TagsIn(TypedDict, total=False):
    """Tags that came or went, without those that stayed."""

    customerId: Required[str | Id]


class GoneIn(TypedDict, total=False):
    """What is left of a deleted record."""

    id: Required[Id]


class ReturnNoticeIn(TypedDict, total=False):
    """What the return topics have in common: which return it is. `returns/update` tells differences beside it."""

    id: Id | None
    admin_graphql_api_id: Text


class EditIn(TypedDict, total=False):
    """An edit of an order."""

    order_id: Required[Id]


class OrderEditIn(TypedDict, total=False):
    """The body of `orders/edited`: what changed, not what the order is now."""

    order_edit: Required[EditIn]


class SubjectIn(TypedDict, total=False):
    """Whom a request about personal data concerns."""

    id: Id | None
    email: Text
    phone: Text


class DataRequestIn(TypedDict, total=False):
    """The number of a request."""

    id: Id


class ComplianceIn(TypedDict, total=False):
    """The bodies of the mandatory compliance topics."""

    shop_id: Id | None
    shop_domain: Text
    customer: SubjectIn | None
    orders_requested: list[Id] | None
    orders_to_redact: list[Id] | None
    data_request: DataRequestIn | None


CONSENT = TypeAdapter(ConsentUpdateIn)
RETURN = TypeAdapter(ReturnNoticeIn)
TAGS = TypeAdapter(TagsIn)
GONE = TypeAdapter(GoneIn)
ORDER_EDIT = TypeAdapter(OrderEditIn)
COMPLIANCE = TypeAdapter(ComplianceIn)
