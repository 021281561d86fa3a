"""How far back the rows of a tick may change windows. What lies behind that *horizon* is forgotten: its rows stand in the store.

A row that still comes for a window behind the horizon of its own tick is not applied, whatever batch it comes in: it is counted, and
`ops_row_too_old` is raised. No reading makes such a row, since rows end `max_gap` behind a reading; a log written under other settings may.
"""

from dataclasses import dataclass
from typing import Any

from zonepulse.processors.detection.rules import Alert
from zonepulse.schemas.registry.model import ZonePolicy
from zonepulse.schemas.units import MS_PER_HOUR

RULE = "ops_row_too_old"


def reach_ms(zone: ZonePolicy) -> int:
    """How long before the end of a tick the earliest window begins that a reading in time can revise at that tick."""
    return zone.max_gap_ms + zone.lateness_ms + zone.delay_ms + 2 * zone.window_ms


def whole_before_ms(zone: ZonePolicy, applied_ms: int) -> int:
    """Every row with a time before that has been made, though it may still be revised, once ticks up to `applied_ms` are applied.

    A window has all its rows when `max(lateness, delay)` behind its end has passed: no reading in time is stamped in it any more."""
    settled_ms = applied_ms - max(zone.lateness_ms, zone.delay_ms) - zone.tick_ms
    return settled_ms // zone.window_ms * zone.window_ms - zone.window_ms


@dataclass(slots=True)
class OldRows:
    """State of `ops_row_too_old`: raised with the first such row, resolved an hour of ticks after the last."""

    zone: str
    tick_ms: int
    first: int | None = None
    """Tick of the first row since it is raised; None while it is not."""
    last: int = 0

    def refuse(self, tick: int, evidence: dict[str, Any]) -> list[dict[str, Any]]:
        """Rows of a tick are too old; ticks come in order. Returns transitions (rows of table `alerts`)."""
        out = self.pass_to(tick - 1)
        if self.first is None:
            self.first = tick
            out.append(self._row("raised", tick, evidence, None))
        self.last = tick
        return out

    def pass_to(self, tick: int) -> list[dict[str, Any]]:
        """All rows up to this tick are seen."""
        end = self.last + MS_PER_HOUR // self.tick_ms
        if self.first is None or end > tick:
            return []
        resolved = self._row("resolved", end, {}, end * self.tick_ms)
        self.first = None
        return [resolved]

    def _row(self, state: str, tick: int, evidence: dict[str, Any], ends_at: int | None) -> dict[str, Any]:
        assert self.first is not None
        return Alert(self.zone, RULE, {}, "warning", state, self.first * self.tick_ms, tick, evidence, ends_at).row()
