"""The Numenta Anomaly Benchmark's score (its sweeper.py) of the score of `detect run` with its one setting."""

import csv
import json
from datetime import datetime
from math import exp
from pathlib import Path
from typing import Any, Final

import numpy as np

from zonepulse.streams.detect.series import judge_values, windows_a_day

FALSE: Final = 0.11
"""What a false row costs in the standard profile, a window found being worth 1."""
Event = tuple[float, int, float]
"""Score, window (-1 = outside), value of a detection."""


def _sigma(y: float) -> float:
    return -1.0 if y > 3 else 2 / (1 + exp(5 * y)) - 1


def _events(scores: Any, windows: list[tuple[int, int]], first: int) -> list[Event]:
    found = []
    for i in range(min(int(0.15 * len(scores)), 750), len(scores)):
        if scores[i] <= 0:
            continue
        inside = next((n for n, (a, b) in enumerate(windows) if a <= i <= b), -1)
        if inside >= 0:
            a, b = windows[inside]
            found.append((float(scores[i]), first + inside, _sigma(-(b - i + 1) / (b - a + 1)) / _sigma(-1.0)))
            continue
        past = [(a, b) for a, b in windows if b < i]
        value = _sigma((i - past[-1][1]) / max(past[-1][1] - past[-1][0], 1)) if past else -1.0
        found.append((float(scores[i]), -1, FALSE * value))
    return found


def _best(events: list[Event]) -> tuple[float, float]:
    """(threshold, gain) of the highest sum of gains, a window not found being -1 more than one of value 0."""
    held: dict[int, float] = {}
    best, gain = (float("inf"), 0.0), 0.0
    ordered = sorted(events, reverse=True)
    for n, (score, window, value) in enumerate(ordered):
        if window < 0:
            gain += value
        else:
            before = held.get(window, -1.0)
            held[window] = max(before, value)
            gain += held[window] - before
        if (n + 1 == len(ordered) or ordered[n + 1][0] < score) and gain > best[1]:
            best = (score, gain)
    return best


def _gain(events: list[Event], threshold: float) -> float:
    """The gain of one threshold."""
    kept: dict[int, float] = {}
    for score, window, value in events:
        if window >= 0 and score >= threshold:
            kept[window] = max(kept.get(window, -1.0), value)
    outside = sum(value for score, window, value in events if window < 0 and score >= threshold)
    return outside + sum(value + 1.0 for value in kept.values())


def score_nab(folder: Path) -> dict[str, Any]:
    """Normalised scores over the files of `folder` (data/, labels/combined_windows.json): the standard profile with one threshold
    for all, and hold_out, each half of the files by the threshold of the other."""
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    halves: tuple[list[Event], list[Event]] = ([], [])
    count = files = 0
    for files, path in enumerate(sorted((folder / "data").rglob("*.csv")), 1):
        with path.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        times = [datetime.fromisoformat(row["timestamp"]) for row in rows]
        slots = np.array([24 * at.weekday() + at.hour for at in times])
        days = np.array([at.toordinal() for at in times])
        values = np.array([float(row["value"]) for row in rows])
        judged = judge_values(slots, days, values, windows_a_day(np.array(times, "datetime64[ms]").astype(np.int64)), 1.0)
        spans = [tuple(map(datetime.fromisoformat, w)) for w in labels[path.relative_to(folder / "data").as_posix()]]
        windows = [(min(i for i, t in enumerate(times) if t >= a), max(i for i, t in enumerate(times) if t <= b)) for a, b in spans]
        halves[files % 2].extend(_events(judged["score"], windows, count))
        count += len(windows)
    standard = _best(halves[0] + halves[1])[1]
    crossed = _gain(halves[0], _best(halves[1])[0]) + _gain(halves[1], _best(halves[0])[0])
    return {"standard": 50 * standard / count, "hold_out": 50 * crossed / count, "files": files, "windows": count}
