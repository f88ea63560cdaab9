"""One customer: who is whom, the consent gate, and the ledger of what was allowed."""

from omnibridge.customer.context import Card, card
from omnibridge.customer.customers import Customers
from omnibridge.customer.gate import Cap, ConsentGate, ConsentRules
from omnibridge.customer.hours import QuietHours, zone_or_none
from omnibridge.customer.ledger import Decision, Notice, Permission, permissions

__all__ = [
    "Cap",
    "Card",
    "ConsentGate",
    "ConsentRules",
    "Customers",
    "Decision",
    "Notice",
    "Permission",
    "QuietHours",
    "card",
    "permissions",
    "zone_or_none",
]
