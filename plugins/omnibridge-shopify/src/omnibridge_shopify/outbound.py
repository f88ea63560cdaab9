"""What the channel takes: customers, consents, products, stock levels, new orders, and what follows an order."""

from __future__ import annotations

from omnibridge.connector import Deliver, deliver
from omnibridge.model import Consent, Customer, Fulfilment, InventoryLevel, Order, Product, Refund, Return
from omnibridge_shopify.outbound_consents import normal_consent, set_consent
from omnibridge_shopify.outbound_customers import normal_customer, upsert_customer
from omnibridge_shopify.outbound_fulfilments import deliver_fulfilment, find_fulfilment
from omnibridge_shopify.outbound_orders import create_order, find_order
from omnibridge_shopify.outbound_products import deliver_product, normal_product
from omnibridge_shopify.outbound_refunds import create_refund
from omnibridge_shopify.outbound_returns import deliver_return, find_return
from omnibridge_shopify.outbound_stock import normal_level, set_level
from omnibridge_shopify.settings import Shopify

__all__ = ["DELIVERS"]

DELIVERS: tuple[Deliver[Shopify], ...] = (
    deliver(Customer, upsert_customer, normal=normal_customer),
    deliver(Consent, set_consent, normal=normal_consent),
    deliver(Product, deliver_product, normal=normal_product),
    deliver(InventoryLevel, set_level, normal=normal_level),
    deliver(Order, create_order, verbs=("placed",), find=find_order),
    deliver(Fulfilment, deliver_fulfilment, verbs=("completed", "updated", "cancelled"), find=find_fulfilment),
    deliver(Refund, create_refund, verbs=("created",)),
    deliver(Return, deliver_return, verbs=("requested", "updated", "received"), find=find_return),
)
