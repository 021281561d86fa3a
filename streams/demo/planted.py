"""Faults that the demo plants into the measured series of its last two weeks, so that detection has something to find. They are invented,
and every screen of the demo that counts them says so.

A leak, a night load and a dead string change what flows: feeders and company follow. A stuck meter only tells what does not.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.streams.demo.carbon import Channel, Measured
from zonepulse.streams.demo.sample_series import MS_PER_DAY

SHOWN_DAYS: Final = 14
"""The last days, in which faults are planted."""
TAUGHT_DAYS: Final = 28
"""Before them, which only teach."""
LEAK: Final = 3.0
"""What leaks all the time, in medians of the weeks before."""
CREEP: Final = 4.0
"""What a night has more than the one before, in the same; it stops at MOST_CREEP."""
MOST_CREEP: Final = 8.0
NIGHT_HOURS: Final = 5
"""00:00 to 05:00 of the zone's clock."""
_SUPPLY: Final = "TC-0900-E1"
_BASE_LOADS: Final[Mapping[str, tuple[str, ...]]] = {
    "TC-0101-E1": ("TC-0901-E1", "TC-0102-B1", _SUPPLY),
    "TC-0303-E1": ("TC-0902-E1", _SUPPLY),
}
"""The mill and the tea house, which rest at the same level every night -> meters that show what they use. One leaks, of compressed air or
hot water, and one has a load at night.
"""
_STUCK: Final = "TC-0302-E1"
_HOMES: Final = 16
"""Whose inverters count; they have a string each."""
Kind = Literal["leak", "night_load", "stuck_meter", "dead_pv_string"]
Shape = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class Planted(NamedTuple):
    """A fault of a register from `begin_ms` until `end_ms`, epoch ms; `shows` are other meters whose numbers it changes."""

    kind: Kind
    meter: str
    register: str
    begin_ms: int
    end_ms: int
    shows: tuple[str, ...]


def planted(until_ms: int, end_ms: int, days: int, seed: int) -> tuple[Planted, ...]:
    """The faults of the two weeks before `until_ms`, of a sample of so many days that may go on until `end_ms`; none where it is too
    short to teach first. Nobody mends a leak, a load or a string in that time.
    """
    if days < TAUGHT_DAYS + SHOWN_DAYS:
        return ()
    rng = np.random.default_rng((seed, SHOWN_DAYS))
    since_ms = (until_ms - SHOWN_DAYS * MS_PER_DAY) // MS_PER_HOUR * MS_PER_HOUR

    def within(first_day: int, last_day: int) -> int:
        """An hour's begin."""
        return since_ms + int(rng.integers(first_day * 24, last_day * 24)) * MS_PER_HOUR

    leaking, idling = (str(meter) for meter in rng.permutation(list(_BASE_LOADS)))
    roof, stuck_ms, stuck_hours = f"TC-04{rng.integers(_HOMES) + 1:02}", within(2, 10), int(rng.integers(30, 45))
    return (
        Planted("leak", leaking, "1.8.0", within(1, 5), end_ms, _BASE_LOADS[leaking]),
        Planted("night_load", idling, "1.8.0", within(1, 4), end_ms, _BASE_LOADS[idling]),
        Planted("stuck_meter", _STUCK, "1.8.0", stuck_ms, stuck_ms + stuck_hours * MS_PER_HOUR, ()),
        Planted("dead_pv_string", f"{roof}-P1", "2.8.0", within(3, 9), end_ms, (f"{roof}-E1", "TC-0903-E1", _SUPPLY)),
    )


class Planter:
    """Plants faults into series of a local time `utc_offset_ms` ahead of UTC; `periods` are the registers'."""

    def __init__(self, faults: Sequence[Planted], periods: Mapping[Channel, int], utc_offset_ms: int) -> None:
        self._faults, self._periods, self._ahead_ms = faults, periods, utc_offset_ms

    def flows(self, measured: Mapping[Channel, Measured]) -> dict[Channel, Measured]:
        """The series with what changes what flows."""
        found = dict(measured)
        for fault in self._faults:
            if fault.kind == "leak":
                self._add(found, fault, lambda hours: np.full(len(hours), LEAK))
            elif fault.kind == "night_load":
                self._add(found, fault, _creeping)
            elif fault.kind == "dead_pv_string":
                self._darken(found, fault)
        return found

    def told(self, measured: Mapping[Channel, Measured]) -> dict[Channel, Measured]:
        """The series with what meters tell instead: one that hangs repeats its last value."""
        found = dict(measured)
        for fault in (one for one in self._faults if one.kind == "stuck_meter"):
            channel = fault.meter, fault.register
            amount, at = self._copied(found, channel), self._places(found, channel, fault)
            amount[at] = amount[at[0] - 1]
        return found

    def _add(self, found: dict[Channel, Measured], fault: Planted, shape: Shape) -> None:
        """What is used more: `shape` of the local hours since 1970, in medians of the four weeks before."""
        channel = fault.meter, fault.register
        period_ms = self._periods[channel]
        amount, at = self._copied(found, channel), self._places(found, channel, fault)
        before = amount[(at[0] - np.arange(1, TAUGHT_DAYS * MS_PER_DAY // period_ms + 1)) % len(amount)]
        begin_ms = fault.begin_ms + self._ahead_ms
        amount[at] += float(np.nanmedian(before)) * shape((begin_ms + np.arange(len(at)) * period_ms) / MS_PER_HOUR)

    def _darken(self, found: dict[Channel, Measured], fault: Planted) -> None:
        """A roof gives nothing: what the home used of it comes from the grid now, and nothing goes there."""
        roof, home = (fault.meter, fault.register), fault.meter.replace("P1", "E1")
        sun, taken, given = (self._copied(found, channel) for channel in (roof, (home, "1.8.0"), (home, "2.8.0")))
        at = self._places(found, roof, fault)
        taken[at] = np.maximum(taken[at] - given[at] + sun[at], 0.0)
        given[at] = sun[at] = 0.0

    def _copied(self, found: dict[Channel, Measured], channel: Channel) -> NDArray[np.float64]:
        """Amounts of its own, which may be changed."""
        found[channel] = found[channel]._replace(amount=found[channel].amount.copy())
        return found[channel].amount

    def _places(self, found: Mapping[Channel, Measured], channel: Channel, fault: Planted) -> NDArray[np.int64]:
        """Of the fault's periods in the channel's cycle."""
        one, period_ms = found[channel], self._periods[channel]
        first = (fault.begin_ms + self._ahead_ms - one.start_local_ms) // period_ms
        places: NDArray[np.int64] = (first + np.arange((fault.end_ms - fault.begin_ms) // period_ms)) % len(one.amount)
        return places


def _creeping(hours: NDArray[np.float64]) -> NDArray[np.float64]:
    night = np.floor(hours / 24) - np.floor(hours[0] / 24)
    size: NDArray[np.float64] = np.where(hours % 24 < NIGHT_HOURS, np.minimum(CREEP * night, MOST_CREEP), 0.0)
    return size
