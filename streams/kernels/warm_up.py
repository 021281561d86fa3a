"""Loads every kernel before work begins: the first time they are compiled (about half a minute), later they come from the cache."""

import json
import os
from typing import Final

import numpy as np

from zonepulse.processors.live import PartialSums
from zonepulse.processors.network.flow_tracing import Network
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.factors.shipped import shipped_factors_csv
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.kernels.cache import mark_compiled

_ZONE: Final = """
zone: {id: warm-up, timezone: UTC, factor_regions: [CN]}
companies: [{id: c}]
sites: [{id: s, company: c, node: n}]
meters:
  - id: M
    site: s
    role: main
    registers:
      "1": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 9, modulus: 100}
      "2": {carrier: electricity, direction: export, kind: power, unit: kW, max_power: 9}
      "3": {carrier: natural_gas, direction: consumption, kind: interval, unit: Nm3, max_power: 9}
    valid_from: 2020-01-01
"""
_START_MS: Final = 1_767_225_600_000
_STEP_MS: Final = 900_000
_STEPS: Final = 16


def warm_up() -> None:
    """Run a tiny zone through the whole core."""
    registry = parse_zone(_ZONE, factors_csv=shipped_factors_csv())
    run = ZoneRun(registry, 1)
    run.begin(_START_MS)
    times = np.repeat(_START_MS + _STEP_MS * np.arange(_STEPS), 3)
    values = [
        json.dumps({"meter": "M", "register": str(i % 3 + 1), "ts": int(at), "value": 0.25 * (i // 3)}).encode()
        for i, at in enumerate(times)
    ]
    ends = np.cumsum([len(v) for v in values])
    none, offsets = np.full(len(values), -1), np.arange(len(values))
    buffer = np.frombuffer(b"".join(values), np.uint8)
    starts = ends - [len(v) for v in values]
    run.records(RecordSpans("warm-up", 0, buffer, none, none, starts, ends, offsets, times, len(values)))
    PartialSums(run.channels).batch(run.partitions[0])
    run.finish()
    _trace_a_loop()
    mark_compiled(os.environ)


def _trace_a_loop() -> None:
    """A network in which nearly all energy goes round: every kernel of flow tracing is needed."""
    network = Network(2, [0, 1], [1, 0], [0], [1])
    window = network.window()
    window.send[:] = window.recv[:] = (1_000_000, 999_999)
    window.energy[:] = window.carbon[:] = window.withdrawn[:] = 1
    network.trace(window)
