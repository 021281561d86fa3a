"""What happens to readings on their way: delays, repeats, losses and damage, sprinkled over a zone's rows from a seed.

A row suffers at most one fault and neighbours in a series never both do, so that what `FAULTS` counts is what a reader of the
stream can find. Dead-letter faults other than `late` are extra rows beside the good one: they cost no energy.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zonepulse.schemas.messages.readings import QUALITIES
from zonepulse.schemas.messages.readings import REASONS as DEAD_LETTER_REASONS
from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.streams.demo.sample_series import FORMS, MS_PER_DAY, Labels, Plan, Rows, Series, Stretch

_PER_READINGS: Final = {
    "delayed": 250,  # arrives within the lateness of 2 h
    "out_of_order": 350,  # overtaken by the next one
    "duplicate": 250,  # sent twice
    "correction": 500,  # sent too low, then once more with a higher seq
    "estimated": 500,  # by its sender
    "transient_zero": 4000,
    "late": 3000,
    "broken_json": 8000,
    "nan_value": 8000,
    "text_value": 8000,
    "naive_time": 8000,
    "unknown_meter": 8000,
    "unknown_register": 8000,
    "unit_mismatch": 8000,
    "out_of_range": 8000,
    "off_grid": 8000,
    "future": 8000,
}
"""How many readings there are for one such fault."""
FAULTS: Final = ("", *_PER_READINGS)
REASONS: Final = {"broken_json": "malformed", "nan_value": "malformed", "text_value": "malformed"} | {
    fault: fault for fault in FAULTS if fault in DEAD_LETTER_REASONS and fault
}
"""Fault -> the dead-letter reason that it earns."""
UNREADABLE: Final = frozenset({"broken_json", "nan_value", "text_value", "naive_time"})
"""Faults whose rows have no place in columns; a lost frame of theirs would take good readings along."""
_MIN_MS: Final = 60_000


def code_of(fault: str) -> int:
    """The number of a fault in `ROW.fault`."""
    return FAULTS.index(fault)


def with_delays(rows: Rows, rng: np.random.Generator) -> Rows:
    """Rows whose `arrival` has the gateway's delay added: 2 to 25 s of its own, up to 8 s more at each instant."""
    pairs, which = np.unique(rows[["key", "arrival"]], return_inverse=True)
    own = rng.integers(2_000, 25_000, int(rows["key"].max()) + 1)
    delay = own[pairs["key"]] + rng.integers(0, 8_000, len(pairs))
    delayed = rows.copy()
    delayed["arrival"] += delay[which]
    return delayed


def with_gaps(rows: Rows, series: Sequence[Series], stretch: Stretch, plan: Plan, rng: np.random.Generator) -> tuple[Rows, int]:
    """Rows without those of some meters for 3 to 9 hours, every second day one; and how many such gaps there are."""
    spared = {s.meter for s in plan.swaps} | {series[i].meter for i in plan.rolling}
    meters = sorted(set(rows["meter"][[series[i].meter not in spared for i in rows["series"]]].tolist()))
    if not meters:
        return rows, 0
    lost = np.zeros(len(rows), bool)
    count = 0
    for _ in range(stretch.days // 2):
        begin = stretch.start_ms + int(rng.integers(6, stretch.days * 24 - 12)) * MS_PER_HOUR
        inside = (rows["ts"] > begin) & (rows["ts"] <= begin + int(rng.integers(3, 10)) * MS_PER_HOUR)
        inside &= (rows["meter"] == int(rng.choice(meters))) & ~lost
        count += int(inside.any())
        lost |= inside
    return rows[~lost], count


def with_faults(rows: Rows, series: Sequence[Series], labels: Labels, plan: Plan, rng: np.random.Generator) -> Rows:
    """Rows with every fault of `FAULTS`, in order of series and time, extra rows behind; `ROW.fault` names what each suffered.

    A correction is named on the second row, a duplicate on the repeat.
    """
    picks = _pick(rows, series, plan, rng)
    changed = rows.copy()
    for fault, at in picks.items():
        if fault not in _EXTRA:
            _change(changed, rows, fault, at, rng)
    low = picks["correction"]
    changed["value"][low] = _too_low(rows, series, low)
    extras = [_extra_rows(rows[at], fault, labels, rng) for fault, at in picks.items() if fault in _EXTRA]
    return np.concatenate([changed, *extras])


_EXTRA: Final = frozenset(REASONS) - {"late"} | {"duplicate", "correction"}


def _pick(rows: Rows, series: Sequence[Series], plan: Plan, rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    """Positions for every fault: not at the ends of a series, no neighbours, zeros only where a counter runs undisturbed."""
    position = np.arange(len(rows))
    inner = (rows["series"] == np.roll(rows["series"], 4)) & (rows["series"] == np.roll(rows["series"], -4)) & (position % 3 == 1)
    kind = np.array([s.kind for s in series])[rows["series"]]
    swapped = {s.meter for s in plan.swaps}
    steady = np.array([s.kind == "cumulative" and s.meter not in swapped and i not in plan.rolling for i, s in enumerate(series)])
    period = np.array([s.period_ms for s in series])[rows["series"]]
    fits = {
        "delayed": kind != "power",
        "out_of_order": (kind != "power") & (np.roll(rows["ts"], -1) - rows["ts"] == period),
        "transient_zero": steady[rows["series"]] & (rows["value"] > 0),
        "off_grid": kind == "interval",
    }
    free = rng.permutation(position[inner])
    picks = {}
    for fault, per in _PER_READINGS.items():
        fitting = free[fits[fault][free]] if fault in fits else free
        picks[fault] = fitting[: 1 + len(rows) // per]
        free = free[~np.isin(free, picks[fault])]
    return picks


def _change(changed: Rows, rows: Rows, fault: str, at: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Applies a fault that alters the row itself, in place."""
    changed["fault"][at] = code_of(fault)
    if fault == "delayed":
        changed["arrival"][at] = rows["ts"][at] + rng.integers(20 * _MIN_MS, 110 * _MIN_MS, len(at))
    elif fault == "late":
        changed["arrival"][at] = rows["ts"][at] + rng.integers(150 * _MIN_MS, 480 * _MIN_MS, len(at))
    elif fault == "out_of_order":
        changed["arrival"][at] = rows["arrival"][at + 1] + rng.integers(1_000, 5_000, len(at))
    elif fault == "estimated":
        changed["quality"][at] = QUALITIES["estimated"]
    elif fault == "transient_zero":
        changed["value"][at] = 0.0


def _too_low(rows: Rows, series: Sequence[Series], at: NDArray[np.int64]) -> NDArray[np.float64]:
    """What a correction repairs: a counter that shows 30 % less advance than there was, another value that is 30 % too low."""
    value, before = rows["value"][at], rows["value"][at - 1]
    counter = np.array([series[i].kind == "cumulative" for i in rows["series"][at]], bool)
    rise = np.maximum(value - before, 0.0)
    wrong = np.where(counter, value - 0.3 * rise, 0.7 * value)
    return np.array([round(w, series[i].decimals) for w, i in zip(wrong.tolist(), rows["series"][at], strict=True)])


def _extra_rows(picked: Rows, fault: str, labels: Labels, rng: np.random.Generator) -> Rows:
    """Copies of the rows as the fault sends them, in the frame of the good one unless they come later or cannot stand in it."""
    rows = picked.copy()
    rows["fault"] = code_of(fault)
    if fault == "duplicate":
        rows["arrival"] += rng.integers(1_000, 300_000, len(rows))
    elif fault == "correction":
        rows["arrival"] += rng.integers(60_000, 600_000, len(rows))
        rows["seq"] += 1
        rows["quality"] = QUALITIES["corrected"]
    elif fault == "unknown_meter":
        rows["meter"] = len(labels.meters) - 1
    elif fault == "unknown_register":
        rows["register"] = len(labels.registers) - 1
    elif fault == "unit_mismatch":
        rows["unit"] = len(labels.units) - 1
    elif fault == "out_of_range":
        rows["value"] = 1e18
    elif fault == "off_grid":
        rows["ts"] -= 5 * _MIN_MS
    elif fault == "future":
        rows["ts"] += MS_PER_DAY
    elif fault == "nan_value":
        rows["value"] = np.nan
    if fault == "broken_json":
        rows["form"] = FORMS.index("single")
    elif fault in UNREADABLE:
        rows["form"][rows["form"] == FORMS.index("arrow")] = FORMS.index("single")
    return rows
