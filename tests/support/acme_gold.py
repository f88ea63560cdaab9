"""The healthy example at gold: the finished one with what an author writes last, and the mutants of the gold checks."""

from __future__ import annotations

import json
from pathlib import Path

from acme_connector import run
from acme_mutant import CONFORMANCE, SRC, Change, Mutant, apply, one, source
from acme_silver import write_finished

from omnibridge.testing.conformance import CHECKS

__all__ = ["GOLD", "write_gold"]

_METADATA = "src/omnibridge_acme-0.1.0.dist-info/METADATA"
_LAST = (
    Change(
        CONFORMANCE,
        '    without={"answers-in-200": "Acme says every error by the status"},\n',
        "    without={\n"
        '        "answers-in-200": "Acme says every error by the status",\n'
        '        "deletions-told": "Acme keeps everybody",\n'
        '        "privacy-told": "Acme asks its people to write to the shop",\n'
        "    },\n"
        '    released=Path(__file__).with_name("released"),\n',
    ),
    Change(_METADATA, "Version: 0.1.0\n", "Version: 0.1.0\nRequires-Dist: omnibridge<0.2,>=0.0.9\n"),
)
_IN, _WIRE = SRC + "inbound.py", SRC + "wire.py"
_PAYLOAD = "tests/payloads/customer-updated.json"
_MONEY = (
    Change(_PAYLOAD, '"type": "customer.updated",', '"type": "customer.updated",\n  "paid": "19.90",'),
    Change(_WIRE, "    customer: CustomerRow\n", "    customer: CustomerRow\n    paid: Decimal | None = None\n"),
    Change(_WIRE, "import datetime\n", "import datetime\nfrom decimal import Decimal\n"),
    Change(
        _IN,
        "    return [customer_snapshot(notice.customer)]\n",
        "    if notice.paid is None:\n        return [customer_snapshot(notice.customer)]\n"
        "    money = read_model(Money, {'amount': notice.paid, 'currency': 'EUR'})\n"
        "    return [customer_snapshot(notice.customer), Snapshot(Payment(amount=money), 'p_1', 1)]\n",
    ),
    Change(_IN, "Observation, Verdict", "Observation, Snapshot, Verdict"),
    Change(_IN, "import InvalidMessage\n", "import InvalidMessage\nfrom omnibridge.model import Money, Payment\n"),
    Change(SRC + "connector.py", 'emits=("customer",)', 'emits=("customer", "payment")'),
)


def write_gold(into: Path, extra: str | None = None) -> Path:
    """A fresh one, tried with an earlier core, after a release."""
    folder = write_finished(into, None if extra == "money" else extra)
    apply(folder, _LAST)
    if extra == "money":
        apply(folder, _MONEY)
        run(folder, tuple(check for check in CHECKS if check.id == "golden-inbound"), write_golden=True)
    golden = folder / "tests/golden"
    (golden / "cores.json").write_text(json.dumps(["0.0.9"]))
    run(folder, tuple(check for check in CHECKS if check.id == "wire-as-released"), write_golden=True)
    for name in ("inbound/customer-updated.json", "wire/models.json"):
        released = folder / "tests/released" / name
        released.parent.mkdir(parents=True)
        released.write_text((golden / name).read_text())
    return folder


GOLD: dict[str, Mutant] = {
    "round-trip": source(
        "loses what is not ASCII",
        "outbound.py",
        "    body = {theirs: getattr(customer, ours) for",
        "    if customer.given_name and not customer.given_name.isascii():\n"
        "        customer = customer.model_copy(update={'given_name': '?'})\n"
        "    body = {theirs: getattr(customer, ours) for",
    ),
    "money-exact": Mutant(
        "counts with floats",
        (Change(_IN, "'amount': notice.paid", "'amount': f'{float(notice.paid):.2f}'"),),
        extra="money",
    ),
    "times-aware": source(
        "takes the machine's zone for the vendor's",
        "wire.py",
        "    version: datetime = row.updated_at\n",
        "    local = row.updated_at.astimezone()\n"
        "    version = row.updated_at.replace(second=(local.utcoffset().seconds // 3600) % 60)\n",
    ),
    "deletions-told": one(
        "says nothing about deletions", CONFORMANCE, '        "deletions-told": "Acme keeps everybody",\n', ""
    ),
    "privacy-told": one(
        "knows people, and says nothing of requests to be forgotten",
        CONFORMANCE,
        '        "privacy-told": "Acme asks its people to write to the shop",\n',
        "",
    ),
    "told-as-released": one(
        "told more in its last release",
        "tests/released/inbound/customer-updated.json",
        '"given_name": "Some",',
        '"given_name": "Some", "phone": "+4533123456",',
    ),
    "wire-as-released": one(
        "required less in its last release",
        "tests/released/wire/models.json",
        '"required": [\n        "type",\n        "customer"\n      ]',
        '"required": [\n        "customer"\n      ]',
    ),
    "memory-bounded": source(
        "keeps a copy of everything for each row",
        "polls.py",
        "        after = page.next\n",
        "        after = page.next\n"
        "        kept = [page.model_copy(deep=True) for _ in page.customers[::50]]\n"
        "        kept.clear()\n",
    ),
    "settings-table": one(
        "has a row for what is gone", "README.md", "| `base_url` |", "| `region` | no | gone |\n| `base_url` |"
    ),
    "readme-limits": one("does not say what it cannot do", "README.md", "## Limits", "## Bounds"),
    "readme-troubleshooting": one("has no help", "README.md", "## Troubleshooting", "## Questions"),
    "changelog": one("does not say what changed", "CHANGELOG.md", "## 0.1.0", "## 0.0.9"),
    "core-range": one("takes every core to come", _METADATA, "omnibridge<0.2,>=0.0.9", "omnibridge>=0.0.9"),
    "core-ends": one("claims a core that nobody tried", _METADATA, ">=0.0.9", ">=0.0.8"),
}
