"""What the demonstration must have led to: nothing lost, doubled or forged, no echo, and no unwanted message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from omnibridge.cli.demo_ledger import Ledger
from omnibridge.cli.demo_stage import Letter, Stage
from omnibridge.cli.demo_story import ANNA, BO, Facts
from omnibridge.journal import DeliveryState, InboxState
from omnibridge.model import Order, canonical_id

__all__ = ["Check", "judge"]

_WRONG = (DeliveryState.DEAD, DeliveryState.UNKNOWN, DeliveryState.PARKED)
_OURS = ("customer.", "order.", "consent.", "fulfilment.", "refund.", "payment.")
_WRITTEN = ("till", "newsletter", "erp")


@dataclass(frozen=True, slots=True)
class Check:
    """One promise: whether it was kept, and what was counted."""

    promise: str
    kept: bool
    counted: str


def judge(stage: Stage, facts: Facts, ledger: Ledger) -> list[Check]:
    """Every promise with its verdict."""
    return [
        _of("nothing is lost or doubled: each order is in each system once", _orders(stage, facts, ledger)),
        _of("nothing is lost or doubled: each customer is in each system once", _customers(stage, facts)),
        _of("the warehouse has each event about orders, and no other", _warehouse(stage, ledger)),
        _of("a webhook that comes twice counts once", _repeated(facts, ledger)),
        _of("an update before its create: one order, in its newest state", _late(facts, ledger)),
        _of("what was acknowledged survives a SIGKILL", _survived(facts, ledger)),
        _of("the forged webhook is refused, and nothing of it is stored", _forged(facts, ledger)),
        _of("echoes of our own writes are no events", _echoes(stage, ledger)),
        _of("marketing goes to whom allowed it, and to nobody else", _consent(stage, facts, ledger)),
        _of("a withdrawal reaches the other systems", _withdrawal(stage)),
        _of("nothing is left over: no dead letter, nothing unknown, nothing invalid", _left(facts, ledger)),
    ]


Findings = Iterator[tuple[bool, str]]


def _of(promise: str, findings: Findings) -> Check:
    """Kept when every finding is right; the wrong ones are told, else all."""
    found = list(findings)
    wrong = [text for right, text in found if not right]
    return Check(promise, not wrong, "; ".join(wrong or [text for _, text in found]))


def _placed(ledger: Ledger) -> list[str]:
    """The canonical ids of the shop's orders."""
    return [stored.event.subject or "" for stored in ledger.events if stored.event.name == "order.placed"]


def _orders(stage: Stage, facts: Facts, ledger: Ledger) -> Findings:
    ids = _placed(ledger)
    yield len(ids) == len(set(ids)) == len(facts.orders), f"{len(facts.orders)} orders, {len(ids)} times order.placed"
    tables: Sequence[tuple[str, str, str, Callable[[str], str]]] = (
        ("erp", "sale.sale", "reference", lambda text: text.removeprefix("omnibridge:").partition(" ")[0]),
        ("till", "orders", "reference_id", str),
        ("newsletter", "orders", "id", str),
    )
    for system, table, field, read in tables:
        held = Counter(read(str(row.get(field))) for row in stage.systems[system].table(table))
        yield held == Counter(ids), f"{system} has {held.total()}"


def _customers(stage: Stage, facts: Facts) -> Findings:
    wanted = Counter(person.email for person in facts.people)
    for system, table, field in (
        ("till", "customers", "email_address"),
        ("newsletter", "members", "email_address"),
        ("newsletter", "customers", "email_address"),
        ("erp", "party.contact_mechanism", "value"),
    ):
        rows = [row for row in stage.systems[system].table(table) if row.get("type", "email") == "email"]
        held = Counter(str(row.get(field)) for row in rows)
        yield held == wanted, f"{system} has {held.total()} in {table}"
    parties = len(stage.systems["erp"].table("party.party"))
    yield parties == len(facts.people), f"erp has {parties} parties"


def _warehouse(stage: Stage, ledger: Ledger) -> Findings:
    wanted = {
        (stored.event.source, stored.event.id)
        for stored in ledger.events
        if stored.event.name.startswith(("order.", "refund.", "fulfilment."))
    }
    rows = stage.systems["warehouse"].table("events")
    held = Counter((str(row.get("source")), str(row.get("id"))) for row in rows)
    yield set(held) == wanted and held.total() == len(held), f"{len(wanted)} events, {held.total()} taken"


def _rows(ledger: Ledger, letter: Letter | None) -> int:
    return sum(1 for row in ledger.inbox if letter is not None and row.body == letter.outgoing.body)


def _repeated(facts: Facts, ledger: Ledger) -> Findings:
    answers = facts.repeated.answers if facts.repeated is not None else []
    yield answers == [200, 200], f"handed over {len(answers)} times, answered {answers}"
    rows = _rows(ledger, facts.repeated)
    yield rows == 1, f"stored {rows} times"


def _late(facts: Facts, ledger: Ledger) -> Findings:
    late = next((row for row in ledger.inbox if facts.late and row.body == facts.late.outgoing.body), None)
    yield late is not None and late.state is InboxState.DONE, "the late create was stored and processed"
    caused = [stored.event for stored in ledger.events if late is not None and stored.inbox_id == late.id]
    yield not [event for event in caused if event.name.startswith("order.")], "it caused no event about the order"
    order = canonical_id("webshop", Order.KIND, facts.late_order)
    names = Counter(stored.event.name for stored in ledger.events if stored.event.subject == order)
    yield names["order.placed"] == names["order.fulfilled"] == 1, f"events of the order: {_listed(names)}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items())) or "none"


def _survived(facts: Facts, ledger: Ledger) -> Findings:
    letter = facts.accepted_before_kill
    answers = letter.answers if letter is not None else []
    yield answers == [200], f"acknowledged with {answers}"
    rows = [row for row in ledger.inbox if letter is not None and row.body == letter.outgoing.body]
    yield [row.state for row in rows] == [InboxState.DONE], "found in the inbox after the restart, and processed"


def _forged(facts: Facts, ledger: Ledger) -> Findings:
    answers = facts.forged.answers if facts.forged is not None else []
    yield answers == [401], f"answered {answers}"
    rows = _rows(ledger, facts.forged)
    yield rows == 0, f"stored {rows} times"
    named = sum(1 for stored in ledger.events if "mallory" in str(stored.event.data))
    yield named == 0, f"named in {named} events"


def _echoes(stage: Stage, ledger: Ledger) -> Findings:
    told = sum(len(stage.systems[name].letters) for name in _WRITTEN)
    yield told > 0, f"{told} webhooks told of what we wrote"
    false = Counter(
        f"{stored.event.name} from {stored.channel}"
        for stored in ledger.events
        if stored.channel in _WRITTEN and stored.event.name.startswith(_OURS)
    )
    yield not false, _listed(false) if false else "no event came of them"


def _consent(stage: Stage, facts: Facts, ledger: Ledger) -> Findings:
    yield set(facts.published) == {202}, f"commands answered {sorted(set(map(str, facts.published)))}"
    messages = stage.systems["phone"].table("messages")
    sent = Counter((str(row["to"]), str(row["body"])) for row in messages if row["direction"] == "outbound-api")
    yield sent == Counter(facts.sent), f"{sent.total()} of {len(facts.published)} messages sent, each once"
    refused = [row for row in ledger.deliveries if row.state is DeliveryState.REFUSED]
    reasons = sorted({(row.last.text or "").rpartition("it is ")[2] for row in refused if row.last is not None})
    right = len(refused) == len(facts.withheld) and reasons == ["unknown", "withdrawn"]
    yield right, f"{len(refused)} refused: {', '.join(reasons)}"


def _withdrawal(stage: Stage) -> Findings:
    with stage.systems["webshop"].lock:
        rows = stage.systems["webshop"].sandbox.records()["customers"]
        phones = [row["defaultPhoneNumber"] for row in rows]
    states = {phone["phoneNumber"]: phone["marketingState"] for phone in phones if phone}
    yield states.get(ANNA.phone) == "UNSUBSCRIBED", f"the shop has Alpha's number as {states.get(ANNA.phone)}"
    yield states.get(BO.phone) == "NOT_SUBSCRIBED", f"Beta's as {states.get(BO.phone)}"


def _left(facts: Facts, ledger: Ledger) -> Findings:
    wrong = Counter(f"{row.state.value} at {row.channel}" for row in ledger.deliveries if row.state in _WRONG)
    yield not wrong, _listed(wrong) if wrong else "every delivery is settled"
    invalid = sum(1 for row in ledger.inbox if row.state is not InboxState.DONE)
    yield invalid == 0, f"{invalid} of {len(ledger.inbox)} inbox rows are open or invalid"
    yield facts.exit_code == 0, f"the bridge stopped with exit code {facts.exit_code}"
