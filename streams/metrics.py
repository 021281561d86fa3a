"""Every metric, declared once: name, kind, unit and meaning."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import psutil
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from zonepulse.schemas.messages.records import RecordSpans

log = logging.getLogger(__name__)
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_RECORDS: Final = (1, 10, 100, 1_000, 5_000, 10_000, 20_000, 50_000)
_ITEMS: Final = (1, 10, 100, 1_000, 10_000, 50_000, 100_000, 500_000)


class Answer(NamedTuple):
    """To a probe: whether all is well, and a line for people."""

    is_well: bool
    text: str


class Instant:
    """Now, by the clock and by this process's CPU time."""

    def __init__(self) -> None:
        self._at = time.perf_counter(), time.process_time()

    def since(self) -> tuple[float, float]:
        """Seconds and CPU seconds from then to now."""
        return time.perf_counter() - self._at[0], time.process_time() - self._at[1]


class Metrics:
    """The metrics of one worker. Labels: `topic` without prefix, `table`, `partition`, `task` (intervals or ledger), `reason`, `step`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series each, of no use to anybody here
        self.registry = registry
        ProcessCollector(registry=registry)  # CPU, memory and open files of the worker, under their usual names
        self.records = self._counter("records_total", "Kafka records handled", "topic")
        self.bytes = self._counter("record_bytes_total", "Keys and values of Kafka records handled, uncompressed", "topic")
        self.batch_records = self._histogram("batch_records", "Kafka records handled at once", _RECORDS, "topic")
        self.lag = self._gauge("lag_records", "Kafka records not yet handled, as of the last fetch", "topic", "partition")
        self.standing_seconds = self._gauge(
            "partition_standing_seconds",
            "How long a partition does not move although its log goes on; 0 = it moves",
            "topic",
            "partition",
        )
        self.readings = self._counter("readings_total", "Readings judged, refused ones included")
        self.batch_readings = self._histogram("batch_readings", "Readings judged at once", _ITEMS)
        self.dead_letters = self._counter("dead_letters_total", "Readings that could not be booked", "reason")
        self.bad_switches = self._counter("bad_switches_total", "Records whose header `registry` is no switch and was ignored")
        self.registry_missing = self._gauge(
            "registry_missing", "Registry version that a partition stands and waits for; 0 = none", "partition"
        )
        self.rows_behind = self._counter(
            "rows_behind_total", "Interval rows of ticks that the ledger had applied: repeats, or too late"
        )
        self.rows_too_old = self._counter(
            "rows_too_old_total", "Interval rows of windows behind the ledger's horizon, which were not applied"
        )
        self.waiting_rows = self._gauge("waiting_rows", "Interval rows that wait in the ledger for the slowest partition")
        self.partitions_at_rest = self._gauge(
            "partitions_at_rest",
            "Partitions far ahead of the slowest one, whose interval rows stay in Kafka until it has come nearer",
        )
        self.records_lost = self._counter("records_lost_total", "Records that were deleted before they were read", "topic")
        self.poison = self._counter("poison_total", "Records that could not be handled and went to the dead letters", "topic")
        self.kernel_seconds = self._histogram("kernel_seconds", "Time of decoding and arithmetic for a batch", _SECONDS, "task")
        self.tick_lag = self._gauge("tick_lag_seconds", "From the end of the last closed tick to now", "task", "partition")
        self.start_seconds = self._gauge("start_seconds", "Time of a step of this worker's start", "step")
        self.start_cpu_seconds = self._gauge("start_cpu_seconds", "CPU time of a step of this worker's start", "step")
        self.restored_bytes = self._gauge("restored_bytes", "Size of the snapshots from which this worker went on", "task")
        self.checkpoint_bytes = self._counter("checkpoint_bytes_total", "Chunks of snapshots that the broker acknowledged", "task")
        self.rows = self._counter("rows_written_total", "Rows that ClickHouse acknowledged", "table")
        self.inserts = self._counter("inserts_total", "Inserts that ClickHouse acknowledged", "table")
        self.insert_seconds = self._histogram("insert_seconds", "Time of an acknowledged insert", _SECONDS, "table")
        self.backpressure = self._counter("insert_retries_total", "Inserts put off and tried again", "table")

    @contextmanager
    def start_step(self, step: str) -> Iterator[None]:
        """Measures one step of a worker's start, and says how long it took."""
        begun = Instant()
        yield
        self.started(step, *begun.since())

    def process_step(self, step: str) -> None:
        """The step took from the start of the process until now."""
        self.started(step, time.time() - psutil.Process().create_time(), time.process_time())

    def started(self, step: str, seconds: float, cpu_s: float) -> None:
        """A step of the start took so long, and so much of the processors' time."""
        self.start_seconds.labels(step).set(seconds)
        self.start_cpu_seconds.labels(step).set(cpu_s)
        log.info("start: %s took %.2f s (%.2f CPU s)", step, seconds, cpu_s)

    def took(self, topic: str, records: RecordSpans, lag: int | None) -> None:
        """A batch of `topic` (without prefix) is handled; `lag` as BatchChannel.lag tells."""
        self.records.labels(topic).inc(len(records))
        self.batch_records.labels(topic).observe(len(records))
        sizes = (records.key_end - records.key_start).sum() + (records.value_end - records.value_start).sum()
        self.bytes.labels(topic).inc(int(sizes))
        if lag is not None:
            self.lag.labels(topic, str(records.partition)).set(lag)

    def serve(self, port: int, host: str = "127.0.0.1", probes: Mapping[str, Callable[[], Answer]] | None = None) -> None:
        """Answers Prometheus on `host`:`port`, and the `probes` at their paths with 200 or 503; 0 = off."""
        if not port:
            return
        server, _ = start_http_server(port, host, registry=self.registry)
        metrics_page: Any = server.get_app()

        def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            if (probe := (probes or {}).get(environ["PATH_INFO"])) is None:
                return metrics_page(environ, start_response)  # type: ignore[no-any-return]
            answer = probe()
            start_response(
                "200 OK" if answer.is_well else "503 Service Unavailable",
                [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")],
            )
            return [f"{answer.text}\n".encode()]

        server.set_app(page)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"zonepulse_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"zonepulse_{name}", meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"zonepulse_{name}", meaning, labels, buckets=buckets, registry=self.registry)
