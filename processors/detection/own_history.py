"""`unusual: true` of a rule: an indicator against its own history, as the channel detector of that name judges a channel."""

from base64 import b64decode, b64encode
from typing import Final, NamedTuple

import numpy as np

from zonepulse.processors.channels.periods import DAY_MS
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.channel.state import CHANNEL, UNUSUAL, new_channel, settings, strictness_of
from zonepulse.processors.detection.channel.step import JUDGED, judge_window
from zonepulse.processors.detection.watch.calendar import slot_and_day
from zonepulse.processors.flow import Rows, new_rows

_BIT: Final = 1 << UNUSUAL


class Found(NamedTuple):
    """What a window is to its history."""

    is_outside: bool
    score: float
    """Times its limit."""
    windows: int
    """Measured windows before."""
    low: float
    high: float


class OwnHistory:
    """Judges by the zone's clock, calendar and alert budget."""

    def __init__(self, channels: Channels) -> None:
        zone = channels.registry.zone
        self._clock, self._weekdays = channels.clock, channels.weekdays
        budget = float(zone.alert_budget)
        self._setting = settings(DAY_MS // zone.window_ms, strictness_of(budget), _BIT, budget)
        self._judged = new_rows(JUDGED)

    def judge(self, state: Rows, start: int, value: float) -> Found:
        """The window that begins at `start`, epoch ms; it goes into `state`, (1,) CHANNEL."""
        slot, day = slot_and_day(self._clock, self._weekdays, start)
        windows, out = int(state.windows[0]), self._judged[0]
        judge_window(state[0], self._setting[0], slot, day, value, out)
        score = float(out.ratio[UNUSUAL])
        return Found(bool(out.firing & _BIT) and score >= 1.0, score, windows, float(out.low), float(out.high))


def begin() -> Rows:
    """A history without any window."""
    return new_channel()


def text_of(state: Rows) -> str:
    """For a snapshot."""
    return b64encode(state.tobytes()).decode()


def of_text(text: str) -> Rows:
    """The history of `text_of`."""
    return np.frombuffer(b64decode(text), CHANNEL).copy().view(np.recarray)
