"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["say", "show", "table", "write_json"]

_console = Console()


def write_json(value: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout."""
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*[Text("" if cell is None else str(cell)) for cell in row])
    _console.print(made)


def show(title: str, rows: Sequence[Mapping[str, Any]], *, as_json: bool, columns: Sequence[str]) -> None:
    """Rows as a table with some columns, or all of them as JSON."""
    if as_json:
        write_json(list(rows))
    elif not rows:
        typer.echo(f"{title}: none")
    else:
        table(title, columns, [[row.get(column) for column in columns] for row in rows])


def say(text: str) -> None:
    """A line on stdout."""
    typer.echo(text)
