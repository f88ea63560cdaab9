"""What operators decide about customers: it holds, it can be taken back, and two who decide at once are told."""

from __future__ import annotations

import pytest
from people import ANN, SHOP, SOURCE, TILL, TOML, bridge, person, say

from omnibridge.errors import Retryable, UnknownItem
from omnibridge.journal import Conflict
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends


async def roots(running, id: str) -> tuple[str, ...]:
    await running.settle()
    return (await running.journal.person(id)).roots


BOTH = tuple(sorted((SHOP, TILL)))


async def test_two_are_merged_split_and_merged_again():
    async with bridge() as running:
        await say(running, "shop", person("1", email="ann@example.com"))
        await say(running, "till", person("1", phone=ANN))
        [number] = await running.customers.merge("ann@example.com", "till:1")
        assert await roots(running, TILL) == BOTH
        await running.customers.split("till:1")
        assert await roots(running, TILL) == (TILL,)
        await running.customers.merge(SHOP, TILL)
        assert await roots(running, TILL) == BOTH
        assert [d.verb.value for d in await running.customers.decisions()] == ["link", "split", "link"]
        for decision in await running.customers.decisions():
            await running.customers.undo(decision.number)
        assert await roots(running, TILL) == (TILL,)
        with pytest.raises(UnknownItem, match=f"no decision {number}"):
            await running.customers.undo(number)


async def test_a_merge_ends_every_split_between_the_two():
    async with bridge() as running:
        await say(running, "shop", person("1", phone=ANN))
        await say(running, "sms", person("1", phone=ANN))
        await say(running, "till", person("1", phone=ANN))
        await running.customers.split("till:1")
        assert await roots(running, TILL) == (TILL,)
        assert await running.customers.reviews() == []
        await running.customers.merge("till:1", "shop:1")
        assert len(await roots(running, TILL)) == 3


async def test_what_two_share_is_blocked_and_unblocked():
    async with bridge() as running:
        await say(running, "shop", person("1", phone=ANN))
        await say(running, "till", person("1", phone=ANN))
        await running.customers.block("+45 20 12 34 56")
        assert await roots(running, TILL) == (TILL,)
        [blocked] = await running.customers.blocked()
        assert (blocked.kind, blocked.reason, set(blocked.customers)) == ("phone", "an operator blocked it", set(BOTH))
        await running.customers.unblock(ANN)
        assert await roots(running, TILL) == BOTH


async def test_a_disagreement_waits_for_somebody():
    async with bridge() as running:
        await say(running, "shop", person("1", phone=ANN, loyalty_number="1"))
        await say(running, "till", person("1", phone=ANN, loyalty_number="2"))
        [review] = await running.customers.reviews()
        assert (review.a, review.b, review.kind) == (*BOTH, "phone")
        await running.customers.merge(review.a, review.b)
        assert await roots(running, TILL) == BOTH
        assert await running.customers.reviews() == []


async def test_what_cannot_be_decided_says_why():
    async with bridge() as running:
        await say(running, "shop", person("1", phone=ANN))
        with pytest.raises(UnknownItem, match="one customer already"):
            await running.customers.merge(SHOP, ANN)
        with pytest.raises(UnknownItem, match="nobody is known"):
            await running.customers.merge(SHOP, "till:1")
        with pytest.raises(UnknownItem, match="nobody to split"):
            await running.customers.split("shop:1")
        with pytest.raises(UnknownItem, match="spelling"):
            await running.customers.block("ann@")


async def test_who_decides_on_what_has_moved_is_told():
    async with bridge() as running:
        await say(running, "shop", person("1"))
        await say(running, "till", person("1", note="x"))
        await say(running, "shop", person("1", note="y"))

        async def decide(*args, **more):
            raise Conflict("meanwhile")

        running.journal.decide = decide  # type: ignore[method-assign]
        with pytest.raises(Retryable, match="look again"):
            await running.customers.block(ANN)


@pytest.mark.parametrize("trusted", ["shop", "till"])
async def test_other_rules_hold_for_what_was_known_before(trusted):
    async with bridge() as first:
        await say(first, "shop", person("1", email="ann@example.com", email_verified=True))
        await say(first, "till", person("1", email="ann@example.com"))
        assert await roots(first, TILL) == (TILL,)
        more = f'[identity.trusted]\n{trusted} = ["email"]\n'
        async with TestBridge(TOML + more, connectors=[SOURCE], journal=first.journal) as again:
            assert await roots(again, TILL) == (BOTH if trusted == "till" else (TILL,))
