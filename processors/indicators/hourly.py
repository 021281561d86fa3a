"""Electricity that is carbon-free by the hour: what was supplied without carbon in the hour in which it was used. Pure."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import floor

from zonepulse.processors.indicators.sums import Hour
from zonepulse.schemas.registry.model import Contract, Series
from zonepulse.schemas.units import MICRO, MS_PER_HOUR


def matched_micro(hours: Iterable[Hour], contracts: Sequence[Contract], from_ms: int) -> int:
    """Micro-kWh: hour by hour the lesser of use and supply. Nothing is carried over into another hour.

    Supply is own generation that stayed, and what hourly contracts deliver; `hours` are counted from `from_ms` (epoch ms).
    """
    matched = 0
    for hour in hours:
        begin = from_ms + hour.number * MS_PER_HOUR
        supply = max(0, hour.own_micro) + sum(delivered_micro(one, begin, begin + MS_PER_HOUR) for one in contracts)
        matched += min(max(0, hour.used_micro), supply)
    return matched


def delivered_micro(contract: Contract, from_ms: int, to_ms: int) -> int:
    """What an hourly contract delivers in [from_ms, to_ms), as far as it is valid then; a step's energy spreads evenly (floored)."""
    begin, end = max(from_ms, contract.valid_from_ms), min(to_ms, contract.valid_to_ms)
    return 0 if contract.hourly is None else floor(_between(contract.hourly, begin, end))


def _between(series: Series, begin: int, end: int) -> Fraction:
    """Micro-units."""
    total, at = Fraction(0), max(begin, series.first_ms)
    while at < end:
        step = (at - series.first_ms) // series.step_ms
        if step >= len(series.values):
            break
        upto = min(end, series.first_ms + (step + 1) * series.step_ms)
        total += (series.values[step] or 0) * MICRO * Fraction(upto - at, series.step_ms)
        at = upto
    return total
