"""A stack whose processes are stopped by SIGSTOP ends like any other, leaves nothing, and goes on where it was."""

import os
import signal
from pathlib import Path

import psutil
import pytest
from live_parts import wait_until

from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.chaos.data import chaos_sample, chaos_zone_yaml
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.drain import Drain
from zonepulse.streams.demo.run import PREFIX, STORE_GROUP, Feed, Progress, oracle_differences, readings_of
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kernels.warm_up import warm_up

pytestmark = [pytest.mark.integration, pytest.mark.long]


def everyone(stack: ZoneStack) -> list[psutil.Process]:
    pids = [stack.broker.pid, stack.clickhouse_process.pid, *(worker.pid for worker in stack.workers.values())]
    return [found for pid in pids for found in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))]


@pytest.mark.soak  # in short: chaos pauses and kills workers and servers
@pytest.mark.timeout(900)
def test_frozen_store_and_workers_end_in_order_and_no_row_is_lost(tmp_path: Path) -> None:
    warm_up()
    sample = chaos_sample(6_000, 5)
    zone_yaml = chaos_zone_yaml(sample.changes)
    zone = parse_zone(zone_yaml)
    stack = ZoneStack(2, tmp_path, is_simulated=True)
    stack.start()
    try:
        publish(stack.kafka, PREFIX, zone, 2, timestamp_ms=int(sample.arrival_ms[0]))
        stack.start_workers()
        feed, progress = Feed(stack.kafka, sample, 2, zone.zone, 86_400 / 5), Progress(stack.kafka, 2)
        try:
            feed.start()
            wait_until(lambda: sum(progress.committed(STORE_GROUP).values()) > 0, 120, "rows are stored")
            os.kill(stack.clickhouse_process.pid, signal.SIGSTOP)
            wait_until(lambda: feed.is_done, 120, "all is sent")
            wait_until(lambda: progress.store_lag() > 0, 120, "there are rows to be lost")
        finally:
            feed.stop()
            progress.close()
        ran = everyone(stack)
        frozen = [stack.clickhouse_process.pid, *(worker.pid for worker in stack.workers.values())]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        for pid in frozen[::2]:
            os.kill(pid, signal.SIGTERM)  # heeded as soon as it goes on
        for pid in frozen[2:]:
            os.kill(pid, signal.SIGCONT)
    finally:
        stack.stop()
    assert [one for one in ran if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    codes = {stack.workers[f"{task}-0"].exit_code for task in ("intervals", "ledger")}
    assert codes <= {0, -signal.SIGTERM}, "not by force"

    with ZoneStack(2, tmp_path, is_simulated=True) as again:
        again.start_workers()
        progress = Progress(again.kafka, 2)
        try:
            wait_until(Drain(again.kafka, progress, feed.end_ms // zone.zone.tick_ms).is_through, 240, "all is through")
            with again.client() as client:
                found = oracle_differences(readings_of(again.kafka), client, zone_yaml, 2)
        finally:
            progress.close()
    assert {name: lines[:3] for name, lines in found.items() if lines} == {}


def test_a_stack_of_frozen_servers_that_is_told_to_end_ends(tmp_path: Path) -> None:
    """Even the broker, and even where somebody else told each of them before."""
    with ZoneStack(1, tmp_path, is_simulated=True) as stack:
        stack.start_worker("ledger")
        ran = everyone(stack)
        for one in ran:
            one.suspend()
        for one in ran:
            one.terminate()
    assert [one for one in ran if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    children = (stack.broker.process, stack.clickhouse_process.process, stack.workers["ledger-0"])
    assert -signal.SIGKILL not in {child.exit_code for child in children}, "in order, and not by force"
    with ZoneStack(1, tmp_path, is_simulated=True) as again, again.client() as client:
        assert client.query("SELECT count() > 0 FROM schema_migrations").first_row == (True,)
