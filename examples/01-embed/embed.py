"""A bridge inside a script: an event is stored, handled, and still there after the process has ended."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio

from omnibridge import Bridge, Event
from omnibridge.model import Message

CONFIG = """
[bridge]
tenant = "acme"
"""


async def main(folder: Path) -> None:
    """Publish the same event twice; it is handled once."""
    path = folder / "bridge.toml"
    path.write_text(CONFIG, "utf-8")
    bridge = Bridge(path)

    @bridge.handler("message.received")
    async def greet(message: Message, event: Event) -> None:
        print(f"{message.sender} wrote: {message.body}")

    async with bridge:
        said = {"direction": "inbound", "medium": "sms", "sender": "+4533123456", "body": "Hello", "state": "received"}
        event = bridge.event("message.received", said, id="message-1")
        print("stored:", await bridge.publish(event))
        print("stored again:", await bridge.publish(event))
        await bridge.idle()

    async with Bridge(path) as again:
        print("kept:", [stored.event.name for stored in await again.journal.events()])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        anyio.run(main, Path(temporary))
