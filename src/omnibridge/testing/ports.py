"""Ports of loopback that stay free until they are used."""

from __future__ import annotations

import secrets
import socket

__all__ = ["free_port"]

# Systems give out ports from 32768 (Linux) or 49152 up to whoever connects or listens without naming one. A port from
# there, found free and closed again, may be somebody else's a moment later, or be connected to itself.
_OURS = range(10_240, 32_768)
_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, and which the system gives to nobody by itself; never one twice.

    Raises OSError when a hundred of them are taken.
    """
    for _ in range(100):
        port = secrets.choice(_OURS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        if port not in _given:
            _given.add(port)
            return port
    raise OSError("no port of 127.0.0.1 is free")
