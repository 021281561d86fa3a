"""A zone goes from the last release to these sources and back, worker by worker, while readings flow: every row is as the oracle says."""

import os
from pathlib import Path

import pytest
from live_parts import wait_until
from released import released

from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.chaos.data import chaos_sample, chaos_zone_yaml
from zonepulse.streams.chaos.flow import PARTITIONS
from zonepulse.streams.chaos.parts import WORKERS
from zonepulse.streams.chaos.run import RESTART
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.drain import Drain
from zonepulse.streams.demo.run import PREFIX, Feed, Progress, oracle_differences, readings_of
from zonepulse.streams.embedded.zone_stack import ZoneStack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(7200)]
READINGS = int(os.environ.get("ZONEPULSE_SOAK_READINGS", "500000"))
SENT_IN_S = 240
IN_ORDER = ("ledger", "intervals", "store")
"""As CHANGELOG.md says: who reads a form before who writes it. Back, the other way round."""


def test_a_rolling_upgrade_and_its_rollback_change_no_row(tmp_path: Path) -> None:
    python, old = released(tmp_path)
    sample = chaos_sample(READINGS, 11)
    zone_yaml = chaos_zone_yaml(sample.changes)
    zone = parse_zone(zone_yaml)
    workers = dict(WORKERS)
    span_s = (int(sample.arrival_ms[-1]) - int(sample.arrival_ms[0])) / 1000
    with ZoneStack(PARTITIONS, tmp_path / "stack", is_simulated=True, restart=RESTART) as stack:
        publish(stack.kafka, PREFIX, zone, PARTITIONS, timestamp_ms=int(sample.arrival_ms[0]))
        for task, count in WORKERS:
            for number in range(count):
                stack.start_worker(task, str(number), old, python)
        feed, progress = Feed(stack.kafka, sample, PARTITIONS, zone.zone, span_s / SENT_IN_S), Progress(stack.kafka, PARTITIONS)

        def exchange(tasks: tuple[str, ...], *how: object) -> None:
            for task in tasks:
                for number in range(workers[task]):
                    worker = stack.workers[f"{task}-{number}"]
                    stack.supervisor.forget(worker)
                    worker.stop()
                    stack.start_worker(task, str(number), *how)  # type: ignore[arg-type]
                    before = progress.closed_tick()
                    wait_until(lambda before=before: feed.is_done or progress.closed_tick() > before, 120, "the zone goes on")  # type: ignore[misc]

        try:
            wait_until(lambda: progress.closed_tick() > 0, 120, "the release's workers are ready")
            feed.start()
            wait_until(lambda: feed.sent > 0.15 * len(sample), 240, "the release has worked for a while")
            exchange(IN_ORDER)
            wait_until(lambda: feed.sent > 0.55 * len(sample), 240, "the upgraded zone has worked for a while")
            assert not feed.is_done
            exchange(IN_ORDER[::-1], old, python)
            assert not feed.is_done, "all of it happened under load"
            wait_until(lambda: feed.is_done, 600, "all is sent")
            wait_until(Drain(stack.kafka, progress, feed.end_ms // zone.zone.tick_ms).is_through, 600, "all is through")
            with stack.client() as client:
                found = oracle_differences(readings_of(stack.kafka), client, zone_yaml, PARTITIONS, os.cpu_count() or 1)
        finally:
            feed.stop()
            progress.close()
        stack.check()
    assert {name: lines[:3] for name, lines in found.items() if lines} == {}
