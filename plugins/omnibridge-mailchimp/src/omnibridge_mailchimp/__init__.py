"""The OmniBridge connector for Mailchimp audiences."""

from collections.abc import Sequence

from omnibridge.connector import AnyConnector, hookimpl
from omnibridge_mailchimp.connector import CONNECTOR
from omnibridge_mailchimp.settings import MailchimpSettings

__all__ = ["CONNECTOR", "MailchimpSettings", "omnibridge_connectors"]


@hookimpl
def omnibridge_connectors() -> Sequence[AnyConnector]:
    """The one connector of this package."""
    return [CONNECTOR]
