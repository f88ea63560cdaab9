"""The places where the type checker looks away are counted, and there are never more of them."""

from __future__ import annotations

from collections import Counter

from typing_debt import KINDS, count, lowered, read_caps, totals


def test_no_distribution_is_above_its_cap(shipped):
    caps = read_caps()
    above = [
        f"{name}: {found[kind]} x {kind}, cap {caps.get(name, {}).get(kind, 0)}"
        for name, found in totals((source.path, source.text) for source in shipped).items()
        for kind in KINDS
        if found[kind] > caps.get(name, {}).get(kind, 0)
    ]
    assert not above, "tests/architecture/typing_debt.toml: use a precise type instead"


def test_uses_count_and_imports_and_strings_do_not():
    text = (
        "import typing\nfrom typing import Any, cast\n"
        "x: Any = cast(int, 'Any cast(  # type: ignore')\n"
        "y: typing.Any = 1  # type: ignore[assignment]\n"
    )
    assert count(text) == {"any": 2, "cast": 1, "ignore": 1}


def test_a_cap_is_lowered_and_never_raised():
    caps = {"omnibridge": {"any": 5, "cast": 1, "ignore": 0}}
    text = lowered(caps, {"omnibridge": Counter(any=2, cast=9)})
    assert text.endswith("omnibridge = { any = 2, cast = 1, ignore = 0 }\n")
