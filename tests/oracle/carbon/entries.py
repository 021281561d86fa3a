"""Manual entries as channels of their own: each has one row, in the window that holds its instant.

Decisions: the row comes with the tick at which its window becomes due, whenever the ledger begins, and counts in `expected_ms` of that
window only. A finished file has no rows behind its final window, of entries neither.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

from zonepulse.oracle.grid import Grid
from zonepulse.oracle.metering.fold import Row
from zonepulse.oracle.zone.registry import Entry, Facts, Registry


@dataclass
class Entered:
    """The entries of a log by window: what their channels mean, and their rows with the tick of each."""

    facts: defaultdict[int, list[Facts]] = field(default_factory=lambda: defaultdict(list))
    rows: list[tuple[int, tuple[str, str], int, Row]] = field(default_factory=list)
    """Tick, channel, window, row: what the ledger calls an event."""


def entered(registry: Registry, final_window: int | None) -> Entered:
    """All entries up to the final window."""
    grid, found = Grid.of(registry.policy), Entered()
    for entry in registry.entries:
        window = grid.window(entry.at_ms)
        if final_window is None or window <= final_window:
            facts = _facts(entry, grid)
            found.facts[window].append(facts)
            row = Row(entry.value_micro, 0, grid.window_ms, "measured", "register")
            found.rows.append((grid.due_tick(window), (facts.meter, facts.register), window, row))
    return found


def _facts(entry: Entry, grid: Grid) -> Facts:
    start_ms = grid.start_ms(grid.window(entry.at_ms))
    return Facts(
        meter="",
        register=entry.id,
        valid_from_ms=start_ms,
        valid_to_ms=start_ms + grid.window_ms,
        site="",
        company=entry.company,
        node="",
        role="main",
        parent="",
        key="",
        carrier=entry.carrier,
        direction="consumption",
        kind="interval",
        unit="kg",
        base_unit="kg",
        scale=1_000_000.0,
        multiplier=Fraction(1),
        modulus_micro=None,
        max_power_micro=None,
        period_ms=grid.window_ms,
        ef_mg=0,
        regime=(),
    )
