"""What happens in the demonstration: customers, orders, messages, a forgery, an ERP that fails, a daemon that dies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from omnibridge.cli.demo_ledger import read, settle
from omnibridge.cli.demo_stage import Letter, Stage, System
from omnibridge.clock import SystemClock
from omnibridge.connector import Outgoing, Response
from omnibridge.errors import ConfigError, Retryable
from omnibridge.event import Event
from omnibridge.model import Purpose, SendMessage, full_type
from omnibridge.testing import wait_until

__all__ = ["ANNA", "BO", "CLEO", "Facts", "Person", "play"]

OUR_NUMBER = "+4580000001"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who buys."""

    first: str
    last: str
    email: str
    phone: str


ANNA = Person("Alpha", "Berg", "alpha@example.com", "+4533123401")
BO = Person("Beta", "Dahl", "beta@example.com", "+4533123402")
CLEO = Person("Gamma", "Lund", "gamma@example.com", "+4533123403")


@dataclass(slots=True)
class Facts:
    """What was done, for the verdict: what must be there now, and what must not."""

    people: list[Person] = field(default_factory=list[Person])
    orders: list[str] = field(default_factory=list[str])
    repeated: Letter | None = None
    late: Letter | None = None
    late_order: str = ""
    forged: Letter | None = None
    sent: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    withheld: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    published: list[int | None] = field(default_factory=list[int | None])
    accepted_before_kill: Letter | None = None
    exit_code: int | None = None
    left: list[str] = field(default_factory=list[str])


@runtime_checkable
class _Store(Protocol):
    def add_customer(
        self, *, email: str, phone: str, first_name: str, last_name: str
    ) -> Mapping[str, str]: ...  # the shop's own form for a new customer

    def answer(self, name: str, variables: Mapping[str, object]) -> object: ...


@runtime_checkable
class _Shop(Protocol):
    """What the story uses of the web shop's sandbox."""

    @property
    def store(self) -> _Store: ...

    def place_order(self, customer: Mapping[str, str]) -> Mapping[str, int | str]: ...

    def refund(self, order_id: int) -> object: ...

    def fulfil(self, order_id: int) -> object: ...


@runtime_checkable
class _Phone(Protocol):
    """What the story uses of the SMS provider's sandbox."""

    def incoming(self, sender: str, recipient: str, body: str) -> object: ...


@dataclass(slots=True)
class _Cast:
    stage: Stage
    shop: _Shop
    facts: Facts
    tell: Callable[[str], None]
    ids: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def webshop(self) -> System:
        return self.stage.systems["webshop"]

    def joins(self, person: Person) -> None:
        with self.webshop.lock:
            made = self.shop.store.add_customer(
                email=person.email, phone=person.phone, first_name=person.first, last_name=person.last
            )
        self.ids[person.email] = made["legacyResourceId"]
        self.facts.people.append(person)

    def agrees(self, person: Person) -> None:
        said = {"marketingState": "SUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN"}
        customer = f"gid://shopify/Customer/{self.ids[person.email]}"
        with self.webshop.lock:
            for operation, name in (
                ("EmailConsent", "emailMarketingConsent"),
                ("SmsConsent", "smsMarketingConsent"),
            ):
                self.shop.store.answer(operation, {"input": {"customerId": customer, name: said}})

    def orders(self, person: Person) -> int:
        """The shop's number of an order; call it with the shop held."""
        made = self.shop.place_order(
            {
                "id": self.ids[person.email],
                "email": person.email,
                "phone": person.phone,
                "first_name": person.first,
                "last_name": person.last,
            }
        )
        self.facts.orders.append(str(made["id"]))
        return int(made["id"])

    def command(self, person: Person, body: str, purpose: Purpose, *, goes: bool) -> None:
        """Ask for an SMS over HTTP, as another program of the company would."""
        number = len(self.facts.published) + 1
        event = Event.make(
            full_type("command.message.send"),
            SendMessage(to=person.phone, body=body, purpose=purpose),
            id=f"demo-sms-{number}",
            source="/acme/demo",
            time=SystemClock().now(),
            extensions={"target": "phone"},
        )
        self.facts.published.append(self.stage.publish(event))
        (self.facts.sent if goes else self.facts.withheld).append((person.phone, body))

    def writes(self, person: Person, body: str) -> None:
        phone = self.stage.systems["phone"]
        if not isinstance(phone.sandbox, _Phone):
            raise ConfigError("this connector's sandbox takes no messages", where="phone")
        with phone.lock:
            phone.sandbox.incoming(person.phone, OUR_NUMBER, body)

    def settle(self) -> None:
        self.facts.left = settle(self.stage)
        if self.facts.left:
            raise Retryable("not settled in time: " + "; ".join(self.facts.left[:5]), where=str(self.stage.log))


def play(stage: Stage, tell: Callable[[str], None]) -> Facts:
    """The whole story. `tell` is told each step. Raises Retryable when something does not happen in time."""
    shop = stage.systems["webshop"].sandbox
    if not isinstance(shop, _Shop):
        raise ConfigError("this connector's sandbox sells nothing", where="webshop")
    cast = _Cast(stage, shop, Facts(), tell)
    tell("six systems listen; the bridge starts, makes its webhook subscriptions and asks each system what it has")
    stage.start()
    cast.settle()
    _customers(cast)
    _orders(cast)
    _messages(cast)
    _trouble(cast)
    tell("the bridge is asked to stop")
    cast.facts.exit_code = stage.stop()
    return cast.facts


def _customers(cast: _Cast) -> None:
    cast.tell("Alpha and Beta become customers of the web shop; Alpha allows marketing, Beta is not asked")
    cast.joins(ANNA)
    cast.joins(BO)
    cast.settle()
    cast.agrees(ANNA)
    cast.settle()


def _orders(cast: _Cast) -> None:
    facts, webshop = cast.facts, cast.webshop
    cast.tell("Alpha orders, and the shop hands the same webhook over twice")
    with webshop.intercepted() as letters:
        first = cast.orders(ANNA)
    for letter in letters:
        webshop.hand_over(letter)
        webshop.hand_over(letter)
    facts.repeated = letters[0]
    cast.settle()

    cast.tell("Beta's order is shipped at once: the update arrives before the create")
    with webshop.intercepted() as created:
        second = cast.orders(BO)
    with webshop.intercepted() as shipped:
        cast.shop.fulfil(second)
    facts.late, facts.late_order = created[0], str(second)
    for letter in (*shipped, *created):
        webshop.hand_over(letter)

    cast.tell("half of Alpha's order is refunded; somebody forges an order of a customer who does not exist")
    with webshop.lock:
        cast.shop.refund(first)
    genuine = letters[0].outgoing
    body = genuine.body.replace(ANNA.email.encode(), b"mallory@example.com")
    facts.forged = Letter(Outgoing(genuine.url, {**genuine.headers, "x-shopify-webhook-id": "forged"}, body))
    webshop.hand_over(facts.forged)
    cast.settle()


def _messages(cast: _Cast) -> None:
    cast.tell("Alpha asks by SMS; she is answered, she gets an offer, and Beta gets no offer, as he allowed none")
    cast.writes(ANNA, "Where is my order?")
    cast.command(ANNA, "Your order is on its way.", Purpose.TRANSACTIONAL, goes=True)
    cast.command(ANNA, "Tea is cheaper this week.", Purpose.MARKETING, goes=True)
    cast.command(BO, "Tea is cheaper this week.", Purpose.MARKETING, goes=False)
    cast.command(BO, "Your order is ready.", Purpose.TRANSACTIONAL, goes=True)
    cast.settle()
    cast.tell("Alpha writes STOP; the shop is told, and from now on she gets no offers either")
    cast.writes(ANNA, "STOP")
    cast.settle()
    cast.command(ANNA, "Tea is still cheaper.", Purpose.MARKETING, goes=False)
    cast.settle()


def _trouble(cast: _Cast) -> None:
    stage, webshop = cast.stage, cast.webshop
    erp = stage.systems["erp"]
    cast.tell("the ERP is down and the newsletter loses an answer; Gamma joins and orders all the same")
    fault = erp.breaks(Response(503))
    stage.systems["newsletter"].loses_answer("POST", "/3.0/ecommerce/stores/acme/orders")
    cast.joins(CLEO)
    with webshop.lock:
        cast.orders(CLEO)
    if not wait_until(lambda: webshop.quiet and _failed(stage, "erp"), 30.0, 0.1):
        raise Retryable("nothing was tried at the ERP", where=str(stage.log))

    cast.tell("Beta orders; the moment that his order is acknowledged, the bridge is killed (SIGKILL)")
    with webshop.intercepted() as letters:
        cast.orders(BO)
    webshop.hand_over(letters[0])
    stage.kill()
    cast.facts.accepted_before_kill = letters[0]
    cast.tell("Alpha orders while nobody is there: the shop tries again and again")
    with webshop.lock:
        cast.orders(ANNA)
    if not wait_until(lambda: any(None in letter.answers for letter in webshop.letters), 5.0):
        raise Retryable("the killed bridge still answers", where=str(stage.log))

    cast.tell("the bridge starts again; the ERP comes back")
    stage.start()
    erp.mends(fault)
    cast.settle()


def _failed(stage: Stage, channel: str) -> bool:
    return any(row.channel == channel and row.attempts > 0 for row in read(stage).deliveries)
