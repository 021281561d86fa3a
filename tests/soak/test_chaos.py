"""Forty faults over five million readings, with three seeds: every row is as the oracle says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
READINGS = os.environ.get("ZONEPULSE_SOAK_READINGS", "5000000")
FAULTS = os.environ.get("ZONEPULSE_SOAK_FAULTS", "40")
SEEDS = os.environ.get("ZONEPULSE_SOAK_SEEDS", "1 2 3").split()


@pytest.mark.parametrize("seed", SEEDS)
def test_forty_faults_leave_every_row_as_the_oracle_says(seed: str, tmp_path: Path) -> None:
    options = ["--seed", seed, "--faults", FAULTS, "--readings", READINGS, "--json"]
    with (tmp_path / "log").open("wb") as log:
        done = subprocess.run(
            [sys.executable, "-m", "zonepulse.streams.cli.main", "chaos", *options], stdout=subprocess.PIPE, stderr=log
        )
    print((tmp_path / "log").read_text()[-8000:])
    result = json.loads(done.stdout or b"{}")
    assert (done.returncode, result.get("differences")) == (0, 0), json.dumps(result, indent=1)
