"""The list: every check there is, in the order in which they are tried."""

from __future__ import annotations

from omnibridge.testing.conformance.answer_checks import ANSWER_CHECKS
from omnibridge.testing.conformance.channel_checks import CHANNEL_CHECKS
from omnibridge.testing.conformance.check import Check, Tier
from omnibridge.testing.conformance.identity_checks import IDENTITY_CHECKS
from omnibridge.testing.conformance.inbound_checks import INBOUND_CHECKS
from omnibridge.testing.conformance.outbound_checks import OUTBOUND_CHECKS
from omnibridge.testing.conformance.package_checks import PACKAGE_CHECKS
from omnibridge.testing.conformance.poll_checks import POLL_CHECKS
from omnibridge.testing.conformance.settings_checks import SETTINGS_CHECKS
from omnibridge.testing.conformance.write_checks import WRITE_CHECKS

__all__ = ["CHECKS", "checks_of"]

CHECKS: tuple[Check, ...] = (
    *(PACKAGE_CHECKS + SETTINGS_CHECKS + INBOUND_CHECKS + OUTBOUND_CHECKS),
    *(IDENTITY_CHECKS + ANSWER_CHECKS + POLL_CHECKS + WRITE_CHECKS + CHANNEL_CHECKS),
)


def checks_of(tier: Tier) -> tuple[Check, ...]:
    """The checks of a tier and of those before it."""
    return tuple(check for check in CHECKS if check.tier in tier.includes)
