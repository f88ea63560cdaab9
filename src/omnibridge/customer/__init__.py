"""One customer: who is whom, the consent gate, and the ledger of what was allowed."""

from omnibridge.customer.context import Card, card
from omnibridge.customer.customers import Customers, readable_key
from omnibridge.customer.deciding import Blocked, Deciding
from omnibridge.customer.facts import Seen, introduced
from omnibridge.customer.gate import Cap, ConsentGate, ConsentRules
from omnibridge.customer.hours import QuietHours, zone_or_none
from omnibridge.customer.identity import Rules
from omnibridge.customer.ledger import Decision, Notice, Permission, permissions
from omnibridge.customer.resolver import Resolver, Stages
from omnibridge.customer.threads import Speaker, Threads, listen

__all__ = [
    "Blocked",
    "Cap",
    "Card",
    "ConsentGate",
    "ConsentRules",
    "Customers",
    "Deciding",
    "Decision",
    "Notice",
    "Permission",
    "QuietHours",
    "Resolver",
    "Rules",
    "Seen",
    "Speaker",
    "Stages",
    "Threads",
    "card",
    "introduced",
    "listen",
    "permissions",
    "readable_key",
    "zone_or_none",
]
