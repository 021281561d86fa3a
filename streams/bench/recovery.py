"""`zonepulse bench recovery`: how long a killed worker with much state takes to be where it was, and whether memory stays flat."""

import math
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from kafka import KafkaConsumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from zonepulse.schemas.messages.tasks import WHOLE
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.bench.ingest import machine
from zonepulse.streams.bench.load import FORMS
from zonepulse.streams.bench.pipeline import Trial, wait_for_groups, wait_until
from zonepulse.streams.bench.recovery_load import ConstantLoad, QuarterHours, fill
from zonepulse.streams.embedded.processes.process import ChildProcess, free_port
from zonepulse.streams.embedded.stack import Stack
from zonepulse.streams.screen import print_facts, print_table

POLL_S: Final = 0.05
SAMPLE_S: Final = 5.0
SETTLE_S: Final = 60.0
"""Of a soak: as long lateness fills and caches grow."""
BEFORE_KILL_S: Final = 5.0
SOAK_CHANNELS: Final = 20_000
"""At most: a round must be short, for the readings of 2 h of lateness to be there before memory is looked at."""
STEPS: Final = {
    "process": "imports",
    "registry_read": "registry: read and decode",
    "registry_compile": "registry: compile",
    "kernels": "kernels",
    "joined": "process start to partitions",
    "changelog": "restore: read the changelog",
    "restore": "restore: decode and rebuild",
    "catch_up": "catch-up to zero lag",
    "total": "process start to zero lag",
}
"""Step of a worker's start (metric `zonepulse_start_seconds`) -> what it is. `joined` and `total` contain others."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure; `soak_min` 0: no soak."""

    channels: int
    partitions: int
    rounds: int
    rate: int
    soak_min: float


def run(options: Options, tell: Tell, folder: Path | None = None) -> dict[str, Any]:
    """Everything, as one JSON-ready object; `tell` hears what is being done."""
    found: dict[str, Any] = {
        "zonepulse": version("zonepulse"),
        "at": datetime.now(UTC),
        "machine": machine(),
        "options": asdict(options),
        "soak": None,
    }
    with Stack(folder) as stack:
        found["recovery"] = _recover(stack, options, tell)
        if options.soak_min:
            found["soak"] = _soak(stack, options, tell)
    found["machine"]["load_after"] = psutil.getloadavg()[0]
    return found


def _recover(stack: Stack, options: Options, tell: Tell) -> dict[str, Any]:
    load = QuarterHours("recovery", options.channels, options.partitions, options.rounds)
    trial = Trial(load, FORMS["arrow"])
    port = free_port()
    tell(f"publishing {load.channels:,} channels")
    begun = time.monotonic()
    trial.prepare(stack, is_filled=False)
    published_s = time.monotonic() - begun
    tell(f"filling state with {load.readings:,} readings")
    fill(stack.kafka, trial.readings_topic, load)
    environment = {"ZONEPULSE_STATIC": "on", "ZONEPULSE_METRICS_PORT": str(port)}
    with trial.worker(stack, "intervals", environment) as worker:
        begun = time.monotonic()
        wait_until(lambda: _is_durable(stack, trial), stack, lambda: "no checkpoint of all readings yet")
        filled_s = time.monotonic() - begun
        with ConstantLoad(stack.kafka, trial.readings_topic, load, options.rate) as constant:
            before, at = metrics_of(port), time.monotonic()
            time.sleep(BEFORE_KILL_S)
            now = metrics_of(port)
            rate = (checkpoint_bytes(now) - checkpoint_bytes(before)) / (time.monotonic() - at)
            rss = _rss_mb(worker)
            tell("kill -9, and a new start")
            killed = _kill(stack, worker)
            started = time.monotonic()
            worker.start()
            stack.supervisor.watch(worker)
            wait_until(lambda: "total" in start_seconds(metrics_of(port)), stack, lambda: f"{start_seconds(metrics_of(port))}")
            seconds = time.monotonic() - started
            constant.check()
        told = metrics_of(port)
        return {
            "seconds": seconds,
            "killed_s": started - killed,
            "steps": start_seconds(told),
            "cpu_steps": start_seconds(told, "zonepulse_start_cpu_seconds"),
            "snapshot_mb": sum(value for (name, _), value in told.items() if name == "zonepulse_restored_bytes") / 1e6,
            "checkpoint_mb_per_s": rate / 1e6,
            "published_s": published_s,
            "filled_s": filled_s,
            "rss_before_mb": rss,
            "rss_after_mb": _rss_mb(worker),
        }


def _kill(stack: Stack, worker: ChildProcess) -> float:
    """Returns when it is gone; the time of the signal."""
    stack.supervisor.forget(worker)
    at = time.monotonic()
    os.kill(worker.pid, signal.SIGKILL)
    while worker.is_running:
        time.sleep(POLL_S / 10)
    return at


def _is_durable(stack: Stack, trial: Trial) -> bool:
    """A worker commits what its checkpoints hold: everything is."""
    time.sleep(POLL_S)
    topic = trial.readings_topic
    tps = [TopicPartition(topic, p) for p in range(trial.load.partitions)]
    with closing(
        KafkaConsumer(**connection_to(stack.kafka), group_id=f"{trial.prefix}intervals", enable_auto_commit=False)
    ) as client:
        ends = client.end_offsets(tps)
        return all(client.committed(tp) == ends[tp] for tp in tps)


# --- what workers tell --------------------------------------------------------------------------------------------------------

Samples = Mapping[tuple[str, str], float]
"""(name, value of the first label) -> number."""


def metrics_of(port: int) -> Samples:
    """The metrics of the worker that serves them there; none while there is no such worker."""
    time.sleep(POLL_S)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return parsed(answer.read().decode())
    except OSError:
        return {}


def parsed(text: str) -> dict[tuple[str, str], float]:
    """Prometheus' text as numbers."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, next(iter(sample.labels.values()), "")): sample.value for sample in samples}


def start_seconds(samples: Samples, metric: str = "zonepulse_start_seconds") -> dict[str, float]:
    """Seconds by step of a worker's start."""
    return {step: value for (name, step), value in samples.items() if name == metric}


def checkpoint_bytes(samples: Samples) -> float:
    """Bytes of the snapshots that a worker has written."""
    return sum(value for (name, _), value in samples.items() if name == "zonepulse_checkpoint_bytes_total")


def _rss_mb(child: ChildProcess) -> float:
    return float(psutil.Process(child.pid).memory_info().rss / 1e6)


# --- soak ---------------------------------------------------------------------------------------------------------------------


def _soak(stack: Stack, options: Options, tell: Tell) -> dict[str, Any]:
    load = QuarterHours("soak", min(options.channels, SOAK_CHANNELS), options.partitions, options.rounds)
    trial = Trial(load, FORMS["arrow"])
    trial.prepare(stack, is_filled=False)
    fill(stack.kafka, trial.readings_topic, load)
    with ExitStack() as keep:
        children = {task: keep.enter_context(trial.worker(stack, task)) for task in WHOLE}
        wait_for_groups(stack, trial, WHOLE)
        constant = keep.enter_context(ConstantLoad(stack.kafka, trial.readings_topic, load, options.rate))
        tell(f"constant load of {options.rate:,} readings/s on {load.channels:,} channels for {options.soak_min:g} min")
        time.sleep(SETTLE_S)
        samples: dict[str, list[tuple[float, float]]] = {task: [] for task in WHOLE}
        begun, sent = time.monotonic(), constant.sent
        while (at := time.monotonic() - begun) < options.soak_min * 60:
            stack.check()
            constant.check()
            for task, child in children.items():
                samples[task].append((at, _rss_mb(child)))
            time.sleep(SAMPLE_S)
        rate = (constant.sent - sent) / (time.monotonic() - begun)
    return {"channels": load.channels, "readings_per_s": rate, "rss": {task: slope(found) for task, found in samples.items()}}


def slope(samples: list[tuple[float, float]]) -> dict[str, Any]:
    """Least squares through (seconds, MB): MB/min with its standard error, which takes neighbouring samples for independent."""
    at, mb = (np.array(column, np.float64) for column in zip(*samples, strict=True))
    found: dict[str, Any] = {"samples": len(samples), "first_mb": float(mb[0]), "last_mb": float(mb[-1])}
    spread = float(((at - at.mean()) ** 2).sum())
    if len(samples) < 3 or not spread:
        return found | {"mb_per_min": None, "standard_error": None}
    a_second = float(((at - at.mean()) * (mb - mb.mean())).sum()) / spread
    rest = mb - mb.mean() - a_second * (at - at.mean())
    error = math.sqrt(float((rest**2).sum()) / (len(samples) - 2) / spread)
    return found | {"mb_per_min": a_second * 60, "standard_error": error * 60}


# --- for people ---------------------------------------------------------------------------------------------------------------


def print_report(found: dict[str, Any]) -> None:
    """What `--json` holds, as tables."""
    measured, used = found["recovery"], found["machine"]
    columns = ("step", "s", "CPU s")
    rows = [
        (meaning, f"{measured['steps'][step]:.2f}", f"{measured['cpu_steps'][step]:.2f}")
        for step, meaning in STEPS.items()
        if step in measured["steps"]
    ]
    rows.append(("seen from outside: start to zero lag", f"{measured['seconds']:.2f}", ""))
    print_table(columns, rows, title=f"kill -9 of a worker with {found['options']['channels']:,} channels", right=columns[1:])
    print_facts(
        [
            ("machine", f"{used['cpu']}, {used['cores']} cores, load {used['load_before']:.1f} to {used['load_after']:.1f}"),
            ("snapshot", f"{measured['snapshot_mb']:.1f} MB; checkpoints {measured['checkpoint_mb_per_s']:.2f} MB/s"),
            ("memory", f"{measured['rss_before_mb']:,.0f} MB before, {measured['rss_after_mb']:,.0f} MB after"),
        ]
    )
    if soak := found["soak"]:
        lines = [
            (task, one["samples"], f"{one['first_mb']:.0f}", f"{one['last_mb']:.0f}", _with_error(one))
            for task, one in soak["rss"].items()
        ]
        of_memory = ("worker", "samples", "first MB", "last MB", "MB/min")
        print_table(of_memory, lines, title=f"memory at {soak['readings_per_s']:,.0f} readings/s", right=of_memory[1:])


def _with_error(one: dict[str, Any]) -> str | None:
    return None if one["mb_per_min"] is None else f"{one['mb_per_min']:.2f} ± {one['standard_error']:.2f}"
