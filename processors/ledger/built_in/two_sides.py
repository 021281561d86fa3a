"""What rules share that hold some registers of a meter against others: windows in a row raise an alert, and windows in a row end it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zonepulse.processors.accounting.window_sums import WindowSums
from zonepulse.processors.ledger.built_in.compared import Compared
from zonepulse.processors.ledger.subjects import Count, Due, Named, OfParts


@dataclass(slots=True)
class State:
    """What is remembered of two sides. Sums are micro-units."""

    excess: int = 0
    """How much speaks for a change, where the rule weighs it."""
    run: int = 0
    """Windows in a row that speak for a change: that it is raised, or resolved."""
    since: int = 0
    """Start of the first of them, and what both sides counted since."""
    one: int = 0
    other: int = 0
    raised: tuple[int, int, int] | None = None
    """starts_at, and what both sides had counted when it was raised."""

    def take(self, start: int, one: int, other: int) -> int:
        """One more window of the run; how many there are."""
        if self.run == 0:
            self.since, self.one, self.other = start, 0, 0
        self.run, self.one, self.other = self.run + 1, self.one + one, self.other + other
        return self.run


class Sides(OfParts):
    """Registers of which those of the channels `ones` are held against the others."""

    def __init__(self, named: Named, ones: frozenset[int], counts: Mapping[int, Count], length_ms: int) -> None:
        super().__init__(named, counts, length_ms)
        self.ones, self.state = ones, State()


class TwoSided(Compared):
    """A rule about Sides."""

    _subjects: Sequence[Sides]

    def _moves(self, subject: Sides, start: int, one: int, other: int) -> bool:
        """Take in a window that is covered; whether the alert begins, or ends, with it."""
        raise NotImplementedError

    def _row(self, subject: Sides, raised: tuple[int, int, int], ends_at: int | None, tick: int) -> dict[str, Any]:
        """The alert that began so; `ends_at` None: it begins."""
        raise NotImplementedError

    def judge(self, first: int, last: int, due: Due, windows: WindowSums) -> Iterator[dict[str, Any]]:
        """As Compared has it."""
        for subject in self._subjects:
            for start, tick, facts in subject.ready(first, last, due, windows) if subject.waits else ():
                one, other = (
                    [value for channel, value in facts.parts if (channel in subject.ones) == is_one] for is_one in (True, False)
                )
                if facts.cov == facts.expected and one and other and self._moves(subject, start, sum(one), sum(other)):
                    yield self._toggled(subject, tick)

    def _toggled(self, subject: Sides, tick: int) -> dict[str, Any]:
        state = subject.state
        if state.raised is None:
            raised = (state.since, state.one, state.other)
            subject.state = State(raised=raised)
            return self._row(subject, raised, None, tick)
        subject.state = State()
        return self._row(subject, state.raised, state.since, tick)

    @property
    def names(self) -> frozenset[str]:
        """As Compared has it."""
        return frozenset(subject.named.name for subject in self._subjects)

    def given_up(self, names: frozenset[str], applied: int) -> Iterator[dict[str, Any]]:
        """As Compared has it."""
        for subject in self._subjects:
            if subject.state.raised is not None and subject.named.name not in names:
                yield self._row(subject, subject.state.raised, applied * self._tick_ms, applied + 1)

    def held(self) -> list[Any]:
        """As Compared has it, by subject."""
        return [
            [f.named.name, f.next_start, f.tick, f.pending(), s.excess, s.run, s.since, s.one, s.other, s.raised]
            for f in self._subjects
            for s in (f.state,)
        ]

    def resume(self, held: Sequence[Any]) -> None:
        """As Compared has it."""
        found = {name: rest for name, *rest in held}
        for subject in self._subjects:
            if (kept := found.get(subject.named.name)) is not None:
                subject.next_start, subject.tick, pending, excess, run, since, one, other, raised = kept
                subject.resume(pending)
                subject.state = State(excess, run, since, one, other, tuple(raised) if raised else None)
