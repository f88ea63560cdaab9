"""`omnibridge review`: customers that somebody should decide about, values that join nobody, and what was decided."""

from __future__ import annotations

from pathlib import Path

from omnibridge.cli.app import AsJson, ConfigPath, app, attached, run_async
from omnibridge.cli.output import show, write_json
from omnibridge.customer import Deciding
from omnibridge.journal import Decision

__all__ = ["review_command"]


@app.command("review")
def review_command(config: ConfigPath = Path("bridge.toml"), as_json: AsJson = False) -> None:
    """Show customers that something would have joined, and why it did not; values that join nobody; decisions."""

    async def read() -> dict[str, list[dict[str, object]]]:
        async with attached(config) as journal:
            desk = Deciding(journal)
            return {
                "reviews": [one._asdict() for one in await desk.reviews()],
                "blocked": [one._asdict() for one in await desk.blocked()],
                "decisions": [_row(one) for one in await desk.decisions()],
            }

    found = run_async(read)
    if as_json:
        write_json(found)
        return
    show("To decide", found["reviews"], as_json=False, columns=["a", "b", "reason"])
    show("Joins nobody", found["blocked"], as_json=False, columns=["kind", "reason", "customers"])
    show("Decided", found["decisions"], as_json=False, columns=["number", "verb", "about", "at"])


def _row(made: Decision) -> dict[str, object]:
    about = f"{made.a} {made.b}" if made.key is None else made.key.kind
    at = made.at.isoformat(timespec="seconds") if made.at is not None else None
    return {"number": made.number, "verb": made.verb.value, "about": about, "at": at}
