"""No JSON and no record batch ends the process that reads it. `make hunt` tries more."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

pytestmark = pytest.mark.integration
SCRIPT = Path(__file__).parents[1] / "hostile_fetches.py"
ROUNDS = 50_000 if settings.get_current_profile_name() == "hunt" else 400


@pytest.mark.parametrize("seed", [0, 1])
def test_a_process_survives_every_fetch(seed: int) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(SCRIPT), str(seed), str(ROUNDS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
