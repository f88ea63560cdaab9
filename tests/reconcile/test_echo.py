"""The echo of our own write is no event: neither by the dates that the system adds, nor by a copied proof."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from omnibridge.connector import Snapshot
from omnibridge.journal import Origin
from omnibridge.model import Basis, Consent, ConsentState, Customer, Entity, Medium, Proof, Ref, consent_key
from omnibridge.reconcile import ChannelView, Derived, Reconciler, prepare

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
SHOP = ChannelView("shop", "/acme/shopify/shop", collects_consent=True)
TILL = ChannelView("till", "/acme/square/till")


class Told:
    """A reconciler, and the events that each thing told to it causes."""

    def __init__(self) -> None:
        self.reconciler = Reconciler({}, {})

    def __call__(
        self,
        channel: ChannelView,
        entity: Entity,
        id_: str,
        *,
        ours: str | None = None,
        origin: Origin = Origin.WEBHOOK,
    ) -> list[str]:
        self.derived = Derived()
        seen = prepare(channel, Snapshot(entity, id_, ours=ours))
        self.reconciler.snapshot(channel, seen, origin, NOW, self.derived)
        return [event.name for event in self.derived.events]

    @property
    def id(self) -> str:
        return self.derived.references[0].id


def test_dates_and_private_fields_that_a_system_adds_are_no_event():
    told = Told()
    assert told(SHOP, Customer(email="anna@example.com", created_at=NOW), "1") == ["customer.created"]
    id_ = told.id
    assert told(TILL, Customer(email="anna@example.com"), "C1", ours=id_, origin=Origin.RECEIPT) == []
    later = NOW + timedelta(seconds=2)
    echo = Customer(email="anna@example.com", created_at=later, updated_at=later, vendor={"source": "api"})
    assert told(TILL, echo, "C1", ours=id_) == []


def test_what_else_an_answer_tells_is_an_event():
    told = Told()
    told(SHOP, Customer(email="anna@example.com"), "1")
    id_ = told.id
    told(TILL, Customer(email="anna@example.com"), "C1", ours=id_, origin=Origin.RECEIPT)
    assert told(TILL, Customer(email="anna@example.com", phone="+4533123456"), "C1", ours=id_) == ["customer.updated"]


def test_a_private_field_of_the_owner_is_an_event_and_its_date_alone_is_none():
    told = Told()
    assert told(SHOP, Customer(updated_at=NOW), "1") == ["customer.created"]
    assert told(SHOP, Customer(updated_at=NOW + timedelta(seconds=1)), "1") == []
    assert told(SHOP, Customer(vendor={"tier": "gold"}), "1") == ["customer.updated"]


def test_a_withdrawal_told_once_more_keeps_the_proof_of_the_first_time():
    told, key = Told(), consent_key("+4533123456", Medium.SMS)

    def withdrawn(source: str, at: datetime) -> Consent:
        return Consent(
            contact="+4533123456",
            medium=Medium.SMS,
            state=ConsentState.WITHDRAWN,
            basis=Basis.VENDOR_OPT_OUT,
            proof=Proof(source=source, at=at),
            changed_at=at,
        )

    assert told(TILL, withdrawn("the person", NOW), key) == ["consent.withdrawn"]
    assert told(SHOP, withdrawn("a copy", NOW + timedelta(minutes=1)), key) == []


def test_whose_a_permission_is_stays_as_it_was_first_told():
    told, key = Told(), consent_key("+4533123456", Medium.SMS)
    granted = {"contact": "+4533123456", "medium": Medium.SMS, "changed_at": NOW}
    buyer, writer = Ref(kind="customer", external_id="1"), Ref(kind="customer", external_id="+4533123456")
    told(SHOP, Consent(**granted, state=ConsentState.GRANTED, customer=buyer), key)
    id_ = next(reference.id for reference in told.derived.references if reference.kind == "customer")
    assert told(TILL, Consent(**granted, state=ConsentState.WITHDRAWN, customer=writer), key) == ["consent.withdrawn"]
    assert told.derived.events[0].data["customer"]["id"] == id_
