"""Chaos: a running zone whose parts are killed, paused and restarted at random, and is then compared with the oracle row by row.

The plan is a function of the seed. Workers are started again by the supervisor; servers by whoever broke them. A fault's recovery is
the time from its beginning until every partition has closed a further tick and the store has committed further rows.
"""

import os
import random
import signal
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeVar

from kafka import TopicPartition
from kafka.errors import KafkaError

from zonepulse.schemas.zone_yaml import parse_zone
from zonepulse.streams.chaos_data import chaos_sample, chaos_zone_yaml
from zonepulse.streams.demo_run import LEDGER_GROUP, PREFIX, STORE_GROUP, Feed, Progress, oracle_differences
from zonepulse.streams.embedded.broker import Broker
from zonepulse.streams.embedded.clickhouse_process import ClickHouseProcess
from zonepulse.streams.embedded.process import ChildProcess
from zonepulse.streams.embedded.supervisor import Restart
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.registry_topic import publish

PARTITIONS: Final = 4
WORKERS: Final = (("intervals", 2), ("ledger", 2), ("store", 1))
RESTART: Final = Restart(first_s=0.5, longest_s=2.0, healthy_s=10.0)
_SERVERS: Final = ("broker", "clickhouse")
_TARGETS: Final = {"kill_server": _SERVERS, "pause_server": _SERVERS, "fill_disk": ("clickhouse",)}
"""What a kind of fault strikes; any worker where nothing is said."""
SECONDS_A_FAULT: Final = 8.0
"""The stream lasts at least this long for every fault."""
PATIENCE_S: Final = 240.0
_POLL_S: Final = 0.25
FULL_DISK: Final = ("--keep-free-mb", str(1 << 40))
"""To the store every disk is full then: it refuses what it cannot write."""
_KINDS: Final = ("kill", "pause", "restart", "kill_server", "pause_server", "fill_disk")
_WEIGHTS: Final = (5, 3, 2, 2, 1, 1)
"""How often what happens, to one another."""
Say = Callable[[str], None]
T = TypeVar("T")


class ChaosStuck(RuntimeError):
    """The zone did not come back; the message says what stands still and how the workers are."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`share` of the stream after which it strikes; `seconds` that a pause lasts or a server stays away."""

    kind: str
    target: str
    share: float
    seconds: float


@dataclass(slots=True)
class Struck:
    """A fault that happened: when, and how long the zone needed."""

    fault: Fault
    at_s: float
    recovery_s: float


def planned(seed: int, faults: int) -> list[Fault]:
    """The faults of a seed, in order of time."""
    rng = random.Random(seed)
    workers = [f"{task}-{number}" for task, count in WORKERS for number in range(count)]
    out = []
    for i in range(faults):
        kind = rng.choices(_KINDS, _WEIGHTS)[0]
        target = rng.choice(_TARGETS.get(kind, workers))
        out.append(Fault(kind, target, (i + rng.uniform(0.1, 0.6)) / faults, round(rng.uniform(0.5, 12.0), 1)))
    return out


@dataclass(slots=True)
class Chaos:
    """One run on a started stack."""

    stack: ZoneStack
    feed: Feed
    progress: Progress
    say: Say
    begun: float = field(default_factory=time.monotonic)
    struck: list[Struck] = field(default_factory=list)

    def run(self, faults: list[Fault]) -> None:
        """Strike, wait for recovery, strike again; returns when the whole stream has come through. Raises ChaosStuck."""
        self._wait(lambda: self.progress.closed_tick() > 0, "the workers to be ready")
        self.begun = time.monotonic()
        self.feed.start()
        for fault in faults:
            self._wait(lambda share=fault.share: self.feed.is_done or self.feed.sent >= share * len(self.feed.sample), "the stream")  # type: ignore[misc]
            self._strike(fault)
        self._finish()

    def _strike(self, fault: Fault) -> None:
        begun = time.monotonic()
        self._break(fault)
        before = self._asked(self._marks)
        self._wait(lambda: self._is_past(before), f"recovery from {fault.kind} {fault.target}")
        struck = Struck(fault, round(begun - self.begun, 1), round(time.monotonic() - begun, 1))
        self.struck.append(struck)
        length = f" for {fault.seconds} s" if fault.kind not in ("kill", "restart") else ""
        self.say(f"{struck.at_s:7.1f} s  {fault.kind} {fault.target}{length}: on again after {struck.recovery_s} s")

    def _break(self, fault: Fault) -> None:
        if fault.target in _SERVERS:
            server: Broker | ClickHouseProcess = self.stack.broker if fault.target == "broker" else self.stack.clickhouse_process
            if fault.kind == "kill_server":
                os.kill(server.pid, signal.SIGKILL)
                time.sleep(fault.seconds)
                server.start()
            elif fault.kind == "fill_disk":
                fill_disk(self.stack.clickhouse_process, fault.seconds)
            else:
                _pause(server.process, fault.seconds)
        else:
            self._break_worker(fault, self.stack.workers[fault.target])

    def _break_worker(self, fault: Fault, worker: ChildProcess) -> None:
        self._wait(lambda: worker.is_running, f"{fault.target} to run")
        if fault.kind == "pause":
            _pause(worker, fault.seconds)
        else:
            os.kill(worker.pid, signal.SIGKILL if fault.kind == "kill" else signal.SIGTERM)

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
        """Everything sent has gone through every stage; the ends move on with live sums, so each stage has its own mark."""
        self._wait(lambda: self.feed.is_done, "the end of sending", 24 * 3600)
        self._wait(lambda: self.progress.closed_tick() >= self._last_tick, "the last tick", 3600)
        blocks = TopicPartition(f"{PREFIX}intervals", 0)
        end = self._asked(self.progress.stored_ends)[blocks]
        self._wait(lambda: self.progress.committed(LEDGER_GROUP).get(blocks, 0) >= end, "the ledger")
        ends = self._asked(self.progress.stored_ends)
        self._wait(lambda: all(self.progress.committed(STORE_GROUP).get(tp, 0) >= e for tp, e in ends.items()), "the store")

    def _asked(self, question: Callable[[], T]) -> T:
        """The answer, as soon as the broker gives one."""
        answers: list[T] = []

        def ask() -> bool:
            answers.append(question())
            return True

        self._wait(ask, "the broker's answer")
        return answers[0]

    def _wait(self, holds: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience_s
        while True:
            if self.feed.failure is not None:
                raise ChaosStuck(f"sending failed: {self.feed.failure}") from self.feed.failure
            with suppress(KafkaError):  # the broker is away
                if holds():
                    return
            if time.monotonic() > deadline:
                raise ChaosStuck(f"still waiting for {what} after {patience_s:.0f} s; {self._state()}")
            time.sleep(_POLL_S)

    def _state(self) -> str:
        workers = ", ".join(f"{n} {'runs' if w.is_running else f'ended with {w.exit_code}'}" for n, w in self.stack.workers.items())
        return f"sent {self.feed.sent} of {len(self.feed.sample)}, tick {self.progress.through} of {self._last_tick}; {workers}"


def fill_disk(store: ClickHouseProcess, seconds: float) -> None:
    """The store runs, answers questions, and has no room for rows."""
    store.stop()
    store.start(*FULL_DISK)
    time.sleep(seconds)
    store.stop()
    store.start()


def _pause(process: ChildProcess, seconds: float) -> None:
    os.kill(process.pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(process.pid, signal.SIGCONT)


def run_chaos(seed: int, faults: int, readings: int, say: Say) -> dict[str, Any]:
    """Run it all on a stack of its own; the result as one JSON object. Raises ChaosStuck."""
    sample = chaos_sample(readings, seed)
    zone_yaml = chaos_zone_yaml(sample.changes)
    zone = parse_zone(zone_yaml)
    count = sample.readings.num_rows + sum(n for reason, n in sample.dead_letters.items() if reason in ("malformed", "naive_time"))
    say(f"seed {seed}: {count} readings in {len(sample)} records, {faults} faults; starting Kafka, ClickHouse and workers")
    span_s = (int(sample.arrival_ms[-1]) - int(sample.arrival_ms[0])) / 1000
    with ZoneStack(PARTITIONS, is_simulated=True, restart=RESTART) as stack:
        publish(stack.kafka, PREFIX, zone, PARTITIONS, timestamp_ms=int(sample.arrival_ms[0]))
        for task, workers in WORKERS:
            for number in range(workers):
                stack.start_worker(task, str(number))
        feed = Feed(stack.kafka, sample, PARTITIONS, zone.zone, span_s / max(1.0, faults * SECONDS_A_FAULT))
        progress = Progress(stack.kafka, PARTITIONS)
        chaos = Chaos(stack, feed, progress, say)
        try:
            chaos.run(planned(seed, faults))
            seconds = time.monotonic() - chaos.begun
            say(f"{seconds:7.1f} s  all is through; the oracle reads the topic and checks every row")
            for worker in stack.workers.values():  # their time is the oracle's now
                stack.supervisor.forget(worker)
                worker.stop()
            with stack.client() as client:
                begun = time.monotonic()
                found = oracle_differences(stack.kafka, client, zone_yaml, PARTITIONS, os.cpu_count() or 1)
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
        "faults": len(chaos.struck),
        "struck": [{**asdict(s.fault), "at_s": s.at_s, "recovery_s": s.recovery_s} for s in chaos.struck],
        "recovery_s": {"median": statistics.median(recovery), "longest": max(recovery)} if recovery else None,
        "deaths": [f"{d.name}: exit code {d.exit_code}" for d in chaos.stack.supervisor.deaths],
        "seconds": round(seconds, 1),
        "differences": len(lines),
        "first_difference": lines[0] if lines else None,
        "differences_by_table": {name: len(table) for name, table in found.items()},
    }
