"""What detection said of the faults that the demo planted, and how often it spoke without one: its false alarms."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from zonepulse.schemas.messages.alerts import CHANNEL_DETECTORS
from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.streams.demo.planted import Planted
from zonepulse.streams.demo.sample_series import MS_PER_DAY

JUDGED: Final = (*CHANNEL_DETECTORS, "stuck")
"""Rules that judge a register by its own history."""
AFTER_MS: Final = MS_PER_DAY
"""How long after its end a fault still explains an alert: what was learned from it, and a counter that goes on."""
_SAID: Final = """
SELECT toString(a.rule), toString(a.meter), toUnixTimestamp64Milli(a.starts_at), e.said, a.impact_kg, a.evidence
FROM alerts_final AS a
INNER JOIN (SELECT fingerprint, starts_at, min(revision) AS said FROM alert_events_final
  WHERE run = 'live' AND zone = {zone:String} GROUP BY fingerprint, starts_at) AS e
  ON e.fingerprint = a.fingerprint AND e.starts_at = a.starts_at
WHERE a.run = 'live' AND a.zone = {zone:String} AND a.rule IN {rules:Array(String)}
  AND a.starts_at >= fromUnixTimestamp64Milli({since_ms:Int64})
ORDER BY a.starts_at, a.fingerprint"""


class Said(NamedTuple):
    """An alert of a detector. `said_ms` is when people were first told; impacts are None where they are not known."""

    rule: str
    meter: str
    starts_ms: int
    said_ms: int
    kwh: float | None
    kg: float | None
    cost: float | None


@dataclass(frozen=True, slots=True)
class Findings:
    """`told` are the alerts on the meter of each fault, the first one first; `shown` those on others whose numbers a fault changes."""

    told: tuple[tuple[Planted, tuple[Said, ...]], ...]
    shown: tuple[Said, ...]
    false: tuple[Said, ...]

    def as_json(self) -> dict[str, Any]:
        """Of the summary."""
        return {
            "planted": [_line(fault, said) for fault, said in self.told],
            "alerts_of_planted": sum(len(said) for _, said in self.told) + len(self.shown),
            "false_alarms": [{"rule": one.rule, "meter": one.meter, "starts_ms": one.starts_ms} for one in self.false],
        }


def said_since(client: Client, zone: str, since_ms: int, tick_ms: int) -> list[Said]:
    """What detectors said of the zone's registers from `since_ms` on, by start."""
    rows = client.query(_SAID, {"zone": zone, "rules": list(JUDGED), "since_ms": since_ms}).result_rows
    found = []
    for rule, meter, starts_ms, tick, kg, text in rows:
        evidence = json.loads(text)
        found.append(
            Said(rule, meter, starts_ms, tick * tick_ms, evidence.get("impact_kwh"), kg, evidence.get("impact_cost"))
        )  # fmt: skip
    return found


def findings(faults: Sequence[Planted], said: Sequence[Said]) -> Findings:
    """Each alert goes to the first fault that explains it: its own meter's before another's; else it is a false alarm."""
    told: dict[Planted, list[Said]] = {fault: [] for fault in faults}
    shown, false = [], []
    for one in said:
        near = [fault for fault in faults if fault.begin_ms <= one.said_ms and one.starts_ms <= fault.end_ms + AFTER_MS]
        own = next((fault for fault in near if fault.meter == one.meter), None)
        if own is not None:
            told[own].append(one)
        elif any(one.meter in fault.shows for fault in near):
            shown.append(one)
        else:
            false.append(one)
    ranked = sorted(told.items(), key=lambda item: -(_total(item[1], "kg") or 0.0))
    return Findings(
        tuple((fault, tuple(sorted(alerts, key=lambda a: a.said_ms))) for fault, alerts in ranked), tuple(shown), tuple(false)
    )


def _line(fault: Planted, said: Sequence[Said]) -> dict[str, Any]:
    first = next(iter(said), None)
    return {
        "fault": fault.kind,
        "meter": fault.meter,
        "register": fault.register,
        "begin_ms": fault.begin_ms,
        "rule": first and first.rule,
        "delay_h": first and round((first.said_ms - fault.begin_ms) / MS_PER_HOUR, 1),
        "alerts": len(said),
        "impact_kwh": _total(said, "kwh"),
        "impact_kg": _total(said, "kg"),
        "impact_cny": _total(said, "cost"),
    }


def _total(said: Sequence[Said], name: str) -> float | None:
    """Of those that are known; a meter says one thing at a time, so that nothing is counted twice."""
    known = [float(value) for one in said if (value := getattr(one, name)) is not None]
    return sum(known) if known else None
