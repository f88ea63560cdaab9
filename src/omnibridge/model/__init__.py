"""The canonical model: what customers, orders, stock and messages are, whichever system they live in."""

from omnibridge.model.base import Entity, Instant, Model, Ref
from omnibridge.model.call import Call, CallState, PlaceCall
from omnibridge.model.cart import Cart, CartState
from omnibridge.model.catalogue import (
    COMMANDS,
    ENTITIES,
    PREFIX,
    EventType,
    catalogue,
    entity_class,
    full_type,
    lookup,
    short_type,
)
from omnibridge.model.conflict import Conflict
from omnibridge.model.consent import Basis, Consent, ConsentState, Medium, Proof, Purpose, consent_key
from omnibridge.model.contact import (
    Address,
    ContactPoint,
    Email,
    Phone,
    country_zones,
    email_or_none,
    phone_or_none,
    phone_zones,
)
from omnibridge.model.customer import Customer
from omnibridge.model.erasure import EraseCustomer
from omnibridge.model.fulfilment import Fulfilment, FulfilmentLine, FulfilmentMethod, FulfilmentState
from omnibridge.model.gift_card import GiftCard, GiftCardAct, GiftCardActivity, GiftCardState
from omnibridge.model.identity import canonical_id, event_id
from omnibridge.model.inventory import InventoryLevel
from omnibridge.model.location import Location
from omnibridge.model.loyalty import LoyaltyAccount, LoyaltyEntry, LoyaltyKind, PointsDiscrepancy
from omnibridge.model.matching import WORDS, named_in, rate_word
from omnibridge.model.message import Command, Direction, Media, Message, MessageState, SendMessage
from omnibridge.model.money import Amount, Currency, Money, Quantity, decimal_text, minor_digits
from omnibridge.model.order import (
    Discount,
    Discrepancy,
    FulfilmentStatus,
    Order,
    OrderLine,
    OrderStatus,
    OrderTotals,
    PaymentStatus,
    ShippingLine,
    TaxLine,
)
from omnibridge.model.payment import Payment, PaymentMethod, PaymentState
from omnibridge.model.personal import PERSONAL, WHOLLY, without_person
from omnibridge.model.points import AdjustPoints
from omnibridge.model.privacy_request import PrivacyRequest
from omnibridge.model.product import Price, Product, ProductStatus, Variant
from omnibridge.model.returns import Refund, RefundState, Return, ReturnLine, ReturnState
from omnibridge.model.touch import Touch, TouchKind

__all__ = [
    "COMMANDS",
    "ENTITIES",
    "PERSONAL",
    "PREFIX",
    "WHOLLY",
    "WORDS",
    "Address",
    "AdjustPoints",
    "Amount",
    "Basis",
    "Call",
    "CallState",
    "Cart",
    "CartState",
    "Command",
    "Conflict",
    "Consent",
    "ConsentState",
    "ContactPoint",
    "Currency",
    "Customer",
    "Direction",
    "Discount",
    "Discrepancy",
    "Email",
    "Entity",
    "EraseCustomer",
    "EventType",
    "Fulfilment",
    "FulfilmentLine",
    "FulfilmentMethod",
    "FulfilmentState",
    "FulfilmentStatus",
    "GiftCard",
    "GiftCardAct",
    "GiftCardActivity",
    "GiftCardState",
    "Instant",
    "InventoryLevel",
    "Location",
    "LoyaltyAccount",
    "LoyaltyEntry",
    "LoyaltyKind",
    "Media",
    "Medium",
    "Message",
    "MessageState",
    "Model",
    "Money",
    "Order",
    "OrderLine",
    "OrderStatus",
    "OrderTotals",
    "Payment",
    "PaymentMethod",
    "PaymentState",
    "PaymentStatus",
    "Phone",
    "PlaceCall",
    "PointsDiscrepancy",
    "Price",
    "PrivacyRequest",
    "Product",
    "ProductStatus",
    "Proof",
    "Purpose",
    "Quantity",
    "Ref",
    "Refund",
    "RefundState",
    "Return",
    "ReturnLine",
    "ReturnState",
    "SendMessage",
    "ShippingLine",
    "TaxLine",
    "Touch",
    "TouchKind",
    "Variant",
    "canonical_id",
    "catalogue",
    "consent_key",
    "country_zones",
    "decimal_text",
    "email_or_none",
    "entity_class",
    "event_id",
    "full_type",
    "lookup",
    "minor_digits",
    "named_in",
    "phone_or_none",
    "phone_zones",
    "rate_word",
    "short_type",
    "without_person",
]
