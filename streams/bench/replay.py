"""`zonepulse bench replay`: readings/s of a replay from the topic and from the archive, beside polars that only groups the same readings.

One process each, on a broker and a store of its own. A replay decodes, folds, keeps the ledger and writes every row of every table;
`readings_per_cpu_s` counts the CPU seconds of its process alone, so it is what one core does. polars, with one thread, groups by meter and
quarter of an hour and takes the smallest and largest value: of JSON it reads the archive's own files and decodes their values first, of
Arrow blocks, which it does not decode, it gets a Parquet file with the readings in columns.
"""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from zonepulse.streams.archive.archive import Archive
from zonepulse.streams.archive.record_table import table_of
from zonepulse.streams.bench import beside, latency
from zonepulse.streams.bench.ingest import machine
from zonepulse.streams.bench.load import FORMS, START_MS, WINDOW_MS, Form, Load
from zonepulse.streams.bench.pipeline import Trial
from zonepulse.streams.embedded.stack import Stack
from zonepulse.streams.kernels.warm_up import warm_up
from zonepulse.streams.replay.log import fetches
from zonepulse.streams.replay.plan import ARCHIVE, TOPIC, Plan, make_plan
from zonepulse.streams.replay.run import How, run_plan
from zonepulse.streams.screen import count, print_facts, print_table

REPLAYED: Final = ("json", "arrow")
ARROW_TIMES: Final = 5
"""Arrow blocks hold so many times as many readings: they go faster."""
FILE_BYTES: Final = 64 << 20
Found = dict[str, Any]
Tell = Callable[[str], None]


class RowsDiffer(RuntimeError):
    """Runs that must be equal are not."""


@dataclass(frozen=True, slots=True)
class Options:
    """`readings` in JSON; `channels` a multiple of `partitions`; `processes` of the runs that share the partitions out."""

    readings: int
    channels: int
    partitions: int
    processes: int
    live_rate: int = 0
    """Live readings/s beside a replay of the JSON; 0 = not measured."""
    live_s: float = 60.0

    def load(self, form: Form) -> Load:
        """What is replayed in this form."""
        times = ARROW_TIMES if form.is_arrow else 1
        return Load(f"replay-{form.name}", self.channels, self.partitions, self.readings * times // self.channels)


def run(options: Options, tell: Tell) -> Found:
    """Everything, as one JSON-ready object; `tell` hears what is being done. Raises RowsDiffer."""
    found: Found = {
        "zonepulse": version("zonepulse"), "at": datetime.now(UTC), "machine": machine(), "options": asdict(options), "forms": {},
    }  # fmt: skip
    if find_spec("polars") is None:
        tell("polars is not installed (`make dev` brings it): nothing to compare with")
    warm_up()
    with Stack() as stack, TemporaryDirectory(prefix="zonepulse-archive-") as folder:
        for name in REPLAYED:
            found["forms"][name] = _measure(stack, options, FORMS[name], Path(folder, name), tell)
        if options.live_rate:
            tell(f"{options.live_rate:,} live readings/s, alone and beside a replay")
            trial = Trial(options.load(FORMS["json"]), FORMS["json"])
            plan = _plan(stack, trial, "beside", TOPIC, Path(folder))
            found["beside"] = beside.measure(stack, trial, plan, options.live_rate, options.live_s)
    found["machine"]["load_after"] = psutil.getloadavg()[0]
    return found


def _measure(stack: Stack, options: Options, form: Form, folder: Path, tell: Tell) -> Found:
    load = options.load(form)
    trial = Trial(load, form)
    tell(f"{form.name}: sending {load.readings:,} readings")
    size = trial.prepare(stack)
    asyncio.run(_archived(stack.kafka, _plan(stack, trial, "", TOPIC, folder), folder))
    found: Found = {"readings": load.readings, "bytes_a_reading": size / load.readings}
    digests: list[Found] = []
    for what, source, processes in (
        ("topic", TOPIC, 1), ("archive", ARCHIVE, 1), ("archive, shared out", ARCHIVE, options.processes),
    ):  # fmt: skip
        tell(f"{form.name}: {what}")
        plan = _plan(stack, trial, f"{form.name}-{len(digests)}", source, folder)
        result, found[what] = _timed(lambda plan=plan, n=processes: _run(stack, trial, plan, n), load.readings)  # type: ignore[misc]
        digests.append(result["tables"])
        found[what]["processes"] = processes
    if any(digest != digests[0] for digest in digests) or not digests[0]["totals"]["rows"]:
        raise RowsDiffer(f"{form.name}: runs of the same readings have other rows: {digests}")
    found["rows"] = sum(table["rows"] for table in digests[0].values())
    if find_spec("polars") is not None:
        tell(f"{form.name}: polars")
        if form.is_arrow:
            _write_columns(load, form, folder / "columns.parquet")
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as one:
            found["polars"] = one.submit(polars_groups, folder, form.is_arrow, load.readings).result()
        if found["polars"].pop("groups") != load.channels * load.windows:
            raise RowsDiffer(f"{form.name}: polars found other groups than {load.channels} channels in {load.windows} windows")
    return found


def _plan(stack: Stack, trial: Trial, run: str, source: str, folder: Path) -> Plan:
    stretch = START_MS, START_MS + trial.load.windows * WINDOW_MS
    zone = trial.load.registry().zone
    return make_plan(stack.kafka, trial.prefix, zone, run, stretch, "", "", 0, archive=str(folder), source=source)


def _run(stack: Stack, trial: Trial, plan: Plan, processes: int) -> Found:
    with stack.client() as client:
        return run_plan(stack.kafka, trial.prefix, plan, client, How(processes=processes))


def _timed(work: Callable[[], Found], readings: int) -> tuple[Found, Found]:
    """What work returns, and its speed; CPU seconds are those of this process and of processes that it started and ended."""
    begun, before = time.perf_counter(), _cpu_s()
    result = work()
    return result, _speed(readings, time.perf_counter() - begun, _cpu_s() - before)


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _speed(readings: int, seconds: float, cpu_s: float) -> Found:
    return {
        "seconds": seconds, "cpu_s": cpu_s, "readings_per_s": readings / seconds, "readings_per_cpu_s": readings / max(cpu_s, 0.01),
    }  # fmt: skip


async def _archived(broker: str, plan: Plan, folder: Path) -> None:
    """The topic as the archive's worker would keep it."""
    archive = Archive(str(folder), plan.zone, plan.topic, plan.topic_id)
    day = datetime.fromtimestamp(START_MS / 1000, UTC).date().isoformat()
    waiting: dict[int, tuple[int, int, list[pa.Table]]] = {}

    def write(number: int) -> None:
        first, behind, tables = waiting.pop(number)
        archive.write(number, first, behind, day, pa.concat_tables(tables))

    async for records in fetches(broker, plan):
        first, _, tables = waiting.get(records.partition, (int(records.offset[0]), 0, []))
        tables.append(table_of(records))
        waiting[records.partition] = first, int(records.offset[-1]) + 1, tables
        if sum(table.nbytes for table in tables) > FILE_BYTES:
            write(records.partition)
    for number in list(waiting):
        write(number)


def _write_columns(load: Load, form: Form, path: Path) -> None:
    plain = pa.schema([("meter", pa.string()), ("ts", pa.timestamp("ms", tz="UTC")), ("value", pa.float64())])
    with pq.ParquetWriter(path, plain, compression="zstd") as out:
        for partition in range(load.partitions):
            for _, value in load.records(partition, form):
                rows = pa.ipc.open_stream(value).read_all().select(plain.names)
                out.write_table(rows.cast(plain))


def polars_groups(folder: Path, is_columns: bool, readings: int) -> Found:
    """In a process of its own: the speed of the group-by, and how many groups it found."""
    os.environ["POLARS_MAX_THREADS"] = "1"
    import polars as pl

    def grouped() -> Found:
        if is_columns:
            found = pl.scan_parquet(folder / "columns.parquet")
            window = pl.col("ts").dt.epoch("ms") // WINDOW_MS
        else:
            shape = pl.Struct({"meter": pl.String, "ts": pl.Int64, "value": pl.Float64})
            rows = pl.scan_parquet(folder / "zone=*" / "topic=*" / "day=*" / "*" / "*.parquet", hive_partitioning=False)
            text = rows.select(pl.col("value").cast(pl.String)).filter(pl.col("value") != "[]")
            found = text.select(pl.col("value").str.json_decode(shape)).unnest("value")
            window = pl.col("ts") // WINDOW_MS
        groups = found.group_by("meter", window.alias("window")).agg(
            pl.col("value").min().alias("least"), pl.col("value").max().alias("most")
        )
        return {"groups": groups.collect().height}

    result, speed = _timed(grouped, readings)
    return result | speed


def print_report(found: Found) -> None:
    """Everything that `--json` holds, for people."""
    machine = found["machine"]
    print_facts(
        [
            ("machine", f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}"),
            ("load", f"{machine['load_before']:.1f} before, {machine['load_after']:.1f} after"),
        ]
    )
    columns = ("form", "what", "readings", "processes", "readings/s", "readings/s a core")
    rows = [
        (
            form, what, count(one["readings"]), one[what].get("processes", 1), count(round(one[what]["readings_per_s"])),
            count(round(one[what]["readings_per_cpu_s"])),
        )
        for form, one in found["forms"].items()
        for what in ("topic", "archive", "archive, shared out", "polars")
        if what in one
    ]  # fmt: skip
    print_table(columns, rows, title="a replay of everything, to rows in the store", right=columns[2:])
    if "beside" in found:
        lags = [
            (what, table, one[table]["samples"], *(_seconds(one[table][p]) for p in ("p50_ms", "p99_ms")))
            for what, one in found["beside"].items()
            for table in latency.TABLES
        ]
        title = f"live rows, from sending to the store, at {count(found['options']['live_rate'])} readings/s"
        print_table(("live", "table", "windows", "p50", "p99"), lags, title=title, right=("windows", "p50", "p99"))


def _seconds(ms: float | None) -> str:
    return "" if ms is None else f"{ms / 1000:.1f} s"
