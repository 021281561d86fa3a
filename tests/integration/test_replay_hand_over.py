"""A following run is promoted and reverted while workers write: readers see each window once, of one side, and never less than before."""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from live_parts import wait_until
from typer.testing import CliRunner
from zone_runs import SampleRun, sample_run

from zonepulse.streams.cli.main import app

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
UNTIL_MS = 1_772_000_000_000 // 86_400_000 * 86_400_000
FROM, TO = "2026-02-22T16:00:00Z", "2026-02-23T03:00:00Z"
OWN = """
  - {id: tea-own, activity: grid_electricity, company: tea-house, value: 0.9, unit: kgCO2/kWh, source: test, valid_from: 2020-01-01}
"""
ROUNDS = int(os.environ.get("ZONEPULSE_SOAK_PROMOTES", "10"))
"""Promotes and reverts; `make soak` does many."""
SEEN = """SELECT
  (SELECT (count(), uniqExact(company, meter, register, start, scope, basis), uniqExact(start)) FROM zonepulse.emissions_final
   WHERE run = 'live'),
  (SELECT (count(), uniqExact(entity_kind, entity, start, carrier, scope, basis), uniqExact(start)) FROM zonepulse.totals_final
   WHERE run = 'live'),
  (SELECT arraySort(groupUniqArray((toUnixTimestamp64Milli(start), factor_id = 'tea-own'))) FROM zonepulse.emissions_final
   WHERE run = 'live' AND company = 'tea-house' AND meter != '' AND scope = 2 AND basis = 'location' AND factor_id != '')"""
"""Rows, their keys, and their windows, of two tables; and which windows have the factor of live, which that of the run."""


def zonepulse(live: SampleRun, *arguments: str) -> None:
    done = CliRunner().invoke(app, ["replay", *arguments], env=live.stack.worker_environment)
    assert done.exit_code == 0, done.output


def state(live: SampleRun) -> str:
    return str(live.client.query("SELECT state FROM runs_final WHERE run = 'shadow'").first_row[0])


def test_readers_see_each_window_once_while_a_run_is_promoted_beside_workers(tmp_path: Path) -> None:
    with sample_run(UNTIL_MS, 2, 86_400 / 60) as live:
        other = tmp_path / "zone.yaml"
        other.write_text(live.zone_yaml.replace("\nfactors:\n", f"\nfactors:{OWN}", 1), "utf-8")
        zonepulse(live, "plan", "--from", FROM, "--to", TO, "--run", "shadow", "--registry", str(other))
        command = [sys.executable, "-m", "zonepulse.streams.cli.main", "replay", "run", "shadow", "--follow", "--json"]
        with subprocess.Popen(command, env=live.stack.worker_environment, stdout=subprocess.PIPE, text=True) as shadow:
            try:
                wait_until(lambda: state(live) == "following", 120, "it follows")
                come = f"SELECT count() FROM followed_final WHERE to_at > parseDateTime64BestEffort('{FROM}', 3, 'UTC')"
                wait_until(lambda: live.client.query(come).first_row[0], 120, "it has windows of its own")
                watch(live)
                shadow.terminate()
                found = json.loads(shadow.communicate(timeout=60)[0])
            finally:
                shadow.kill()
        assert found["tables"]["emissions"]["rows"] > 0


def watch(live: SampleRun) -> None:
    is_over, wrong, seen, grown = threading.Event(), list[object](), set[bool](), set[int]()

    def read() -> None:
        most = 0
        with live.stack.client() as reader:
            while not is_over.is_set():
                emissions, totals, sides = reader.query(SEEN).first_row
                of_run = [start for start, is_own in sides if is_own]
                windows = [start for start, _ in sides]
                stretch = [start for start in windows if of_run and of_run[0] <= start <= of_run[-1]]
                is_once = emissions[0] == emissions[1] and totals[0] == totals[1] and len(windows) == len(set(windows))
                if not is_once or of_run != stretch or len(windows) < most:
                    wrong.append((emissions, totals, len(windows), most, len(of_run), len(stretch)))
                most = len(windows)
                seen.add(bool(of_run))
                grown.add(most)

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for _ in range(ROUNDS):
                zonepulse(live, "promote", "shadow", "--why", "a test")
                zonepulse(live, "revert", "shadow")
        finally:
            is_over.set()
        for reader in readers:
            reader.result()
    assert wrong == []
    assert seen == {True, False}
    assert len(grown) > 1, "live went on meanwhile"
