"""The zone and the stream of `zonepulse chaos`: many registers that report every minute, with everything that goes wrong on the way.

Made like the demo's sample (processors.sample), from invented amounts, since what is proven here is that nothing gets lost, not what it
means.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from zonepulse.schemas.registry.model import Kind, MeterChange
from zonepulse.streams.demo.sample import Sample, make_sample
from zonepulse.streams.demo.sample_series import FORMS, MAX_DAYS, MS_PER_WEEK, Series

PERIOD_MS: Final = 60_000
GATEWAYS: Final = 12
MINUTES_A_DAY: Final = 1440
UNTIL_MS: Final = 1_790_812_800_000
"""2026-10-01T00:00:00Z: the stream is the same whenever it is run."""


@dataclass(frozen=True, slots=True)
class _Register:
    meter: str
    role: str
    name: str
    carrier: str
    direction: str
    kind: Kind
    unit: str
    max_power: int


_REGISTERS: Final = (
    _Register("E1", "main", "1.8.0", "electricity", "import", "cumulative", "kWh", 400),
    _Register("E1", "main", "2.8.0", "electricity", "export", "cumulative", "kWh", 400),
    _Register("E2", "sub", "1.8.0", "electricity", "import", "cumulative", "kWh", 200),
    _Register("E3", "main", "1.29.0", "electricity", "import", "interval", "kWh", 100),
    _Register("P1", "generation", "2.7.0", "electricity", "generation", "power", "kW", 150),
    _Register("G1", "main", "7-0:3.0.0", "natural_gas", "consumption", "cumulative", "m3", 60),
    _Register("W1", "main", "8-0:1.0.0", "water", "consumption", "cumulative", "m3", 20),
    _Register("B1", "boundary", "1.8.0", "electricity", "import", "cumulative", "kWh", 900),
)
CHANNELS: Final = GATEWAYS * len(_REGISTERS)
_RULES: Final = """
rules:
  - {id: power-high, on: company, when: {indicator: power_kw, above: 250}, for: 30m, keep_firing: 15m, clear: {below: 200},
     severity: warning, text: {en: Power is high}}
  - {id: intensity-high, on: zone, when: {indicator: g_per_kwh, above: 480}, for: 15m, severity: critical,
     text: {en: Carbon intensity is high}}
"""


def chaos_zone_yaml(changes: Sequence[MeterChange] = ()) -> str:
    """The zone.yaml of the stream, with the meter exchanges that are on record."""
    numbers = range(GATEWAYS)
    lines = [
        "zone: {id: chaos, timezone: UTC, factor_regions: [CN-JS, CN-EAST, CN], key: gateway, window: 15m, tick: 1m, delay: 1m}"
    ]
    lines += ["companies:", *(f"  - {{id: c{g}}}" for g in numbers)]
    lines += ["sites:", *(f"  - {{id: s{g}, company: c{g}, node: n{g % 3}}}" for g in numbers)]
    lines += ["gateways:", *(f"  - {{id: g{g}, site: s{g}}}" for g in numbers), "meters:"]
    lines += [line for g in numbers for line in _meters(g)]
    lines += ["meter_changes:", *map(_change, changes)] if changes else []
    return "\n".join(lines) + _RULES


def _change(change: MeterChange) -> str:
    at = datetime.fromtimestamp(change.at_ms / 1000, UTC).isoformat()
    values = f"old_final: {change.old_final!r}, new_initial: {change.new_initial!r}"
    return f'  - {{meter: {change.meter}, register: "{change.register}", at: "{at}", {values}}}'


def _meters(gateway: int) -> Iterator[str]:
    meters: dict[str, list[_Register]] = {}
    for register in _REGISTERS:
        meters.setdefault(register.meter, []).append(register)
    for meter, registers in meters.items():
        parent = f", parent: {gateway}-E1" if registers[0].role == "sub" else ""
        yield f"  - {{id: {gateway}-{meter}, site: s{gateway}, gateway: g{gateway}, role: {registers[0].role}{parent},"
        yield "     valid_from: 2020-01-01, registers: {"
        for r in registers:
            modulus = ", modulus: 1000000" if r.kind == "cumulative" else ""
            reference = ", reference: 20C" if r.carrier == "natural_gas" else ""
            yield f'      "{r.name}": {{carrier: {r.carrier}, direction: {r.direction}, kind: {r.kind}, unit: {r.unit}{modulus}{reference},'
            yield f"        max_power: {r.max_power}, period: 1m}},"
        yield "     }}"


def chaos_sample(readings: int, seed: int) -> Sample:
    """About this many readings until UNTIL_MS. Raises ValueError where they do not fit into a year."""
    days = -(-readings // (CHANNELS * MINUTES_A_DAY))
    if days > MAX_DAYS:
        raise ValueError(f"{readings} readings are more than the zone's {CHANNELS} registers send in a year; give fewer")
    return make_sample(_series(seed), UNTIL_MS, days, seed)


def _series(seed: int) -> tuple[Series, ...]:
    rng = np.random.default_rng([seed, 1])
    minutes = MS_PER_WEEK // PERIOD_MS
    day = np.sin(np.arange(minutes) * (2 * np.pi / MINUTES_A_DAY)) * 0.4 + 0.5
    series = []
    for g in range(GATEWAYS):
        for r in _REGISTERS:
            power = r.max_power * 0.9 * day * rng.uniform(0.3, 1.0) * rng.uniform(0.7, 1.0, minutes)
            amount = power if r.kind == "power" else power / 60
            series.append(
                Series(
                    f"{g}-{r.meter}", r.name, f"g{g}", FORMS[(0, 1, 0, 1, 0, 2)[g % 6]], r.kind, r.unit, PERIOD_MS, UNTIL_MS - MS_PER_WEEK,
                    amount, 3, modulus=1_000_000.0 if r.kind == "cumulative" else None, sends_unit=g % 4 == 1, sends_seq=g % 3 == 2,
                )
            )  # fmt: skip
    return tuple(series)
