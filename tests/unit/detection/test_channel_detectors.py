"""Each channel detector speaks at the fault it is for, and is silent where nothing happens."""

from datetime import date

import numpy as np
import pytest

from zonepulse.processors.detection.channel.calendar import calendar_of
from zonepulse.processors.detection.channel.state import CHANNEL, NAMES, new_channel, settings
from zonepulse.processors.detection.channel.step import JUDGED, judge_windows
from zonepulse.processors.flow import new_rows
from zonepulse.streams.detect.series import shown

START_MS = 1_767_538_800_000  # Monday 2026-01-05 00:00 in Shanghai, less nine hours
HOURS = 80 * 24
FAULT = 40 * 24 + 9
EAGER = 0.2
"""Strictness at about 0.25 alerts a channel-month."""


def _load() -> np.ndarray:
    hours = np.arange(HOURS)
    used = (hours % 24 >= 7) & (hours % 24 < 19)
    return np.where(used, 20.0, 2.0) * (1 + 0.05 * np.random.default_rng(7).standard_normal(HOURS))


def _judged(values: np.ndarray, strictness: float) -> np.ndarray:
    index = np.arange(len(values))
    state, out = new_channel(), new_rows(JUDGED, len(values))
    judge_windows(state, settings(24, strictness), index % 168, index // 24, values, out)
    return out


def _raised(values: np.ndarray, strictness: float = 1.0) -> dict[str, int]:
    """Hours after the fault began, of what was raised."""
    out = _judged(values, strictness)
    return {
        name: int(np.flatnonzero(out["raised"] >> d & 1)[0]) - FAULT
        for d, name in enumerate(NAMES)
        if (out["raised"] >> d & 1).any()
    }


def _shown_at(values: np.ndarray) -> list[int]:
    """Hours after the fault began at which people were shown something."""
    return (np.flatnonzero(shown(_judged(values, 1.0))) - FAULT).tolist()


def test_nothing_is_said_of_a_steady_load() -> None:
    assert _raised(_load()) == {}


@pytest.mark.parametrize(
    ("detector", "within_hours"),
    [
        ("unusual", 0),
        ("record", 0),
        ("stuck", 6),
        ("zero_run", 3),
        ("reverse_flow", 0),
        ("level_shift", 240),
        ("night_use", 240),
        ("wrong_unit", 87),
        ("wrong_ct", 87),
    ],
)
def test_a_fault_is_found(detector: str, within_hours: int) -> None:
    values = _load()
    hours = np.arange(FAULT, HOURS)
    if detector in ("unusual", "record"):
        values[FAULT] = 150.0
    elif detector == "stuck":
        values[hours[:24]] = 20.0
    elif detector == "zero_run":
        values[hours[:12]] = 0.0
    elif detector == "reverse_flow":
        values[hours[:3]] *= -1
    elif detector == "wrong_unit":
        values[hours] *= 1000
    elif detector == "wrong_ct":
        values[hours] /= 2
    elif detector == "level_shift":
        values[hours] *= 1.25
    else:
        values[hours] += 1.0
    assert 0 <= _raised(values, EAGER)[detector] <= within_hours


@pytest.mark.large
def test_what_has_spoken_must_have_more_to_say_the_next_time() -> None:
    values = _load()
    values[[FAULT, FAULT + 72]] = 150.0, 170.0
    assert _shown_at(values) == [0]
    values[FAULT + 72] = 600.0
    assert _shown_at(values) == [0, 72]


def test_use_while_closed_is_found() -> None:
    values = np.where(_load() > 10, 20.0, 0.0)
    values[FAULT + 14 + 28 * 24 : FAULT + 18 + 28 * 24] = 20.0
    assert _raised(values, EAGER)["off_hours"] == 28 * 24 + 16


def test_a_channel_remembers_less_than_two_kilobytes() -> None:
    assert CHANNEL.itemsize <= 2_048


def test_hours_are_those_of_the_zone_and_a_holiday_is_a_sunday() -> None:
    starts = START_MS + 3_600_000 * np.arange(48)
    slots, days = calendar_of(starts, "Asia/Shanghai")
    first = int(slots[0])
    assert (slots == (first + np.arange(48)) % 168).all()
    again, _ = calendar_of(starts, "Asia/Shanghai", [date.fromordinal(day) for day in set(days.tolist())])
    assert (again // 24 == 6).all() and (again % 24 == slots % 24).all()
