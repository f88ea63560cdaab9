"""The daemon: the bridge behind an HTTP server, with health, metrics, structured logs and an orderly stop."""

from omnibridge.daemon.app import DaemonApp
from omnibridge.daemon.logs import configure_logs
from omnibridge.daemon.server import run

__all__ = ["DaemonApp", "configure_logs", "run"]
