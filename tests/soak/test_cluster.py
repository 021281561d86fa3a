"""Three brokers with a copy of everything each, one at a time killed or asleep under load, and the other faults beside: no difference."""

import os
from pathlib import Path

import pytest
from chaos_runs import chaos

pytestmark = pytest.mark.integration
READINGS = os.environ.get("ZONEPULSE_SOAK_READINGS", "500000")
FAULTS = os.environ.get("ZONEPULSE_SOAK_FAULTS", "20")


def test_brokers_of_three_die_and_every_row_is_as_the_oracle_says(tmp_path: Path) -> None:
    only = ("--only", "kill_server", "--only", "pause_server", "--only", "kill", "--only", "apply_registry")
    result = chaos(tmp_path, 3, FAULTS, READINGS, "--brokers", "3", "--longest", "20", *only)
    assert result["brokers"] == 3
    assert any(fault["target"].startswith("broker-") for fault in result["struck"])
