"""One form of readings through real workers: how long to acknowledged interval blocks, and to rows in the store."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import psutil
from clickhouse_connect.driver.client import Client
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

from zonepulse.schemas.messages.topics import INTERVALS, READINGS, REGISTRY, TOPICS
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.bench.load import START_MS, TICK_MS, Form, Load, produce
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.embedded.processes.process import ChildProcess
from zonepulse.streams.embedded.stack import Stack
from zonepulse.streams.kafka.consumer_groups import are_stable
from zonepulse.streams.kafka.interval_codec import decode_block
from zonepulse.streams.kafka.topics_admin import ensure_topics

PATIENCE_S: Final = 300.0
POLL_S: Final = 0.05
TABLES: Final = ("intervals", "emissions", "totals", "intensity")


class BenchStuck(RuntimeError):
    """The pipeline did not come to its end in time; the message says where it stood."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One load in one form under its own topic prefix."""

    load: Load
    form: Form

    @property
    def prefix(self) -> str:
        """Of its topics; its zone has the same name."""
        return f"{self.load.zone}."

    @property
    def readings_topic(self) -> str:
        """Full name."""
        return READINGS.full_name(self.prefix)

    def prepare(self, stack: Stack, is_filled: bool = True) -> int:
        """Makes the topics, publishes the registry and sends the load; the bytes of its values.

        Result topics take the broker's time: then a block's time is that of its acknowledgement, acks=all on one replica.
        """
        simulated = (READINGS, REGISTRY)
        others = [replace(t, timestamp_type="LogAppendTime") for t in TOPICS if t not in simulated]
        partitions = self.load.partitions
        ensure_topics(stack.kafka, self.prefix, partitions, is_simulated=True, replication=1, topics=simulated)
        ensure_topics(stack.kafka, self.prefix, partitions, replication=1, topics=others)
        publish(stack.kafka, self.prefix, self.load.registry(), partitions, timestamp_ms=START_MS)
        return produce(stack.kafka, self.readings_topic, self.load, self.form) if is_filled else 0

    @contextmanager
    def worker(self, stack: Stack, task: str, more: Mapping[str, str] | None = None) -> Iterator[ChildProcess]:
        """One `zonepulse worker` on this trial's topics, with `more` in its environment."""
        environment = stack.environment | {
            "ZONEPULSE_TOPIC_PREFIX": self.prefix,
            "ZONEPULSE_PARTITIONS": str(self.load.partitions),
            "ZONEPULSE_SIMULATED": "on",
            "ZONEPULSE_LOG_LEVEL": "WARNING",
            "ZONEPULSE_DATA_DIR": str(stack.folder / "workers" / self.load.zone),
        }
        argv = [sys.executable, "-m", "zonepulse.streams.cli.main", "worker", task]
        child = stack.supervise(f"{task}-{self.load.zone}", argv, env=environment | dict(more or {}))
        try:
            yield child
        finally:
            stack.supervisor.forget(child)
            child.stop()


class Blocks:
    """Follows `zp.intervals`: since when blocks come, and what each partition has closed."""

    def __init__(self, broker: str, trial: Trial) -> None:
        self._load = trial.load
        self._consumer = KafkaConsumer(**connection_to(broker), enable_auto_commit=False, group_id=None, fetch_max_wait_ms=100)
        topic = TopicPartition(INTERVALS.full_name(trial.prefix), 0)
        self._consumer.assign([topic])
        self._consumer.seek_to_beginning(topic)
        self._through = dict.fromkeys(range(trial.load.partitions), 0)
        self.first_ms = 0
        self.last_ms = 0
        self.readings_before = 0
        """At most as many were folded when the first block was acknowledged: they do not count."""

    def poll(self) -> None:
        """Takes in what has come."""
        for records in self._consumer.poll(100, 500).values():
            for record in records:
                block = decode_block(record.value)
                if block.through is None:
                    continue
                if not self.first_ms:
                    self.first_ms, self.readings_before = record.timestamp, self._load.before((block.through + 1) * TICK_MS)
                self.last_ms = record.timestamp
                self._through[block.partition] = max(self._through[block.partition], block.through)

    @property
    def is_complete(self) -> bool:
        """Every partition has closed its last tick."""
        return min(self._through.values()) >= self._load.last_tick

    @property
    def readings(self) -> int:
        """How many were folded between the first block and the last."""
        return self._load.readings - self.readings_before

    @property
    def state(self) -> str:
        """Where it stands, for an error message."""
        return f"closed ticks {self._through} of {self._load.last_tick}"

    def close(self) -> None:
        """Closes the client."""
        self._consumer.close()


@dataclass(slots=True)
class Usage:
    """CPU time of worker processes since `mark`, and their memory at the end."""

    processes: dict[str, psutil.Process]
    begun: dict[str, float]

    @classmethod
    def of(cls, children: dict[str, ChildProcess]) -> "Usage":
        """Begins now."""
        processes = {name: psutil.Process(child.pid) for name, child in children.items()}
        return cls(processes, {name: _cpu_s(process) for name, process in processes.items()})

    def cpu_s(self) -> dict[str, float]:
        """Seconds since the beginning, by task."""
        return {name: _cpu_s(process) - self.begun[name] for name, process in self.processes.items()}

    def memory_mb(self) -> dict[str, float]:
        """Resident memory, by task."""
        return {name: process.memory_info().rss / 1e6 for name, process in self.processes.items()}


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def wait_until(is_so: Callable[[], bool], stack: Stack, where: Callable[[], str]) -> None:
    """Returns when `is_so`. Raises BenchStuck, which says `where` it stood, or the death of a child."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        stack.check()
        if time.monotonic() > deadline:
            raise BenchStuck(f"not finished after {PATIENCE_S:.0f} s: {where()}; look into {stack.folder / 'logs'}")


def to_blocks(stack: Stack, trial: Trial) -> dict[str, Any]:
    """Readings from their topic to acknowledged interval blocks: one intervals worker alone."""
    blocks = Blocks(stack.kafka, trial)
    try:
        with trial.worker(stack, "intervals") as child:
            usage = _followed(stack, blocks, {"intervals": child}, lambda: blocks.is_complete)
            return _rates(blocks.readings, max(1, blocks.last_ms - blocks.first_ms) / 1000, usage)
    finally:
        blocks.close()


def _followed(stack: Stack, blocks: Blocks, children: dict[str, ChildProcess], is_complete: Callable[[], bool]) -> Usage:
    usage: list[Usage] = []

    def step() -> bool:
        blocks.poll()
        if blocks.first_ms and not usage:
            usage.append(Usage.of(children))
        return bool(usage) and is_complete()

    wait_until(step, stack, lambda: blocks.state)
    return usage[0]


def _rates(readings: int, seconds: float, usage: Usage) -> dict[str, Any]:
    cpu = usage.cpu_s()
    return {
        "readings": readings,
        "seconds": seconds,
        "readings_per_s": readings / seconds,
        "cpu_s_per_million": {task: used / readings * 1e6 for task, used in cpu.items()},
        "memory_mb": usage.memory_mb(),
    }


def to_rows(stack: Stack, trial: Trial) -> dict[str, Any]:
    """Readings from their topic to rows in the store: one worker a task, the ledger and the store waiting when it begins."""
    blocks = Blocks(stack.kafka, trial)
    try:
        with stack.client() as client, trial.worker(stack, "ledger") as ledger, trial.worker(stack, "store") as store:
            wait_for_groups(stack, trial, ("ledger", "store"))
            with trial.worker(stack, "intervals") as intervals:
                children = {"intervals": intervals, "ledger": ledger, "store": store}
                usage = _followed(stack, blocks, children, lambda: blocks.is_complete and is_stored(client, trial))
                seconds = time.time() - blocks.first_ms / 1000
                found = _rates(blocks.readings, seconds, usage)
                rows = stored_rows(client, trial)
                return found | {"rows": rows, "rows_per_s": sum(rows.values()) / seconds}
    finally:
        blocks.close()


def wait_for_groups(stack: Stack, trial: Trial, tasks: tuple[str, ...]) -> None:
    """Returns when a worker of each task has been given its partitions."""
    admin = KafkaAdminClient(**connection_to(stack.kafka))
    groups = [f"{trial.prefix}{task}" for task in tasks]
    try:

        def are_joined() -> bool:
            time.sleep(POLL_S)
            return are_stable(admin, groups)

        wait_until(are_joined, stack, lambda: f"workers of {', '.join(tasks)} have not joined their groups")
    finally:
        admin.close()


def stored_rows(client: Client, trial: Trial, final: str = "FINAL") -> dict[str, int]:
    """Rows of the trial's zone, by table, as readers see them. Without FINAL a row counts once more for every time that it was written:
    what a worker reads again after a rebalance it writes again."""
    counts = ", ".join(f"(SELECT count() FROM {table} {final} WHERE run = 'live' AND zone = {{zone:String}})" for table in TABLES)
    found = client.query(f"SELECT {counts}", {"zone": trial.load.zone}).result_rows[0]
    return dict(zip(TABLES, (int(n) for n in found), strict=True))


def is_stored(client: Client, trial: Trial) -> bool:
    """Every channel has its row and every window its intensity. (The ledger writes a tick's tables together.)"""
    return all(_is_enough(stored_rows(client, trial, final), trial.load) for final in ("", "FINAL"))  # the first one is cheap


def _is_enough(rows: dict[str, int], load: Load) -> bool:
    expected = load.channels * load.windows
    return rows["intervals"] >= expected and rows["emissions"] >= expected and rows["intensity"] >= load.windows
