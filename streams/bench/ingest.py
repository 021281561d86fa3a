"""`zonepulse bench ingest`: the whole measurement, on a broker and a store of its own."""

import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil

from zonepulse.streams.bench import latency
from zonepulse.streams.bench.baselines import bare_kernels, java_poll, python_client
from zonepulse.streams.bench.load import FORMS, PERIOD_MS, WINDOW_MS, Form, Load
from zonepulse.streams.bench.pipeline import Trial, to_blocks, to_rows
from zonepulse.streams.embedded.stack import Stack

ARROW_FACTOR: Final = 5
FAUST_RECORDS: Final = 20_000
LATENCY_SHARE: Final = 0.1
"""Of the largest rate to stored rows."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure; `many_channels` 0 and `latency_s` 0: not."""

    readings: int
    channels: int
    many_channels: int
    partitions: int
    forms: tuple[str, ...]
    latency_s: float
    has_baselines: bool
    detectors: int = 0
    """Rounds of detectors on against off, instead of everything else."""

    def shortened(self) -> "Options":
        """For a first look: the numbers are rougher."""
        return replace(self, readings=max(self.channels, self.readings // 10), many_channels=0, latency_s=min(15.0, self.latency_s))

    def load(self, zone: str, form: Form, channels: int) -> Load:
        """At least half a window long."""
        readings = self.readings * (ARROW_FACTOR if form.is_arrow else 1)
        return Load(zone, channels, self.partitions, max(readings // channels, WINDOW_MS // PERIOD_MS // 2))


def run(options: Options, tell: Tell, folder: Path | None = None) -> dict[str, Any]:
    """Everything, as one JSON-ready object; `tell` hears what is being done."""
    found: dict[str, Any] = {
        "zonepulse": version("zonepulse"),
        "at": datetime.now(UTC),
        "machine": machine(),
        "options": asdict(options),
        "forms": {},
        "many_channels": {},
        "latency": None,
        "baselines": {},
    }
    with Stack(folder) as stack:
        if options.detectors:
            return found | {"detectors": _measure_detectors(stack, options, tell)}
        for name in options.forms:
            found["forms"][name] = _measure_form(stack, options, FORMS[name], found["baselines"], tell)
        if options.many_channels:
            found["many_channels"] = _measure_many(stack, options, tell)
        if options.latency_s and "json" in found["forms"]:
            found["latency"] = _measure_latency(stack, options, found["forms"]["json"]["to_rows"]["readings_per_s"], tell)
    found["ratios"] = ratios(found["forms"], found["baselines"])
    return found


def _measure_form(stack: Stack, options: Options, form: Form, baselines: dict[str, Any], tell: Tell) -> dict[str, Any]:
    trial = Trial(options.load(f"blocks-{form.name}", form, options.channels), form)
    tell(f"{form.name}: sending {trial.load.readings:,} readings")
    size = trial.prepare(stack)
    kernels = bare_kernels(trial.load, _kafka_data(stack), trial.readings_topic)  # compiles and caches them, too
    baselines[f"kernels_{form.name}"] = _rate(kernels, trial.load.readings, trial.load.readings)
    tell(f"{form.name}: from topic to interval blocks")
    found: dict[str, Any] = {"bytes_a_reading": size / trial.load.readings, "to_blocks": to_blocks(stack, trial)}
    if options.has_baselines:
        baselines |= _measure_clients(stack, trial, tell)
    stored = Trial(replace(trial.load, zone=f"rows-{form.name}"), form)
    tell(f"{form.name}: from topic to rows in the store")
    stored.prepare(stack)
    return found | {"to_rows": to_rows(stack, stored)}


def _measure_detectors(stack: Stack, options: Options, tell: Tell) -> dict[str, Any]:
    """Rates to interval blocks, and the workers' CPU, with every channel's detectors on and off in turn, the first of a pair changing; what
    is lost by medians. On a machine that does other work only the CPU tells."""
    rates: dict[str, list[float]] = {"on": [], "off": []}
    cpu: dict[str, list[float]] = {"on": [], "off": []}
    form = FORMS[options.forms[0]]
    for i in range(options.detectors):
        for name in ("on", "off") if i % 2 else ("off", "on"):
            trial = Trial(replace(options.load(f"{name}-{i}", form, options.channels), is_watched=name == "on"), form)
            trial.prepare(stack)
            if not any(rates.values()):
                bare_kernels(trial.load, _kafka_data(stack), trial.readings_topic)  # compiles and caches them
            found = to_blocks(stack, trial)
            rates[name].append(found["readings_per_s"])
            cpu[name].append(sum(found["cpu_s_per_million"].values()))
            tell(f"{form.name}, detectors {name}: {rates[name][-1]:,.0f} readings/s, {cpu[name][-1]:.2f} CPU s a million")
    return {
        "form": form.name,
        "readings_per_s": rates,
        "cpu_s_per_million": cpu,
        "loss": 1 - median(rates["on"]) / median(rates["off"]),
        "cpu_loss": 1 - median(cpu["off"]) / median(cpu["on"]),
    }


def _kafka_data(stack: Stack) -> Path:
    return stack.broker.folder / "data"


def _measure_clients(stack: Stack, trial: Trial, tell: Tell) -> dict[str, Any]:
    """Rates of other clients on the trial's topic, in readings: what a record holds counts as so many."""
    readings, name, topic = trial.load.readings, trial.form.name, trial.readings_topic
    records = (
        sum(1 for p in range(trial.load.partitions) for _ in trial.load.records(p, trial.form))
        if trial.form.items > 1
        else readings
    )
    tell(f"{name}: what bare clients make of the same topic")
    found = {
        f"java_poll_{name}": _rate(java_poll(stack.kafka, topic, records), readings, records),
        f"aiokafka_getmany_{name}": _rate(python_client("aiokafka", stack.kafka, topic, records), readings, records),
    }
    if name == "json":
        found["stock_faust_json"] = _rate(
            python_client("faust", stack.kafka, topic, min(FAUST_RECORDS, records)), readings, records
        )
    return found


def _rate(told: dict[str, Any], readings: int, records: int) -> dict[str, Any]:
    """In readings, `readings` of which are in `records` records."""
    seen = told["records"] * readings / records
    extra = {name: value for name, value in told.items() if name == "state_bytes_a_channel"}
    return {
        "readings": seen,
        "seconds": told["seconds"],
        "readings_per_s": seen / told["seconds"],
        "cpu_s_per_million": told["cpu_s"] / seen * 1e6,
    } | extra


def _measure_many(stack: Stack, options: Options, tell: Tell) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("json", "arrow"):
        if name in options.forms:
            trial = Trial(options.load(f"many-{name}", FORMS[name], options.many_channels), FORMS[name])
            tell(f"{name}: {options.many_channels:,} channels, {trial.load.readings:,} readings to interval blocks")
            trial.prepare(stack)
            kernels = bare_kernels(trial.load, _kafka_data(stack), trial.readings_topic)
            found[name] = to_blocks(stack, trial) | {"state_bytes_a_channel": kernels["state_bytes_a_channel"]}
    return found


def _measure_latency(stack: Stack, options: Options, largest: float, tell: Tell) -> dict[str, Any]:
    rate = largest * LATENCY_SHARE
    tell(f"latency at {rate:,.0f} readings/s for {options.latency_s:g} s")
    load = latency.load_for("latency", options.channels, options.partitions, rate, options.latency_s)
    return latency.measure(stack, Trial(load, FORMS["json"]), rate, options.latency_s)


def ratios(forms: dict[str, Any], baselines: dict[str, Any]) -> dict[str, float]:
    """Our rate to interval blocks over each client's on the same topic."""
    found = {}
    for name, measured in forms.items():
        for client in ("java_poll", "aiokafka_getmany", "stock_faust"):
            if theirs := baselines.get(f"{client}_{name}"):
                found[f"{name}_over_{client}"] = measured["to_blocks"]["readings_per_s"] / theirs["readings_per_s"]
    return found


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "ram_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": psutil.getloadavg()[0],
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "") or platform.processor()
