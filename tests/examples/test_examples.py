"""Every example in Python runs by itself, says what its text promises, and warns of nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAID = {
    "01-embed/embed.py": [
        "stored: True",
        "stored again: False",
        "+4533123456 wrote: Hello",
        "kept: ['message.received']",
    ],
    "02-mount/mount.py": ["the shop's own page", "401", "202", "[{'number': 1}]"],
    "03-own-connector/try_parcels.py": ["both hold"],
    "04-testing-time/patience.py": ["03 January: ready, ", "04 January: done, 1 event taken"],
    "one-customer/run.py": [
        "known by: newsletter, phone, till, webshop",
        "profile: ",
        "open orders: 2",
        "conversation: Is my parcel on its way? / It comes tomorrow. / START",
        "consents: email marketing granted, sms marketing granted",
        "timeline: events command.message.send, newsletter consent.granted, phone consent.granted, ",
        "an offer: done",
        "decided: granted (phone), withdrawn (phone)",
        "told that it ended: newsletter done, phone source, till cannot, webshop done",
        "an offer: refused",
        "erasure: newsletter ",
        "it is done",
        "Ann: nobody is known by that",
    ],
}


@pytest.mark.parametrize("example", SAID)
def test_it_runs(example: str, tmp_path: Path):
    path = ROOT / "examples" / example
    command = [sys.executable, "-W", "error", "-W", "ignore:Using `httpx`", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(SAID[example])
    assert all(line.startswith(said) for line, said in zip(lines, SAID[example], strict=True)), lines


def test_every_example_is_tested_and_listed():
    numbered = {path.parent.name for path in (ROOT / "examples").glob("*/*.py")}
    assert numbered == {example.partition("/")[0] for example in SAID}
    listed = (ROOT / "examples" / "README.md").read_text("utf-8")
    assert not [folder for folder in numbered if f"({folder}/" not in listed]
