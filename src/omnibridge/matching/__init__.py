"""What channels must agree on once before an order can pass: locations, variants, taxes, price lists, tenders."""

from omnibridge.matching.matching import KINDS, Accepted, Matching
from omnibridge.matching.unmatched import Offer, Unmatched, clear

__all__ = ["KINDS", "Accepted", "Matching", "Offer", "Unmatched", "clear"]
