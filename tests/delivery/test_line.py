"""A line: requests that travel by other means than HTTP, held to the same promises, closed when an exchange ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import anyio
import pytest
from toy_shop import Shop, ShopSettings, bridge_to, only, posting, tell, toy

from omnibridge.connector import (
    Cursor,
    Http,
    Limits,
    NativeKey,
    Poll,
    Request,
    Response,
    Snapshot,
    Transmit,
    json_response,
)
from omnibridge.errors import Permanent, Retryable
from omnibridge.model import Customer

pytestmark = pytest.mark.both_backends


@dataclass
class Post:
    """A system reached by a line: what is told here in order, and what goes wrong."""

    opening: list[Exception] = field(default_factory=list[Exception])
    errors: list[Exception] = field(default_factory=list[Exception])
    told: list[str] = field(default_factory=list[str])
    taken: list[bytes] = field(default_factory=list[bytes])
    answer: Callable[[Request], Response] = lambda _: json_response([])
    closed: anyio.Event = field(default_factory=anyio.Event)

    @asynccontextmanager
    async def __call__(self, settings: ShopSettings) -> AsyncGenerator[Transmit]:
        await anyio.lowlevel.checkpoint()
        if self.opening:
            raise self.opening.pop(0)
        self.told.append("open")
        async with anyio.create_task_group() as group:  # as one that keeps a connection alive has
            group.start_soon(anyio.sleep_forever)
            try:
                yield self.transmit
            finally:
                group.cancel_scope.cancel()
                self.told.append("closed")
                self.closed.set()

    async def transmit(self, request: Request) -> Response:
        await anyio.lowlevel.checkpoint()
        self.told.append(f"{request.method} {request.path}")
        if request.body:
            self.taken.append(request.body)
        if self.errors:
            raise self.errors.pop(0)
        return self.answer(request)


def by(post: Any, run: Any = None, **more: Any) -> Any:
    return toy(run or posting(), base_url=None, line=post, **more)


async def told(post: Post, run: Any = None, seconds: float = 60, **more: Any) -> Any:
    """How a delivery over the line ends."""
    async with bridge_to(Shop(), by(post, run, **more)) as bridge:
        await tell(bridge)
        await bridge.settle(seconds)
        return await only(bridge)


async def test_a_delivery_goes_over_the_line_and_hangs_up():
    post = Post()
    row = await told(post)
    assert row.state == "done"
    assert post.told == ["open", "POST /customers", "closed"]


async def test_what_cannot_have_arrived_goes_again():
    for post in (Post(opening=[OSError("no such host")]), Post(errors=[Retryable("busy")])):
        row = await told(post)
        assert row.state == "done"
        assert [attempt.outcome for attempt in row.history] == ["retry", "ok"]


async def test_a_refusal_is_a_dead_letter_with_its_reason():
    row = await told(Post(errors=[Permanent("mailbox unknown")]))
    assert row.state == "dead"
    assert row.last is not None
    assert row.last.text == "mailbox unknown"


async def test_a_lost_answer_is_not_repeated_blindly_unless_a_key_protects_it():
    post = Post(errors=[ConnectionResetError("anna@example.com")])
    row = await told(post)
    assert row.state == "unknown"
    assert row.last is not None
    assert "anna" not in str(row.last.text)  # only our own errors are known to hold nobody's data
    post = Post(errors=[ConnectionResetError()])
    row = await told(post, posting(NativeKey()))
    assert row.state == "done"
    assert post.told == ["open", "POST /customers", "closed", "open", "POST /customers", "closed"]
    assert len(set(post.taken)) == 1


async def test_an_answer_is_classed_as_any_other():
    answers = [Response(503), Response(422, {}, b"no"), Response(200)]
    post = Post(answer=lambda _: answers.pop(0))
    row = await told(post)
    assert row.state == "done"
    assert row.last is not None
    assert row.last.text == "answered 422"


class Silent(Post):
    """Never answers, or never opens."""

    def __init__(self, *, opens: bool) -> None:
        super().__init__()
        self.opens = opens

    @asynccontextmanager
    async def __call__(self, settings: ShopSettings) -> AsyncGenerator[Transmit]:
        async with super().__call__(settings) as transmit:
            if not self.opens:
                await anyio.sleep_forever()
            yield transmit

    async def transmit(self, request: Request) -> Response:
        await anyio.sleep_forever()
        raise AssertionError("for ever")


@pytest.mark.parametrize(("opens", "outcome"), [(True, "ambiguous"), (False, "retry")])
async def test_a_line_that_hangs_is_given_up(opens: bool, outcome: str):
    post = Silent(opens=opens)
    limits = Limits[Any](timeout=timedelta(milliseconds=20))
    async with bridge_to(Shop(), by(post, limits=limits)) as bridge:
        await tell(bridge)
        await post.closed.wait()
        await bridge.settle()
        row = await only(bridge)
    assert row.last is not None
    assert row.last.outcome == outcome


async def test_what_fails_beside_the_requests_ends_the_exchange_and_nothing_else():
    class Dying(Post):
        @asynccontextmanager
        async def __call__(self, settings: ShopSettings) -> AsyncGenerator[Transmit]:
            if self.told:
                async with super().__call__(settings) as transmit:
                    yield transmit
                return
            async with anyio.create_task_group() as group:
                group.start_soon(self.die)
                yield self.wait

        async def die(self) -> None:
            raise ConnectionResetError

        async def wait(self, request: Request) -> Response:
            self.told.append("waits")
            await anyio.sleep_forever()
            raise AssertionError("for ever")

    post = Dying()
    row = await told(post, posting(NativeKey()))
    assert row.state == "done"
    assert [attempt.outcome for attempt in row.history] == ["retry", "ok"]
    assert post.told == ["waits", "open", "POST /customers", "closed"]


async def test_a_poll_keeps_one_line_through_its_pages_and_comes_back_when_it_breaks():
    async def run(settings: ShopSettings, cursor: Cursor | None, http: Http) -> None:
        after = cursor["n"] if cursor else 0
        while names := (await http.get(f"/next/{after}")).json():
            after += 1
            await http.emit([Snapshot(Customer(given_name=name), name, 1) for name in names], {"n": after})

    post = Post(answer=lambda request: json_response({"/next/0": ["Ann"], "/next/1": ["Bo"]}.get(request.path, [])))
    polls = (Poll(name="all", every=timedelta(hours=1), run=run),)
    async with bridge_to(Shop(), by(post, polls=polls)) as bridge:
        await bridge.settle(1)
        assert post.told == ["open", "GET /next/0", "GET /next/1", "GET /next/2", "closed"]
        post.told.clear()
        post.errors = [ConnectionResetError()] * 3
        await bridge.settle(3700)
        events = await bridge.journal.events()
    # A read is tried again at once, each time over a line of its own, and then with growing waits.
    assert post.told[:3] == ["open", "GET /next/2", "closed"]
    assert post.told[-3:] == ["open", "GET /next/2", "closed"]
    assert post.told.count("open") == post.told.count("closed") == 4
    assert len([stored for stored in events if stored.event.name == "customer.created"]) == 2


async def test_a_file_comes_over_a_line_as_well():
    got: list[bytes] = []

    async def run(settings: ShopSettings, cursor: Cursor | None, http: Http) -> None:
        file = await http.download("/export.csv")
        got.extend([line.content async for line in file.lines()])

    polls = (Poll(name="all", every=timedelta(hours=1), run=run),)
    post = Post(answer=lambda _: Response(200, {}, b"one\ntwo\n"))
    async with bridge_to(Shop(), by(post, polls=polls)) as bridge:
        await bridge.settle(1)
    assert got == [b"one", b"two"]


async def test_a_stop_ends_a_line_that_waits():
    post = Silent(opens=True)

    async def run(settings: ShopSettings, cursor: Cursor | None, http: Http) -> None:
        await http.get("/next")

    polls = (Poll(name="all", every=timedelta(hours=1), run=run),)
    with anyio.fail_after(20):
        async with bridge_to(Shop(), by(post, polls=polls)) as bridge:
            await bridge.settle()
            assert post.told == ["open"]
    assert post.told == ["open", "closed"]
