"""`zonepulse bench ingest` in the small: that it ends and what it tells, not how fast it is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zonepulse.streams.bench.load import METERS_A_COMPANY

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
CHANNELS = 100


def bench(folder: Path, *more: str) -> dict[str, Any]:
    options = ["--readings", "10000", "--channels", str(CHANNELS), "--many-channels", "0", "--partitions", "2"]
    options += ["--forms", "json", "--json", *more]
    argv = [sys.executable, "-m", "zonepulse.streams.cli.main", "bench", "ingest", *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=1500, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return bench(tmp_path_factory.mktemp("bench"), "--no-baselines", "--latency-s", "3")


def test_every_form_is_measured_to_blocks_and_to_rows(told: dict[str, Any]) -> None:
    assert set(told["forms"]) == {"json"}
    for form in told["forms"].values():
        for goal, workers in (("to_blocks", {"intervals"}), ("to_rows", {"intervals", "ledger", "store"})):
            one = form[goal]
            assert one["readings"] > 0 and one["seconds"] > 0
            assert one["readings_per_s"] == pytest.approx(one["readings"] / one["seconds"])
            assert set(one["cpu_s_per_million"]) == set(one["memory_mb"]) == workers


def test_every_channel_has_a_row_in_every_window(told: dict[str, Any]) -> None:
    rows = told["forms"]["json"]["to_rows"]["rows"]
    assert rows["intervals"] == CHANNELS * 2
    assert rows["emissions"] == (CHANNELS + CHANNELS // METERS_A_COMPANY) * 2, "by location a channel, by the market a company"
    assert rows["intensity"] >= 2 and rows["totals"] > 0


@pytest.mark.soak
def test_baselines_and_ratios_stand_beside_it(tmp_path: Path) -> None:
    told = bench(tmp_path, "--latency-s", "0")
    assert {"kernels_json", "java_poll_json", "aiokafka_getmany_json", "stock_faust_json"} <= set(told["baselines"])
    ratio = told["forms"]["json"]["to_blocks"]["readings_per_s"] / told["baselines"]["java_poll_json"]["readings_per_s"]
    assert told["ratios"]["json_over_java_poll"] == pytest.approx(ratio)
    assert told["baselines"]["kernels_json"]["state_bytes_a_channel"] > 0


def test_the_machine_is_named(told: dict[str, Any]) -> None:
    assert {"cpu", "cores", "ram_gb", "system"} <= set(told["machine"])
    assert told["latency"]["readings_per_s"] > 0 and told["latency"]["intervals"]["samples"] >= 0
