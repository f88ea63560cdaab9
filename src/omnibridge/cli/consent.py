"""`omnibridge consent`: what a contact point has allowed, by whose word, and who was told when that ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from omnibridge.cli.app import AsJson, ConfigPath, app, attached, channels_of, run_async
from omnibridge.cli.output import say, table, write_json
from omnibridge.customer import Decision, Permission, permissions

__all__ = ["consent_command"]


@app.command("consent")
def consent_command(
    contact: Annotated[str, typer.Argument(metavar="EMAIL|PHONE", help="The address or number that it is about.")],
    config: ConfigPath = Path("bridge.toml"),
    as_json: AsJson = False,
) -> None:
    """Show what a contact point has allowed: the state in force, every decision with its proof, and who was told."""

    async def read() -> Sequence[Permission]:
        async with attached(config) as journal:
            return await permissions(journal, channels_of(config), contact)

    found = run_async(read)
    if as_json:
        write_json([permission.model_dump(mode="json") for permission in found])
    elif not found:
        say("nobody ever said anything about it, so nothing but answers goes there: unknown is not granted")
    for permission in () if as_json else found:
        _show(permission)


def _show(permission: Permission) -> None:
    say(f"{permission.medium} {permission.purpose}: {permission.state} since {_time(permission.since)}")
    rows = [
        (d.state, d.channel, _time(d.at), _time(d.recorded), d.basis, _proof(d), d.refused or "yes")
        for d in permission.decisions
    ]
    table("Decisions", ["state", "channel", "decided", "heard", "basis", "proof", "counts"], rows)
    if permission.notices:
        told = [(notice.channel, notice.state, _time(notice.at), notice.text) for notice in permission.notices]
        table("Told that it ended", ["channel", "state", "at", "answer"], told)


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at is not None else "-"


def _proof(decision: Decision) -> str:
    proof = decision.proof
    if proof is None:
        return "none"
    return ", ".join(part for part in (proof.source, proof.ip, proof.detail) if part)
