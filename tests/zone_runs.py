"""A zone's whole pipeline under test: the sample through it, when it is complete, and where it differs from the oracle."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files

import commands
from clickhouse_connect.driver.client import Client
from patience import patience_s

from zonepulse.schemas.registry.model import ZonePolicy
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.data import demo_sample, demo_zone_yaml
from zonepulse.streams.demo.drain import Drain
from zonepulse.streams.demo.run import PREFIX, Feed, Progress, oracle_differences, readings_of
from zonepulse.streams.demo.sample import Sample
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kernels.warm_up import warm_up

PARTITIONS = 4
UNCHANGED = files("zonepulse.deploy").joinpath("demo", "zone.yaml")
"""The sample zone without a meter exchange."""
_POLL_S = 0.5


@dataclass(slots=True)
class SampleRun:
    """The sample zone on a stack of its own, its readings on their way."""

    stack: ZoneStack
    client: Client
    zone_yaml: str
    sample: Sample
    feed: Feed

    def rows(self, table: str) -> int:
        """Of the live run, as readers see them: what a worker reads again after a rebalance it writes again."""
        return int(self.client.query(f"SELECT count() FROM {table}_final WHERE run = 'live'").first_row[0])

    def differences(self) -> list[str]:
        found = oracle_differences(readings_of(self.stack.kafka), self.client, self.zone_yaml, PARTITIONS)
        return [line for lines in found.values() for line in lines]


@contextmanager
def sample_run(until_ms: int, days: int, speed_up: float, *, faults: bool = True) -> Iterator[SampleRun]:
    """Servers, registry and workers started, the sample being sent."""
    seed = 2026
    sample = demo_sample(until_ms, days, seed, faults=faults)
    zone_yaml = demo_zone_yaml(until_ms, days, seed) if faults else UNCHANGED.read_text("utf-8")
    registry = parse_zone(zone_yaml)
    warm_up()
    with ZoneStack(PARTITIONS, is_simulated=True) as stack, stack.client() as client:
        publish(stack.kafka, PREFIX, registry, PARTITIONS, timestamp_ms=int(sample.arrival_ms[0]))
        stack.start_workers()
        feed = Feed(stack.kafka, sample, PARTITIONS, registry.zone, speed_up)
        feed.start()
        try:
            yield SampleRun(stack, client, zone_yaml, sample, feed)
        finally:
            feed.stop()


def piece(sample: Sample, start: int, stop: int | None = None) -> Sample:
    """Some of its records."""
    wanted = slice(start, stop)
    headers = {i - start: found for i, found in sample.headers.items() if i >= start and (stop is None or i < stop)}
    arrival_ms = sample.arrival_ms[wanted]
    return replace(sample, key=sample.key[wanted], value=sample.value[wanted], arrival_ms=arrival_ms, headers=headers)


def wait_until_complete(stack: ZoneStack, zone: ZonePolicy, end_ms: int, timeout_s: float) -> None:
    """Until everything before the closing heartbeats at `end_ms` has come through to the store."""
    deadline = time.monotonic() + patience_s(timeout_s)
    with closing(Progress(stack.kafka, stack.partitions)) as progress:
        drain = Drain(stack.kafka, progress, end_ms // zone.tick_ms)
        while not drain.is_through():
            assert time.monotonic() < deadline, f"not complete after {timeout_s:g} s: {drain.waits_for}"
            time.sleep(_POLL_S)


def doctor(stack: ZoneStack) -> tuple[int, list[dict[str, str]]]:
    """Its exit code and its checks."""
    done = commands.run("doctor", "--json", env=stack.worker_environment)
    return done.returncode, json.loads(done.stdout)["checks"]
