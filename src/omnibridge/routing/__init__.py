"""Content-based routing: filters over attributes, routes, and the router that finds them."""

from omnibridge.routing.explain import Clause, Explanation, describe, explain
from omnibridge.routing.filters import (
    All,
    Any_,
    Attributes,
    Exact,
    Filter,
    Not,
    Prefix,
    Suffix,
    parse_filter,
    type_filter,
    type_prefix,
)
from omnibridge.routing.route import MAX_HOPS, Route
from omnibridge.routing.router import Router, Target

__all__ = [
    "MAX_HOPS",
    "All",
    "Any_",
    "Attributes",
    "Clause",
    "Exact",
    "Explanation",
    "Filter",
    "Not",
    "Prefix",
    "Route",
    "Router",
    "Suffix",
    "Target",
    "describe",
    "explain",
    "parse_filter",
    "type_filter",
    "type_prefix",
]
