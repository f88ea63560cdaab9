"""Nothing is made twice: a delivery is cut off at each of its effects and runs again with what was kept."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from decimal import Decimal
from typing import Any

import pytest
from omnibridge_tryton import CONNECTOR, outbound, parties
from omnibridge_tryton.sandbox import TrytonSandbox

from omnibridge.connector import Keep, Reference
from omnibridge.errors import Retryable
from omnibridge.model import PaymentStatus
from omnibridge.testing import Drive


class Cut(Exception):
    """The process ends here."""


class _Until:
    """Runs a coroutine until `effects` of its effects were performed; notes the references kept by then."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], effects: int, kept: list[Reference]) -> None:
        self.coroutine, self.effects, self.kept = coroutine, effects, kept

    def __await__(self) -> Generator[Any, Any, Any]:
        answer: Any = None
        while True:
            try:
                effect = self.coroutine.send(answer)
            except StopIteration as stop:
                return stop.value
            answer = yield effect
            if isinstance(effect, Keep):
                self.kept.append(effect.reference)
            self.effects -= 1
            if self.effects == 0:
                self.coroutine.close()
                raise Cut


async def until(coroutine: Coroutine[Any, Any, Any], effects: int, kept: list[Reference]) -> Any:
    return await _Until(coroutine, effects, kept)


def interrupted(drive: Drive[Any], make: Callable[[Any, list[Reference]], Any], effects: int) -> bool:
    """Whether the delivery was cut off before its end; it has run to its end by then."""
    kept: list[Reference] = []
    try:
        drive.run(lambda http: until(make(http, kept), effects, kept))
    except Cut:
        drive.run(lambda http: make(http, kept))
        return True
    return False


@pytest.fixture
def fresh(make_channel, sandbox) -> Callable[[], tuple[TrytonSandbox, Drive[Any]]]:
    settings = make_channel("http://127.0.0.1:8000")

    def make() -> tuple[TrytonSandbox, Drive[Any]]:
        new = TrytonSandbox(settings, sandbox.now)
        for code in ("TEA-1", "CUP-1"):
            new.add_product(code, code, Decimal(1))
        new.add_product("RICE", "Rice", Decimal(1), unit="kg")
        return new, Drive(CONNECTOR, settings, new, sandbox.now())

    return make


@pytest.mark.parametrize("remembers", [True, False])
def test_an_order_cut_off_anywhere_is_one_sale(fresh, things, remembers):
    order, buyer = things.order(), things.customer()
    effects = 0
    while True:
        effects += 1
        sandbox, drive = fresh()

        def make(http, kept, drive=drive):
            own = next((r.external_id for r in kept if r.kind == "order"), None) if remembers else None
            known = {(r.kind, str(r.id)): r.external_id for r in kept if r.id} if remembers else {}
            told = things.delivery(order, "placed", buyer, own=own, references=known)
            return outbound.place_order(drive.settings, order, told, http)

        cut = interrupted(drive, make, effects)
        records = sandbox.records()
        [sale] = records["sale.sale"]
        assert (sale["state"], str(sale["total_amount"])) == ("processing", "47.93"), effects
        assert len(records["sale.line"]) == 8, effects
        assert len(records["party.party"]) == 1, effects
        assert len(records["party.address"]) == 2, effects
        if not cut:
            break
    assert effects > 15


def test_a_paid_order_cut_off_anywhere_is_paid_once(make_channel, sandbox, things):
    settings = make_channel("http://127.0.0.1:8000", payment_method="Card")
    order = things.order(payment_status=PaymentStatus.PAID, buyer=None)
    told = things.delivery(order, "paid")
    effects = 12  # the steps before are those of any order, above
    while True:
        effects += 1
        new = TrytonSandbox(settings, sandbox.now)
        drive = Drive(CONNECTOR, settings, new, sandbox.now())
        cut = interrupted(drive, lambda http, kept: outbound.place_order(settings, order, told, http), effects)
        [line] = new.store.table("account.move.line").values()
        assert str(line["amount"]) == "-47.93", effects
        if not cut:
            break
    assert effects > 15


@pytest.mark.parametrize("remembers", [True, False])
def test_a_customer_cut_off_anywhere_is_one_party(fresh, things, remembers):
    customer = things.customer()
    effects = 0
    while True:
        effects += 1
        sandbox, drive = fresh()

        def make(http, kept, drive=drive):
            own = next((r.external_id for r in kept), None) if remembers else None
            told = things.delivery(customer, "created", own=own)
            return parties.put_customer(drive.settings, customer, told, http)

        cut = interrupted(drive, make, effects)
        records = sandbox.records()
        assert [row["name"] for row in records["party.party"]] == ["Kim Example"]
        assert len(records["party.contact_mechanism"]) == 2
        assert len(records["party.address"]) == 1
        if not cut:
            break
    assert effects > 4


def test_an_ambiguous_attempt_is_found_when_it_is_complete_and_only_then(erp, sandbox, things):
    order = things.order()
    assert erp.find_order(order) is None
    erp.place(order)
    found = erp.find_order(order)
    assert found is not None
    assert found.references[0] == Reference("order", "1")
    sandbox.store.get("sale.sale", 1)["state"] = "quotation"
    assert erp.find_order(order) is None  # delivering again confirms it
    assert erp.find_customer(things.customer("c-2")) is None
    erp.put(things.customer("c-2"))
    assert erp.find_customer(things.customer("c-2")).references[0].kind == "customer"
    assert erp.find_customer(things.customer("c-2", email="new@example.com")) is None


def test_a_repeated_write_is_refused_by_the_lock(erp, sandbox, things):
    """The same bytes sent twice change nothing twice: that is what `Upsert` promises for the locked writes."""
    erp.put(things.customer())
    changed = things.customer(addresses=(*things.customer().addresses, things.order().shipping_address))
    done = erp.put(changed, things.delivery(changed, "updated", own="1"))
    [write] = [request for request in done.requests if request.step == "write"]

    async def again(http):
        return await http.post(write.path, content=write.body, content_type="application/json", headers=write.headers)

    with pytest.raises(Retryable):
        erp.drive.run(again)
    assert len(sandbox.records()["party.address"]) == 2
