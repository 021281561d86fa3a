"""Chaos: a running zone whose parts are killed, paused and restarted at random, that is sent what is damaged and forged, and is then
compared with the oracle row by row.

The plan is a function of the seed. Workers are started again by the supervisor; servers by whoever broke them. A fault's recovery is
the time from its beginning until every partition has closed a further tick and the store has committed further rows.
"""

import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeVar

import pyarrow as pa
from kafka import TopicPartition
from kafka.errors import KafkaError

from zonepulse.schemas.messages.topics import READINGS
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.chaos.data import chaos_sample, chaos_zone_yaml
from zonepulse.streams.chaos.flow import PARTITIONS
from zonepulse.streams.chaos.kinds import BY_NAME, KINDS
from zonepulse.streams.chaos.log_copy import LogCopy
from zonepulse.streams.chaos.parts import WORKERS, of_cluster
from zonepulse.streams.chaos.plan import ChaosStuck, Fault, Kind, Place, planned, stream_seconds
from zonepulse.streams.chaos.replays import Replays
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.drain import Drain
from zonepulse.streams.demo.run import PREFIX, STORE_GROUP, WORKER_GROUPS, Feed, Progress, oracle_differences
from zonepulse.streams.embedded.processes.supervisor import Restart
from zonepulse.streams.embedded.zone_stack import ZoneStack

RESTART: Final = Restart(first_s=0.5, longest_s=2.0, healthy_s=10.0)
PATIENCE_S: Final = 240.0
_POLL_S: Final = 0.25
Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(slots=True)
class Struck:
    """A fault that happened: when, and how long the zone needed."""

    fault: Fault
    at_s: float
    recovery_s: float


@dataclass(slots=True)
class Chaos:
    """One run on a started stack."""

    stack: ZoneStack
    feed: Feed
    progress: Progress
    log: LogCopy
    zone_yaml: str
    """The registry as it was last published."""
    say: Say
    begun: float = field(default_factory=time.monotonic)
    struck: list[Struck] = field(default_factory=list)
    aside: set[Place] = field(default_factory=set)
    """Hostile records that must be dead letters, and that the oracle does not judge."""
    replays: Replays = field(default_factory=Replays)

    def run(self, faults: list[Fault]) -> None:
        """Strike, wait for recovery, strike again; returns when the whole stream has come through. Raises ChaosStuck."""
        self.wait(lambda: self.progress.closed_tick() > 0, "the workers to be ready")
        self.begun = time.monotonic()
        self.feed.start()
        for fault in faults:
            self.wait(lambda share=fault.share: self.feed.is_done or self.feed.sent >= share * len(self.feed.sample), "the stream")  # type: ignore[misc]
            self._strike(fault)
        self._finish()

    def _strike(self, fault: Fault) -> None:
        begun = time.monotonic()
        kind = BY_NAME[fault.kind]
        kind.strike(self, fault)
        before = self._asked(self._marks)
        self.wait(lambda: self._is_past(before), f"recovery from {fault.kind} {fault.target}")
        struck = Struck(fault, round(begun - self.begun, 1), round(time.monotonic() - begun, 1))
        self.struck.append(struck)
        length = "" if kind.without_end else f" for {fault.seconds} s"
        self.say(f"{struck.at_s:7.1f} s  {fault.kind} {fault.target}{length}: on again after {struck.recovery_s} s")

    def _marks(self) -> tuple[int, int, int]:
        """How far intervals, ledger and store have come."""
        results = TopicPartition(f"{PREFIX}results", 0)
        stored = self.progress.committed(STORE_GROUP)
        return self.progress.closed_tick(), self.progress.stored_ends()[results], sum(stored.values())

    def _is_past(self, before: tuple[int, int, int]) -> bool:
        now = self._marks()
        return all(a > b for a, b in zip(now, before, strict=True)) or (self.feed.is_done and now[0] >= self._last_tick)

    @property
    def _last_tick(self) -> int:
        return self.feed.end_ms // self.feed.zone.tick_ms

    def _finish(self) -> None:
        """Everything sent has gone through every stage."""
        self.wait(lambda: self.feed.is_done, "the end of sending", 24 * 3600)
        self.wait(Drain(self.stack.kafka, self.progress, self._last_tick).is_through, "the last readings to be rows", 3600)

    def _asked(self, question: Callable[[], T]) -> T:
        """The answer, as soon as the broker gives one."""
        answers: list[T] = []

        def ask() -> bool:
            answers.append(question())
            return True

        self.wait(ask, "the broker's answer")
        return answers[0]

    def wait(self, holds: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Returns once `holds`; a broker that is away is asked again. Raises ChaosStuck when nothing has moved for `patience_s`: on a busy
        machine everything takes longer, and is no worse for it."""
        deadline, before = time.monotonic() + patience_s, self._moved()
        while True:
            if self.feed.failure is not None:
                raise ChaosStuck(f"sending failed: {self.feed.failure}") from self.feed.failure
            with suppress(KafkaError):  # the broker is away
                if holds():
                    return
            if time.monotonic() > deadline:
                if (now := self._moved()) == before:
                    raise ChaosStuck(f"still waiting for {what}, and nothing has moved for {patience_s:.0f} s; {self._state()}")
                deadline, before = time.monotonic() + patience_s, now
            time.sleep(_POLL_S)

    def _moved(self) -> tuple[object, ...]:
        """Differs from before as long as anything gets on: the sending, or a task in its logs."""
        commits = list[object]()
        for group in WORKER_GROUPS:
            with suppress(KafkaError):  # the broker is away
                commits.append(self.progress.committed(group))
        return self.feed.sent, commits

    def _state(self) -> str:
        workers = ", ".join(f"{n} {'runs' if w.is_running else f'ended with {w.exit_code}'}" for n, w in self.stack.workers.items())
        return f"sent {self.feed.sent} of {len(self.feed.sample)}, tick {self.progress.through} of {self._last_tick}; {workers}"


@dataclass(slots=True)
class Letters:
    """Dead letters of hostile records that the oracle does not know; every one must be there."""

    aside: set[Place]
    found: set[Place] = field(default_factory=set)

    def judged(self, rows: pa.Table) -> pa.Table:
        """The letters without them."""
        places = list(zip(*(rows[name].to_pylist() for name in ("topic", "partition", "offset")), strict=True))
        self.found |= self.aside & set(places)
        return rows.filter(pa.array([place not in self.aside for place in places], pa.bool_()))

    def missing(self) -> list[str]:
        """Those that are not there."""
        lost = sorted(self.aside - self.found)
        return [f"{topic}/{partition} offset {offset}: no dead letter" for topic, partition, offset in lost]


def run_chaos(
    seed: int, faults: int, readings: int, say: Say, longest_s: float = math.inf, kinds: Sequence[Kind] = KINDS, brokers: int = 1
) -> dict[str, Any]:
    """Run it all on a stack of its own, no fault longer than `longest_s`; the result as one JSON object. Raises ChaosStuck."""
    plan = planned(seed, faults, [of_cluster(kind, brokers) for kind in kinds], longest_s)
    sample = chaos_sample(readings, seed)
    zone_yaml = chaos_zone_yaml(sample.changes)
    zone = parse_zone(zone_yaml)
    count = sample.readings.num_rows + sum(n for reason, n in sample.dead_letters.items() if reason in ("malformed", "naive_time"))
    say(f"seed {seed}: {count} readings in {len(sample)} records, {faults} faults; starting Kafka, ClickHouse and workers")
    span_s = (int(sample.arrival_ms[-1]) - int(sample.arrival_ms[0])) / 1000
    with ZoneStack(PARTITIONS, is_simulated=True, restart=RESTART, brokers=brokers) as stack:
        publish(stack.kafka, PREFIX, zone, PARTITIONS, timestamp_ms=int(sample.arrival_ms[0]))
        for task, workers in WORKERS:
            for number in range(workers):
                stack.start_worker(task, str(number))
        feed = Feed(stack.kafka, sample, PARTITIONS, zone.zone, span_s / stream_seconds(plan))
        progress = Progress(stack.kafka, PARTITIONS)
        log = LogCopy(stack.kafka, READINGS.full_name(PREFIX), stack.folder)
        chaos = Chaos(stack, feed, progress, log, zone_yaml, say)
        try:
            chaos.run(plan)
            seconds = time.monotonic() - chaos.begun
            say(f"{seconds:7.1f} s  all is through; the oracle reads the topic and checks every row")
            for worker in stack.workers.values():  # their time is the oracle's now
                stack.supervisor.forget(worker)
                worker.stop()
            with stack.client() as client:
                begun = time.monotonic()
                letters = Letters(chaos.aside)
                found = oracle_differences(log.records, client, chaos.zone_yaml, PARTITIONS, os.cpu_count() or 1, letters.judged)
                found["hostile_records"] = letters.missing()
                found["replays"] = chaos.replays.differences(is_eaten=bool(log.lost))
        finally:
            feed.stop()
            progress.close()
        return _report(seed, count, chaos, found, seconds) | {"oracle_s": round(time.monotonic() - begun, 1)}


def _report(seed: int, readings: int, chaos: Chaos, found: dict[str, list[str]], seconds: float) -> dict[str, Any]:
    lines = [line for table in found.values() for line in table]
    recovery = [s.recovery_s for s in chaos.struck]
    return {
        "seed": seed,
        "readings": readings,
        "records": chaos.feed.sent,
        "brokers": len(chaos.stack.brokers),
        "faults": len(chaos.struck),
        "struck": [{**asdict(s.fault), "at_s": s.at_s, "recovery_s": s.recovery_s} for s in chaos.struck],
        "recovery_s": {"median": statistics.median(recovery), "longest": max(recovery)} if recovery else None,
        "lost_offsets": {str(p): lost for p, lost in sorted(chaos.log.lost.items())},
        "replays": {replay.name: replay.attempts for replay, _ in chaos.replays.begun},
        "deaths": [f"{d.name}: exit code {d.exit_code}" for d in chaos.stack.supervisor.deaths],
        "seconds": round(seconds, 1),
        "differences": len(lines),
        "first_difference": lines[0] if lines else None,
        "differences_by_table": {name: len(table) for name, table in found.items()},
    }
