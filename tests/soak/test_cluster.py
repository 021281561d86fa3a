"""Three brokers with a copy of everything each, one at a time killed or asleep under load, and the other faults beside: no difference."""

import os
from itertools import count
from pathlib import Path

import pytest
from chaos_runs import chaos

from zonepulse.streams.chaos.kinds import BY_NAME
from zonepulse.streams.chaos.parts import of_cluster
from zonepulse.streams.chaos.plan import planned

pytestmark = pytest.mark.integration
READINGS = os.environ.get("ZONEPULSE_SOAK_READINGS", "500000")
FAULTS = int(os.environ.get("ZONEPULSE_SOAK_FAULTS", "20"))
BROKERS, LONGEST_S = 3, 20.0
KINDS = ("kill_server", "pause_server", "kill", "apply_registry")


def of_brokers(seed: int) -> int:
    """How many faults of a seed strike a broker."""
    faults = planned(seed, FAULTS, [of_cluster(BY_NAME[name], BROKERS) for name in KINDS], LONGEST_S)
    return sum(fault.target.startswith("broker-") for fault in faults)


def test_brokers_of_three_die_and_every_row_is_as_the_oracle_says(tmp_path: Path) -> None:
    seed = next(seed for seed in count(3) if of_brokers(seed) >= FAULTS / 3)
    only = [word for name in KINDS for word in ("--only", name)]
    result = chaos(tmp_path, seed, FAULTS, READINGS, "--brokers", str(BROKERS), "--longest", str(LONGEST_S), *only)
    assert result["brokers"] == BROKERS
    assert sum(fault["target"].startswith("broker-") for fault in result["struck"]) == of_brokers(seed) >= FAULTS / 3
