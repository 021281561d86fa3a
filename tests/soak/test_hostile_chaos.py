"""Hostile records on every topic, hostile readers and files, and kills at once over two million readings: no row differs, none stands."""

import os
from pathlib import Path

import pytest
from chaos_runs import chaos

pytestmark = pytest.mark.integration
READINGS = os.environ.get("ZONEPULSE_SOAK_READINGS", "2000000")
FAULTS = os.environ.get("ZONEPULSE_SOAK_FAULTS", "30")
SEEDS = os.environ.get("ZONEPULSE_SOAK_SEEDS", "1 2 3").split()
KINDS = ("hostile_records", "hostile_requests", "hostile_files", "missing_version", "kill", "kill_server")


@pytest.mark.parametrize("seed", SEEDS)
def test_hostile_records_requests_files_and_kills_leave_every_row_as_the_oracle_says(seed: str, tmp_path: Path) -> None:
    chaos(tmp_path, seed, FAULTS, READINGS, *(text for kind in KINDS for text in ("--only", kind)))
