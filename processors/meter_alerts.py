"""Transitions of the meter-level detectors as alert rows."""

from typing import Any

import numpy as np

from zonepulse.processors.channels import Channels
from zonepulse.processors.layout import BACKWARDS, GAP_TOO_LONG, IMPOSSIBLE, METER_RULES, SILENT, STUCK, UNSET, Records
from zonepulse.processors.registers import version_at
from zonepulse.processors.rules import Alert
from zonepulse.schemas.units import MICRO


def _evidence(t: Any, register: str, max_gap_ms: int) -> dict[str, Any]:
    rule = int(t["rule"])
    if rule == GAP_TOO_LONG:
        return {"energy_micro": int(t["value"]), "max_gap_ms": max_gap_ms, "register": register}
    if rule in (SILENT, STUCK):
        return {"register": register, "windows": int(t["count"])}
    assert rule in (IMPOSSIBLE, BACKWARDS)
    return {"register": register, "readings": int(t["count"])}


def _version(channels: Channels, channel: int, at: int) -> int:
    """The version whose company and node an alert names: that of its start, the first where none was valid then."""
    first = int(channels.first[channel])
    return first + max(0, version_at(channels.versions[first : first + int(channels.count[channel])].view(np.recarray), at))


def alert_rows(transitions: Records, channels: Channels) -> list[dict[str, Any]]:
    """One row of table `alerts` for each transition."""
    zone = channels.registry.zone
    rows = []
    for t in transitions:
        version = _version(channels, int(t["channel"]), int(t["starts_at"]))
        meter, register = channels.names[int(t["channel"])]
        alert = Alert(
            zone.id, METER_RULES[int(t["rule"])], {"meter": meter, "register": register}, "warning",
            "raised" if t["raised"] else "resolved", int(t["starts_at"]), int(t["tick"]),
            _evidence(t, register, zone.max_gap_ms),
            ends_at=None if t["ends_at"] == UNSET else int(t["ends_at"]),
            company=channels.label("company", version), meter=meter, node=channels.label("node", version),
            value=None if t["value"] == UNSET else int(t["value"]) / MICRO,
        )  # fmt: skip
        rows.append(alert.row())
    return rows
