"""The author's loop: a package at work in a process of its own, replaced whenever one of its files changes."""

from omnibridge.testing.dev.differences import differences, places
from omnibridge.testing.dev.inbox import Inbox
from omnibridge.testing.dev.letters import Letter
from omnibridge.testing.dev.loop import Again, Loop, Told
from omnibridge.testing.dev.package import entry_points_of
from omnibridge.testing.dev.replay import How, Judged, record, replay
from omnibridge.testing.dev.trace import Began, Fixture, Problem, Trace
from omnibridge.testing.dev.watch import Watch
from omnibridge.testing.dev.worker import WorkerArguments

__all__ = [
    "Again",
    "Began",
    "Fixture",
    "How",
    "Inbox",
    "Judged",
    "Letter",
    "Loop",
    "Problem",
    "Told",
    "Trace",
    "Watch",
    "WorkerArguments",
    "differences",
    "entry_points_of",
    "places",
    "record",
    "replay",
]
