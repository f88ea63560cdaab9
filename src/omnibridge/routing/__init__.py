"""Content-based routing: filters over attributes and data, routes, and the router that finds them."""

from omnibridge.routing.doubts import Doubt, doubts
from omnibridge.routing.explain import Clause, Explanation, Failure, History, explain, history
from omnibridge.routing.filters import (
    All,
    Any_,
    Attributes,
    Data,
    Exact,
    Filter,
    Not,
    Prefix,
    Sql,
    Suffix,
    describe,
    nested,
    sql,
    type_filter,
)
from omnibridge.routing.names import type_prefix
from omnibridge.routing.parse import parse_filter, parse_sql
from omnibridge.routing.possible import possible_channels, possible_types
from omnibridge.routing.route import MAX_HOPS, Route
from omnibridge.routing.router import Router, Target

__all__ = [
    "MAX_HOPS",
    "All",
    "Any_",
    "Attributes",
    "Clause",
    "Data",
    "Doubt",
    "Exact",
    "Explanation",
    "Failure",
    "Filter",
    "History",
    "Not",
    "Prefix",
    "Route",
    "Router",
    "Sql",
    "Suffix",
    "Target",
    "describe",
    "doubts",
    "explain",
    "history",
    "nested",
    "parse_filter",
    "parse_sql",
    "possible_channels",
    "possible_types",
    "sql",
    "type_filter",
    "type_prefix",
]
