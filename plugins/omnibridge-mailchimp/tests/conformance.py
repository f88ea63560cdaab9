"""What the conformance kit is told of Mailchimp: one audience, all its webhooks, what is written, and the answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from omnibridge_mailchimp.sandbox import MailchimpSandbox
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import subscriber_hash

from omnibridge.connector import Class, Inbound, Request, Response, json_response
from omnibridge.model import (
    Consent,
    ConsentState,
    Customer,
    EraseCustomer,
    Medium,
    Money,
    Order,
    OrderLine,
    OrderTotals,
    PaymentStatus,
    Proof,
    Purpose,
    Ref,
)
from omnibridge.testing.conformance import Answer, Arrival, Conformance, Write

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FORM = {"content-type": "application/x-www-form-urlencoded"}
HOOK = {
    "id": "w1",
    "url": "https://bridge.example.com/in/conformance",
    "events": dict.fromkeys(("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign"), True),
    "sources": dict.fromkeys(("user", "admin", "api"), True),
}
GIVEN = {
    "api_key": "0123456789abcdef0123456789abcdef-us21",
    "list_id": "a1b2c3d4e5",
    "store_id": "shop",
    "path_secrets": ("newest-path-secret-01", "older-path-secret-01"),
    "phone_region": "DK",
}


def signed(settings: MailchimpSettings, inbound: Inbound) -> Inbound:
    """The delivery at the address that ends in the newest secret."""
    return replace(inbound, path_secret=settings.path_secrets[0].get_secret_value())


def audience(settings: MailchimpSettings) -> MailchimpSandbox:
    """Three people on two pages, and one who was archived."""
    sandbox = MailchimpSandbox(settings)
    sandbox.audience.largest_page = 2
    for number, name in enumerate(("ann", "ben", "cat", "dan")):
        sandbox.now = lambda number=number: NOW - timedelta(minutes=9 - number)
        sandbox.audience.joins(f"{name}@example.com", {"FNAME": name.title()})
    sandbox.audience.leaves("dan@example.com", action="delete")
    sandbox.reports.largest_page = 1
    sandbox.reports.sends("c0ffee0001", "News", ("ann@example.com", "ben@example.com"))
    sandbox.reports.opens("c0ffee0001", "ann@example.com")
    sandbox.reports.clicks("c0ffee0001", "ann@example.com", "https://shop.example.com/tee")
    sandbox.reports.returns("c0ffee0001", "ben@example.com", "soft")
    sandbox.now = lambda: NOW
    return sandbox


def told(sandbox: MailchimpSandbox, name: str) -> list[Arrival]:
    """The webhooks that wait, as examples."""
    needed = ("type", "fired_at", "data[list_id]", "data[email]", "data[new_email]", "data[old_email]", "data[id]")
    waiting = [sandbox.outbox.popleft().body for _ in range(len(sandbox.outbox))]
    return [
        Arrival(name=f"{name}-{number}" if number else name, body=body, headers=FORM, required=needed)
        for number, body in enumerate(waiting)
    ]


def every_kind() -> list[Arrival]:
    """One webhook of each kind, as the sandbox tells it."""
    sandbox = audience(MailchimpSettings.model_validate(GIVEN))
    sandbox.hooks = {"w1": dict(HOOK)}
    people, found = sandbox.audience, list[Arrival]()
    for name, act in (
        ("subscribe", lambda: people.joins("eve@example.com", {"FNAME": "Eve", "PHONE": "33 12 34 56"})),
        ("profile", lambda: people.changes("ann@example.com", {"LNAME": "Example"})),
        ("unsubscribe", lambda: people.leaves("ben@example.com")),
        ("unsubscribe-abuse", lambda: people.leaves("cat@example.com", "abuse")),
        ("unsubscribe-delete", lambda: people.leaves("eve@example.com", action="delete")),
        ("upemail", lambda: people.moves("ann@example.com", "ann.new@example.com")),
        ("cleaned", lambda: people.bounces("ann.new@example.com")),
        ("campaign", lambda: sandbox.campaign("c0ffee0002", "News")),
    ):
        act()
        found += told(sandbox, name)
    return found


def change(settings: MailchimpSettings, sandbox: MailchimpSandbox) -> list[Arrival]:
    """Somebody changes their name."""
    sandbox.hooks = {"w1": dict(HOOK)}
    sandbox.audience.changes("ann@example.com", {"FNAME": "Anne"})
    arrivals = told(sandbox, "changed")
    sandbox.hooks = {}
    return arrivals


def problem(status: int, title: str, detail: str = "No.") -> Response:
    """An error document."""
    return json_response({"type": "about:blank", "title": title, "status": status, "detail": detail}, status)


BUYER = Customer(id="c-1", email="ann@example.com", given_name="Ann", family_name="Example")
ORDER = Order(
    id="o-1",
    number="1001",
    currency="EUR",
    buyer=Ref(kind="customer", id="c-1"),
    payment_status=PaymentStatus.PAID,
    placed_at=NOW,
    lines=(
        OrderLine(
            external_id="TEE-M",
            title="T-shirt",
            sku="TEE-M",
            quantity="2",  # pyright: ignore[reportArgumentType]
            unit_price=Money(amount="19.90", currency="EUR"),  # pyright: ignore[reportArgumentType]
        ),
    ),
    totals=OrderTotals(total=Money(amount="39.80", currency="EUR")),  # pyright: ignore[reportArgumentType]
)
GRANT = Consent(
    contact="new@example.com",
    medium=Medium.EMAIL,
    purpose=Purpose.MARKETING,
    state=ConsentState.GRANTED,
    proof=Proof(source="webshop", at=NOW, ip="192.0.2.7"),
)
_POST = Request("POST", "/lists/a1b2c3d4e5/members", step="send")
ARRIVALS = every_kind()

CONFORMANCE: Conformance[MailchimpSettings] = Conformance(
    connector="mailchimp",
    settings=GIVEN,
    now=NOW,
    sign=signed,
    unsigned="Mailchimp signs nothing; a secret ends the address",
    sandbox=audience,
    arrivals=ARRIVALS,
    change=change,
    writes=(
        Write(
            name="erasure",
            value=EraseCustomer(
                emails=("ann@example.com",),
                records=(Ref(kind="customer", external_id=subscriber_hash("ann@example.com")),),
            ),
        ),
        Write(name="member", value=Customer(id="c-9", email="new@example.com", given_name="New"), verb="created"),
        Write(
            name="member-changed",
            value=BUYER.model_copy(update={"given_name": "Anna"}),
            own=subscriber_hash("ann@example.com"),
        ),
        Write(name="member-gone", value=BUYER, verb="deleted", own=subscriber_hash("ann@example.com")),
        Write(name="grant", value=GRANT, verb="granted"),
        Write(
            name="withdrawal",
            value=Consent(
                contact="ben@example.com",
                medium=Medium.EMAIL,
                purpose=Purpose.MARKETING,
                state=ConsentState.WITHDRAWN,
                changed_at=NOW,
            ),
            verb="withdrawn",
        ),
        Write(name="order", value=ORDER, verb="placed", related={("customer", "c-1"): BUYER}),
    ),
    answers=(
        Answer(name="ok", response=json_response({"id": "x"}), means=Class.OK),
        Answer(name="too-many", response=problem(429, "Too Many Requests"), means=Class.RETRY),
        Answer(name="throttled-by-a-403", response=Response(403), means=Class.RETRY),
        Answer(name="forbidden", response=problem(403, "Forbidden"), means=Class.PERMANENT),
        Answer(name="key-revoked", response=problem(401, "API Key Invalid"), means=Class.EXPIRED),
        Answer(name="compliance", response=problem(400, "Member In Compliance State"), means=Class.PERMANENT),
        Answer(
            name="server-error", response=problem(500, "Internal Server Error"), means=Class.AMBIGUOUS, request=_POST
        ),
    ),
    without={
        "privacy-told": "Mailchimp passes no request on: its six webhooks are about subscriptions and campaigns",
        "typed-strictly": "`make check` of this repository runs it over plugins/*/src",
        "signature-expired": "Mailchimp signs nothing, and so no time",
        "answers-in-200": "Mailchimp says every refusal by the status and an error document",
    },
)
