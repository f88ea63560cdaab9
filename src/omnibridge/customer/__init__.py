"""One customer: who is whom, the consent gate, and the ledger of what was allowed."""

from omnibridge.customer.customers import Customers
from omnibridge.customer.gate import ConsentGate
from omnibridge.customer.ledger import Decision, Notice, Permission, permissions

__all__ = ["ConsentGate", "Customers", "Decision", "Notice", "Permission", "permissions"]
