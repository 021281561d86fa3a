"""Which contract covers how much of a company's electricity import in which window.

Windows are matched in order of their start. A window is settled when its lateness has passed; what volume contracts covered in it is
used up then, also where a later revision leaves less import to cover. Hourly contracts cover what they give in the window itself.
Decisions: nothing is ever covered of an import below 0; a window that appears when it is settled gets nothing from volume contracts.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Callable

from zonepulse.oracle.grid import Grid
from zonepulse.oracle.zone.registry import Contract, Registry, Series

Import = Callable[[int], int | None]
"""Window -> electricity import, None where nothing is covered."""


def given_micro(profile: Series, start_ms: int, end_ms: int) -> int:
    """What an hourly profile (kWh a step) gives in a window: the difference of the floors at its edges."""
    step_ms, total = profile.step_ms, 0
    for i in range(max(0, (start_ms - profile.first_ms) // step_ms), len(profile.values)):
        step_start_ms = profile.first_ms + i * step_ms
        if step_start_ms >= end_ms:
            break
        micro = round((profile.values[i] or 0) * 1_000_000)
        begun, ended = (min(max(0, at_ms - step_start_ms), step_ms) for at_ms in (start_ms, end_ms))
        total += micro * ended // step_ms - micro * begun // step_ms
    return total


class Matching:
    """The contracts of one company."""

    def __init__(self, registry: Registry, company: str) -> None:
        self._grid = Grid.of(registry.policy)
        mine = [c for c in registry.contracts if c.company == company]
        self._contracts = sorted(mine, key=lambda c: (c.valid_to_ms, c.id))
        self._live: list[int] = []
        """Windows that are not settled."""
        self._used: defaultdict[str, int] = defaultdict(int)
        """What settled windows used of each volume contract."""
        self._takes: dict[int, dict[str, int]] = {}

    def settle(self, tick: int) -> None:
        """Settle the windows that are past their lateness before the rows of a tick."""
        while self._live and self._grid.settle_tick(self._live[0]) < tick:
            for contract, take in self._takes[self._live.pop(0)].items():
                self._used[contract] += take

    def valid(self, window: int) -> list[Contract]:
        """The contracts of a window, in the order in which they cover."""
        start_ms = self._grid.start_ms(window)
        return [c for c in self._contracts if c.valid_from_ms <= start_ms < c.valid_to_ms]

    def take(self, window: int, contract: Contract) -> int:
        """What a contract covers in a window."""
        return self._takes.get(window, {}).get(contract.id, 0)

    def apply(self, tick: int, touched: set[int], imported: Import) -> list[int]:
        """Match again after changes of some windows; these windows, and others whose matches changed."""
        if not touched:
            return []
        late = sorted(n for n in touched if self._grid.settle_tick(n) < tick)
        for number in late:
            self._match(number, imported(number), {c.id: self.take(number, c) for c in self.valid(number)})
        for number in touched - set(late):
            if number not in self._live:
                insort(self._live, number)
        used, again = dict(self._used), []
        for number in self._live:
            if number >= min(touched):
                before = self._takes.get(number)
                left = {c.id: c.energy_micro - used.get(c.id, 0) for c in self.valid(number)}
                self._match(number, imported(number), left)
                if number in touched or self._takes[number] != before:
                    again.append(number)
            for contract, take in self._takes[number].items():
                used[contract] = used.get(contract, 0) + take
        return late + again

    def _match(self, window: int, imported: int | None, left: dict[str, int]) -> None:
        start_ms, rest, takes = self._grid.start_ms(window), imported or 0, {}
        for contract in self.valid(window):
            profile = contract.hourly
            available = left[contract.id] if profile is None else given_micro(profile, start_ms, start_ms + self._grid.window_ms)
            takes[contract.id] = max(0, min(rest, available))
            rest -= takes[contract.id]
        self._takes[window] = takes
