"""Silver: what is written many at a time is told of each as if it had been written alone."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from omnibridge.connector import Alone, Deliver, Later, Receipt, Sandbox, Settings, Snapshot
from omnibridge.model import Entity
from omnibridge.testing.conformance.check import silver
from omnibridge.testing.conformance.given import Write
from omnibridge.testing.conformance.subject import Blocked, Missed, NotApplicable, Subject
from omnibridge.testing.conformance.write_checks import STAMPS, finish, read_back, said

__all__ = ["COMPANY_CHECKS"]

_RUNS = 30


@silver(
    why="The results of a company are matched to its items by their place alone. One that stands in another's place "
    "gives a customer the vendor's number of somebody else, and every later change goes to the wrong person.",
    mend="Give a result for each item, in the order of the items: match the vendor's rows to them by what you sent "
    "with each, not by the order in which they come. Give a `Write` for two different entities that may go together.",
)
def many_as_one(subject: Subject) -> None:
    """Examples that are written together are told, each in its place, as they are when they are written alone."""
    slots = [slot for slot in subject.connector.delivers if slot.together is not None and slot.most > 1]
    if not slots:
        raise NotApplicable("it writes nothing many at a time")
    for slot in slots:
        company = [write for write in subject.writes if subject.slot(write) is slot]
        if len(company) < 2:
            raise Missed(f"conformance.py has one example for {slot.operation}: nothing can be written together")
        company = company[: slot.most]
        alone = [_alone(subject, write) for write in company]
        for order in (1, -1):
            sandbox = subject.sandbox()
            receipts = _together(subject, slot, company[::order], sandbox)
            for write, receipt, before in zip(company[::order], receipts, alone[::order], strict=True):
                now = _shown(subject, sandbox, write, receipt)
                for name in sorted({*now, *before}):
                    if now.get(name) != before.get(name):
                        raise Missed(
                            f"{write.name}, written together with others, has as {name} {now.get(name)}, "
                            f"and alone {before.get(name)}"
                        )


def _alone(subject: Subject, write: Write) -> dict[str, list[JsonValue]]:
    sandbox = subject.sandbox()
    try:
        receipt = finish(subject, write, sandbox)
    except Exception:
        raise Blocked("golden-outbound") from None
    return _shown(subject, sandbox, write, receipt)


def _together(subject: Subject, slot: Deliver[Settings], company: Sequence[Write], sandbox: Sandbox) -> list[Receipt]:
    """Write them at once, and again what says later, as the core does: together where the state is the same."""
    together = slot.together
    assert together is not None
    items: list[tuple[Entity, int]] = [(w.value, n) for n, w in enumerate(company) if isinstance(w.value, Entity)]
    done: dict[int, Receipt] = {}
    waiting: list[tuple[object, list[tuple[Entity, int]]]] = [(None, items)]
    for _ in range(_RUNS):
        if not waiting:
            return [done[number] for number in range(len(company))]
        state, now = waiting.pop(0)
        told = [
            (entity, subject.briefing(company[n])._replace(key=f"00000000-0000-5000-8000-{n:012}", state=state))
            for entity, n in now
        ]
        try:
            results = subject.drive(lambda http, told=told: together(subject.settings, told, http), sandbox).result
        except Exception as error:
            raise Missed(f"{slot.operation}, many at a time: {type(error).__name__}: {error}") from error
        for (entity, n), result in zip(now, results, strict=True):
            if isinstance(result, Receipt):
                done[n] = result
            elif isinstance(result, Alone):
                done[n] = finish(subject, company[n], sandbox)
            elif isinstance(result, Later):
                same = next((group for at, group in waiting if at == result.state), None)
                if same is None:
                    waiting.append((result.state, same := []))
                same.append((entity, n))
            else:
                raise Missed(f"{company[n].name} is refused together with others, and not alone: {result}")
    raise Missed(f"{slot.operation}, many at a time, still says `Later` after {_RUNS} runs")


def _shown(subject: Subject, sandbox: Sandbox, write: Write, receipt: Receipt) -> dict[str, list[JsonValue]]:
    """What the vendor says of what the receipt names: the fields that were written, and which references there are."""
    names = {(one.kind, one.external_id) for one in (*receipt.references, *receipt.snapshots)}
    if write.own is not None and isinstance(write.value, Entity):
        names.add((write.value.KIND, write.own))
    seen = [*receipt.snapshots, *read_back(subject, sandbox, receipt.references, receipt.snapshots)]
    wanted = said(write.value).keys() - STAMPS if isinstance(write.value, Entity) else frozenset[str]()
    shown: dict[str, list[JsonValue]] = {"references": [one.kind for one in receipt.references]}
    for one in seen:
        if isinstance(one, Snapshot) and not one.deleted and (one.kind, one.external_id) in names:
            for name, value in said(one.entity).items():
                if name in wanted and value not in shown.setdefault(f"`{one.kind}.{name}`", []):
                    shown[f"`{one.kind}.{name}`"].append(value)
    return shown


COMPANY_CHECKS = (many_as_one,)
