"""The channel detectors once more, in plain Python: one object a channel, one method a detector, windows one at a time."""

import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import exp, floor, inf, isnan, log, nan, sqrt

from zonepulse.oracle.zone.registry import Policy

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAILY = ("level_shift", "night_use", "wrong_unit", "wrong_ct")
RULED = ("stuck", "zero_run", "reverse_flow", "off_hours", "wrong_unit", "wrong_ct")
NAMES = (
    "unusual", "level_shift", "night_use", "stuck", "zero_run", "reverse_flow", "off_hours", "record", "wrong_unit", "wrong_ct",
)  # fmt: skip
LIMITS = dict(zip(NAMES, (3.0346, 0.6763, 4.8583, 1.8644, 1.9812, 1.0, 2.9424, 0.8451, 1.8298, 6.2473), strict=True))
"""Scores at which they speak, at 0.009 alerts a channel-month."""


def f4(x: float) -> float:
    """What a 32-bit cell keeps of x."""
    return float(struct.unpack("f", struct.pack("f", x))[0])


def clip(x: float, most: float) -> float:
    """x within ±most."""
    return min(max(x, -most), most)


@dataclass
class View:
    """What weeks, days or nights have reached so far."""

    high: float = -inf
    low: float = inf
    mean: float = 0.0

    def beyond(self, y: float, days: int, usual: float, *, of_weeks: bool) -> float:
        """How far y is above the highest, at most 20, weighed by days / (days + 100).

        In ranges, or of weeks in twice what the highest is above the mean; at least 2 % of the usual size.
        """
        high, low, mean = self.high, self.low, self.mean
        self.high, self.low = max(high, y), min(low, y)
        self.mean += max(0.02, 1.0 / (days + 1.0)) * (y - mean)
        if days < 14 or y <= high or (low == 0 and not of_weeks):
            return 0.0
        reach = 2.0 * (high - mean) if of_weeks else high - low
        return min((y - high) / max(reach, 0.02 * usual, 1e-9), 20.0) * (days / (days + 100.0))


@dataclass
class Judged:
    """What one window came to."""

    ratio: dict[str, float]
    score: float
    firing: set[str]
    raised: set[str]
    low: float = nan
    high: float = nan


@dataclass
class Channel:
    """A channel's detectors. `limits` are scores, `tail` is the tail probability of a window, `enabled` the names that may speak."""

    per_day: int
    tail: float
    limits: dict[str, float]
    strictness: float = 1.0
    enabled: tuple[str, ...] = NAMES
    windows: int = 0
    day: int | None = None
    mean: float = 0.0
    level: dict[int, float] = field(default_factory=dict)
    taught: dict[int, int] = field(default_factory=dict)
    spread: list[float] = field(default_factory=lambda: [0.0] * 24)
    in_use: set[int] = field(default_factory=set)
    tail_from: float = 3.0
    tail_windows: int = 0
    peaks: int = 0
    peak_sum: float = 0.0
    peak_square: float = 0.0
    tail_limit: float = 0.0
    hour: int | None = None
    in_hour: list[float] = field(default_factory=list)
    in_day: list[float] = field(default_factory=list)
    expected: list[float | None] = field(default_factory=list)
    """Of the day's windows; None where the hour is not known."""
    ratios: list[float] = field(default_factory=list)
    """Logarithm of use over what was expected, day by day."""
    off: list[float] = field(default_factory=list)
    """How far three days were all off, day by day."""
    farthest: float = 0.0
    day_hours: list[float] = field(default_factory=list)
    night_hours: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    lows: list[float] = field(default_factory=list)
    low_nights: list[float] = field(default_factory=list)
    up: View = field(default_factory=View)
    down: View = field(default_factory=View)
    of_days: View = field(default_factory=View)
    of_nights: View = field(default_factory=View)
    caution: float = 1.0
    last: float = nan
    same: int = 0
    same_longest: int = 0
    zeros: int = 0
    zeros_longest: int = 0
    missed: float = 0.0
    has_been_negative: bool = False
    reversed: int = 0
    off_run: int = 0
    ranges: list[tuple[float, float]] = field(default_factory=lambda: [(inf, -inf)] * 7)
    size: float = 0.0
    residual_size: float = 0.0
    short: float = 0.0
    long: float = 0.0
    longer: float = 0.0
    slow_mean: float = 0.0
    slow_variance: float = 0.0
    near_mean: float = 0.0
    near_variance: float = 0.0
    near_usual: float = 0.0
    surprise: float = 0.0
    place: int | None = None
    moves: list[list[float]] = field(default_factory=lambda: [[0.0] * 8 for _ in range(8)])
    held: int = 0
    held_score: float = 0.0
    until: dict[str, int] = field(default_factory=dict)
    alarmed: int = 0

    def judge(self, slot: int, day: int, value: float) -> Judged:
        """One window in order of time; NaN = not measured."""
        found = Judged(dict.fromkeys(NAMES, 0.0), 0.0, set(), set())
        if isnan(value):
            found.firing = set(self.until)
            return found
        speaks = self.windows >= 14 * self.per_day
        learns = not self.until or self.alarmed > 14 * self.per_day
        level, unit = self.level.get(slot, 0.0), self.unit(slot)
        found.ratio.update(self.gather(slot, day, value, level if self.taught.get(slot, 0) >= 2 else None))
        residual = value - level if slot in self.level else 0.0
        if self.taught.get(slot, 0) >= 2:
            found.low, found.high = level - self.tail_from * unit, level + self.tail_from * unit
            found.ratio["unusual"] = self.unusual(abs(residual / unit), learns)
        found.ratio["stuck"] = self.stuck(value)
        found.ratio["zero_run"] = self.zero_run(value, level)
        self.reversed = self.reversed + 1 if value < 0 and not self.has_been_negative else 0
        found.ratio["reverse_flow"] = float(self.reversed)
        if learns and not speaks and value < 0:
            self.has_been_negative = True
        found.ratio["off_hours"] = self.off_hours(slot, value, learns)
        found.ratio["record"] = self.record(value, residual)
        for name in NAMES:
            limit = self.limits[name] * self.strictness
            found.ratio[name] /= max(limit, 1.0) if name in RULED else limit
        found.score = found.ratio["record"]
        is_quiet = not self.until
        bar = self.caution if is_quiet else 1.0
        for name in NAMES:
            if speaks and name in self.enabled and found.ratio[name] >= bar:
                if name not in self.until:
                    found.raised.add(name)
                    found.score = max(found.score, found.ratio[name])
                self.until[name] = self.windows + (7 if name in DAILY else 1) * self.per_day
            elif self.windows >= self.until.get(name, self.windows + 1):
                del self.until[name]
        if found.raised and is_quiet:
            self.caution *= 1.5
        found.firing = set(self.until)
        self.alarmed = self.alarmed + 1 if self.until else 0
        if not self.until or self.alarmed > 14 * self.per_day:
            self.learn(slot, value)
        self.last = value
        self.windows += 1
        return found

    def unit(self, slot: int) -> float:
        """Mean |residual| of the hour of day, at least 2 % of the slow mean."""
        return max(self.spread[slot % 24], 0.02 * self.mean, 1e-9)

    def learn(self, slot: int, value: float) -> None:
        """Level of the hour of week, spread of the hour of day, slow mean."""
        n = self.taught.get(slot, 0)
        if n == 0:
            self.level[slot] = f4(value)
        else:
            residual = value - self.level[slot]
            if n >= 3:
                residual = clip(residual, 4.0 * self.unit(slot))
            self.level[slot] = f4(self.level[slot] + max(0.15, 1.0 / (n + 1.0)) * residual)
            old = self.spread[slot % 24]
            self.spread[slot % 24] = f4(old + max(0.02, 1.0 / (n + 1.0)) * (abs(residual) - old))
        self.taught[slot] = min(n + 1, 255)
        self.mean += max(0.01, 1.0 / (self.windows + 1.0)) * (abs(value) - self.mean)

    def unusual(self, size: float, learns: bool) -> float:
        """Peaks over threshold, generalized Pareto by moments."""
        score = size / self.tail_limit if self.tail_limit else 0.0
        if not learns:
            return score
        self.tail_windows += 1
        if size <= self.tail_from:
            self.tail_from = max(self.tail_from - 0.05 * 0.02, 0.5)
            return score
        excess = min(size, 50.0) - self.tail_from
        self.peaks, self.peak_sum, self.peak_square = self.peaks + 1, self.peak_sum + excess, self.peak_square + excess * excess
        self.tail_from += 0.05 * 0.98
        if self.peaks >= 10:
            m = self.peak_sum / self.peaks
            ratio = m * m / max(self.peak_square / self.peaks - m * m, 1e-12)
            shape, scale = min(max(0.5 * (1.0 - ratio), 0.0), 0.5), 0.5 * m * (1.0 + min(ratio, 1.0))
            rare = log(self.peaks / (self.tail * self.tail_windows))
            self.tail_limit = self.tail_from + scale * (rare if shape < 1e-3 else (exp(shape * rare) - 1.0) / shape)
        return score

    def gather(self, slot: int, day: int, value: float, expected: float | None) -> dict[str, float]:
        """Hours, nights and days that end before this window, and their scores."""
        found: dict[str, float] = {}
        is_new = day != self.day
        if is_new or slot != self.hour:
            self.close_hour()
        if is_new and self.day is not None:
            found = self.close_day()
        if self.per_day >= 24 and self.night_hours and (is_new or slot % 24 >= 5):
            found["night_use"] = max(found.get("night_use", 0.0), self.close_night())
        self.hour, self.day = slot, day
        self.in_hour.append(value)
        self.in_day.append(value)
        self.expected.append(expected)
        return found

    def close_hour(self) -> None:
        """The mean of an hour, three quarters of it measured, is one of the day's and the night's."""
        if self.in_hour and self.hour is not None and 96 * len(self.in_hour) >= 3 * self.per_day:
            mean = sum_in_order(self.in_hour) / len(self.in_hour)
            self.day_hours.append(mean)
            if self.hour % 24 < 5:
                self.night_hours.append(mean)
        self.in_hour = []

    def close_day(self) -> dict[str, float]:
        """A week's second lowest and second highest mean; its second lowest low."""
        found = {}
        if 4 * len(self.in_day) >= 3 * self.per_day:
            self.means.append(f4(sum_in_order(self.in_day) / len(self.in_day)))
            self.lows.append(f4(min(self.day_hours, default=inf)))
            before = len(self.means) - 7
            if before >= 0:
                week = sorted(self.means[-7:])
                found["level_shift"] = max(
                    self.up.beyond(week[1], before, self.mean, of_weeks=True),
                    self.down.beyond(-week[-2], before, self.mean, of_weeks=True),
                )
                if self.per_day >= 24:
                    found["night_use"] = self.of_days.beyond(sorted(self.lows[-7:])[1], before, self.mean, of_weeks=False)
            found |= self.scale()
        self.in_day, self.expected, self.day_hours = [], [], []
        self.caution = 1.0 + 0.98 * (self.caution - 1.0)
        return found

    def scale(self) -> dict[str, float]:
        """Three days that are off by one factor: a power of ten, but a tenth, within e^0.7, or a step of transformers within e^0.1."""
        used, known = sum_in_order(self.in_day), [x for x in self.expected if x is not None]
        if len(known) == len(self.expected):
            expected = sum_in_order(known)
            if used > 0 and expected > 0.02 * self.mean * len(self.in_day):
                return self.scaled(f4(log(used / expected)))
        return self.named(0.0)

    def scaled(self, ratio: float) -> dict[str, float]:
        """A day whose ratio is known."""
        self.ratios.append(ratio)
        last = self.ratios[-3:]
        far = max(min(last), min(-x for x in last), 0.0) if len(last) == 3 else 0.0
        score = far / max(0.05, self.farthest)
        if not self.until and len(self.off) >= 3:
            self.farthest = max(self.farthest, self.off[-3])
        self.off.append(far)
        return self.named(score)

    def named(self, score: float) -> dict[str, float]:
        """A score under the name of what explains the last three days."""
        last = self.ratios[-3:]
        if len(last) < 3:
            return {}
        power = floor(last[0] / log(10) + 0.5)
        if power not in (-1, 0) and all(abs(x - power * log(10)) <= 0.7 for x in last):
            return {"wrong_unit": score}
        if any(all(abs(x - log(step)) <= 0.1 for x in last) for step in (1 / 3, 1 / 2, 2 / 3, 3 / 2, 2, 3)):
            return {"wrong_ct": score}
        return {}

    def close_night(self) -> float:
        """The lowest of three nights."""
        score = 0.0
        if 4 * len(self.night_hours) >= 15:
            self.low_nights.append(f4(min(self.night_hours)))
            before = len(self.low_nights) - 3
            if before >= 0:
                score = self.of_nights.beyond(min(self.low_nights[-3:]), before, self.mean, of_weeks=False)
        self.night_hours = []
        return score

    def stuck(self, value: float) -> float:
        """Equal windows other than zero."""
        if value == self.last != 0:
            self.same += 1
        else:
            self.same_longest, self.same = max(self.same_longest, self.same), int(value != 0)
        return self.same / max(6, 2 * self.same_longest)

    def zero_run(self, value: float, level: float) -> float:
        """Windows of zero, and what they should have used."""
        if value == 0:
            self.zeros, self.missed = self.zeros + 1, self.missed + max(level, 0.0)
        else:
            self.zeros_longest, self.zeros, self.missed = max(self.zeros_longest, self.zeros), 0, 0.0
        return min(self.zeros / max(3, 2 * self.zeros_longest), self.missed / max(3 * self.mean, 1e-9))

    def off_hours(self, slot: int, value: float, learns: bool) -> float:
        """Use in hours that have never been in use."""
        is_off = slot not in self.in_use and self.taught.get(slot, 0) >= 8
        self.off_run = self.off_run + 1 if is_off and value > self.mean else 0
        if learns and value > 0.5 * self.mean:
            self.in_use.add(slot)
        return self.off_run / 3

    def record(self, value: float, residual: float) -> float:
        """The farthest record of seven views."""
        first = 1.0 / (self.windows + 1.0)
        slow = max(0.001, first)
        self.size += (abs(value) - self.size) * slow
        self.residual_size += (abs(residual) - self.residual_size) * slow
        size = signed_log(value / (self.size + 1e-12))
        self.short += (value - self.short) * max(1.0 / 5.0, first)
        self.long += (size - self.long) * max(1.0 / 12.0, first)
        self.longer += (size - self.longer) * max(1.0 / 48.0, first)
        self.wonder(value, slow)
        rate, away = max(1.0 / 100.0, first), value - self.near_mean
        self.near_mean += rate * away
        self.near_variance = (1.0 - rate) * (self.near_variance + rate * away * away)
        self.near_usual += (self.near_variance - self.near_usual) * slow
        views = (
            (1.0, value),
            (0.5, self.short),
            (1.0, self.long),
            (1.0, signed_log(residual / (self.residual_size + 1e-12))),
            (0.5, self.surprise),
            (0.5, self.longer),
            (1.0, log(self.near_variance + 0.001 * self.near_usual + 1e-12)),
        )
        score = max(w * self.beyond(n, y) for n, (w, y) in enumerate(views)) * (self.windows / (self.windows + 1000.0))
        if self.held > 0:
            self.held -= 1
            if score <= 1.6 * self.held_score:
                return 0.0
        if score > 0:
            self.held, self.held_score = 60, score
        return score

    def wonder(self, value: float, rate: float) -> None:
        """Mean surprise of the step between eight bins of a squashed z."""
        away = value - self.slow_mean
        z = away / (sqrt(self.slow_variance) + 1e-9 * (abs(self.slow_mean) + 1e-9) + 1e-12)
        place = int(min(max(4.0 * (z / (1.0 + abs(z)) + 1.0), 0.0), 7.0))
        self.slow_mean += rate * away
        self.slow_variance = (1.0 - rate) * (self.slow_variance + rate * away * away)
        if self.place is not None:
            row = self.moves[self.place]
            self.surprise += 0.15 * (-log((row[place] + 0.5) / (sum_in_order(row) + 4.0)) - self.surprise)
            row[place] = f4(row[place] + 1.0)
        self.place = place

    def beyond(self, view: int, y: float) -> float:
        """Excess beyond the view's range, in ranges; after 100 windows."""
        low, high = self.ranges[view]
        self.ranges[view] = (min(low, y), max(high, y))
        if self.windows <= 100 or low <= y <= high:
            return 0.0
        return max(low - y, y - high) / (high - low) if high > low else 1.0


def sum_in_order(numbers: list[float]) -> float:
    """From the first to the last, rounded at each step."""
    total = 0.0
    for number in numbers:
        total += number
    return total


def signed_log(x: float) -> float:
    """log(1 + |x|) with the sign of x."""
    return log(1.0 + abs(x)) if x >= 0 else -log(1.0 + abs(x))


def strictness(budget: float) -> float:
    """1 at 0.009 alerts a channel-month, 0.2 at 0.25, between and beyond by the logarithm; at least 0.1."""
    return max(0.1, 1.0 + (0.2 - 1.0) * log(budget / 0.009) / log(0.25 / 0.009))


def at_ms(ms: int) -> datetime:
    """An instant."""
    return _EPOCH + timedelta(milliseconds=ms)


def slot_and_day(start_ms: int, policy: Policy) -> tuple[int, int]:
    """Hour of the week and number of the local day."""
    local = at_ms(start_ms).astimezone(policy.timezone)
    day = local.date()
    return 24 * policy.days.get(day, day.weekday()) + local.hour, day.toordinal()
