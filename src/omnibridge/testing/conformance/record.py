"""The tier that a connector reached, written into its package, and whether that is still true."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ValidationError

from omnibridge.registry import GROUP
from omnibridge.testing.conformance.check import Tier

__all__ = ["Known", "known_tier", "write_record"]

_FILE = "conformance.json"


class _Record(BaseModel):
    tier: Tier
    version: str
    digest: str
    waived: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """The tier that is known of an installed connector; None is unknown, and `why` says why."""

    tier: Tier | None
    why: str = ""


def write_record(package: Path, version: str, tier: Tier, waived: tuple[str, ...]) -> Path:
    """Write down in a package which tier it reached, in which version and with which content; the file."""
    record = _Record(tier=tier, version=version, digest=_digest(package), waived=waived)
    file = package / _FILE
    file.write_text(json.dumps(record.model_dump(mode="json"), indent=2) + "\n", "utf-8")
    return file


def known_tier(name: str) -> Known:
    """What the package of an installed connector says, where it is still the one that was tried.

    The package is not imported.
    """
    points = [point for point in entry_points(group=GROUP) if point.name == name]
    if not points:
        return Known(None, "it has no package")
    point = points[0]
    try:
        spec = find_spec(point.module.partition(".")[0])
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.origin:
        return Known(None, "its package is not there")
    package = Path(spec.origin).parent
    try:
        record = _Record.model_validate_json((package / _FILE).read_bytes())
    except OSError:
        return Known(None, "nothing is recorded")
    except ValidationError:
        return Known(None, f"{_FILE} is not readable")
    version = point.dist.version if point.dist else ""
    if record.version != version:
        return Known(None, f"version {record.version} reached {record.tier}")
    if record.digest != _digest(package):
        return Known(None, f"changed since it reached {record.tier}")
    return Known(record.tier, f"without {', '.join(record.waived)}" if record.waived else "")


def _digest(package: Path) -> str:
    """Of every file of the package but the record and what Python makes itself; line ends do not count."""
    whole = sha256()
    for file in sorted(package.rglob("*")):
        if file.is_file() and file.name != _FILE and "__pycache__" not in file.parts:
            content = file.read_bytes().replace(b"\r\n", b"\n")
            whole.update(f"{file.relative_to(package).as_posix()} {len(content)}\n".encode() + content)
    return whole.hexdigest()
