"""A zone goes from the last release to these sources and back, worker by worker, while readings flow: every row of energy, carbon and dead
letters is as the oracle says."""

import os
from pathlib import Path

import pytest
from kafka import TopicPartition
from live_parts import wait_until
from patience import slowness
from release_state import FILE, read
from released import released
from typer.testing import CliRunner

from zonepulse.processors.metering.snapshot import SCHEMA
from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.messages.topics import REGISTRY
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.chaos.data import chaos_sample, chaos_zone_yaml
from zonepulse.streams.chaos.flow import PARTITIONS
from zonepulse.streams.chaos.parts import WORKERS
from zonepulse.streams.chaos.run import RESTART
from zonepulse.streams.cli.main import app
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.drain import Drain
from zonepulse.streams.demo.run import PREFIX, Feed, Progress, oracle_differences, readings_of
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kafka.consumer_groups import committed
from zonepulse.streams.kafka.log_facts import admin_of, ends_of, partitions_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(7200)]
READINGS = int(os.environ.get("ZONEPULSE_SOAK_READINGS", "500000"))
SENT_IN_S = 240.0
"""On a quiet machine: all of it happens while readings flow."""
WHILE_TICKS = 30
"""So long the zone works between two exchanges."""
OTHERWISE_SAID = {"alerts", "alert_events"}
"""The release's rules of alerts are others (one cause one alert, impact, silent groups), and it writes no table of transitions: what it
says after the way back is not what these sources would say."""
IN_ORDER = ("ledger", "intervals", "store")
"""As CHANGELOG.md says: who reads a form before who writes it. Back, the other way round."""


def begin_anew(stack: ZoneStack, task: str) -> None:
    """As deploy/README.md says of a version whose snapshots are others."""
    done = CliRunner().invoke(app, ["checkpoints", "begin", task], env=stack.worker_environment)
    assert done.exit_code == 0, done.output


def has_come(stack: ZoneStack, task: str) -> None:
    """Returns when a task has handled all that stands in its logs now."""
    topics = [topic for topic in TASKS[task].topics(PREFIX) if topic != REGISTRY.full_name(PREFIX)]
    with admin_of(stack.kafka) as admin:
        ends = {TopicPartition(*tp): at.stable for tp, at in ends_of(admin, partitions_of(admin, topics)).items()}

        def is_there() -> bool:
            known = committed(admin, TASKS[task].group(PREFIX))
            return all(known.get(tp, 0) >= end for tp, end in ends.items())

        wait_until(is_there, 240, f"{task} has come to where its logs ended")


def test_a_rolling_upgrade_and_its_rollback_change_no_row(tmp_path: Path) -> None:
    python, old = released(tmp_path)
    has_other_snapshots = read(FILE).schema != SCHEMA
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
        feed, progress = (
            Feed(stack.kafka, sample, PARTITIONS, zone.zone, span_s / (slowness() * SENT_IN_S)),
            Progress(stack.kafka, PARTITIONS),
        )

        def exchange(tasks: tuple[str, ...], *how: object) -> None:
            for task in tasks:
                every = list(range(workers[task]))
                forgets = has_other_snapshots and TASKS[task].has_snapshots
                for some in [every] if forgets else [[number] for number in every]:
                    for number in some:
                        worker = stack.workers[f"{task}-{number}"]
                        stack.supervisor.forget(worker)
                        worker.stop()
                    if forgets:
                        begin_anew(stack, task)
                    for number in some:
                        stack.start_worker(task, str(number), *how)  # type: ignore[arg-type]
                    has_come(stack, task)

        def works_for_a_while(who: str) -> None:
            begun = progress.closed_tick()
            wait_until(lambda: progress.closed_tick() >= begun + WHILE_TICKS, 120, f"{who} has worked for a while")

        try:
            wait_until(lambda: progress.closed_tick() > 0, 120, "the release's workers are ready")
            feed.start()
            works_for_a_while("the release")
            exchange(IN_ORDER)
            deaths = len(stack.supervisor.deaths)  # the release's ledger may crash where it goes on from another worker's snapshot
            works_for_a_while("the upgraded zone")
            assert stack.supervisor.deaths[deaths:] == []
            exchange(IN_ORDER[::-1], old, python)
            assert not feed.is_done, "all of it happened under load"
            feed.speed_up = float("inf")
            wait_until(lambda: feed.is_done, 600, "all is sent")
            wait_until(Drain(stack.kafka, progress, feed.end_ms // zone.zone.tick_ms).is_through, 600, "all is through")
            with stack.client() as client:
                found = oracle_differences(readings_of(stack.kafka), client, zone_yaml, PARTITIONS, os.cpu_count() or 1)
        finally:
            feed.stop()
            progress.close()
    assert {name: lines[:3] for name, lines in found.items() if lines and name not in OTHERWISE_SAID} == {}
