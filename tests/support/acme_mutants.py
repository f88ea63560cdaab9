"""One sick connector for each check, by the check's name."""

from __future__ import annotations

from acme_bronze_mutants import BRONZE
from acme_gold import GOLD
from acme_mutant import Mutant
from acme_silver_mutants import SILVER

__all__ = ["MUTANTS"]

MUTANTS: dict[str, Mutant] = {**BRONZE, **SILVER, **GOLD}
