"""Ingress: what comes in over HTTP is verified, stored and synced before anybody is told yes."""

from omnibridge.ingress.asgi import IngressApp, Limits
from omnibridge.ingress.ingress import EVENTS_CHANNEL, Forgeries, Ingress

__all__ = ["EVENTS_CHANNEL", "Forgeries", "Ingress", "IngressApp", "Limits"]
