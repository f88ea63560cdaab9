"""Points and gift cards: what is read of them, the polls that find what no notification told, and points by command."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from omnibridge_square.connector import CONNECTOR
from omnibridge_square.gift_cards import card
from omnibridge_square.inbound import translate
from omnibridge_square.reads import read
from omnibridge_square.wire import Node

from omnibridge.connector import Fault, Lookup, LostAnswer, Snapshot, dump_observations
from omnibridge.errors import Permanent
from omnibridge.model import AdjustPoints, Customer, EraseCustomer, GiftCard, LoyaltyAccount, Ref

POLLS = {one.name: one.run for one in CONNECTOR.polls}
PHONE = "+4533123456"
GAN = "7783320007480908"


def lookup(rig, kind: str, id_: str) -> Snapshot:
    [seen] = rig.run(lambda http: read(rig.settings, Lookup(kind, id_), http)).result
    return seen


def account_of(rig, id_: str) -> LoyaltyAccount:
    account = lookup(rig, "loyalty", id_).entity
    assert isinstance(account, LoyaltyAccount)
    return account


def gift_of(rig, id_: str) -> GiftCard:
    gift = lookup(rig, "giftcard", id_).entity
    assert isinstance(gift, GiftCard)
    return gift


def poll(rig, name: str, cursor: Any = None) -> Any:
    return rig.run(lambda http: POLLS[name](rig.settings, cursor, http))


def looked_up(pages: Any) -> list[str]:
    return [one.external_id for page, _ in pages for one in page if isinstance(one, Lookup)]


# -- points -----------------------------------------------------------------------------------------------------------


def test_an_account_with_its_ledger(rig):
    id_ = rig.sandbox.enrol(PHONE)
    rig.sandbox.move_points(id_, "ACCUMULATE_POINTS", 20, order_id="ORD9")
    rig.sandbox.move_points(id_, "ACCUMULATE_PROMOTION_POINTS", 5, loyalty_promotion_id="P", order_id="ORD9")
    rig.later(seconds=1)
    rig.sandbox.move_points(id_, "CREATE_REWARD", -10, reward_id="R")
    rig.sandbox.move_points(id_, "REDEEM_REWARD", 0, reward_id="R", order_id="ORD10")
    rig.sandbox.move_points(id_, "DELETE_REWARD", 10, reward_id="R")
    rig.sandbox.move_points(id_, "EXPIRE_POINTS", -3)
    rig.sandbox.move_points(id_, "ADJUST_POINTS", 4, "LOYALTY_API", reason="sorry")
    rig.sandbox.move_points(id_, "OTHER", -1)
    seen = lookup(rig, "loyalty", id_)
    account = seen.entity
    assert isinstance(account, LoyaltyAccount)
    assert [(one.kind.value, one.points) for one in account.entries] == [
        ("earned", 20),
        ("earned", 5),
        ("redeemed", -10),
        ("redeemed", 0),
        ("returned", 10),
        ("expired", -3),
        ("adjusted", 4),
        ("other", -1),
    ]
    assert (account.balance, account.lifetime, account.complete, account.check()) == (25, 25, True, ())
    assert account.entries[0].order == Ref(kind="order", external_id="ORD9")
    assert (account.entries[6].reason, account.entries[6].source) == ("sorry", "LOYALTY_API")
    assert account.entries[6].location == Ref(kind="location", external_id="L-MAIN")
    assert (account.phone, account.program, seen.version) == (PHONE, "PROGRAM", rig.now)
    assert account.customer == Ref(kind="customer", external_id=next(iter(rig.sandbox.customers)))


def test_points_written_the_other_way_round_count_the_same(rig):
    """Square's reference does not say whether points of a reward are written with a sign."""
    id_ = rig.sandbox.enrol(PHONE)
    rig.sandbox.move_points(id_, "ACCUMULATE_POINTS", 20)
    rig.sandbox.move_points(id_, "CREATE_REWARD", -10)["create_reward"]["points"] = 10
    rig.sandbox.move_points(id_, "EXPIRE_POINTS", -4)["expire_points"]["points"] = 4
    account = account_of(rig, id_)
    assert [one.points for one in account.entries] == [20, -10, -4]
    assert account.check() == ()


def test_a_long_ledger_is_read_page_by_page_and_not_without_end(rig):
    id_ = rig.sandbox.enrol(PHONE)
    for _ in range(70):
        rig.sandbox.move_points(id_, "ACCUMULATE_POINTS", 1)
    account = account_of(rig, id_)
    assert (len(account.entries), account.complete, account.check()) == (70, True, ())
    for _ in range(240):
        rig.sandbox.move_points(id_, "ACCUMULATE_POINTS", 1)
    account = account_of(rig, id_)
    assert (len(account.entries), account.complete, account.balance) == (300, False, 310)
    assert account.entries[-1].id == rig.sandbox.events[-1]["id"]


def test_points_that_come_between_the_two_questions_are_no_discrepancy(rig, monkeypatch):
    id_ = rig.sandbox.enrol(PHONE)
    search, moved = rig.sandbox._search_events, []

    def just_now(body: Any) -> Any:
        if not moved:
            moved.append(rig.sandbox.move_points(id_, "ACCUMULATE_POINTS", 7))
        return search(body)

    monkeypatch.setattr(rig.sandbox, "_search_events", just_now)
    account = account_of(rig, id_)
    assert (account.balance, account.check()) == (7, ())


def test_a_difference_that_stays_is_told(rig):
    id_ = rig.sandbox.enrol(PHONE)
    rig.sandbox.move_points(id_, "ACCUMULATE_POINTS", 7)
    rig.sandbox.accounts[id_]["balance"] = 9
    [wrong] = list(account_of(rig, id_).check() or ())
    assert (wrong.expected, wrong.actual) == (7, 9)


def test_what_is_gone_is_told_as_deleted(rig):
    for kind in ("loyalty", "giftcard"):
        told = lookup(rig, kind, "NONE")
        assert (told.kind, told.external_id, told.deleted) == (kind, "NONE", True)


def test_each_notification_of_points_leads_to_the_account(rig):
    id_ = rig.sandbox.enrol(PHONE)
    rig.sandbox.move_points(id_, "ACCUMULATE_POINTS", 7)
    rig.sandbox.leave_program(id_)
    told = [translate(rig.settings, rig.inbound(one.body)) for one in rig.sandbox.outbox]
    told = [one for one in told if one[0].kind == "loyalty"]
    assert told == [*[[Lookup("loyalty", id_)]] * 3, [Snapshot.gone("loyalty", id_)]]


# -- gift cards -------------------------------------------------------------------------------------------------------


def test_a_gift_card_with_what_was_done_and_without_its_number(rig):
    person = rig.sandbox._create_customer({"given_name": "A"}, "DIRECTORY")["id"]
    id_ = rig.sandbox.sell_card(GAN, 5000, customer_ids=[person])
    rig.sandbox.use_card(id_, "REDEEM", -1250, payment_id="PAY1", status="COMPLETED")
    rig.sandbox.use_card(id_, "REFUND", 250, payment_id="PAY1")
    rig.sandbox.use_card(id_, "TRANSFER_BALANCE_FROM", -1000, transfer_to_gift_card_id="gftc:2")
    rig.sandbox.use_card(id_, "BLOCK", reason="CHARGEBACK_BLOCK")
    seen = lookup(rig, "giftcard", id_)
    gift = seen.entity
    assert isinstance(gift, GiftCard)
    assert (gift.state, gift.digital, gift.last_four, str(gift.balance)) == ("blocked", False, "0908", "30.00 EUR")
    assert [(one.kind.value, one.amount and str(one.amount)) for one in gift.activities] == [
        ("loaded", "50.00 EUR"),
        ("redeemed", "-12.50 EUR"),
        ("refunded", "2.50 EUR"),
        ("transferred", "-10.00 EUR"),
        ("blocked", None),
    ]
    assert (gift.complete, gift.check()) == (True, ())
    assert gift.customer == Ref(kind="customer", external_id=person)
    assert gift.activities[1].payment == Ref(kind="payment", external_id="PAY1")
    assert GAN.encode() not in dump_observations([seen])
    assert all(
        GAN.encode() not in dump_observations(translate(rig.settings, rig.inbound(n.body))) for n in rig.sandbox.outbox
    )


def test_money_that_a_till_asked_for_is_neither_there_nor_gone_and_cancelled_it_never_went(rig):
    id_ = rig.sandbox.sell_card(GAN, 5000)
    asked = rig.sandbox.use_card(id_, "REDEEM", -1000, status="PENDING")
    gift = gift_of(rig, id_)
    assert (gift.complete, gift.check()) == (False, ())
    asked["redeem_activity_details"]["status"] = "CANCELED"
    rig.sandbox.cards[id_]["balance_money"]["amount"] = 5000
    gift = gift_of(rig, id_)
    assert (gift.complete, gift.check(), str(gift.activities[-1].amount)) == (True, (), "0.00 EUR")


def test_of_a_short_number_nothing_is_told_and_of_several_owners_all_are_kept():
    told = card(Node({"id": "g", "type": "DIGITAL", "gan": "12345678", "customer_ids": ["C1", "C2"]})).entity
    assert told.model_dump(exclude_unset=True) == {
        "digital": True,
        "customer": {"kind": "customer", "external_id": "C1"},
        "vendor": {"customer_ids": ["C1", "C2"]},
    }


def test_unknown_words_are_kept():
    act = {"id": "a", "type": "MELT", "created_at": "2026-11-22T10:00:00Z", "gift_card_id": "g", "location_id": "L"}
    told = card(Node({"id": "g", "type": "DIGITAL", "state": "LOST"}), [Node(act)], complete=True).entity
    assert isinstance(told, GiftCard)
    assert (told.state, told.state_raw) == ("other", "LOST")
    assert (told.activities[0].kind, told.activities[0].kind_raw) == ("other", "MELT")


# -- polls ------------------------------------------------------------------------------------------------------------


def test_accounts_that_changed_are_looked_up(rig):
    first, second = rig.sandbox.enrol(PHONE), rig.sandbox.enrol("+4533123457")
    rig.later(minutes=10)
    begun = poll(rig, "loyalty")
    assert looked_up(begun.pages) == [first, second]
    rig.later(hours=1)
    rig.sandbox.move_points(second, "ACCUMULATE_POINTS", 1)
    rig.later(minutes=1)
    assert looked_up(poll(rig, "loyalty", begun.pages[-1][1]).pages) == [second]
    assert looked_up(poll(rig, "loyalty-events").pages) == [second]


def test_cards_that_are_new_or_were_used_are_looked_up_and_of_the_others_it_is_told_who_has_them(rig):
    first = rig.sandbox.sell_card(GAN, 5000)
    rig.later(minutes=10)
    begun = poll(rig, "gift-cards")
    assert looked_up(begun.pages) == [first]
    rig.later(hours=1)
    second = rig.sandbox.sell_card("7783320007480909", 5000)
    rig.sandbox.cards[first]["customer_ids"] = ["C1"]
    again = poll(rig, "gift-cards", begun.pages[-1][1])
    assert looked_up(again.pages) == [second]
    [known] = [one for page, _ in again.pages for one in page if isinstance(one, Snapshot)]
    assert known.external_id == first
    assert known.entity.model_fields_set == {
        "state", "state_raw", "digital", "last_four", "balance", "customer", "created_at", "vendor",
    }  # fmt: skip
    assert looked_up(poll(rig, "gift-card-activities").pages) == [first, second]


def test_who_is_not_to_be_asked_is_not(rig):
    rig.settings = rig.settings.model_copy(update={"loyalty": False, "gift_cards": False})
    for name in ("loyalty", "loyalty-events", "gift-cards", "gift-card-activities"):
        assert poll(rig, name).pages == []
    assert rig.requests == []


# -- points by command ------------------------------------------------------------------------------------------------


def give(rig, points: Any = None, key: str = "key", **more: Any) -> Any:
    return rig.command(AdjustPoints(points=None if points is None else Decimal(points), **more), key)


def balance(rig, id_: str) -> tuple[int, int]:
    return rig.sandbox.accounts[id_]["balance"], rig.sandbox.accounts[id_]["lifetime_points"]


def test_points_are_given_and_taken_by_phone(rig):
    id_ = rig.sandbox.enrol(PHONE)
    give(rig, 30, phone=PHONE, reason="sorry")
    give(rig, -10, "key-2", phone="33 12 34 56")
    assert balance(rig, id_) == (20, 0)
    assert [one["adjust_points"].get("reason") for one in rig.sandbox.events] == ["sorry", None]
    give(rig, -10, "key-2", phone=PHONE)  # the same delivery once more
    assert balance(rig, id_) == (20, 0)


def test_points_of_a_purchase_count_as_earned(rig):
    id_ = rig.sandbox.enrol(PHONE)
    give(rig, 30, phone=PHONE, order=Ref(kind="order", id="elsewhere"))
    assert balance(rig, id_) == (30, 30)
    made = rig.sandbox._new_order(
        {
            "location_id": "L-MAIN",
            "line_items": [{"quantity": "1", "base_price_money": {"amount": 1250, "currency": "EUR"}}],
        }
    )
    rig.references["order", "here"] = made["id"]
    give(rig, None, "key-2", phone=PHONE, order=Ref(kind="order", id="here"))
    assert balance(rig, id_) == (42, 42)
    assert rig.sandbox.events[-1]["accumulate_points"] == {
        "loyalty_program_id": "PROGRAM",
        "order_id": made["id"],
        "points": 12,
    }
    with pytest.raises(Permanent) as caught:
        give(rig, None, "key-3", phone=PHONE, order=Ref(kind="order", id="elsewhere"))
    assert caught.value.code == "NO_ORDER"


def test_the_account_is_the_one_named_else_the_customers_else_one_is_opened(rig):
    own, other = rig.sandbox.enrol(PHONE), rig.sandbox.enrol("+4533123457")
    rig.references["loyalty", "acc"] = other
    rig.references["customer", "ann"] = rig.sandbox.accounts[own]["customer_id"]
    give(rig, 1, "a", account=Ref(kind="loyalty", id="acc"), phone=PHONE)
    give(rig, 2, "b", customer=Ref(kind="customer", id="ann"))
    assert (balance(rig, own)[0], balance(rig, other)[0]) == (2, 1)
    rig.related["customer", "bob"] = Customer(phone="+4533123458")
    give(rig, 3, "c", customer=Ref(kind="customer", id="bob"))
    give(rig, 3, "c", customer=Ref(kind="customer", id="bob"))
    new = next(one for one in rig.sandbox.accounts.values() if one["mapping"]["phone_number"] == "+4533123458")
    assert (len(rig.sandbox.accounts), new["balance"]) == (3, 3)


@pytest.mark.parametrize(
    ("points", "more", "code"),
    [
        ("1.5", {"phone": PHONE}, "INVALID_POINTS"),
        (None, {"phone": PHONE}, "INVALID_POINTS"),
        (5, {}, "NO_ACCOUNT"),
        (-5, {"phone": PHONE}, "BAD_REQUEST"),
    ],
)
def test_what_cannot_be_done_is_refused(rig, points, more, code):
    rig.sandbox.enrol(PHONE)
    with pytest.raises(Permanent) as caught:
        give(rig, points, **more)
    assert caught.value.code == code
    assert not rig.sandbox.events


def test_a_seller_without_a_program_and_a_purchase_without_a_place(rig):
    rig.settings = rig.settings.model_copy(update={"location_id": None})
    rig.sandbox.programs.clear()
    with pytest.raises(Permanent, match="loyalty program"):
        give(rig, 5, phone=PHONE)
    rig.sandbox.enrol(PHONE)
    with pytest.raises(Permanent) as caught:
        give(rig, 5, phone=PHONE, order=Ref(kind="order", id="o"))
    assert caught.value.code == "NO_LOCATION"
    assert give(rig, 0, phone=PHONE).note


def test_keys_are_the_deliverys_own_and_short_enough(rig):
    give(rig, 5, "8f14e45f-ceea-567a-9f2e-0a1b2c3d4e5f", phone=PHONE)
    bodies = [json.loads(one.body) for one in rig.requests if not one.reads]
    assert len({one["idempotency_key"] for one in bodies}) == len(bodies) == 2
    assert all(one.protection is not None for one in rig.requests if not one.reads)


def test_an_answer_that_is_lost_moves_points_once(rig):
    id_ = rig.sandbox.enrol(PHONE)
    rig.sandbox.faults.append(Fault(lost=True, path_prefix=f"/v2/loyalty/accounts/{id_}/adjust"))
    with pytest.raises(LostAnswer):
        give(rig, 5, phone=PHONE)
    give(rig, 5, phone=PHONE)
    give(rig, 5, phone=PHONE)
    assert balance(rig, id_) == (5, 0)


# -- erasure ----------------------------------------------------------------------------------------------------------


def test_an_erasure_is_not_done_while_an_account_has_the_number(rig):
    id_ = rig.sandbox.enrol(PHONE)
    person = rig.sandbox.accounts[id_]["customer_id"]
    records = (Ref(kind="customer", external_id=person), Ref(kind="loyalty", external_id=id_))
    with pytest.raises(Permanent) as caught:
        rig.command(EraseCustomer(records=records))
    assert (caught.value.code, person in rig.sandbox.customers) == ("LOYALTY_KEPT", False)
    rig.sandbox.leave_program(id_)
    rig.command(EraseCustomer(records=records))
