"""Real meters, made hourly, and the faults that are put into them."""

import io
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow.parquet as pq

METERS: Final = {
    "citylearn2022.parquet": tuple(f"load_kwh_{n:02}" for n in range(1, 18)),
    "opendsm_il.parquet": ("il_electricity_cdd_hdd_kwh", "il_electricity_cdd_only_kwh",
                            "il_gas_hdd_only_therm", "il_gas_intercept_only_therm"),
    "opendsm_uk.parquet": ("uk_electricity_kwh", "uk_gas_kwh"),
    "office_pyedautils.parquet": ("import_kwh",),
    "steel_uci851.parquet": ("import_kwh",),
}  # fmt: skip
"""Files of deploy/demo, whose SOURCES.md says where they come from, and their columns of consumption."""
HOUR_MS: Final = 3_600_000
WARM_UP: Final = 28 * 24
A_FAULT: Final = 4

HOURS: Final = {
    "spike": 1,
    "zero": 12,
    "stuck": 24,
    "reverse": 24,
    "shift_up_25": 15 * 24,
    "shift_down_30": 15 * 24,
    "drift_1_a_day": 30 * 24,
    "base_20": 15 * 24,
    "night_use": 3 * 24,
    "leak_10": 30 * 24,
    "ct_half": 15 * 24,
    "ct_two_thirds": 15 * 24,
    "ct_double": 15 * 24,
    "unit_1000": 15 * 24,
    "unit_thousandth": 15 * 24,
}
"""Hours that a fault lasts."""
OF_THE_MEDIAN: Final = ("base_20", "night_use", "leak_10")
"""Faults that add a part of the meter's median."""
LEAST_MEDIAN: Final = 0.1
"""Of its mean; below it the meter rests most of the time, and a part of its median is next to nothing: none is put in."""
FACTORS: Final = {"ct_half": 1 / 2, "ct_two_thirds": 2 / 3, "ct_double": 2.0, "unit_1000": 1000.0, "unit_thousandth": 1 / 1000}
"""Faults by which all that a meter counts is multiplied."""


class Meter(NamedTuple):
    """Hourly values with the hour of week and the day of each."""

    name: str
    slots: Any
    days: Any
    values: Any


@cache
def meters() -> list[Meter]:
    """METERS in their order; hours without all their values are NaN."""
    found = []
    for file, columns in METERS.items():
        table = pq.read_table(io.BytesIO(files("zonepulse.deploy").joinpath("demo", file).read_bytes()))
        starts = table["start"].to_numpy().astype("datetime64[ms]").astype(np.int64)
        hour = starts // HOUR_MS
        grid = np.arange(hour.min(), hour.max() + 1)
        need = max(1, HOUR_MS // int(np.median(np.diff(starts))))
        for column in columns:
            values = np.array(table[column].to_numpy(zero_copy_only=False), float)
            good = np.isfinite(values)
            total = np.bincount(hour[good] - grid[0], values[good], len(grid))
            total[np.bincount(hour[good] - grid[0], minlength=len(grid)) < need] = np.nan
            found.append(Meter(f"{file.partition('.')[0]}:{column}", (grid + 72) % 168, grid // 24, total))
    return found


@cache
def places(meter: int, fault: str) -> list[int]:
    """The A_FAULT hours at which a fault begins in a meter: after the warm-up, from a fixed seed, where the meter counts something in at
    least half of the fault's hours. To reverse, or to scale, what is missing or zero anyway is no fault."""
    values = meters()[meter].values
    if fault in OF_THE_MEDIAN and np.nanmedian(values) < LEAST_MEDIAN * np.nanmean(values):
        return []
    chance = np.random.default_rng([15, meter, list(HOURS).index(fault)])
    drawn = chance.integers(WARM_UP, len(values) - HOURS[fault], A_FAULT).tolist()
    return sorted(_where_it_counts(values, fault, at, chance) for at in drawn)


def _where_it_counts(values: Any, fault: str, at: int, chance: np.random.Generator) -> int:
    """`at`, or the first place drawn after it at which the meter counts."""
    while 2 * int((np.nan_to_num(values[at : at + HOURS[fault]]) != 0).sum()) < HOURS[fault]:
        at = int(chance.integers(WARM_UP, len(values) - HOURS[fault]))
    return at


def with_fault(meter: Meter, fault: str, at: int) -> Any:
    """The meter's values with the fault from hour `at`."""
    values = meter.values.copy()
    part = slice(at, at + HOURS[fault])
    x, median = values[part], float(np.nanmedian(values))
    if fault in FACTORS:
        values[part] = FACTORS[fault] * x
        return values
    hour = meter.slots[part] % 24
    days = np.arange(len(x)) / 24
    changed = {
        "spike": x + 5 * float(np.nanpercentile(values, 95)),
        "zero": 0 * x,
        "stuck": 0 * x + values[at],
        "reverse": -x,
        "shift_up_25": 1.25 * x,
        "shift_down_30": 0.7 * x,
        "drift_1_a_day": x * (1 + 0.01 * days),
        "base_20": x + 0.2 * median,
        "night_use": x + np.where(hour < 5, 0.5 * median, 0.0),
        "leak_10": x + 0.1 * median,
    }
    values[part] = changed[fault]
    return values
