"""One step of a channel: its next key in order of time, whatever its kind. Cumulative values have rules of their own (`verdicts`)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from zonepulse.oracle.metering import verdicts
from zonepulse.oracle.metering.pieces import INTERPOLATED, INTERVAL, MANUAL, POWER, SENDER, Entry, Mark, Pages, Piece, Point, add
from zonepulse.oracle.metering.readings import Reading
from zonepulse.oracle.metering.verdicts import Shown, State
from zonepulse.oracle.zone.registry import Change, Facts, Policy


class Sample(NamedTuple):
    """A power sample that still holds."""

    point: Point
    facts: Facts

    def pieces(self, until_ms: int) -> list[Piece]:
        """What it holds until the next sample, 1.5 periods or its version's end; nothing at that very end."""
        end_ms = min(until_ms, self.point.ts_ms + self.facts.period_ms * 3 // 2, self.facts.valid_to_ms)
        if end_ms <= self.point.ts_ms:
            return []
        method = MANUAL if self.point.manual else SENDER if self.point.estimated else POWER
        marks = self.point.estimated, self.point.corrected
        return [
            Piece(
                self.point.ts_ms, end_ms, self.point.energy, method, *marks, True, not (self.point.manual or self.point.estimated)
            )
        ]


class Seen(NamedTuple):
    """What a key's accepted readings come to: the one that counts, and the impossible one, if there are such."""

    ts_ms: int
    reading: Reading | None
    is_corrected: bool
    impossible: Reading | None


@dataclass(frozen=True)
class Series:
    """A channel after some of its keys."""

    register: State
    sample: Sample | None = None

    @staticmethod
    def empty(policy: Policy) -> "Series":
        """Before the first reading."""
        return Series(State(policy))

    @property
    def pages(self) -> Pages:
        """Everything that the readings come to if nothing follows."""
        pages = self.register.pages
        for piece in self.sample.pieces(self.sample.facts.valid_to_ms) if self.sample is not None else ():
            pages = add(pages, piece)
        return pages

    def after(self, seen: Seen, changes: list[Change], is_after_silence: Callable[[int], bool]) -> "Series":
        """The next state. `changes` are the known changes later than the key before and not later than this one;
        `is_after_silence` tells whether there was silence between an instant and this key.
        """
        series = self
        for change in changes:
            series = replace(series, register=verdicts.changed_by(series.register, change))
            if change.new is not None:
                series = series._released(change.at_ms)
        if seen.impossible is not None:
            series = series._refused(seen.impossible)
        if seen.reading is not None and not (changes and changes[-1].at_ms == seen.ts_ms):
            series = series._taken(seen.reading, seen.is_corrected, is_after_silence)
        return series

    def _taken(self, reading: Reading, is_corrected: bool, is_after_silence: Callable[[int], bool]) -> "Series":
        is_manual = reading.quality == "manual"
        point = Point(reading.ts_ms, reading.energy, is_manual or reading.quality == "estimated", is_corrected, is_manual)
        if reading.facts.kind == "power":
            return replace(self._ended()._released(point.ts_ms), sample=Sample(point, reading.facts))
        if reading.facts.kind == "interval":
            return self._ended()._written(self._period(point, reading))
        register = self.register
        if register.last is None or register.regime != reading.facts.regime:
            series = self._released(point.ts_ms)
            return replace(series, register=verdicts.start(series.register, point, reading.facts))
        shown = Shown(point, reading.facts)
        return replace(self, register=verdicts.judged(register, shown, is_after_silence(register.last.ts_ms)))

    def _period(self, point: Point, reading: Reading) -> Piece:
        is_split = reading.facts.period_ms > self.register.policy.window_ms
        method = MANUAL if point.manual else INTERPOLATED if is_split else SENDER if point.estimated else INTERVAL
        marks = is_split or point.estimated, point.corrected
        return Piece(reading.starts_ms, point.ts_ms, point.energy, method, *marks, False, not (point.manual or point.estimated))

    def _refused(self, reading: Reading) -> "Series":
        """An impossible value; of power, it ends the hold before it."""
        is_power = reading.facts.kind == "power"
        series = self._ended()
        if is_power:
            series = series._released(reading.ts_ms)
        return series._written(Mark(reading.ts_ms - (not is_power), reading.ts_ms, reading.energy, is_power, reading.quality))

    def _ended(self) -> "Series":
        return replace(self, register=verdicts.ended(self.register))

    def _written(self, entry: Entry) -> "Series":
        return replace(self, register=self.register.write(entry))

    def _released(self, until_ms: int) -> "Series":
        """The hold of the last sample ends."""
        series = replace(self, sample=None)
        for piece in self.sample.pieces(until_ms) if self.sample is not None else ():
            series = series._written(piece)
        return series
