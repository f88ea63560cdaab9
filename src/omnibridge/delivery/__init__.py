"""Delivery: lanes side by side, each request throttled, keyed, retried by class, never blindly repeated."""

from omnibridge.delivery.credentials import Credentials
from omnibridge.delivery.exchange import Exchange, Vendor
from omnibridge.delivery.flights import Flights
from omnibridge.delivery.keys import delivery_key, step_key, task_key
from omnibridge.delivery.probe import probe_all, terms_of
from omnibridge.delivery.scope import Scopes
from omnibridge.delivery.sender import Sender
from omnibridge.delivery.tasks import Gate, Tasks, recurring_tasks
from omnibridge.delivery.vendor import vendor_of
from omnibridge.delivery.wire import Wire, make_wire
from omnibridge.delivery.worker import Worker

__all__ = [
    "Credentials",
    "Exchange",
    "Flights",
    "Gate",
    "Scopes",
    "Sender",
    "Tasks",
    "Vendor",
    "Wire",
    "Worker",
    "delivery_key",
    "make_wire",
    "probe_all",
    "recurring_tasks",
    "step_key",
    "task_key",
    "terms_of",
    "vendor_of",
]
