"""What detectors find of the faults, and how often they speak where there is none: fit on one half of the meters, report on the other."""

import time
from collections.abc import Callable
from math import exp
from statistics import median
from typing import Any, Final

import numpy as np

from zonepulse.processors.detection.channel.state import ALERT_BUDGET, CHANNEL, NAMES, RECORD
from zonepulse.streams.detect.calibrate import MONTH_HOURS, calibrate
from zonepulse.streams.detect.faults import HOURS, WARM_UP, Meter, meters, places, with_fault
from zonepulse.streams.detect.plain import cusum_raises, z_raises
from zonepulse.streams.detect.series import judge_values, shown

ZONE_CHANNELS: Final = 500_000
GRID: Final = tuple(round(1.12**n, 4) for n in range(-24, 60))
Raises = Callable[[Meter, Any, float], Any]


def _record(meter: Meter, values: Any, limit: float) -> Any:
    return shown(judge_values(meter.slots, meter.days, values, 24, limit, 1 << RECORD))


def _z(meter: Meter, values: Any, limit: float) -> Any:
    return z_raises(meter.slots, values, 6 * limit)


def _cusum(meter: Meter, values: Any, limit: float) -> Any:
    return cusum_raises(meter.slots, values, 6 * limit)


PLAIN: Final[dict[str, Raises]] = {"record": _record, "z_hour_of_week": _z, "cusum_daily": _cusum}


def method_of(name: str, fitted: list[int], budget: float) -> Raises:
    """All detectors with limits of the fitted meters, or one of PLAIN."""
    if name in PLAIN:
        return PLAIN[name]
    limits = calibrate(fitted, budget)  # no further fit: what `detect run` has, too
    return lambda meter, values, strictness: shown(
        judge_values(meter.slots, meter.days, values, 24, strictness, limits=limits)
    )  # fmt: skip


def rate_interval(count: int, months: float) -> tuple[float, float]:
    """The exact 95 % interval of a Poisson rate (Garwood 1936), by bisection."""
    low = _mean_with(count - 1, 0.975) if count else 0.0
    return low / months, _mean_with(count, 0.025) / months


def _mean_with(most: int, chance: float) -> float:
    """The mean at which at most `most` events have probability `chance`."""
    low, high = 0.0, 10.0 * most + 20.0
    for _ in range(100):
        mean = (low + high) / 2
        term = total = exp(-mean)
        for i in range(1, most + 1):
            term *= mean / i
            total += term
        low, high = (mean, high) if total > chance else (low, mean)
    return low


def _months(of: list[tuple[int, Meter]]) -> float:
    return sum(int(np.isfinite(m.values[WARM_UP:]).sum()) for _, m in of) / MONTH_HOURS


def _false(raises: Raises, of: list[tuple[int, Meter]], limit: float) -> int:
    return sum(int(raises(m, m.values, limit)[WARM_UP:].sum()) for _, m in of)


def fit(raises: Raises, of: list[tuple[int, Meter]], budget: float) -> float:
    """The smallest limit of GRID that keeps untouched meters within the budget, at it and at every higher one."""
    best = GRID[-1]
    for limit in reversed(GRID):
        if _false(raises, of, limit) > budget * _months(of):
            break
        best = limit
    return best


def measure(name: str, budget: float) -> dict[str, Any]:
    """Counts over both directions of the split; every meter is reported once, with the limits of the other half."""
    every = list(enumerate(meters()))
    halves = every[0::2], every[1::2]
    tally: dict[str, list[Any]] = {fault: [0, 0, 0, []] for fault in HOURS}
    alerts, strictness, hours = 0, [], []
    for fitted, reported in (halves, halves[::-1]):
        raises = method_of(name, [number for number, _ in fitted], budget)
        limit = fit(raises, fitted, budget) if name in PLAIN else 1.0
        strictness.append(limit)
        for number, meter in reported:
            clean = raises(meter, meter.values, limit)
            alerts += int(clean[WARM_UP:].sum())
            hours += (24 * meter.days[WARM_UP:][clean[WARM_UP:]]).tolist()
            for fault, length in HOURS.items():
                for at in places(number, fault):
                    said = raises(meter, with_fault(meter, fault, at), limit)
                    new = np.flatnonzero(said[at : at + length] & ~clean[at : at + length])
                    one = tally[fault]
                    one[0] += 1
                    one[1] += len(new) > 0
                    one[2] += int(said[WARM_UP:].sum()) - int(said[at : at + length].sum())
                    one[3] += new[:1].tolist()
    months = _months(every)
    injected = [
        {"fault": fault, "injected": n, "found": found, "precision": found / (found + wrong) if found + wrong else None,
         "delay_windows": median(delays) if delays else None}
        for fault, (n, found, wrong, delays) in tally.items()
    ]  # fmt: skip
    low, high = rate_interval(alerts, months)
    return {
        "injected": injected,
        "found_share": sum(one["found"] for one in injected) / sum(one["injected"] for one in injected),
        "alerts": alerts, "channel_months": months, "strictness": strictness,
        "alerts_channel_month": alerts / months, "alerts_channel_month_95": [low, high],
        "alerts_operator_day": alerts / months * ZONE_CHANNELS / 30.4375,
        "flood_share": float(np.mean(np.bincount(np.array(hours, int) - min(hours)) >= 10)) if hours else 0.0,
    }  # fmt: skip


def cost() -> dict[str, Any]:
    """Time of a window on one core with every detector on, and the state of a channel."""
    meter = meters()[0]
    judge_values(meter.slots, meter.days, meter.values, 24, 1.0)
    begun = time.process_time()
    for _ in range(20):
        judge_values(meter.slots, meter.days, meter.values, 24, 1.0)
    ns = (time.process_time() - begun) / (20 * len(meter.values)) * 1e9
    return {"ns_window": ns, "bytes_channel": CHANNEL.itemsize, "core_s_a_day_500k_channels": ns * 96 * ZONE_CHANNELS / 1e9}


def run(say: Callable[[str], None], budget: float = ALERT_BUDGET) -> dict[str, Any]:
    """The bench's numbers at `budget`, and every method's, the plain ones included, at `budget` and at 0.25 a channel-month."""
    table: dict[str, Any] = {}
    for point in (budget, 0.25):
        for name in ("zonepulse", *PLAIN):
            say(f"{name} at {point} alerts a channel-month")
            table[f"{name} at {point}"] = measure(name, point)
    shipped = dict(zip(NAMES, calibrate(range(len(meters())), budget), strict=True))
    return {**table[f"zonepulse at {budget}"], "methods": table, "limits_all_meters": shipped, **cost()}
