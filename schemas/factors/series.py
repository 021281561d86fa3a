"""The steps of a time series as spans, and as integers."""

from collections.abc import Iterator
from fractions import Fraction

from zonepulse.schemas.registry.model import Series
from zonepulse.schemas.units import MICRO


def spans(series: Series) -> Iterator[tuple[int, int, Fraction | None]]:
    """(from_ms, to_ms, value) in order of time; neighbours of one value are one span."""
    at_ms, value = series.first_ms, series.values[0] if series.values else None
    for i, following in enumerate(series.values):
        edge_ms = series.first_ms + i * series.step_ms
        if following != value:
            yield at_ms, edge_ms, value
            at_ms, value = edge_ms, following
    if series.values:
        yield at_ms, end_ms(series), value


def end_ms(series: Series) -> int:
    """Where the last step ends."""
    return series.first_ms + len(series.values) * series.step_ms


def micro_values(series: Series) -> tuple[int, ...]:
    """Each value x 1e6 as an integer, half to even, 0 where there is none: kWh of a contract's steps as micro-kWh."""
    return tuple(round((value or 0) * MICRO) for value in series.values)
