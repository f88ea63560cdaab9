"""The judge: a real Tryton server gets what we send, and gives what the sandbox gives."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.xdist_group("tryton")


def test_probe(real):
    from omnibridge_tryton import reads

    assert real.run(lambda http: reads.probe(real.settings, http)).result is None
