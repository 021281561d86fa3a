"""Logs written by hand: a zone of a few meters, readings with their arrival, and what core and oracle both say of them."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from core_runs import disagreements, emitted, expected, fetches, final

from zonepulse.oracle.metering.decode import Record

MINUTE = 60_000
DAY = 1_772_582_400_000
"""2026-03-04T00:00Z."""
IMPORT = {
    "carrier": "electricity",
    "direction": "import",
    "kind": "cumulative",
    "unit": "kWh",
    "max_power": 1_000_000,
    "period": "15m",
}


def at(clock: str) -> int:
    """`09:52`, `09:52:30` or `09:52:30.001` on that day, UTC."""
    hours, minutes, *seconds = clock.split(":")
    return DAY + int(hours) * 60 * MINUTE + int(minutes) * MINUTE + round(sum(float(s) for s in seconds) * 1000)


def meter(register: dict[str, Any], name: str = "m", **others: Any) -> dict[str, Any]:
    """A meter with one register `r`."""
    return {"id": name, "site": "s1", "role": "main", "registers": {"r": register}, **others}


def zone_text(*meters: dict[str, Any], zone: dict[str, Any] | None = None, **sections: Any) -> str:
    """A zone.yaml (JSON is YAML)."""
    sites = [{"id": f"s{i}", "company": f"c{i}", "node": f"n{i}"} for i in (1, 2)]
    policy = {"id": "z", "factor_regions": ["CN-JS", "CN"], "timezone": "UTC", **(zone or {})}
    whole = {"zone": policy, "companies": [{"id": "c1"}, {"id": "c2"}], "sites": [*sites, {"id": "grid", "company": None}]}
    return json.dumps({**whole, "meters": list(meters), **sections})


def reading(ts: str | int, value: object, name: str = "m", **others: Any) -> dict[str, Any]:
    """A reading of register `r`."""
    return {"meter": name, "register": "r", "ts": at(ts) if isinstance(ts, str) else ts, "value": value, **others}


def log(*sent: tuple[str | int, dict[str, Any] | bytes], partition: int = 0) -> list[Record]:
    """(arrival, reading or raw value) as records of one partition."""
    return [
        Record(partition, i, at(t) if isinstance(t, str) else t, b"k", v if isinstance(v, bytes) else json.dumps(v).encode())
        for i, (t, v) in enumerate(sent)
    ]


def on_time(*readings: dict[str, Any]) -> list[Record]:
    """Readings that arrive at their own time, a heartbeat behind them an hour later."""
    sent: list[tuple[str | int, dict[str, Any] | bytes]] = [(r["ts"], r) for r in readings]
    return log(*sent, (readings[-1]["ts"] + 60 * MINUTE, b"[]"))


Rows = dict[str, list[dict[str, Any]]]


def rows_of(text: str, records: Sequence[Record], *, finish: bool = False) -> Rows:
    """Final rows of the core, which are those of the oracle."""
    got = final(emitted(text, fetches(records), 1, finish=finish))
    assert disagreements(expected(text, records, 1, finish=finish), got) == []
    return {name: table.to_pylist() for name, table in got.items()}


def windows(rows: Rows) -> dict[str, tuple[Any, ...]]:
    """Clock of the start -> (value, estimated, covered seconds)."""
    return {
        row["start"].strftime("%H:%M"): (row["value_micro"], row["estimated_micro"], row["covered_ms"] // 1000)
        for row in rows["intervals"]
    }


def alerts(rows: Rows, rule: str) -> list[dict[str, Any]]:
    """The alerts of a rule, by start."""
    return sorted((row for row in rows["alerts"] if row["rule"] == rule), key=lambda row: row["starts_at"])


def by_key(rows: Rows, table: str, *names: str) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """Rows of a table by some columns."""
    out: defaultdict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows[table]:
        out[tuple(row[n] for n in names)].append(row)
    return out
