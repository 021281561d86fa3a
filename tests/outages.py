"""A zone under load whose store is away: how much memory its store worker holds, and what is in the store in the end."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from live_parts import wait_until

from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.chaos.data import chaos_sample, chaos_zone_yaml
from zonepulse.streams.chaos.run import RESTART
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.drain import Drain
from zonepulse.streams.demo.run import PREFIX, STORE_GROUP, Feed, Progress, oracle_differences, readings_of
from zonepulse.streams.embedded.zone_stack import ZoneStack

PARTITIONS = 4
SAMPLE_S = 0.5


@dataclass(slots=True)
class Outage:
    """What was seen: resident memory (bytes) of the store worker in the first quarter and in the second half, rows that waited."""

    early: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    waited: int = 0
    """Records of the store's topics that it had not committed when the store came back."""
    differences: dict[str, list[str]] = field(default_factory=dict)


def store_away(folder: Path, readings: int, away_s: float) -> Outage:
    """Stream `readings` for a little longer than the store is away, and compare every row with the oracle."""
    sample = chaos_sample(readings, 7)
    zone_yaml = chaos_zone_yaml(sample.changes)
    zone = parse_zone(zone_yaml)
    span_s = (int(sample.arrival_ms[-1]) - int(sample.arrival_ms[0])) / 1000
    seen = Outage()
    with ZoneStack(PARTITIONS, folder, is_simulated=True, restart=RESTART) as stack:
        publish(stack.kafka, PREFIX, zone, PARTITIONS, timestamp_ms=int(sample.arrival_ms[0]))
        stack.start_workers()
        feed = Feed(stack.kafka, sample, PARTITIONS, zone.zone, span_s / (1.3 * away_s))
        progress = Progress(stack.kafka, PARTITIONS)
        try:
            wait_until(lambda: progress.closed_tick() > 0, 90, "the workers are ready")
            feed.start()
            wait_until(lambda: sum(progress.committed(STORE_GROUP).values()) > 0, 90, "the store has rows")
            stack.clickhouse_process.stop()
            begun = time.monotonic()
            while (past := time.monotonic() - begun) < away_s:
                _look(seen, stack, past / away_s)
                time.sleep(SAMPLE_S)
            seen.waited = progress.store_lag()
            stack.clickhouse_process.start()
            wait_until(lambda: feed.is_done, 3 * away_s, "all is sent")
            drain = Drain(stack.kafka, progress, feed.end_ms // zone.zone.tick_ms)
            wait_until(drain.is_through, 300 + 3 * away_s, "all is through")
            with stack.client() as client:
                seen.differences = oracle_differences(readings_of(stack.kafka), client, zone_yaml, PARTITIONS, 2)
        finally:
            feed.stop()
            progress.close()
    return seen


def _look(seen: Outage, stack: ZoneStack, share: float) -> None:
    worker = stack.workers["store-0"]
    if not worker.is_running:  # it gives up after a quarter of an hour, and is started again
        return
    try:
        status = Path(f"/proc/{worker.pid}/status").read_text()
    except OSError:
        return
    if "VmRSS:" in status:
        bytes_held = int(status.split("VmRSS:")[1].split()[0]) * 1024
        (seen.early if share < 0.25 else seen.late if share > 0.5 else []).append(bytes_held)
