"""The kit for authors and integrators: exchanges without a network, time in your hand, an in-memory bridge."""

from omnibridge.testing.bridge import TestBridge
from omnibridge.testing.clock import ManualClock
from omnibridge.testing.drive import Drive, Driven, drive
from omnibridge.testing.ports import free_port
from omnibridge.testing.serve import SandboxServer, post, wait_until
from omnibridge.testing.transport import SandboxTransport

__all__ = [
    "Drive",
    "Driven",
    "ManualClock",
    "SandboxServer",
    "SandboxTransport",
    "TestBridge",
    "drive",
    "free_port",
    "post",
    "wait_until",
]
