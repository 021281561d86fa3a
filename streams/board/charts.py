"""Charts as inline SVG: drawn here, so that a page needs no script, no font and no other server.

Colours are classes of the style sheet. A value that is None is a gap, never zero. Numbers on axes are written by the reader's `say`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from markupsafe import Markup

Point = tuple[int, float | None]
"""Epoch milliseconds, value."""
WIDE: Final = 720
"""Of a chart over more than half of a page; text is drawn as large on a narrower one if its width is less."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 24


@dataclass(frozen=True, slots=True)
class Line:
    """A series: its name, its class in the style sheet, its points in order of time."""

    name: str
    kind: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Axes:
    """What lies around the series. `ticks` are (ms, text); `limits` are (value, class)."""

    label: str
    from_ms: int
    to_ms: int
    ticks: Sequence[tuple[int, str]]
    number: Callable[[float], str]
    height: int = 240
    width: int = WIDE
    limits: Sequence[tuple[float, str]] = ()
    from_zero: bool = True
    band: "Band | None" = None
    mark_ms: int | None = None
    """A moment that a line across marks."""


@dataclass(frozen=True, slots=True)
class Band:
    """What was expected between two times."""

    from_ms: int
    to_ms: int
    low: float
    high: float


def lines(series: Sequence[Line], axes: Axes) -> Markup:
    """Lines; a lone point between gaps is a dot."""
    values = [v for line in series for _, v in line.points if v is not None]
    band = () if axes.band is None else (axes.band.low, axes.band.high)
    low, high, marks = scale([*values, *band, *(value for value, _ in axes.limits)], axes.from_zero)
    at = _Place(axes, low, high)
    drawn = [_limit(value, kind, at) for value, kind in axes.limits if low <= value <= high]
    drawn += [] if axes.mark_ms is None else [_mark(axes.mark_ms, at)]
    drawn += [] if axes.band is None else [_band(axes.band, at)]
    for line in series:
        for run in _runs(line.points):
            drawn.append(_stroke([at(ms, v) for ms, v in run], f"line {line.kind}"))
    return _svg(axes, at, marks, drawn)


def stacked(series: Sequence[Line], step_ms: int, axes: Axes) -> Markup:
    """Areas on one another, in steps of `step_ms`; a step in which any is None is a gap."""
    times = sorted({ms for line in series for ms, _ in line.points})
    by_time = [dict(line.points) for line in series]
    sums: list[list[Point]] = []
    for n in range(1, len(series) + 1):
        sums.append([(ms, _sum([points.get(ms) for points in by_time], n)) for ms in times])
    low, high, marks = scale([v for one in sums for _, v in one if v is not None], True)
    at, drawn = _Place(axes, low, high), []
    floor: list[Point] = [(ms, 0.0) for ms in times]
    for line, top in zip(series, sums, strict=True):
        under = dict(floor)
        for run in _runs(top):
            edge = [at(t, v) for ms, v in run for t in (ms, ms + step_ms)]
            back = [at(t, under[ms] or 0.0) for ms, _ in reversed(run) for t in (ms + step_ms, ms)]
            drawn.append(Markup('<polygon class="area {}" points="{}"/>').format(line.kind, _points([*edge, *back])))
        floor = top
    return _svg(axes, at, marks, drawn)


def bars(series: Sequence[Line], step_ms: int, weak: frozenset[int], axes: Axes) -> Markup:
    """Stacked bars a step wide; those of the times in `weak` are provisional and drawn hollow."""
    totals: dict[int, float] = {}
    rectangles: list[tuple[int, float, float, str]] = []
    for line in series:
        for ms, value in line.points:
            if value is not None:
                begin = totals.get(ms, 0.0)
                totals[ms] = begin + value
                rectangles.append((ms, begin, begin + value, f"bar {line.kind}" + (" weak" if ms in weak else "")))
    low, high, marks = scale(list(totals.values()), True)
    at, drawn = _Place(axes, low, high), []
    for ms, begin, end, kind in rectangles:
        (x, y), (right, bottom) = at(ms, end), at(ms + step_ms, begin)
        drawn.append(
            Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                kind, x + 1, y, max(right - x - 2, 1), max(bottom - y, 0)
            )
        )
    return _svg(axes, at, marks, drawn)


def spark(values: Sequence[float | None], label: str, kind: str = "") -> Markup:
    """A line as high as a word."""
    known = [v for v in values if v is not None]
    high = max(known, default=0.0) or 1.0
    step = 100 / max(len(values) - 1, 1)
    drawn = Markup("").join(
        _stroke([(i * step, 26 - 24 * v / high) for i, v in run], f"line {kind}") for run in _runs(list(enumerate(values)))
    )
    return Markup('<svg class="spark" viewBox="0 -1 100 29" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>').format(
        label, drawn
    )


def share(value: float | None, kind: str) -> Markup:
    """A bar that is full at 1; empty without a value."""
    width = 0.0 if value is None else 100 * min(max(value, 0.0), 1.0)
    bar = Markup('<rect class="{}" width="{:.1f}" height="8" rx="2"/>').format(f"bar {kind}", width)
    return Markup(
        '<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rail" width="100" height="8" rx="2"/>{}</svg>'
    ).format(bar)


def scale(values: Sequence[float], from_zero: bool) -> tuple[float, float, list[float]]:
    """Lowest and highest value of an axis, and about four round numbers on it."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-9:
        high = low + max(abs(low), 1.0)
    raw = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * k for k in (1, 2, 2.5, 5, 10) if size * k >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, last * step, [k * step for k in range(first, last + 1)]


class _Place:
    """Where a time and a value are drawn."""

    def __init__(self, axes: Axes, low: float, high: float) -> None:
        self._axes, self._low, self._high = axes, low, high
        self.bottom, self.right = axes.height - _BOTTOM, axes.width - _RIGHT

    def __call__(self, ms: float, value: float | None) -> tuple[float, float]:
        return self.x(ms), self.y(value or 0.0)

    def x(self, ms: float) -> float:
        """Within the frame."""
        share_of_time = (ms - self._axes.from_ms) / (self._axes.to_ms - self._axes.from_ms)
        return _LEFT + min(max(share_of_time, 0.0), 1.0) * (self.right - _LEFT)

    def y(self, value: float) -> float:
        """High values lie high."""
        return self.bottom - (value - self._low) / (self._high - self._low) * (self.bottom - _TOP)


def _sum(values: Sequence[float | None], n: int) -> float | None:
    return None if any(v is None for v in values) else math.fsum(v for v in values[:n] if v is not None)


def _runs(points: Sequence[Point]) -> list[list[tuple[int, float]]]:
    """Stretches without a gap."""
    return [[(ms, v) for ms, v in run if v is not None] for known, run in groupby(points, lambda p: p[1] is not None) if known]


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _stroke(places: Sequence[tuple[float, float]], kind: str) -> Markup:
    if len(places) == 1:
        ((x, y),) = places
        return Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="2"/>').format(kind, x, y)
    return Markup('<polyline class="{}" points="{}"/>').format(kind, _points(places))


def _limit(value: float, kind: str, at: _Place) -> Markup:
    y = at.y(value)
    return Markup('<line class="limit {}" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(kind, _LEFT, at.right, y, y)


def _mark(ms: int, at: _Place) -> Markup:
    return Markup('<line class="mark" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>').format(at.x(ms), _TOP, at.bottom)


def _band(band: Band, at: _Place) -> Markup:
    """At least as wide as can be seen."""
    (x, y), (right, bottom) = at(band.from_ms, band.high), at(band.to_ms, band.low)
    return Markup('<rect class="band" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        x, y, max(right - x, 8), max(bottom - y, 2)
    )


def _svg(axes: Axes, at: _Place, marks: Sequence[float], drawn: Sequence[Markup]) -> Markup:
    grid = [
        Markup(
            '<line class="grid" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/><text class="tick end" x="{3}" y="{4:.1f}">{5}</text>'
        ).format(_LEFT, at.right, at.y(value), _LEFT - 6, at.y(value) + 4, axes.number(value))
        for value in marks
    ]
    for ms, text in axes.ticks:
        grid.append(Markup('<text class="tick" x="{:.1f}" y="{}">{}</text>').format(at.x(ms), axes.height - 6, text))
    head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(axes.width, axes.height, axes.label)
    return head + Markup("").join([*grid, *drawn]) + Markup("</svg>")
