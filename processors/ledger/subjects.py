"""Subjects of rules: what takes the windows of its own, in order of time, and says when each is judged.

A subject judges each of its windows once: at the first tick at which it is due and fully covered, at the latest at that at which the window
after it is due (schemas/messages/alerts.py is the contract).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from zonepulse.processors.accounting.plan import Interval, expected_steps
from zonepulse.processors.accounting.window_sums import WindowSums
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.rules import Judge, RuleState
from zonepulse.processors.flow import UNSET
from zonepulse.processors.ledger.window_facts import Facts
from zonepulse.schemas.registry.model import MeterVersion, Register, Site
from zonepulse.schemas.rules.scopes import Scope

Due = Callable[[int], int]
"""Start of a window -> the tick at which it is due."""


class Where(NamedTuple):
    """Columns of an alert."""

    company: str = ""
    meter: str = ""
    node: str = ""


class Named(NamedTuple):
    """A subject's labels, and what else its alerts say, by the instant at which they start."""

    scope: Scope
    name: str
    labels: dict[str, str]
    where: Callable[[int], Where]


class Subject:
    """What rules judge, window by window."""

    def __init__(self, named: Named, judges: Sequence[Judge]) -> None:
        self.named = named
        self.rules = [(judge, RuleState()) for judge in judges]
        self.next_start, self.tick = UNSET, UNSET

    def ready(self, first: int, last: int, due: Due, windows: WindowSums) -> Iterator[tuple[int, int, Facts]]:
        """Start, tick and facts of the windows that are judged at ticks first..last, each taken as it comes."""
        raise NotImplementedError

    def look_again_from(self, start: int) -> None:
        """A window may have come to exist."""

    def when(self, start: int, first: int, is_covered: bool, due: Due, length_ms: int) -> int:
        """The tick at which a window is judged."""
        return max(first, self.tick, due(start if is_covered else start + length_ms))

    def pending(self) -> list[Any]:
        """What is kept of windows that are not judged yet."""
        return []

    def resume(self, pending: list[Any]) -> None:
        """Go on from what was kept."""


class OfSeries(Subject):
    """A subject that series say everything of."""

    def __init__(self, named: Named, judges: Sequence[Judge], read: Callable[[WindowSums, int], Facts | None]) -> None:
        super().__init__(named, judges)
        self._read = read
        self._unseen = UNSET
        """Windows before it, from `next_start` on, do not exist for this subject; not part of its state."""

    def ready(self, first: int, last: int, due: Due, windows: WindowSums) -> Iterator[tuple[int, int, Facts]]:
        """As Subject has it."""
        starts = windows.starts
        for at in range(bisect_left(starts, max(self.next_start, self._unseen)), len(starts)):
            start = starts[at]
            facts = self._read(windows, start)
            if facts is None:
                continue
            self._unseen = start
            tick = self.when(start, first, facts.cov == facts.expected, due, windows.length_ms)
            if tick > last:
                return
            self.next_start, self.tick = start + 1, tick
            yield start, tick, facts
        self._unseen = starts[-1] + 1 if starts else UNSET

    def look_again_from(self, start: int) -> None:
        """As Subject has it."""
        self._unseen = min(self._unseen, start)


class Count(NamedTuple):
    """How a channel's version counts for a subject."""

    spans: list[Interval]
    sign: int
    """Of its energy; 0: it is no electricity."""


class OfChannels(Subject):
    """A subject that is judged by the latest rows of its channels. What is judged is forgotten."""

    def __init__(self, named: Named, judges: Sequence[Judge], counts: Mapping[int, Count], length_ms: int) -> None:
        super().__init__(named, judges)
        self.counts, self._length_ms = counts, length_ms
        steps = expected_steps([span for count in counts.values() for span in count.spans])
        self._from, self._number = [at for at, _ in steps], [number for _, number in steps]
        self._rows: dict[int, dict[int, tuple[int, int, int, int, int | None]]] = {}
        """Start -> channel -> sign, value, estimated, covered, co2e."""

    def take(self, version: int, channel: int, start: int, row: tuple[int, int, int, int | None]) -> None:
        """The latest row of a channel: value, estimated, covered, co2e."""
        count = self.counts[version]
        if start >= self.next_start and any(since <= start < until for since, until in count.spans):
            self._rows.setdefault(start, {})[channel] = (count.sign, *row)

    @property
    def waits(self) -> bool:
        """Whether a window with rows is not judged yet."""
        return bool(self._rows)

    def ready(self, first: int, last: int, due: Due, windows: WindowSums) -> Iterator[tuple[int, int, Facts]]:
        """As Subject has it."""
        for start in sorted(self._rows):
            facts = self._facts(start)
            tick = self.when(start, first, facts.cov == facts.expected, due, self._length_ms)
            if tick > last:
                return
            del self._rows[start]
            self.next_start, self.tick = start + 1, tick
            yield start, tick, facts

    def _facts(self, start: int) -> Facts:
        rows = self._rows[start].values()
        covered = [row for row in rows if row[3] > 0]
        power, known = [row for row in covered if row[0]], [row[4] for row in covered if row[4] is not None]
        energy = sum(row[0] * row[1] for row in power) if power else None
        alone = covered[0] if self.named.scope == "register" and covered else None
        estimated = sum(row[0] * row[2] for row in power)
        return Facts(
            cov=sum(row[3] for row in rows),
            expected=self._expected(start),
            energy=energy,
            co2e=sum(known) if known else None,
            quantity=alone and alone[1],
            share=(alone[2], alone[1]) if alone else None if energy is None else (estimated, energy),
            rate=_rate([row for row in covered if row[0] or alone]),
        )

    def _expected(self, start: int) -> int:
        """What all channels that are registered then would cover."""
        return self._number[max(0, bisect_right(self._from, start) - 1)] * self._length_ms

    def pending(self) -> list[Any]:
        """As Subject has it."""
        return [[start, [[channel, *row] for channel, row in sorted(rows.items())]] for start, rows in sorted(self._rows.items())]

    def resume(self, pending: list[Any]) -> None:
        """As Subject has it."""
        self._rows = {start: {channel: (s, v, e, c, mg) for channel, s, v, e, c, mg in rows} for start, rows in pending}


class OfParts(OfChannels):
    """A subject whose channels are judged beside one another."""

    def __init__(self, named: Named, counts: Mapping[int, Count], length_ms: int) -> None:
        super().__init__(named, (), counts, length_ms)

    def _facts(self, start: int) -> Facts:
        rows = self._rows[start]
        return Facts(
            cov=sum(row[3] for row in rows.values()),
            expected=self._expected(start),
            parts=tuple((channel, sign * value) for channel, (sign, value, _, cov, _) in sorted(rows.items()) if cov > 0),
        )


def version_number(channels: Channels, meter: MeterVersion, register: Register) -> int:
    """The channel version that a register of a meter version is."""
    channel = channels.index[meter.id, register.id]
    first = int(channels.first[channel])
    starts = channels.versions["valid_from"][first : first + int(channels.count[channel])]
    return first + int(np.searchsorted(starts, meter.valid_from_ms))


def where_is(versions: Sequence[MeterVersion], sites: Mapping[str, Site], at: int) -> Where:
    """Where a meter is, by the version of it that is valid then, else the first."""
    site = sites[next((m for m in versions if m.valid_from_ms <= at < m.valid_to_ms), versions[0]).site]
    return Where(site.company, versions[0].id, site.node)


def _rate(rows: Sequence[Sequence[Any]]) -> tuple[int, int] | None:
    """Co2e and amount of the rows whose co2e is known."""
    known = [(row[4], row[1]) for row in rows if row[4] is not None]
    amount = sum(value for _, value in known)
    return (sum(mg for mg, _ in known), amount) if amount > 0 else None
