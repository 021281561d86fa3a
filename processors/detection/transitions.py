"""Transitions of the rules about meters as alert rows."""

from fractions import Fraction
from typing import Any

import numpy as np

from zonepulse.processors.channels.table import POWER, Channels
from zonepulse.processors.channels.versions import version_at, version_of
from zonepulse.processors.detection.meter.rules import RULES, MeterRule, Told
from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.flow import UNSET, Rows
from zonepulse.schemas.units import MICRO


def version_of_alert(channels: Channels, channel: int, at: int) -> int:
    """The version whose company and node an alert names: that of its start, the first where none was valid then."""
    first = int(channels.first[channel])
    return first + max(0, version_at(channels.versions[first : first + int(channels.count[channel])].view(np.recarray), at))


def _answering(channels: Channels, rule: MeterRule, t: Any, version: int) -> int:
    """Of an alert that begins with a reading, the version that ends where it begins at an edge: whose multiplier its value has."""
    first = int(channels.first[int(t["channel"])])
    if not rule.is_of_reading:
        return version
    versions = channels.versions[first : first + int(channels.count[int(t["channel"])])].view(np.recarray)
    return first + max(0, version_of(versions, int(t["starts_at"])))


def alert_rows(transitions: Rows, channels: Channels) -> list[dict[str, Any]]:
    """One row of table `alerts` for each transition."""
    zone = channels.registry.zone
    rows = []
    for t in transitions:
        rule = RULES[int(t["rule"])]
        version = version_of_alert(channels, int(t["channel"]), int(t["starts_at"]))
        meter, register = channels.names[int(t["channel"])]
        read_with = channels.versions[_answering(channels, rule, t, version)]
        multiplier = Fraction(int(read_with["num"]), int(read_with["den"]))
        told = Told(t, multiplier, int(read_with["kind"]) == POWER, zone.max_gap_ms)
        alert = Alert(
            zone.id, rule.id, {"meter": meter, "register": register}, rule.severity,
            "raised" if t["raised"] else "resolved", int(t["starts_at"]), int(t["tick"]),
            {**rule.evidence(told), "register": register},
            ends_at=None if t["ends_at"] == UNSET else int(t["ends_at"]),
            company=channels.label("company", version), meter=meter, node=channels.label("node", version),
            value=None if t["value"] == UNSET else int(t["value"]) / MICRO,
        )  # fmt: skip
        rows.append(alert.row())
    return rows
