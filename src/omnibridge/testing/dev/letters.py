"""What arrived at the local inbox, byte for byte, kept in the package's folder so that it can be sent again."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from omnibridge.errors import UnknownItem

__all__ = ["FOLDER", "KEPT", "Letter", "Letters", "state_folder"]

FOLDER = ".omnibridge"
"""Below the package's folder: what the loop keeps. Nothing in it belongs into a repository."""
KEPT = 200
"""Letters; older ones go."""


class Letter(BaseModel):
    """One delivery. `target` is path and query as they came to `inbox`; `headers` have lower-case names.

    `loop` is the time at which the loop began that took it in: what belongs together has the same.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    id: int = 0
    received: AwareDatetime
    target: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"
    inbox: str = "http://127.0.0.1:8765"
    loop: str = ""


class Letters:
    """The letters of a package, by number from 1, over restarts of the loop."""

    def __init__(self, package: Path) -> None:
        self._folder = package / FOLDER / "letters"

    def keep(self, letter: Letter) -> Letter:
        """Write it down under the next number; the letter with its number."""
        state_folder(self._folder.parent.parent)
        self._folder.mkdir(exist_ok=True)
        numbers = list(self._numbers())
        kept = letter.model_copy(update={"id": max(numbers, default=0) + 1})
        file = self._file(kept.id)
        file.touch(mode=0o600)
        file.write_text(kept.model_dump_json(), "utf-8")
        for number in sorted(numbers)[: 1 - KEPT]:
            self._file(number).unlink(missing_ok=True)
        return kept

    def find(self, which: str) -> Letter:
        """By number, or `last`. Raises UnknownItem."""
        if which == "last":
            for number in sorted(self._numbers(), reverse=True):
                if (letter := self._read(number)) is not None:
                    return letter
            raise UnknownItem("nothing has arrived yet", remedy="name a file of tests/payloads, with --resign")
        letter = self._read(int(which)) if which.isdecimal() and len(which) < 18 else None
        if letter is None:
            kept = sorted(self._numbers())
            have = f"{kept[0]} to {kept[-1]}" if kept else "none"
            raise UnknownItem(f"there is no delivery {which}", remedy=f"kept are: {have}")
        return letter

    def before(self, letter: Letter) -> list[Letter]:
        """What the same loop took in before a letter; all that the newest loop took in, where it is of no loop.

        The same delivery is left out: after it, this one would be nothing but its repetition.
        """
        found = [kept for number in sorted(self._numbers()) if (kept := self._read(number)) is not None]
        loop = letter.loop or (found[-1].loop if found else "")
        return [
            kept
            for kept in found
            if kept.loop == loop
            and kept.body != letter.body
            and kept.received <= letter.received
            and (not letter.id or kept.id < letter.id)
        ]

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:06}.json"

    def _numbers(self) -> Iterator[int]:
        for file in self._folder.glob("*.json"):
            if file.stem.isdecimal():
                yield int(file.stem)

    def _read(self, number: int) -> Letter | None:
        try:
            return Letter.model_validate_json(self._file(number).read_bytes())
        except (OSError, ValidationError):
            return None


def state_folder(package: Path) -> Path:
    """The folder in which the loop keeps its things; git ignores it, whatever the package says."""
    folder = package / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", "utf-8")
    key = folder / "key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(16), "utf-8")
    return folder
