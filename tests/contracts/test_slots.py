"""A wrong function in a slot of a connector is an error of the type checker; a right one is none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

START = """
from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from omnibridge.connector import (
    Auth,
    Connector,
    Credential,
    Cursor,
    Deliver,
    Delivery,
    Derived,
    Http,
    Inbound,
    Later,
    Limits,
    Lookup,
    Native,
    NativeKey,
    Observation,
    Outcome,
    Poll,
    Receipt,
    Redelivery,
    Request,
    Response,
    Result,
    Settings,
    Snapshot,
    Subscription,
    Subscriptions,
    Transmit,
    Upsert,
    Verdict,
    Webhook,
    classify_http,
    deliver,
    deliver_many,
)
from omnibridge.errors import Permanent, Retryable
from omnibridge.event import Event
from omnibridge.model import Customer, Order, SendMessage


class Acme(Settings):
    base_url: str = "https://acme.example"


class Other(Settings):
    token: str = ""


async def upsert(settings: Acme, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    answer = await http.post("/customers", json={"id": customer.id}, step="create", protection=NativeKey())
    await http.put("/customers/1", json={"name": "x"}, step="name", protection=Upsert())
    return Receipt(note=str(answer.status))


async def later(settings: Acme, order: Order, delivery: Delivery, http: Http) -> Later:
    return Later(timedelta(seconds=1), {"job": 1})


async def either(settings: Acme, command: SendMessage, delivery: Delivery, http: Http) -> Receipt | Later:
    return Receipt() if delivery.state else Later(timedelta(seconds=1))


async def together(settings: Acme, items: Sequence[tuple[Customer, Delivery]], http: Http) -> Sequence[Result]:
    await http.post("/bulk", json=[customer.id for customer, _ in items])
    return [Permanent("no") if delivery.state else Receipt() for _, delivery in items]


async def receipts(settings: Acme, items: Sequence[tuple[Order, Delivery]], http: Http) -> list[Receipt | Retryable]:
    return [Receipt() for _ in items]


async def whole(settings: Acme, event: Event, delivery: Delivery, http: Http) -> Receipt:
    return Receipt()


async def find(settings: Acme, customer: Customer, delivery: Delivery, http: Http) -> Receipt | None:
    return None


async def foreign(settings: Other, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    return Receipt()


def plain(settings: Acme, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    return Receipt()


async def poll(settings: Acme, cursor: Cursor | None, http: Http) -> None:
    await http.emit([Snapshot(Customer(), "1", 1)], {"after": 1})


async def bulk(settings: Acme, cursor: Cursor | None, http: Http) -> None:
    file = await http.download("/bulk", gzip=True, signed=True, most=1000, within=HOUR)
    async for line in file.lines(cursor["byte"] if cursor else 0):
        await http.emit([Snapshot(Customer(), str(line.json()))], {"byte": line.end})
    async for part in file.tar():
        await http.emit([Snapshot(Customer(), part.name + (await part.content()).decode())])


@asynccontextmanager
async def line(settings: Acme) -> AsyncGenerator[Transmit]:
    async def transmit(request: Request) -> Response:
        return Response(200, {}, request.body)

    yield transmit


async def read(settings: Acme, lookup: Lookup, http: Http) -> Sequence[Snapshot]:
    return [Snapshot(Customer(), lookup.external_id)]


async def probe(settings: Acme, http: Http) -> None:
    await http.get("/me")


def verify(settings: Acme, inbound: Inbound, now: datetime) -> Verdict:
    return Verdict.OK


def translate(settings: Acme, inbound: Inbound) -> Sequence[Observation]:
    return []


def headers(
    settings: Acme, credential: Credential | None, request: Request, now: datetime
) -> Mapping[str, str]:
    return {}


async def obtain(settings: Acme, old: Credential | None, http: Http) -> Credential:
    return Credential({"token": "x"})


HOUR = timedelta(hours=1)
"""

RIGHT = """
WEBHOOK = Webhook(
    delivery_id=Native("x-id"), verify=verify, translate=translate, redelivery=Redelivery(True, HOUR)
)
ACME = Connector(
    name="acme",
    title="Acme",
    settings=Acme,
    base_url=lambda settings: settings.base_url,
    auth=Auth(headers=headers, obtain=obtain),
    limits=Limits(scope=lambda settings: settings.base_url),
    probe=probe,
    webhook=WEBHOOK,
    polls=(Poll(name="all", every=HOUR, run=poll), Poll(name="bulk", every=HOUR, run=bulk)),
    read=read,
    line=line,
    delivers=(
        deliver(Customer, upsert, find=find, normal=lambda settings, customer: customer, collapse=False),
        deliver(Order, later, verbs=("placed",)),
        deliver(SendMessage, either),
        deliver(Event, whole),
        deliver_many(Customer, together, most=100, find=find, verbs=("created",)),
        deliver_many(Order, receipts, most=10),
    ),
)
slot: Deliver[Acme] = deliver(Customer, upsert)
"""

# What is wrong -> a statement that must not pass.
WRONG = {
    "another connector's settings": "slot: Deliver[Acme] = deliver(Customer, foreign)",
    "another connector's settings, in the record": (
        "both = (deliver(Customer, upsert), deliver(Customer, foreign))\n"
        "Connector(name='a', title='A', settings=Acme, delivers=both)"
    ),
    "another entity": "deliver(Order, upsert)",
    "an entity where a command is": "deliver(SendMessage, upsert)",
    "an entity where the event is": "deliver(Event, upsert)",
    "a function that is not async": "deliver(Customer, plain)",
    "a coroutine without its function": "deliver(Customer, upsert(Acme(), Customer(), None, None))",
    "no receipt": (
        "async def bad(settings: Acme, customer: Customer, delivery: Delivery, http: Http) -> None: ...\n"
        "deliver(Customer, bad)"
    ),
    "too few parameters": (
        "async def bad(settings: Acme, customer: Customer, http: Http) -> Receipt: return Receipt()\n"
        "deliver(Customer, bad)"
    ),
    "what is no entity": "deliver(str, upsert)",
    "a find for another entity": "deliver(Order, later, find=find)",
    "a find that is not async": "deliver(Customer, upsert, find=plain)",
    "a normal of another type": "deliver(Customer, upsert, normal=lambda settings, customer: 'Ann')",
    "many of another entity": "deliver_many(Order, together, most=10)",
    "many commands": (
        "async def bad(settings: Acme, items: Sequence[tuple[SendMessage, Delivery]], http: Http) -> list[Receipt]:"
        " return []\ndeliver_many(SendMessage, bad, most=10)"
    ),
    "many without a most": "deliver_many(Customer, together)",
    "one where many are": "deliver_many(Customer, upsert, most=10)",
    "many where one is": "deliver(Customer, together)",
    "one result for many": (
        "async def bad(settings: Acme, items: Sequence[tuple[Customer, Delivery]], http: Http) -> Receipt:"
        " return Receipt()\ndeliver_many(Customer, bad, most=10)"
    ),
    "a poll that emits by returning": (
        "async def bad(settings: Acme, cursor: Cursor | None, http: Http) -> list[Snapshot]: return []\n"
        "Poll(name='x', every=HOUR, run=bad)"
    ),
    "a poll that is not async": (
        "def bad(settings: Acme, cursor: Cursor | None, http: Http) -> None: ...\nPoll(name='x', every=HOUR, run=bad)"
    ),
    "a period that is a number": "Poll(name='x', every=60, run=poll)",
    "a verify that says yes or no": (
        "def bad(settings: Acme, inbound: Inbound, now: datetime) -> bool: return True\n"
        "Webhook(delivery_id=Native('x'), verify=bad, translate=translate, redelivery=Redelivery(True, HOUR))"
    ),
    "an async translate": (
        "async def bad(settings: Acme, inbound: Inbound) -> Sequence[Observation]: return []\n"
        "Webhook(delivery_id=Native('x'), verify=verify, translate=bad, redelivery=Redelivery(True, HOUR))"
    ),
    "a delivery id that is text": (
        "Webhook(delivery_id='x-id', verify=verify, translate=translate, redelivery=Redelivery(True, HOUR))"
    ),
    "a classify for something else": (
        "def bad(response: Response) -> Outcome: return classify_http(Request('GET', '/'), response, datetime.max)\n"
        "Connector(name='a', title='A', settings=Acme, classify=bad)"
    ),
    "headers without a request": ("def bad(settings: Acme) -> Mapping[str, str]: return {}\nAuth[Acme](headers=bad)"),
    "a credential that is text": (
        "async def bad(settings: Acme, old: Credential | None, http: Http) -> str: return 'token'\n"
        "Auth(headers=headers, obtain=bad)"
    ),
    "a read for other settings": (
        "async def bad(settings: Other, lookup: Lookup, http: Http) -> Sequence[Snapshot]: return []\n"
        "Connector(name='a', title='A', settings=Acme, probe=probe, read=bad)"
    ),
    "subscriptions that are not async": (
        "def desired(settings: Acme, url: str) -> Sequence[Subscription]: return []\n"
        "Subscriptions(desired=desired, list=desired, create=desired, delete=desired)"
    ),
    "an unknown slot": "Connector(name='a', title='A', settings=Acme, deliver=())",
    "a write with an unknown option": ("async def bad(http: Http) -> None: await http.post('/x', jsn={})"),
    "a protection that is a text": ("async def bad(http: Http) -> None: await http.post('/x', protection='key')"),
    "a line that is no context manager": (
        "async def bad(settings: Acme) -> Transmit: ...\nConnector(name='a', title='A', settings=Acme, line=bad)"
    ),
    "a line for other settings": (
        "@asynccontextmanager\nasync def bad(settings: Other) -> AsyncGenerator[Transmit]: yield no\n"
        "async def no(request: Request) -> Response: return Response(500)\n"
        "Connector(name='a', title='A', settings=Acme, probe=probe, line=bad)"
    ),
    "a line that answers with bytes": (
        "@asynccontextmanager\nasync def bad(settings: Acme) -> AsyncGenerator[Transmit]: yield no\n"
        "async def no(request: Request) -> bytes: return b''"
    ),
    "lines without async": (
        "async def bad(http: Http) -> None:\n    for line in (await http.download('/x')).lines(): print(line)"
    ),
    # A missing await: the effect would never happen.
    "a get that nobody awaits": "async def bad(http: Http) -> None: http.get('/x')",
    "a post that nobody awaits": "async def bad(http: Http) -> None: http.post('/x', json={})",
    "a keep that nobody awaits": (
        "from omnibridge.connector import Reference\n"
        "async def bad(http: Http) -> None: http.keep(Reference('customer', '1'))"
    ),
    "an emit that nobody awaits": "async def bad(http: Http) -> None: http.emit([])",
    "an answer that nobody awaited": "async def bad(http: Http) -> int: return http.get('/x').status",
    "a download that nobody awaits": "async def bad(http: Http) -> None: http.download('/x')",
    "a file that nobody awaited": "async def bad(http: Http) -> bytes: return (await http.download('/x')).content()",
    "the time that nobody awaited": "async def bad(http: Http) -> datetime: return http.now()",
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Counter[str]:
    """How many errors the type checker finds in each file, all checked in one go."""
    folder = tmp_path_factory.mktemp("slots")
    head = START.count("\n") + 1
    (folder / "right.py").write_text(START + RIGHT, "utf-8")
    for place, statement in enumerate(WRONG.values()):
        (folder / f"wrong_{place}.py").write_text(f"{START}\n{statement}\n", "utf-8")
    settings = {
        "include": ["."],
        "extraPaths": [str(repository / "src")],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        # The statements import more than each needs.
        "reportUnusedImport": False,
        "reportUnusedExpression": False,
        "reportUnusedFunction": False,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
    program = Path(sys.executable).with_name("pyright")
    command = [str(program), "--outputjson", "--pythonpath", sys.executable, "--project", str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(ran.stdout)
    assert found["summary"]["filesAnalyzed"] == len(WRONG) + 1
    wrong: Counter[str] = Counter()
    for one in found["generalDiagnostics"]:
        if one["severity"] == "error":
            where = "head" if one["range"]["start"]["line"] < head - 1 else "tail"
            wrong[f"{Path(one['file']).stem} {where}"] += 1
    return wrong


def test_right_functions_pass(verdicts: Counter[str]) -> None:
    assert not {name for name in verdicts if name.startswith("right") or name.endswith("head")}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_one_does_not(verdicts: Counter[str], what: str) -> None:
    assert verdicts[f"wrong_{list(WRONG).index(what)} tail"] > 0
