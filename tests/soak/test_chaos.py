"""Forty faults over five million readings, with three seeds: every row is as the oracle says."""

import os
from pathlib import Path

import pytest
from chaos_runs import chaos

pytestmark = pytest.mark.integration
READINGS = os.environ.get("ZONEPULSE_SOAK_READINGS", "5000000")
FAULTS = os.environ.get("ZONEPULSE_SOAK_FAULTS", "40")
SEEDS = os.environ.get("ZONEPULSE_SOAK_SEEDS", "1 2 3").split()


@pytest.mark.parametrize("seed", SEEDS)
def test_forty_faults_leave_every_row_as_the_oracle_says(seed: str, tmp_path: Path) -> None:
    chaos(tmp_path, seed, FAULTS, READINGS)
