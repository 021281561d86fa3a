"""The channel detectors once more, in plain Python: one object a channel, one method a detector, windows one at a time."""

import struct
from dataclasses import dataclass, field
from math import exp, inf, isnan, log, nan

DAILY = ("level_shift", "night_use")
NAMES = ("unusual", "level_shift", "night_use", "stuck", "zero_run", "reverse_flow", "off_hours", "record")


def f4(x: float) -> float:
    """What a 32-bit cell keeps of x."""
    return float(struct.unpack("f", struct.pack("f", x))[0])


def clip(x: float, most: float) -> float:
    """x within ±most."""
    return min(max(x, -most), most)


@dataclass
class Excursion:
    """One side of a CUSUM: slack 1, steps of at most 4."""

    total: float = 0.0
    top: float = 0.0


@dataclass
class Judged:
    """What one window came to."""

    ratio: dict[str, float]
    firing: set[str]
    raised: set[str]
    low: float = nan
    high: float = nan


@dataclass
class Channel:
    """A channel's detectors. `tail` is the tail probability of a window, `enabled` the names that may speak."""

    per_day: int
    tail: float
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
    day_sum: float = 0.0
    day_windows: int = 0
    day_spread: float = 0.0
    sides: tuple[Excursion, Excursion] = field(default_factory=lambda: (Excursion(), Excursion()))
    shift_longest: float = 0.0
    night: list[float] = field(default_factory=list)
    nights: int = 0
    night_level: float = 0.0
    night_spread: float = 0.0
    creep: Excursion = field(default_factory=Excursion)
    creep_longest: float = 0.0
    last: float = nan
    same: int = 0
    same_longest: int = 0
    zeros: int = 0
    zeros_longest: int = 0
    has_been_negative: bool = False
    off_run: int = 0
    ranges: list[tuple[float, float]] = field(default_factory=lambda: [(inf, -inf)] * 5)
    short: float = 0.0
    long: float = 0.0
    surprise: float = 0.0
    place: int | None = None
    moves: list[list[float]] = field(default_factory=lambda: [[0.0] * 8 for _ in range(8)])
    held: int = 0
    held_score: float = 0.0
    until: dict[str, int] = field(default_factory=dict)
    alarmed: int = 0

    def judge(self, slot: int, day: int, value: float) -> Judged:
        """One window in order of time; NaN = not measured."""
        if isnan(value):
            return Judged(dict.fromkeys(NAMES, 0.0), set(self.until), set())
        speaks = self.windows >= 14 * self.per_day
        learns = not self.until or self.alarmed > 14 * self.per_day
        found = Judged(dict.fromkeys(NAMES, 0.0), set(), set())
        if day != self.day:
            if self.day is not None:
                found.ratio["level_shift"] = self.close_day(speaks)
                found.ratio["night_use"] = self.close_night(speaks, learns)
            self.day = day
        level, unit = self.level.get(slot, 0.0), self.unit(slot)
        residual = value - level if slot in self.level else 0.0
        if self.taught.get(slot, 0) >= 2:
            reach = self.strictness * (self.tail_limit or 4.0)
            found.low, found.high = level - reach * unit, level + reach * unit
            self.day_sum += residual
            self.day_windows += 1
            found.ratio["unusual"] = self.unusual(abs(residual / unit), learns) / self.strictness
        if slot % 24 < 5:
            self.night.append(value)
        found.ratio["stuck"] = self.stuck(value)
        found.ratio["zero_run"] = self.zero_run(value)
        found.ratio["reverse_flow"] = float(value < 0 and not self.has_been_negative)
        if learns and not speaks and value < 0:
            self.has_been_negative = True
        found.ratio["off_hours"] = self.off_hours(slot, value, learns)
        found.ratio["record"] = self.record(value, residual)
        for name in NAMES:
            if speaks and name in self.enabled and found.ratio[name] >= 1:
                if name not in self.until:
                    found.raised.add(name)
                self.until[name] = self.windows + (7 if name in DAILY else 1) * self.per_day
            elif self.windows >= self.until.get(name, self.windows + 1):
                del self.until[name]
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

    def close_day(self, speaks: bool) -> float:
        """CUSUM of the day's mean residual, both ways."""
        ratio = 0.0
        if 4 * self.day_windows >= 3 * self.per_day:
            residual = self.day_sum / self.day_windows
            unit = max(self.day_spread, 0.02 * self.mean, 1e-9)
            for side, z in zip(self.sides, (residual / unit, -(residual / unit)), strict=True):
                one, self.shift_longest = self.cusum(side, z, 6.0, self.shift_longest, speaks)
                ratio = max(ratio, one)
            self.day_spread += 0.1 * (min(abs(residual), 4.0 * unit) - self.day_spread)
        self.day_sum, self.day_windows = 0.0, 0
        self.shift_longest *= 0.998
        return ratio

    def close_night(self, speaks: bool, learns: bool) -> float:
        """CUSUM of the night's minimum, upwards."""
        ratio = 0.0
        if 96 * len(self.night) >= 15 * self.per_day:
            low = min(self.night)
            if self.nights == 0:
                self.night_level = low
            unit = max(self.night_spread, 0.02 * abs(self.night_level), 0.005 * self.mean, 1e-9)
            residual = low - self.night_level
            ratio, self.creep_longest = self.cusum(self.creep, residual / unit, 8.0, self.creep_longest, speaks)
            if learns:
                self.nights += 1
                rate = max(0.05, 1.0 / self.nights)
                self.night_level += rate * (clip(residual, 4.0 * unit) if self.nights > 5 else residual)
                self.night_spread += rate * (min(abs(residual), 4.0 * unit) - self.night_spread)
        self.night = []
        self.creep_longest *= 0.998
        return ratio

    def cusum(self, side: Excursion, z: float, floor: float, longest: float, speaks: bool) -> tuple[float, float]:
        """(total over limit, longest excursion). What cannot speak yet is learned; what speaks begins anew."""
        total = max(0.0, side.total + clip(z, 4.0) - 1.0)
        if total > 0:
            side.top = max(side.top, total)
        else:
            longest, side.top = max(longest, side.top), 0.0
        limit = self.strictness * max(floor, 1.25 * longest)
        side.total = total
        if not speaks:
            side.total = min(total, floor)
            longest = max(longest, side.total)
        elif total >= limit:
            side.total, side.top, longest = 0.0, 0.0, max(longest, total)
        return total / limit, longest

    def stuck(self, value: float) -> float:
        """Equal windows other than zero."""
        if value == self.last != 0:
            self.same += 1
        else:
            self.same_longest, self.same = max(self.same_longest, self.same), int(value != 0)
        return self.same / max(6, 2 * self.same_longest)

    def zero_run(self, value: float) -> float:
        """Windows of zero."""
        if value == 0:
            self.zeros += 1
        else:
            self.zeros_longest, self.zeros = max(self.zeros_longest, self.zeros), 0
        return self.zeros / max(3, 2 * self.zeros_longest) if self.mean > 0 else 0.0

    def off_hours(self, slot: int, value: float, learns: bool) -> float:
        """Use in hours that have never been in use."""
        is_off = slot not in self.in_use and self.taught.get(slot, 0) >= 4
        self.off_run = self.off_run + 1 if is_off and value > self.strictness * self.mean else 0
        if learns and value > 0.5 * self.mean:
            self.in_use.add(slot)
        return self.off_run / 3

    def record(self, value: float, residual: float) -> float:
        """The farthest record of five views."""
        size = signed_log(value)
        low, high = self.ranges[0]
        self.short = self.short + (value - self.short) / 5.0 if self.windows else value
        self.long = self.long + (size - self.long) / 12.0 if self.windows else size
        place = int(min(max(8.0 * (value - low) / (high - low), 0.0), 7.0)) if high > low else 0
        if self.place is not None:
            row = self.moves[self.place]
            self.surprise += 0.1 * (-log((row[place] + 0.5) / (sum_in_order(row) + 4.0)) - self.surprise)
            row[:] = [f4(x * 0.999) for x in row]
            row[place] = f4(row[place] + 1.0)
        self.place = place
        views = (value, self.short, self.long, signed_log(residual), self.surprise)
        score = max(self.beyond(n, y) for n, y in enumerate(views)) * (self.windows / (self.windows + 1000.0))
        if self.held > 0:
            self.held -= 1
            if score <= 1.6 * self.held_score:
                return 0.0
        if score > 0.0117:
            self.held, self.held_score = 60, score
        return score / (0.05 * self.strictness)

    def beyond(self, view: int, y: float) -> float:
        """Excess beyond the view's range, in ranges; after 100 windows."""
        low, high = self.ranges[view]
        self.ranges[view] = (min(low, y), max(high, y))
        return 0.0 if self.windows < 100 or high <= low else max(low - y, y - high, 0.0) / (high - low)


def sum_in_order(numbers: list[float]) -> float:
    """From the first to the last, rounded at each step."""
    total = 0.0
    for number in numbers:
        total += number
    return total


def signed_log(x: float) -> float:
    """log(1 + |x|) with the sign of x."""
    return log(1.0 + abs(x)) if x >= 0 else -log(1.0 + abs(x))
