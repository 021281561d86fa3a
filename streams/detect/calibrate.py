"""Limits of the detectors for a budget of alerts: how often each reaches a score without faults, and what it finds with faults."""

from collections.abc import Sequence
from functools import cache
from math import log
from typing import Any, Final, NamedTuple

import numpy as np

from zonepulse.processors.detection.channel.state import DETECTORS, RULES
from zonepulse.processors.detection.channel.step import hold_days
from zonepulse.streams.detect.faults import HOURS, WARM_UP, Meter, meters, places, with_fault
from zonepulse.streams.detect.series import judge_values

TAIL: Final = 10
"""Highest peaks of all meters that tell how a detector's scores thin out."""
EVEN: Final = 0.25
"""Part of the budget that is shared evenly; the rest goes where it finds most."""
STEPS: Final = 32
MONTH_HOURS: Final = 730.5


def raw_scores(meter: Meter, values: Any) -> Any:
    """(hours, DETECTORS): scores while nothing may fire."""
    return judge_values(meter.slots, meter.days, values, 24, 1.0, 0, (1.0,) * DETECTORS)["ratio"]


@cache
def clean_scores(number: int) -> Any:
    """Of meter `number` as it is."""
    return raw_scores(meters()[number], meters()[number].values)


@cache
def fault_scores(number: int) -> Any:
    """(faults x places, DETECTORS): the highest score of each fault in meter `number` where it is above that without the fault."""
    meter, clean, found = meters()[number], clean_scores(number), []
    for fault, length in HOURS.items():
        for at in places(number, fault):
            part = slice(at, at + length)
            scores = raw_scores(meter, with_fault(meter, fault, at))[part]
            found.append(np.where(scores > clean[part], scores, 0.0).max(axis=0))
    return np.array(found)


def peaks(scores: Any, quiet: int) -> list[float]:
    """The highest of each group of scores above 0 with less than `quiet` rows between two."""
    at = np.flatnonzero(scores > 0)
    if not len(at):
        return []
    return [float(scores[group].max()) for group in np.split(at, np.flatnonzero(np.diff(at) > quiet) + 1)]


class Tail(NamedTuple):
    """How often a detector's peaks go how far: the TAIL highest, and the shape of a Pareto tail above the lowest of them (Hill 1975)."""

    top: list[float]
    shape: float
    least: float
    """No limit is set below it."""

    def limit(self, months: float, rate: float) -> float:
        """The score reached `rate` times a month; `least` where there are no peaks."""
        if len(self.top) < 2:
            return max([self.least, *(2 * x for x in self.top)])
        return max(self.least, float(self.top[-1] * max(len(self.top) / (months * rate), 1.0) ** self.shape))


def tails_of(numbers: Sequence[int]) -> list[Tail]:
    """Of each detector on meters as they are. Ten peaks tell a shape poorly: each is taken half way to the mean of all."""
    tops = [
        sorted((x for n in numbers for x in peaks(clean_scores(n)[WARM_UP:, d], 24 * hold_days(d))), reverse=True)[:TAIL]
        for d in range(DETECTORS)
    ]  # fmt: skip
    shapes = [sum(log(x / top[-1]) for x in top[:-1]) / (len(top) - 1) if len(top) > 1 else np.nan for top in tops]
    mean = float(np.nanmean(shapes))
    return [Tail(top, (shape + mean) / 2, float(d in RULES)) for d, (top, shape) in enumerate(zip(tops, shapes, strict=True))]


def calibrate(numbers: Sequence[int], budget: float) -> tuple[float, ...]:
    """A limit for each detector, from these meters alone.

    Each gets its even share of half the budget, as a rate; the other half goes step by step to the detector that finds most more
    of the faults put into these meters by it.
    """
    months = sum(int(np.isfinite(meters()[n].values[WARM_UP:]).sum()) for n in numbers) / MONTH_HOURS
    tails, faults = tails_of(numbers), np.concatenate([fault_scores(n) for n in numbers])
    rates, step, left = np.full(DETECTORS, EVEN * budget / DETECTORS), (1 - EVEN) * budget / STEPS, STEPS
    while left > 0:
        found = (faults >= [tail.limit(months, rate) for tail, rate in zip(tails, rates, strict=True)]).any(axis=1)
        gains = [
            ((~found & (faults[:, d] >= tails[d].limit(months, rates[d] + many * step))).sum() / many, -many, d)
            for d in range(DETECTORS) for many in range(1, left + 1)
        ]  # fmt: skip
        _, many, best = max(gains)
        rates[best] -= many * step
        left += many
    return tuple(round(tail.limit(months, rate), 4) for tail, rate in zip(tails, rates, strict=True))
