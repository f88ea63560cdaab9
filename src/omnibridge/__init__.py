"""OmniBridge: connect a company's channels through one canonical model instead of many point-to-point scripts."""

from omnibridge.bridge import Bridge
from omnibridge.config import Config
from omnibridge.connector import Connector, Settings, Snapshot, deliver, hookimpl
from omnibridge.errors import (
    Ambiguous,
    AuthExpired,
    ConfigError,
    InvalidMessage,
    OmniBridgeError,
    Permanent,
    Retryable,
    StorageError,
)
from omnibridge.event import Event
from omnibridge.model import SendMessage

__all__ = [
    "Ambiguous",
    "AuthExpired",
    "Bridge",
    "Config",
    "ConfigError",
    "Connector",
    "Event",
    "InvalidMessage",
    "OmniBridgeError",
    "Permanent",
    "Retryable",
    "SendMessage",
    "Settings",
    "Snapshot",
    "StorageError",
    "deliver",
    "hookimpl",
]
