"""A permission has one id in all channels: a second channel that tells of it finds what the first one told."""

from __future__ import annotations

from datetime import timedelta

from omnibridge.connector import Connector, Settings, Snapshot, dump_observations
from omnibridge.journal import InboxState, NewInbox, Origin
from omnibridge.model import Consent, ConsentState, Medium, Proof, consent_key
from omnibridge.testing import TestBridge

TOML = """
[channels.shop]
connector = "plain"
[channels.phone]
connector = "plain"
"""


async def test_two_channels_tell_of_one_permission():
    async with TestBridge(TOML, connectors=[Connector(name="plain", title="Plain", settings=Settings)]) as bridge:
        at = bridge.time.now()
        for place, (channel, state) in enumerate([("shop", ConsentState.DENIED), ("phone", ConsentState.WITHDRAWN)]):
            seen = Consent(
                contact="+4533123456",
                medium=Medium.SMS,
                state=state,
                proof=Proof(source=channel, at=at),
                changed_at=at + timedelta(minutes=place),
            )
            body = dump_observations([Snapshot(seen, consent_key(seen.contact, seen.medium))])
            await bridge.journal.accept(NewInbox(channel, Origin.READ, body, at))
            bridge.wake()
            await bridge.settle()
        assert [row.state for row in await bridge.journal.inbox()] == [InboxState.DONE] * 2
        events = [stored.event for stored in reversed(await bridge.journal.events())]
        assert [event.name for event in events] == ["consent.denied", "consent.withdrawn"]
        assert len({event.subject for event in events}) == 1
