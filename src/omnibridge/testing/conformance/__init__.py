"""The conformance kit: what every connector must do, tried on yours, with nothing to write but examples."""

from omnibridge.testing.conformance.catalogue import CHECKS, checks_of
from omnibridge.testing.conformance.check import Check, End, Result, Tier, run_check
from omnibridge.testing.conformance.given import Answer, AnyConformance, Arrival, Conformance, Write, examples
from omnibridge.testing.conformance.subject import Subject

__all__ = [
    "CHECKS",
    "Answer",
    "AnyConformance",
    "Arrival",
    "Check",
    "Conformance",
    "End",
    "Result",
    "Subject",
    "Tier",
    "Write",
    "checks_of",
    "examples",
    "run_check",
]
