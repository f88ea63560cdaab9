"""The tables of the journal, the steps from one version of them to the next, and whose file this is."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from omnibridge.errors import SchemaError
from omnibridge.journal.sqlite_connection import Connection
from omnibridge.journal.sqlite_values import Row

__all__ = ["APPLICATION_ID", "MIGRATIONS", "VERSION", "check_ours", "migrate"]

APPLICATION_ID = 0x4F6D6E69  # "Omni"

# The inbox row never changes once it is there: what is still open stands in a narrow table of its own, so that
# settling a row of 8 KB does not write 8 KB again. Random keys cost a page each, so there are as few as possible:
# dedupe keys are 16 bytes, and a reference and a shadow of one key share a row.
_V1 = """
CREATE TABLE dedupe (hash BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE inbox (
    id INTEGER PRIMARY KEY, channel TEXT NOT NULL, origin TEXT NOT NULL, received INTEGER NOT NULL,
    meta BLOB NOT NULL, body BLOB NOT NULL);
CREATE INDEX inbox_channel ON inbox (channel);
CREATE TABLE inbox_open (
    id INTEGER PRIMARY KEY, channel TEXT NOT NULL, state TEXT NOT NULL, error TEXT);
CREATE INDEX inbox_pending ON inbox_open (id) WHERE state = 'pending';

CREATE TABLE known (
    channel TEXT NOT NULL, kind TEXT NOT NULL, external_id TEXT NOT NULL, id TEXT,
    rev INTEGER NOT NULL DEFAULT 0, version TEXT, deleted INTEGER NOT NULL DEFAULT 0, shadow BLOB,
    UNIQUE (channel, kind, external_id));
CREATE INDEX known_id ON known (id, kind) WHERE id IS NOT NULL;
CREATE TABLE entities (
    kind TEXT NOT NULL, id TEXT NOT NULL, rev INTEGER NOT NULL, content BLOB NOT NULL, UNIQUE (id, kind));

CREATE TABLE events (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, source TEXT NOT NULL, type TEXT NOT NULL, subject TEXT, time TEXT,
    datacontenttype TEXT, dataschema TEXT, extensions BLOB, channel TEXT NOT NULL, recorded INTEGER NOT NULL,
    inbox_id INTEGER, content BLOB, UNIQUE (id, source));
CREATE INDEX events_type ON events (type);
CREATE INDEX events_channel ON events (channel);
CREATE INDEX events_subject ON events (subject) WHERE subject IS NOT NULL;

CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, generation INTEGER NOT NULL DEFAULT 0, channel TEXT NOT NULL,
    task TEXT NOT NULL, operation TEXT NOT NULL, lane TEXT NOT NULL, place INTEGER NOT NULL, state TEXT NOT NULL,
    open INTEGER NOT NULL, priority INTEGER NOT NULL, due INTEGER NOT NULL, created INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, event INTEGER, collapse TEXT, route TEXT, on_poison TEXT NOT NULL,
    on_unknown TEXT NOT NULL, recurring INTEGER NOT NULL, payload BLOB, later BLOB,
    at INTEGER, outcome TEXT, seconds REAL, code TEXT, text TEXT);
CREATE INDEX deliveries_ready ON deliveries (channel, priority, due) WHERE state = 'ready';
CREATE INDEX deliveries_lane ON deliveries (channel, lane, place) WHERE open = 1;
CREATE INDEX deliveries_collapse ON deliveries (channel, lane, collapse) WHERE open = 1 AND collapse IS NOT NULL;
CREATE INDEX deliveries_event ON deliveries (event) WHERE event IS NOT NULL;
CREATE INDEX deliveries_channel ON deliveries (channel);

-- The last attempt stands in the delivery itself; one moves here when another follows.
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY, delivery INTEGER NOT NULL, at INTEGER NOT NULL, outcome TEXT NOT NULL,
    seconds REAL NOT NULL, code TEXT, text TEXT);
CREATE INDEX attempts_delivery ON attempts (delivery);
CREATE TABLE steps (
    id INTEGER PRIMARY KEY, delivery INTEGER NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL,
    key TEXT NOT NULL, request BLOB NOT NULL, response BLOB, UNIQUE (delivery, name, generation));

CREATE TABLE cursors (
    channel TEXT NOT NULL, name TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (channel, name)) WITHOUT ROWID;
CREATE TABLE credentials (channel TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE tally (
    what TEXT NOT NULL, channel TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (what, channel, state)) WITHOUT ROWID;
"""

# Operators ask for what went wrong, among millions of rows that did not.
_V2 = """
CREATE INDEX deliveries_trouble ON deliveries (state, channel)
    WHERE state IN ('dead', 'unknown', 'parked', 'refused');
CREATE INDEX inbox_invalid ON inbox_open (id) WHERE state = 'invalid';
"""

# Who is whom. `known.root` is the id that a reference got when it was first shown, null while that is `id` itself.
# Keys are hashes; `record` is the hash of a channel's id of a record. `identity_dirty` is what must be resolved again;
# `lane_moves` are lanes that join another one once their head has settled.
_V3 = """
ALTER TABLE known ADD COLUMN root TEXT;
CREATE INDEX known_root ON known (root, kind) WHERE root IS NOT NULL;
CREATE TABLE survivors (root TEXT PRIMARY KEY, survivor TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX survivors_survivor ON survivors (survivor);

CREATE TABLE identity_keys (
    hash BLOB NOT NULL, channel TEXT NOT NULL, record BLOB NOT NULL, field TEXT NOT NULL, kind TEXT NOT NULL,
    root TEXT NOT NULL, verified INTEGER NOT NULL, counts INTEGER NOT NULL,
    PRIMARY KEY (hash, channel, record, field)) WITHOUT ROWID;
CREATE INDEX identity_keys_record ON identity_keys (record, field);
CREATE INDEX identity_keys_root ON identity_keys (root);
CREATE TABLE identity_links (
    a TEXT NOT NULL, b TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (a, b, record)) WITHOUT ROWID;
CREATE INDEX identity_links_b ON identity_links (b);
CREATE INDEX identity_links_record ON identity_links (record);
CREATE TABLE identity_decisions (
    number INTEGER PRIMARY KEY, verb TEXT NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL, kind TEXT, hash BLOB,
    at INTEGER NOT NULL);
CREATE INDEX identity_decisions_a ON identity_decisions (a);
CREATE INDEX identity_decisions_b ON identity_decisions (b);
CREATE INDEX identity_decisions_hash ON identity_decisions (hash) WHERE hash IS NOT NULL;
CREATE TABLE identity_reviews (
    a TEXT NOT NULL, b TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (a, b, kind, reason)) WITHOUT ROWID;
CREATE INDEX identity_reviews_b ON identity_reviews (b);
CREATE TABLE identity_blocked (hash BLOB PRIMARY KEY, kind TEXT NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE identity_dirty (
    root TEXT NOT NULL, kind TEXT NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (root, hash)) WITHOUT ROWID;
CREATE TABLE identity_state (name TEXT PRIMARY KEY, value ANY NOT NULL) WITHOUT ROWID;
INSERT INTO identity_state VALUES ('rev', 0);
CREATE TABLE lane_moves (
    channel TEXT NOT NULL, lane TEXT NOT NULL, survivor TEXT NOT NULL, PRIMARY KEY (channel, lane)) WITHOUT ROWID;
"""

# Whom rows are about, and the number of the key that seals what is about them. What was stored before gets its party
# from the event's lane: there stands the customer, where one was known.
_V4 = """
CREATE TABLE parties (id TEXT PRIMARY KEY, key INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE inbox_party (party TEXT NOT NULL, inbox INTEGER NOT NULL, PRIMARY KEY (party, inbox)) WITHOUT ROWID;
CREATE INDEX inbox_party_inbox ON inbox_party (inbox);
CREATE TABLE keystore (mark BLOB NOT NULL);
ALTER TABLE events ADD COLUMN party TEXT;
ALTER TABLE entities ADD COLUMN party TEXT;
UPDATE events SET party = json_extract(CAST(extensions AS TEXT), '$.partitionkey')
    WHERE extensions IS NOT NULL AND type NOT GLOB 'io.omnibridge.product.*'
    AND type NOT GLOB 'io.omnibridge.inventory.*' AND type NOT GLOB 'io.omnibridge.location.*';
UPDATE entities SET party = id WHERE kind = 'customer';
UPDATE entities SET party = (SELECT party FROM events WHERE subject = entities.id AND party IS NOT NULL
    ORDER BY seq DESC LIMIT 1) WHERE party IS NULL AND kind NOT IN ('product', 'inventory', 'location');
CREATE INDEX events_party ON events (party) WHERE party IS NOT NULL;
CREATE INDEX entities_party ON entities (party, kind) WHERE party IS NOT NULL;
"""

# When a marketing message left for whom (a hash), for caps on how many one person gets; kept for some days.
_V5 = """
CREATE TABLE sendings (delivery INTEGER PRIMARY KEY, who BLOB NOT NULL, at INTEGER NOT NULL);
CREATE INDEX sendings_who ON sendings (who, at);
CREATE INDEX sendings_at ON sendings (at);
"""

# What other rules may change is looked at again when there is time.
_V6 = """
ALTER TABLE identity_dirty ADD COLUMN later INTEGER NOT NULL DEFAULT 0;
CREATE INDEX identity_dirty_now ON identity_dirty (root) WHERE later = 0;
"""

# Who shall be erased, and how far that is. `keys` are those that a shredding must still destroy.
_V7 = """
CREATE TABLE erasures (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, state TEXT NOT NULL, content BLOB, report TEXT NOT NULL, keys BLOB);
CREATE TABLE graves (n INTEGER NOT NULL);
"""

# Fields that two channels state differently, until an operator chose a side or the field has changed again.
_V8 = """
CREATE TABLE conflicts (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, entity TEXT NOT NULL, field TEXT NOT NULL, winner TEXT NOT NULL,
    loser TEXT NOT NULL, stamp INTEGER NOT NULL, at INTEGER NOT NULL, side TEXT,
    UNIQUE (kind, entity, field, loser));
CREATE INDEX conflicts_chosen ON conflicts (id) WHERE side IS NOT NULL;
"""

# A channel's id for a word of ours (a tax rate, a price list, a payment method), as an operator matched them.
_V9 = """
CREATE TABLE words (
    channel TEXT NOT NULL, kind TEXT NOT NULL, word TEXT NOT NULL, external_id TEXT NOT NULL,
    PRIMARY KEY (channel, kind, word)) WITHOUT ROWID;
"""

# What a channel calls a person: `known.external_id` is a digest from now on, and `named` the id, sealed. What is there
# already is renamed by who has the keys, when the file is opened next.
_V10 = """
ALTER TABLE known ADD COLUMN named BLOB;
INSERT INTO identity_state VALUES ('names in clear', 1);
"""

MIGRATIONS: Sequence[str] = (_V1, _V2, _V3, _V4, _V5, _V6, _V7, _V8, _V9, _V10)
"""The n-th brings a file of version n to version n + 1; a released one is never changed."""

VERSION = len(MIGRATIONS)


def check_ours(db: Connection, where: str) -> int:
    """The version of the tables in a file, 0 for an empty one. Raises SchemaError when it is not for us to touch."""
    try:
        found: Row = next(db.execute("SELECT count(*) FROM sqlite_schema"))
        application, version = int(db.pragma("application_id")), int(db.pragma("user_version"))
    except apsw.NotADBError:
        raise SchemaError(
            "the file is not an SQLite database", where=where, remedy="name another file for the journal"
        ) from None
    if application != APPLICATION_ID and (application or version or found[0]):
        raise SchemaError(
            "the file belongs to another application", where=where, remedy="name another file for the journal"
        )
    if version > VERSION:
        raise SchemaError(
            f"a newer OmniBridge wrote this journal (schema {version}, this one knows {VERSION})",
            where=where,
            remedy="start the newer version again, or restore a backup made before the upgrade",
        )
    return version


def migrate(db: Connection, version: int, *, to: int = VERSION) -> None:
    """Bring the tables from `version` to `to`, each step in one transaction."""
    for step in range(version, to):
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute(MIGRATIONS[step]).fetchall()
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {step + 1}").fetchall()
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
