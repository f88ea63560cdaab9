"""The list: every check there is, in the order in which they are tried."""

from __future__ import annotations

from pathlib import Path

from omnibridge.errors import ConfigError
from omnibridge.testing.conformance.answer_checks import ANSWER_CHECKS
from omnibridge.testing.conformance.channel_checks import CHANNEL_CHECKS
from omnibridge.testing.conformance.check import Check, Tier
from omnibridge.testing.conformance.company_checks import COMPANY_CHECKS
from omnibridge.testing.conformance.departure_checks import DEPARTURE_CHECKS
from omnibridge.testing.conformance.diagnostic_checks import DIAGNOSTIC_CHECKS
from omnibridge.testing.conformance.document_checks import DOCUMENT_CHECKS
from omnibridge.testing.conformance.exactness_checks import EXACTNESS_CHECKS
from omnibridge.testing.conformance.given import AnyConformance, read_examples
from omnibridge.testing.conformance.identity_checks import IDENTITY_CHECKS
from omnibridge.testing.conformance.inbound_checks import INBOUND_CHECKS
from omnibridge.testing.conformance.outbound_checks import OUTBOUND_CHECKS
from omnibridge.testing.conformance.package_checks import PACKAGE_CHECKS
from omnibridge.testing.conformance.poll_checks import POLL_CHECKS
from omnibridge.testing.conformance.settings_checks import SETTINGS_CHECKS
from omnibridge.testing.conformance.type_checks import TYPE_CHECKS
from omnibridge.testing.conformance.wire_checks import RELEASE_CHECKS, WIRE_CHECKS
from omnibridge.testing.conformance.write_checks import WRITE_CHECKS

__all__ = ["CHECKS", "checks_of", "examples"]

CHECKS: tuple[Check, ...] = (
    *(PACKAGE_CHECKS + TYPE_CHECKS + SETTINGS_CHECKS),
    *(INBOUND_CHECKS + WIRE_CHECKS + OUTBOUND_CHECKS + DIAGNOSTIC_CHECKS),
    *(IDENTITY_CHECKS + ANSWER_CHECKS + POLL_CHECKS + WRITE_CHECKS + COMPANY_CHECKS + CHANNEL_CHECKS),
    *(EXACTNESS_CHECKS + DEPARTURE_CHECKS + RELEASE_CHECKS + DOCUMENT_CHECKS),
)


def checks_of(tier: Tier) -> tuple[Check, ...]:
    """The checks of a tier and of those before it."""
    return tuple(check for check in CHECKS if check.tier in tier.includes)


def examples(file: Path) -> list[AnyConformance]:
    """What `conformance.py` gives: CONFORMANCE, one or several.

    Raises ConfigError when it gives none, or when it excuses or waives what no check asks for.
    """
    given = read_examples(file)
    known = {check.id for check in CHECKS}
    excusable = {check.id for check in CHECKS if check.excusable}
    for one in given:
        waived = [waiver.check for waiver in one.waivers]
        wrong = [
            *(f"waivers name {name!r}, which is no check" for name in waived if name not in known),
            *(f"two waivers name {name!r}" for name in {name for name in waived if waived.count(name) > 1}),
            *(f"`without` names {name!r}, which asks for nothing" for name in one.without if name not in excusable),
        ]
        if wrong:
            raise ConfigError("; ".join(wrong), where=f"{file}: {one.connector}", remedy="see docs/reference/checks.md")
    return given
