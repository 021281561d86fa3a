"""Notify workers, Kafka and receivers broken at random: nothing is lost, and no company hears of another."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration
SEEDS = os.environ.get("ZONEPULSE_SOAK_SEEDS", "1 2 3").split()


@pytest.mark.parametrize("seed", SEEDS)
def test_no_message_is_lost_or_leaks(seed: str) -> None:
    argv = [sys.executable, "-m", "zonepulse.streams.cli.main", "chaos", "--notify", "--json", "--seed", seed, "--faults", "12"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=7_200)
    found = json.loads(done.stdout)
    assert (found["lost"], found["leaked"], found["is_settled"]) == (0, 0, True) and found["delivered"] > found["alerts"], found
    faults = {kind: counts["faults"] for kind, counts in found["by_fault"].items()}
    assert found["doubled"] <= faults.get("kill", 0) + faults.get("sleep", 0) + faults.get("kafka", 0)
