"""One customer: who is whom, and the consent gate."""

from omnibridge.customer.customers import Customers
from omnibridge.customer.gate import ConsentGate

__all__ = ["ConsentGate", "Customers"]
