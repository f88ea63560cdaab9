"""The conformance kit: what every connector must do, tried on yours, with nothing to write but examples."""

from omnibridge.testing.conformance.catalogue import CHECKS, checks_of, examples
from omnibridge.testing.conformance.check import Check, End, Result, Tier, run_check
from omnibridge.testing.conformance.given import Answer, AnyConformance, Arrival, Conformance, Waiver, Write
from omnibridge.testing.conformance.record import Known, known_tier, write_record
from omnibridge.testing.conformance.subject import Subject

__all__ = [
    "CHECKS",
    "Answer",
    "AnyConformance",
    "Arrival",
    "Check",
    "Conformance",
    "End",
    "Known",
    "Result",
    "Subject",
    "Tier",
    "Waiver",
    "Write",
    "checks_of",
    "examples",
    "known_tier",
    "run_check",
    "write_record",
]
