"""Plants bugs in a scratch copy of the core, one at a time, and expects the tests to notice each.

`python tests/support/planted.py` prints a line for each bug; the exit code tells whether one went unnoticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 180
"""A run that takes longer, and thrice as long as of the sound code, hangs: the bug is noticed."""


@dataclass(frozen=True)
class Bug:
    """`old` becomes `new` in `file`; one of `tests` must fail then, and none of them may before."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


BUGS = (
    Bug(
        "acknowledge before the commit",
        "ingress/ingress.py",
        "            accepted = await self._journal.accept(item)\n",
        "            import asyncio, sniffio\n"
        "            accepted = Accepted(1, False)\n"
        "            if sniffio.current_async_library() == 'asyncio':\n"
        "                asyncio.ensure_future(self._journal.accept(item))\n",
        ("tests/ingress", "tests/faults/test_failpoints.py"),
    ),
    Bug(
        "synchronous=OFF",
        "journal/sqlite_file.py",
        "PRAGMA synchronous = full",
        "PRAGMA synchronous = off",
        ("tests/faults/test_power_cut.py",),
    ),
    Bug(
        "== for signatures",
        "connector/signatures.py",
        "return hmac.compare_digest(left, right)",
        "return left == right",
        ("tests/connector",),
    ),
    Bug(
        "a key that changes on retry",
        "delivery/keys.py",
        'return name_uuid(UUID(delivery).bytes, f"{step}\\x1f{generation}")',
        'import os\n    return name_uuid(UUID(delivery).bytes, f"{step}\\x1f{generation}{os.urandom(4).hex()}")',
        ("tests/delivery", "tests/faults/test_failpoints.py"),
    ),
    Bug(
        "a lane that reorders",
        "journal/sqlite_lanes.py",
        "ORDER BY place, id LIMIT 1",
        "ORDER BY place DESC, id DESC LIMIT 1",
        ("tests/journal", "tests/delivery"),
    ),
    Bug(
        "a bare write that does not commit its start",
        "delivery/exchange.py",
        "            await journal.start(self._delivery, step)\n",
        "            pass\n",
        ("tests/faults/test_failpoints.py",),
    ),
    Bug(
        "an ambiguous send that is repeated blindly",
        "delivery/exchange.py",
        "if frozen.doubtful(self._vendor.clock.now()) and request.step not in self._cleared:",
        "if False:",
        ("tests/faults/test_failpoints.py",),
    ),
    Bug(
        "unknown consent taken for granted",
        "customer/gate.py",
        "if state != ConsentState.GRANTED:",
        "if state not in (ConsentState.GRANTED, ConsentState.UNKNOWN):",
        ("tests/customer", "tests/delivery"),
    ),
    Bug(
        "an older version that overwrites",
        "reconcile/reconcile.py",
        "if known.version is not None and version is not None and version < known.version:",
        "if False:",
        ("tests/reconcile",),
    ),
    Bug(
        "a copy that grants consent",
        "reconcile/consent.py",
        "    if not collects:\n",
        "    if False:\n",
        ("tests/reconcile",),
    ),
    Bug(
        "a receipt that claims nothing is forgotten",
        "reconcile/reconcile.py",
        "        if turn.origin is Origin.RECEIPT:\n            copied(",
        "        if False:\n            copied(",
        ("tests/reconcile/test_fold.py", "tests/reconcile/test_rest.py"),
    ),
    Bug(
        "a copy that claims",
        "reconcile/shared.py",
        "            claims[field] = [made, *own]",
        "            claims[field] = made",
        ("tests/reconcile/test_fold.py", "tests/reconcile/test_rest.py"),
    ),
    Bug(
        "an edit that was overwritten unheard is dropped",
        "reconcile/reconcile.py",
        "if key.kind in SHARED and origin is not Origin.RECEIPT and not known.deleted and not seen.deleted:",
        "if False:",
        ("tests/reconcile/test_rest.py",),
    ),
    Bug(
        "who loses is not told",
        "process.py",
        "for event, channel in derived.restores:",
        "for event, channel in ():",
        ("tests/test_conflicts.py", "tests/reconcile/test_rest.py"),
    ),
    Bug(
        "an event that goes back where it came from",
        "routing/router.py",
        "channel != origin",
        "True",
        ("tests/routing", "tests/test_process.py"),
    ),
    Bug(
        "a credential that goes to any host",
        "delivery/sender.py",
        "if parts.netloc.lower() not in self._hosts or parts.scheme != self._scheme:",
        "if False:",
        ("tests/delivery",),
    ),
)


def run(tests: tuple[str, ...], source: Path, seconds: float | None) -> bool:
    """Whether the tests pass with the core at `source`, within that time."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-n", "0", *tests]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(source)}, capture_output=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


@cache
def patience(tests: tuple[str, ...]) -> float:
    """How long the tests may take. They must pass on the sound code, or their failing would say nothing about a bug."""
    start = time.monotonic()
    if not run(tests, ROOT / "src", None):
        raise SystemExit(f"{' '.join(tests)} fails without any bug planted")
    return max(SECONDS, 3 * (time.monotonic() - start))


def main(names: list[str]) -> int:
    """Plant every bug (or those whose names contain a word given)."""
    unnoticed: list[str] = []
    for bug in BUGS:
        if names and not any(name in bug.name for name in names):
            continue
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder)
            shutil.copytree(ROOT / "src" / "omnibridge", source / "omnibridge")
            file = source / "omnibridge" / bug.file
            text = file.read_text()
            if text.count(bug.old) < 1:
                print(f"STALE     {bug.name}: the code it changes is no longer in {bug.file}")
                unnoticed.append(bug.name)
                continue
            file.write_text(text.replace(bug.old, bug.new))
            noticed = not run(bug.tests, source, patience(bug.tests))
            print(f"{'caught   ' if noticed else 'UNNOTICED'} {bug.name}", flush=True)
            if not noticed:
                unnoticed.append(bug.name)
    print(f"{len(unnoticed)} went unnoticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
