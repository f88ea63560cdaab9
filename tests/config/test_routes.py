"""Routes in `bridge.toml`: what they become, and every mistake with its line, what is wrong and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnibridge.config import Config, check, parse
from omnibridge.connector import Connector, Delivery, Http, Receipt, Settings, deliver
from omnibridge.event import Event
from omnibridge.model import Customer, Order, full_type
from omnibridge.registry import Registry
from omnibridge.routing import Router

HEAD = """\
[channels.shop]
connector = "any"

[channels.erp]
connector = "any"

"""
FIRST = HEAD.count("\n") + 1


async def _order(settings: Settings, order: Order, delivery: Delivery, http: Http) -> Receipt:
    raise NotImplementedError


async def _customer(settings: Settings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    raise NotImplementedError


ANY = Connector(
    name="any",
    title="Any",
    settings=Settings,
    delivers=(deliver(Order, _order), deliver(Customer, _customer, verbs=("created",))),
)


def read(text: str) -> Config:
    return parse(HEAD + text, {}, Registry([ANY]), name="bridge.toml", folder=Path())


def said(text: str) -> list[str]:
    return [f"{'warning' if problem.warning else 'error'}: {problem}" for problem in check(read(text))]


def route(*lines: str) -> str:
    return "\n".join(["[[routes]]", 'name = "r"', 'to = ["erp"]', *lines])


def event(type_: str, channel: str, amount: str) -> Event:
    content = f'{{"totals": {{"total": {{"amount": "{amount}"}}}}}}'.encode()
    return Event("1", "/s", full_type(type_), content=content, extensions={"channel": channel})


def test_all_that_a_route_says_must_hold():
    found = read(
        route(
            'events = ["order.placed", "order.p*"]',
            'from = ["shop"]',
            "when = '''DATA_GT('/totals/total/amount', '100')'''",
            'filters = [{any = [{exact = {type = "order.placed"}}, {sql = "type = \'order.paid\'"}]}]',
            "echo = true",
            'on_poison = "park"',
            'on_unknown = "resend"',
        )
    )
    assert check(found) == []
    (made,) = found.routes
    assert (made.name, made.to, made.echo, made.on_poison, made.on_unknown) == ("r", ("erp",), True, "park", "resend")
    router = Router(found.routes)
    assert router.match(event("order.placed", "shop", "100.01")) == [made]
    assert router.match(event("order.paid", "shop", "200")) == [made]
    for other in (
        event("order.placed", "shop", "100.00"),
        event("order.placed", "erp", "200"),
        event("order.updated", "shop", "200"),
    ):
        assert router.match(other) == []


@pytest.mark.parametrize(
    ("line", "place", "what"),
    [
        (
            "when = \"type = 'order.placed' AND AND x\"",
            "routes.0.when",
            "AND does not fit here, at character 27: …'order.placed' AND >>>AND x (a value is missing",
        ),
        ('when = ""', "routes.0.when", "the expression is empty"),
        ("when = 5", "routes.0.when", "valid string"),
        (
            'filters = [{exact = {a = "b"}}, {exact = {a = 1}}]',
            "routes.0.filters.1",
            "filters[1].exact.a: an attribute",
        ),
        ('filters = [{sql = "x >"}]', "routes.0.filters.0", "filters[0].sql: the expression ends"),
        ('filters = [{cesql = "x"}]', "routes.0.filters.0", "the dialect is called sql"),
        (
            'events = ["order.placed"]\nfrom = ["shpo"]',
            "routes.0.from",
            "there is no channel 'shpo' (one of erp, shop)",
        ),
        ("echo = false", "routes.0", "matches every event (say which with events, from, filters or when"),
        ('events = ["order.placed"]\nwhere = "x"', "routes.0.where", "there is no such setting"),
    ],
)
def test_a_mistake_is_an_error_with_its_line(line: str, place: str, what: str) -> None:
    lines = line.split("\n")
    found = [text for text in said(route(*lines)) if text.startswith("error")]
    number = FIRST + (0 if place == "routes.0" else 2 + len(lines))
    assert len(found) == 1
    assert found[0].startswith(f"error: bridge.toml:{number} {place}: ")
    assert what in found[0]


@pytest.mark.parametrize(
    ("line", "place", "what"),
    [
        (
            "when = \"type = 'order.placed' AND DATA('/totals/total/amount') > 100\"",
            "routes.0.when",
            "DATA('/totals/total/amount') > 100: '/totals/total/amount' is a decimal number in a text; as an integer, "
            "129.90 is an error (write DATA_GT('/totals/total/amount', '100'))",
        ),
        ('events = ["order.plcaed", "order.paid"]', "routes.0.events", "there is no event type 'order.plcaed'"),
        ("when = \"type = 'order.plcaed' OR type = 'order.paid'\"", "routes.0.when", "did you mean order.placed?"),
        (
            "when = \"type = 'order.paid' AND channel = 'shpo'\"",
            "routes.0.when",
            "there is no channel 'shpo' (did you mean shop?)",
        ),
        ("when = \"type = 'order.paid' AND NOT channel = 'shop'\"", "routes.0.when", "NOT binds tighter than ="),
        (
            'events = ["order.paid"]\nfilters = [{prefix = {a = "b"}}, {sql = "DATA_EXISTS(\'/totl\')"}]',
            "routes.0.filters.1",
            "the data of order.paid has nothing at '/totl'",
        ),
        (
            'from = ["shop"]\nwhen = "channel = \'erp\'"',
            "routes.0",
            "no event can match: these conditions on channel exclude each other",
        ),
    ],
)
def test_what_is_hardly_meant_is_a_warning_with_its_line(line: str, place: str, what: str) -> None:
    lines = line.split("\n")
    found = said(route(*lines))
    fields = [part.split(" = ")[0] for part in lines]
    number = FIRST if place == "routes.0" else FIRST + 3 + fields.index(place.split(".")[2])
    assert [text for text in found if text.startswith(f"warning: bridge.toml:{number} {place}: ") and what in text], (
        found
    )
    assert read(route(*lines)).require(), "a warning stops nothing, of errors there are none"


def test_filters_as_tables_of_their_own_have_their_own_lines():
    text = route(
        "[[routes.filters]]", 'exact = {type = "order.paid"}', "[[routes.filters]]", 'sql = "x >"', *[""] * 2
    ) + route('events = ["order.paid"]', "[[routes.filters]]", "sql = \"channel = 'shpo'\"").replace('"r"', '"r2"')
    first, second = said(text)
    assert first.startswith(f"error: bridge.toml:{FIRST + 5} routes.0.filters.1: filters[1].sql: ")
    assert second.startswith(f"warning: bridge.toml:{FIRST + 12} routes.1.filters.0: channel = 'shpo'")


def test_names_are_unique():
    found = said(route('events = ["order.paid"]') + "\n" + route('events = ["order.placed"]'))
    assert found == [f"error: bridge.toml:{FIRST + 5} routes.1.name: two routes are called 'r' (name each differently)"]


def test_a_channel_that_takes_nothing_of_a_route():
    assert said(route('events = ["order.placed", "payment.failed"]')) == [
        "error: route 'r': erp (any) takes no payment.failed (it takes customer:created, order)"
    ]
    assert said(route("when = \"type LIKE 'payment.%'\"")) == [
        "error: route 'r': erp (any) takes nothing of what this route matches (it takes customer:created, order)"
    ]
    assert said(route("when = \"type LIKE 'customer.d%'\"")) == [
        "error: route 'r': erp (any) takes nothing of what this route matches (it takes customer:created, order)"
    ]
    assert said(route("when = \"type LIKE 'customer.%'\"")) == []
    assert said(route('from = ["shop"]')) == []
    assert said(route('from = ["events"]')) == []
