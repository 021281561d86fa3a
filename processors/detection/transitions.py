"""Transitions of the meter-level detectors as alert rows."""

from fractions import Fraction
from typing import Any, Final

import numpy as np

from zonepulse.processors.channels.table import POWER, Channels
from zonepulse.processors.channels.versions import version_at, version_of
from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.flow import (
    GAP_TOO_LONG,
    IMPOSSIBLE_VALUE,
    METER_RULES,
    REGISTER_HELD,
    SERIES_RESTARTED,
    SILENT,
    STUCK,
    UNSET,
    Rows,
)
from zonepulse.schemas.units import MICRO, MS_PER_HOUR

HINT: Final = "a negative power: its sign means direction; register both directions"
_TENS: Final = [Fraction(10) ** n for k in range(1, 13) for n in (k, -k)]


def _evidence(t: Any, register: str, version: Any, max_gap_ms: int) -> dict[str, Any]:
    rule, value = int(t["rule"]), int(t["value"])
    if rule == GAP_TOO_LONG:
        return {"energy_micro": value, "max_gap_ms": max_gap_ms, "register": register}
    if rule in (SILENT, STUCK):
        return {"register": register, "windows": int(t["count"])}
    if rule == IMPOSSIBLE_VALUE:
        hint = {"hint": HINT} if version["kind"] == POWER and value < 0 else {}
        return {"register": register, "readings": int(t["count"])} | hint
    before, ms = int(t["before"]), int(t["ms"])
    step = {"from_micro": before, "mean_power_micro": abs(value - before) * MS_PER_HOUR // ms, "register": register}
    if rule == REGISTER_HELD:
        return step | {
            "direction": "up" if value > before else "down",
            "held_micro": value,
            "steps_above": int(t["count"]),
        }
    assert rule == SERIES_RESTARTED
    ratio = _ratio(before, value, Fraction(int(version["num"]), int(version["den"])))
    return step | {"from_ts": int(t["starts_at"]) - ms, "to_micro": value} | ({} if ratio is None else {"ratio": str(ratio)})


def _ratio(before: int, after: int, multiplier: Fraction) -> Fraction | None:
    """A power of ten, or the multiplier, within 3 % of which the new value lies to the old one."""
    known = _TENS + ([multiplier, 1 / multiplier] if multiplier != 1 else [])
    if before <= 0 or after <= 0:
        return None
    return next(
        (r for r in known if 100 * abs(after * r.denominator - before * r.numerator) <= 3 * before * r.numerator),
        None,
    )


def _version(channels: Channels, channel: int, at: int) -> int:
    """The version whose company and node an alert names: that of its start, the first where none was valid then."""
    first = int(channels.first[channel])
    return first + max(0, version_at(channels.versions[first : first + int(channels.count[channel])].view(np.recarray), at))


def _answering(channels: Channels, t: Any, version: int) -> int:
    """Of a new series, the version that ends where it begins at an edge: whose multiplier its first value has."""
    first = int(channels.first[int(t["channel"])])
    if int(t["rule"]) != SERIES_RESTARTED:
        return version
    versions = channels.versions[first : first + int(channels.count[int(t["channel"])])].view(np.recarray)
    return first + max(0, version_of(versions, int(t["starts_at"])))


def alert_rows(transitions: Rows, channels: Channels) -> list[dict[str, Any]]:
    """One row of table `alerts` for each transition."""
    zone = channels.registry.zone
    rows = []
    for t in transitions:
        version = _version(channels, int(t["channel"]), int(t["starts_at"]))
        meter, register = channels.names[int(t["channel"])]
        alert = Alert(
            zone.id, METER_RULES[int(t["rule"])], {"meter": meter, "register": register}, "warning",
            "raised" if t["raised"] else "resolved", int(t["starts_at"]), int(t["tick"]),
            _evidence(t, register, channels.versions[_answering(channels, t, version)], zone.max_gap_ms),
            ends_at=None if t["ends_at"] == UNSET else int(t["ends_at"]),
            company=channels.label("company", version), meter=meter, node=channels.label("node", version),
            value=None if t["value"] == UNSET else int(t["value"]) / MICRO,
        )  # fmt: skip
        rows.append(alert.row())
    return rows
