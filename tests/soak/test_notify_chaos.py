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
    done = subprocess.run(argv, capture_output=True, text=True, timeout=850)
    found = json.loads(done.stdout)
    assert (found["lost"], found["leaked"]) == (0, 0) and found["delivered"] > found["alerts"], found
    assert found["doubled"] <= found["faults"].get("kill", 0) + found["faults"].get("sleep", 0) + found["faults"].get("kafka", 0)
