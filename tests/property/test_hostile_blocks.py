"""No bytes of an Arrow block end the process that reads them. `make hunt` tries more."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

pytestmark = pytest.mark.integration
SCRIPT = Path(__file__).parents[1] / "hostile_blocks.py"
ROUNDS = 15 * settings.get_current_profile_name().count("hunt") * 1_000 + 60


@pytest.mark.parametrize("seed", [0, 1])
def test_a_process_survives_every_block(seed: int) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(SCRIPT), str(seed), str(ROUNDS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
