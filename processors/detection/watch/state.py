"""What is remembered of the channels that detectors watch, and what judging their windows makes."""

from typing import Final

import numpy as np

from zonepulse.processors.channels.table import DETECTORS as NAMED
from zonepulse.processors.detection.channel import off_hours, record, reverse_flow, unusual, zero_run
from zonepulse.processors.detection.channel.days import level_shift, night_use, wrong_ct, wrong_unit
from zonepulse.processors.detection.channel.state import CHANNEL, NAMES, STUCK, Detector, new_channel
from zonepulse.processors.flow import Rows, new_rows

RESOLVED, RAISED, UPDATED = range(3)
_SAID: Final[list[tuple[str, str]]] = [
    ("detector", "i4"),  # that people are told of, -1 = none; the rest is of the window (or stretch) that it spoke at
    ("windows", "i4"),  # measured ones that the baseline had seen
    ("starts_at", "i8"),
    ("value", "f8"),  # base units; seen the other way where the register counts an export
    ("low", "f8"),  # expected band, NaN where the hour is unknown
    ("high", "f8"),
    ("ratio", "f8"),  # score over its limit
    ("beyond", "f8"),  # above (+) or below (-) the band since then, base units
    ("told", "f8"),  # of that, what was told last
]
ALARM: Final = np.dtype(
    [
        *_SAID,
        ("taught_min", "i2"),  # minutes of what the channel's state was taught with, 0 = nothing yet
        ("gathered", "i2"),  # windows of the stretch that is being gathered, where several are judged as one
        ("stretch", "i4"),  # its number
        ("total", "i8"),  # what was booked in them, micro-units
    ]
)
"""What a channel's detectors say now, one thing at a time; and what is gathered for them."""
FOUND: Final = np.dtype([("watch", "i8"), ("version", "i8"), ("state", "i8"), ("ends_at", "i8"), ("tick", "i8"), *_SAID])
"""A transition: RESOLVED, RAISED or UPDATED; `version` is that of the window that made it."""
BAND: Final = np.dtype([("channel", "i8"), ("version", "i8"), ("start", "i8"), ("tick", "i8"), ("low", "f8"), ("high", "f8")])
"""What was expected of a window: base units, as the register counts."""
BYTES_CHANNEL: Final = CHANNEL.itemsize + ALARM.itemsize
BY_GRAVITY: Final[tuple[Detector, ...]] = (
    record.DETECTOR, unusual.DETECTOR, level_shift.DETECTOR, night_use.DETECTOR, off_hours.DETECTOR, zero_run.DETECTOR,
    wrong_ct.DETECTOR, wrong_unit.DETECTOR, reverse_flow.DETECTOR,
)  # fmt: skip
"""Of several that begin to speak at one window the last is told: what says most about the cause."""
DECLARED: Final = {NAMES.index(detector.id): detector for detector in BY_GRAVITY}
GRAVITY: Final = np.array([BY_GRAVITY.index(DECLARED[d]) if d in DECLARED else -1 for d in range(len(NAMES))], np.int64)
SEVERITY: Final = np.array(
    [("info", "warning", "critical").index(DECLARED[d].severity) if d in DECLARED else -1 for d in range(len(NAMES))], np.int64
)
TOLD: Final = np.array(
    [sum(1 << NAMES.index(name) for bit, name in enumerate(NAMED) if bits >> bit & 1) for bits in range(1 << len(NAMED))], np.int64
)
"""Bits of VERSION.detect -> bits of the detectors that are told. `stuck` is not: the rule about meters of that name tells it."""
ALWAYS_ON: Final = 1 << STUCK
"""A channel that stands still does not teach its baseline."""


def new_channels(n: int) -> Rows:
    """CHANNELs without history."""
    return np.repeat(new_channel(), n).view(np.recarray)


def no_alarms(n: int) -> Rows:
    """ALARMs of channels of which nothing is said."""
    alarms = new_rows(ALARM, n)
    alarms.detector = -1
    return alarms
