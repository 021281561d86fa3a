"""What the sample zone's carbon needs beside meters: feeders and a battery made from the measured series, the grid's hourly signal, two
contracts and an entry made by hand.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.streams.demo.sample_series import MS_PER_DAY, Stretch

QUARTER_MS: Final = MS_PER_HOUR // 4
LINE_LOSS: Final = 0.015
BATTERY_KW: Final = 40.0
BATTERY_KWH: Final = 200.0
BATTERY_EFFICIENCY: Final = 0.9
CHARGES: Final = range(6)
"""Hours of the local day in which the battery charges, at most half of what the mill draws."""
DISCHARGES: Final = range(18, 22)
SOLAR_PARK_KW: Final = 300.0
"""Of the mill's hourly supply contract."""
CERTIFIED: Final = 0.6
"""Part of the office's use that its certificates cover: they run out before the end."""
Channel = tuple[str, str]


class Measured(NamedTuple):
    """One channel's measurements: the wall clock of the first (as if UTC), an amount a period, the decimals of its register."""

    start_local_ms: int
    amount: NDArray[np.float64]
    decimals: int

    def on(self, start_local_ms: int, period_ms: int, step_ms: int, steps: int) -> NDArray[np.float64]:
        """The amounts laid on another grid of the same 52 weeks, spread or added up; what is missing is 0."""
        known = np.nan_to_num(self.amount)
        if step_ms < period_ms:
            known, period_ms = np.repeat(known, period_ms // step_ms) * step_ms / period_ms, step_ms
        per_step = step_ms // period_ms
        at = (start_local_ms - self.start_local_ms) // period_ms + np.arange(steps * per_step)
        total: NDArray[np.float64] = known[at % len(known)].reshape(steps, per_step).sum(axis=1)
        return total


def derived(measured: Mapping[Channel, Measured], periods: Mapping[Channel, int]) -> Iterator[tuple[Channel, Measured]]:
    """The feeders' and the battery's series: sums of what stands behind them, with the losses of the lines."""
    start, steps = measured["TC-0101-E1", "1.8.0"].start_local_ms, len(measured["TC-0101-E1", "1.8.0"].amount)

    def quarters(*channels: Channel) -> NDArray[np.float64]:
        total: NDArray[np.float64] = np.sum([measured[c].on(start, periods[c], QUARTER_MS, steps) for c in channels], axis=0)
        return total

    homes = [m for m, r in measured if m.startswith("TC-04") and r == "1.8.0"]
    mill = quarters(("TC-0101-E1", "1.8.0"))
    crafts = quarters(*((m, "1.8.0") for m in ("TC-0301-E1", "TC-0302-E1", "TC-0303-E1"))) * (1 + LINE_LOSS)
    garden = quarters(*((m, "1.8.0") for m in homes)) - quarters(*((m, "2.8.0") for m in homes))
    garden_in, garden_out = np.maximum(garden, 0) * (1 + LINE_LOSS), np.maximum(-garden, 0) * (1 - LINE_LOSS)
    supply = mill * (1 + LINE_LOSS) + quarters(("TC-0201-E1", "1.8.0")) + crafts + garden_in - garden_out
    charge, discharge = battery(mill, start)
    hourly = slice(None, None, 4)
    yield ("TC-0900-E1", "1.8.0"), Measured(start, np.maximum(supply, 0), 4)
    yield ("TC-0900-E1", "2.8.0"), Measured(start, np.maximum(-supply, 0), 4)
    yield ("TC-0901-E1", "1.8.0"), Measured(start, mill * (1 + LINE_LOSS), 4)
    yield ("TC-0902-E1", "1.8.0"), Measured(start, np.add.reduceat(crafts, np.arange(steps)[hourly]), 4)
    for register, flow in (("1.8.0", garden_in), ("2.8.0", garden_out)):
        yield ("TC-0903-E1", register), Measured(start, np.add.reduceat(flow, np.arange(steps)[hourly]), 4)
    yield ("TC-0102-B1", "1.8.0"), Measured(start, charge, 3)
    yield ("TC-0102-B1", "2.8.0"), Measured(start, discharge, 3)


def battery(mill: NDArray[np.float64], start_local_ms: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """kWh a quarter of an hour that a battery behind the mill's meter takes at night and gives in the evening."""
    charge, discharge, held = np.zeros(len(mill)), np.zeros(len(mill)), 0.0
    hours = (start_local_ms // MS_PER_HOUR + np.arange(len(mill)) // 4) % 24
    for i, hour in enumerate(hours.tolist()):
        if hour in CHARGES:
            charge[i] = max(0.0, min(BATTERY_KW / 4, mill[i] / 2, (BATTERY_KWH - held) / BATTERY_EFFICIENCY))
        elif hour in DISCHARGES:
            discharge[i] = min(BATTERY_KW / 4, held)
        held += charge[i] * BATTERY_EFFICIENCY - discharge[i]
    return charge, discharge


def sections(signal: Measured, solar_w_per_kw: Measured, office: Measured, stretch: Stretch) -> dict[str, str]:
    """The sections of zone.yaml that depend on when the sample runs: name -> text."""
    begin = stretch.start_ms // MS_PER_DAY * MS_PER_DAY - MS_PER_DAY
    hours = (stretch.until_ms - begin) // MS_PER_HOUR + 48
    local = begin + stretch.utc_offset_ms
    grid = ", ".join(f"{v:.5f}" for v in signal.on(local, MS_PER_HOUR, MS_PER_HOUR, hours))
    sun = ", ".join(f"{v * SOLAR_PARK_KW / 1000:.2f}" for v in solar_w_per_kw.on(local, MS_PER_HOUR, MS_PER_HOUR, hours))
    used_kwh = float(office.on(stretch.start_ms + stretch.utc_offset_ms, QUARTER_MS, MS_PER_DAY, stretch.days).sum())
    since, years = _instant(begin), [datetime.fromtimestamp(ms / 1000, UTC).year for ms in (begin, stretch.until_ms)]
    middle = _instant(stretch.start_ms + stretch.days * MS_PER_DAY // 2)
    return {
        "factors": f"""  - id: utility-hourly
    activity: grid_electricity
    region: HOURLY
    basis: location
    unit: kgCO2/kWh
    source: hourly signal of the homes' utility (SOURCES.md), laid on the sample's days
    series: {{from: "{since}", step: 1h, values: [{grid}]}}
""",
        "contracts": f"""  - id: office-certificates
    company: office-park
    kind: gec
    mwh: {used_kwh * CERTIFIED / 1000:.3f}
    vintage: {years[0]}
    valid_from: {years[0]}-01-01
    valid_to: {years[1] + 1}-01-01
    evidence: batch GEC-{years[0]}-0417 (invented)
  - id: mill-solar
    company: steelworks
    kind: ppa
    hourly: {{from: "{since}", step: 1h, values: [{sun}]}}
    valid_from: {years[0]}-01-01
    valid_to: {years[1] + 1}-01-01
    evidence: supply contract with a solar park of {SOLAR_PARK_KW:.0f} kW (invented)
""",
        "entries": f"""  - id: chiller-2-refill
    company: office-park
    carrier: refrigerant:R-410A
    kg: 2.5
    at: "{middle}"
    by: L. Chen
    reason: refill after a leak at the flange
    evidence: work order 1187 (invented)
""",
    }


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
