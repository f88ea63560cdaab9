"""A damaged file: whatever page cannot be read, who asks is answered, and the journal can be closed."""

from __future__ import annotations

import anyio
import pytest

from omnibridge.errors import StorageError

PAGE = 4096


@pytest.fixture
async def whole(opened, make, tmp_path):
    """A journal's file with something in every table that is read below."""
    async with opened() as journal:
        for number in range(40):
            name = str(number)
            await journal.accept(make.inbox(b"body" * 200, name))
            await journal.process(
                [
                    make.processed(
                        number + 1,
                        references=(make.reference(name, "o" + name),),
                        shadows=(make.shadow(name),),
                        entities=(make.entity("o" + name),),
                        events=(make.event("e" + name),),
                        deliveries=(make.delivery(name),),
                    )
                ]
            )
    return (tmp_path / "journal.db").read_bytes()


def damaged(content: bytes, page: int, how: str) -> bytes:
    """The file with one page, counted from 0, that was never written, or holds noise."""
    start = page * PAGE
    instead = bytes(PAGE) if how == "empty" else b"\xa5" * PAGE
    return content[:start] + instead + content[start + PAGE :]


async def ask(journal) -> list[StorageError]:
    """Read of each kind; what was refused."""
    names = [("order", f"o{number}") for number in range(40)]
    refused: list[StorageError] = []
    for read in (
        journal.inbox(limit=100),
        journal.events(limit=100),
        journal.deliveries(limit=100),
        journal.entities(names),
        journal.references("shop", names),
        journal.counts(),
    ):
        try:
            await read
        except StorageError as error:
            refused.append(error)
    return refused


@pytest.mark.parametrize("how", ["empty", "noise"])
async def test_a_damaged_page_answers_everyone_who_asks(opened, tmp_path, whole, how):
    refused: list[StorageError] = []
    for page in range(1, len(whole) // PAGE - 1):
        (tmp_path / "damaged.db").write_bytes(damaged(whole, page, how))
        with anyio.fail_after(20):  # seconds; who waits for a thread that has ended waits for ever
            try:
                async with opened("damaged.db") as journal:
                    refused += await ask(journal)
            except StorageError as error:  # so bad that it does not start
                refused.append(error)
    assert refused
    assert all(error.remedy for error in refused)
