"""The kit for authors and integrators: exchanges without a network, time in your hand, an in-memory bridge."""

from omnibridge.testing.drive import Drive, Driven, drive

__all__ = ["Drive", "Driven", "drive"]
