"""The channels of a partition that detectors watch: those of a version with detectors on, or about which an alarm is open."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.channels.periods import DAY_MS
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.channel.state import new_channel, settings, strictness_of
from zonepulse.processors.detection.channel.step import JUDGED
from zonepulse.processors.detection.watch.judging import judge_turns
from zonepulse.processors.detection.watch.state import BAND, FOUND, new_channels, no_alarms
from zonepulse.processors.flow import Rows, new_rows

CHUNK_CHANNELS: Final = 1024
"""Channels of a partition, watched or not, of one chunk of a snapshot."""


_NO_BANDS: Final = new_rows(BAND, 0)


class Judged(NamedTuple):
    """What some turns came to."""

    found: Rows
    """state.FOUND."""
    bands: Rows
    """state.BAND, of turns whose hour is known."""


class Watches:
    """States of the channels at `places` of a partition, ascending. A state is a function of the channel's judged windows."""

    def __init__(self, channels: Channels, globals_: NDArray[np.int64], *, is_empty: bool = True) -> None:
        """`is_empty` False: `resume` puts the states in their place at once."""
        self.places = watched(channels, globals_) if is_empty else np.zeros(0, np.int64)
        self.states, self.alarms = new_channels(len(self.places)), no_alarms(len(self.places))
        self.touched = np.ones(-(-len(globals_) // CHUNK_CHANNELS), np.int8)
        """1 where a state of the chunk changed since the last snapshot."""
        self._use(channels, globals_)

    def _use(self, channels: Channels, globals_: NDArray[np.int64]) -> None:
        self._globals = globals_
        zone = channels.registry.zone
        self._channels = channels
        self._versions = channels.versions.view(np.recarray)
        self._budget, self._length = float(zone.alert_budget), zone.window_ms
        self._setting = settings(DAY_MS // zone.window_ms, strictness_of(self._budget), 0, self._budget)
        self._fresh, self._judged = new_channel(), new_rows(JUDGED)

    @property
    def channels_of(self) -> NDArray[np.int64]:
        """Number of each watched channel."""
        return self._globals[self.places]

    def numbers(self) -> NDArray[np.int64]:
        """Place among the watched of each channel of the registry, -1 of the others."""
        found = np.full(len(self._channels.names), -1, np.int64)
        found[self.channels_of] = np.arange(len(self.places))
        return found

    def judge(self, turns: Rows) -> Judged:
        """Judge windows in their turn."""
        found, bands = np.empty(2 * len(turns), FOUND).view(np.recarray), np.empty((len(turns), 2))
        made = judge_turns(
            turns, self._versions, self._channels.clock, self._channels.weekdays, self.states, self.alarms, self._setting, self._budget,
            self._length, self._fresh, self._judged, bands, found,
        )  # fmt: skip
        self.touched[self.places[turns["watch"]] // CHUNK_CHANNELS] = 1
        return Judged(found[:made].copy(), self._bands(turns, bands) if self._channels.registry.zone.expected else _NO_BANDS)

    def _bands(self, turns: Rows, expected: NDArray[np.float64]) -> Rows:
        is_known = ~np.isnan(expected[:, 0])
        of, (low, high) = turns[is_known], expected[is_known].T
        bands = new_rows(BAND, len(of))
        bands["channel"], bands["version"] = self.channels_of[of["watch"]], of["version"]
        bands["start"] = of["start"] + self._length - self._versions["stretch"][of["version"]]
        bands["tick"] = of["tick"]
        is_turned = self._versions["sign"][of["version"]] < 0
        bands["low"], bands["high"] = np.where(is_turned, -high, low), np.where(is_turned, -low, high)
        return bands

    def use(self, channels: Channels, globals_: NDArray[np.int64], moved: NDArray[np.int64]) -> None:
        """Go on under another registry version, in which the channel at place p is at `moved[p]`. The state of a channel whose detectors
        are off now is given up, unless an alarm is open, which its next window resolves."""
        old = self.places, self.states, self.alarms
        had = moved[self.places]
        kept = had[self.alarms["detector"] >= 0]
        self._put(np.union1d(watched(channels, globals_), kept), len(globals_))
        goes_on = np.isin(had, self.places)
        at = np.searchsorted(self.places, had[goes_on])
        self.states[at], self.alarms[at] = old[1][goes_on], old[2][goes_on]
        self._use(channels, globals_)

    def _put(self, places: NDArray[np.int64], channels: int) -> None:
        self.places = places
        self.states, self.alarms = new_channels(len(places)), no_alarms(len(places))
        self.touched = np.ones(-(-channels // CHUNK_CHANNELS), np.int8)

    def chunk(self, number: int) -> dict[str, NDArray[Any]]:
        """The states of one chunk, copied."""
        edges = np.searchsorted(self.places, (number * CHUNK_CHANNELS, (number + 1) * CHUNK_CHANNELS))
        mine = slice(*edges.tolist())
        return {"places": self.places[mine].copy(), "states": self.states[mine].copy(), "alarms": self.alarms[mine].copy()}

    def resume(self, places: NDArray[np.int64], states: Rows, alarms: Rows) -> None:
        """Go on from what `chunk` gave of every chunk."""
        self.places, self.states, self.alarms = places, states, alarms


def watched(channels: Channels, globals_: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of the channels of `globals_` that have a version with detectors on."""
    owner = np.repeat(np.arange(len(channels.names)), channels.count)
    is_on = np.zeros(len(channels.names), bool)
    is_on[owner[channels.versions["detect"] != 0]] = True
    return np.flatnonzero(is_on[globals_])
