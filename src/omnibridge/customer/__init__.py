"""One customer: the consent gate."""

from omnibridge.customer.gate import ConsentGate

__all__ = ["ConsentGate"]
