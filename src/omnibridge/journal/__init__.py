"""The journal: the durable truth of inbox, events, outbox and references, behind one protocol."""

from omnibridge.journal.protocol import Conflict, Journal
from omnibridge.journal.rows import (
    Accepted,
    Attempt,
    Claimed,
    Counts,
    DeliveryRow,
    DeliveryState,
    EntityKey,
    EntityWrite,
    InboxRow,
    InboxState,
    Known,
    NewDelivery,
    NewInbox,
    Origin,
    Processed,
    ReferenceWrite,
    Retention,
    Settled,
    ShadowWrite,
    Step,
    StoredEvent,
    Task,
)
from omnibridge.journal.seal import ClearSeal, KeyringSeal, Seal
from omnibridge.journal.sqlite import SqliteJournal, open_journal
from omnibridge.journal.sqlite_copy import restore
from omnibridge.journal.sqlite_file import sqlite_version
from omnibridge.journal.sqlite_schema import VERSION as SCHEMA_VERSION

__all__ = [
    "SCHEMA_VERSION",
    "Accepted",
    "Attempt",
    "Claimed",
    "ClearSeal",
    "Conflict",
    "Counts",
    "DeliveryRow",
    "DeliveryState",
    "EntityKey",
    "EntityWrite",
    "InboxRow",
    "InboxState",
    "Journal",
    "KeyringSeal",
    "Known",
    "NewDelivery",
    "NewInbox",
    "Origin",
    "Processed",
    "ReferenceWrite",
    "Retention",
    "Seal",
    "Settled",
    "ShadowWrite",
    "SqliteJournal",
    "Step",
    "StoredEvent",
    "Task",
    "open_journal",
    "restore",
    "sqlite_version",
]
