"""`omnibridge connectors`: what is installed, and what each can do."""

from __future__ import annotations

import textwrap

from omnibridge.cli.app import AsJson, app
from omnibridge.cli.output import say, write_json
from omnibridge.connector import AnyConnector
from omnibridge.registry import Registry
from omnibridge.testing.conformance import Known, known_tier

__all__ = ["connectors_command"]

_WIDTH = 80


@app.command("connectors")
def connectors_command(as_json: AsJson = False) -> None:
    """List the installed connectors with their capabilities and tiers; a broken one with the reason.

    The tier is what `omnibridge check-connector --record` wrote into the package; it is unknown where nothing was
    written, or where the package has changed since.
    """
    rows = [
        {
            "name": found.name,
            "package": f"{found.package} {found.version}".strip(),
            "api": found.connector.api_version if found.connector else None,
            "can": ", ".join(_capabilities(found.connector)) if found.connector else None,
            "takes": ", ".join(slot.operation for slot in found.connector.delivers) if found.connector else None,
            "tier": _tier(known_tier(found.name)),
            "problem": found.problem,
        }
        for found in Registry().installed()
    ]
    if as_json:
        write_json(rows)
        return
    if not rows:
        say("Connectors: none")
    for row in rows:
        api = f", API {row['api']}" if row["api"] else ""
        say(f"{row['name']}  ({row['package']}{api})")
        for word in ("tier", "can", "takes"):
            if row[word]:
                say(_wrapped(f"{word:7}{row[word]}"))
        if row["problem"]:
            say(_wrapped(f"DOES NOT LOAD: {row['problem']}"))


def _wrapped(text: str) -> str:
    """Below the name; names of packages and operations stay whole."""
    return textwrap.fill(
        text, _WIDTH, initial_indent="  ", subsequent_indent=" " * 9, break_long_words=False, break_on_hyphens=False
    )


def _tier(known: Known) -> str:
    return f"{known.tier or 'unknown'}" + (f" ({known.why})" if known.why else "")


def _capabilities(connector: AnyConnector) -> list[str]:
    have = {
        "webhook": connector.webhook,
        "subscriptions": connector.subscriptions,
        "poll": connector.polls,
        "read": connector.read,
        "deliver": connector.delivers,
        "sandbox": connector.sandbox,
    }
    return [name for name, value in have.items() if value]
