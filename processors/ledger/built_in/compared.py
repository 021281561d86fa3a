"""What rules that compare channels with one another share: their subjects take the rows of their channels as they come."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from zonepulse.processors.accounting.window_sums import WindowSums
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.flow import Rows
from zonepulse.processors.ledger.impact import Impact
from zonepulse.processors.ledger.subjects import Due, OfParts


class Compared:
    """A rule of one registry version; what it holds goes on to the next."""

    rule: str

    def __init__(self, channels: Channels, impact: Impact) -> None:
        """A rule's own constructor has the same form and puts its subjects in their place."""
        registry = channels.registry
        self._channels, self._impact, self._zone = channels, impact, registry.zone.id
        self._tick_ms, self._length_ms = registry.zone.tick_ms, registry.zone.window_ms

    def _watch(self, subjects: Sequence[OfParts]) -> None:
        self._of_version: dict[int, list[OfParts]] = defaultdict(list)
        for subject in subjects:
            for version in subject.counts:
                self._of_version[version].append(subject)
        self._is_watched = np.zeros(len(self._channels.versions) + len(self._channels.registry.entries), bool)
        self._is_watched[list(self._of_version)] = True

    def take(self, rows: Rows) -> None:
        """The rows of a tick: those of channels that are compared."""
        if not self._of_version:
            return
        mine = rows[self._is_watched[rows["version"]]]
        columns = (mine[name].tolist() for name in ("version", "channel", "start", "val", "est", "cov"))
        for version, channel, start, val, est, cov in zip(*columns, strict=True):
            for subject in self._of_version[version]:
                subject.take(version, channel, start, (val, est, cov, None))

    def judge(self, first: int, last: int, due: Due, windows: WindowSums) -> Iterator[dict[str, Any]]:
        """Transitions of the windows that are ready at ticks first..last, between which nothing changes."""
        raise NotImplementedError

    def given_up(self, names: frozenset[str], applied: int) -> Iterator[dict[str, Any]]:
        """What ends, behind tick `applied`, the alerts of what is not among `names`, those that a later version compares."""
        raise NotImplementedError

    @property
    def names(self) -> frozenset[str]:
        """Of what is compared."""
        raise NotImplementedError

    def held(self) -> list[Any]:
        """What a snapshot keeps, as JSON."""
        raise NotImplementedError

    def resume(self, held: Sequence[Any]) -> None:
        """Go on from what was held; what is not there any more is left out."""
        raise NotImplementedError
