"""Time series in zone.yaml, `{from: 2026-01-01, step: 1h, values: [0.51, 0.49, null]}`."""

from fractions import Fraction
from typing import Final

from zonepulse.schemas.registry.model import Series
from zonepulse.schemas.zone_file.positions import Fields, Place, Reader
from zonepulse.schemas.zone_file.values import DURATION, NUMBER, Clock

EMPTY: Final = Series(0, 3_600_000, ())
MAX_TEXT: Final = 4_000_000
"""Characters that a series' values may take on the topic, where an entity is one record."""


def series_reader(clock: Clock) -> Reader[Series]:
    """Reads a series; a value that is `null` is none."""
    return Reader(lambda place: _read(place, clock), EMPTY, "{from: 2026-01-01, step: 1h, values: [0.51, 0.49]}")


def _read(place: Place, clock: Clock) -> Series:
    f = Fields(place, ("from", "step", "values"))
    first_ms, step_ms, values = f.need("from", clock.moment), f.need("step", DURATION), f.need("values", _VALUES)
    if sum(len(str(value)) + 3 for value in values) > MAX_TEXT:
        place.fail(f"{len(values)} values do not fit one record", "write a series for each year, or fewer digits")
    if not step_ms:
        place.fail("`step` is zero", "write how long each value holds, such as 1h")
    return Series(first_ms, step_ms or EMPTY.step_ms, values)


def _values(place: Place) -> tuple[Fraction | None, ...]:
    items = place.items()
    if not items:
        place.fail("holds no values", "write one for each step; null is none")
    return tuple(None if item.is_null else NUMBER.read(item) for item in items)


_VALUES: Final[Reader[tuple[Fraction | None, ...]]] = Reader(_values, (), "[0.51, null, 0.49]")
