"""Zones and logs written by hand for the carbon bases: registers that send the energy of every window."""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from zonepulse.oracle.metering.decode import Record
from zonepulse.oracle.run import Tables, run

MINUTE = 60_000
WINDOW = 15 * MINUTE
DAY = 1_772_582_400_000
"""2026-03-04T00:00Z."""
FACTORS = """id,activity,region,company,basis,value,unit,published,valid_from,valid_to,confidence
js,grid_electricity,CN-JS,,location,0.5,kgCO2/kWh,2025-12-31,2023-01-01,,H
rest,grid_electricity,CN,,market_residual,0.6,kgCO2/kWh,2025-12-31,2023-01-01,,H
heat,purchased_heat,CN,,default,0.11,tCO2/GJ,,2015-01-01,,H
"""
Energies = Mapping[tuple[str, str], float | None]
"""(meter, direction) -> kWh of one window; None: no reading."""


def meter(name: str, site: str, role: str, *directions: str, **register: Any) -> dict[str, Any]:
    """A meter with a register of electricity for every direction, named like it; a generator's `ef` stands in `register`."""
    facts = {"carrier": "electricity", "kind": "interval", "unit": "kWh", "max_power": 1_000_000, "period": "15m", **register}
    return {"id": name, "site": site, "role": role, "registers": {d: {"direction": d, **facts} for d in directions}}


def zone(meters: list[dict[str, Any]], sites: Mapping[str, tuple[str | None, str]], **sections: Any) -> str:
    """A zone.yaml (JSON is YAML); `sites` tell company and node."""
    policy = {"id": "z", "factor_regions": ["CN-JS", "CN"], "timezone": "UTC", "lateness": "30m", **sections.pop("zone", {})}
    return json.dumps(
        {
            "zone": policy,
            "companies": [{"id": c} for c in sorted({c for c, _ in sites.values() if c})],
            "sites": [{"id": s, "company": company, "node": node} for s, (company, node) in sites.items()],
            "meters": meters,
            **sections,
        }
    )


def log(*windows: Energies, late: Mapping[tuple[int, str, str], tuple[float, float]] | None = None) -> list[Record]:
    """Readings of consecutive windows, each at its window's end; `late` sends (window, meter, register) -> (kWh, arrival in minutes
    of the day) besides.
    """
    sent = [
        (DAY + (i + 1) * WINDOW, i, name, register, kwh)
        for i, energies in enumerate(windows)
        for (name, register), kwh in energies.items()
        if kwh is not None
    ]
    sent += [(DAY + round(at * MINUTE), i, m, r, kwh) for (i, m, r), (kwh, at) in (late or {}).items()]
    records = [Record(0, 0, DAY, None, b"[]")]
    for arrival, i, name, register, kwh in sorted(sent):
        fields = {"meter": name, "register": register, "ts": DAY + (i + 1) * WINDOW, "value": kwh}
        records.append(Record(0, len(records), arrival, b"k", json.dumps(fields).encode()))
    return records


def tables(text: str, records: list[Record], until: float, factors: str = FACTORS) -> Tables:
    """What the oracle says of a log that goes on without readings until a minute of the day."""
    return run(text, factors, [*records, Record(0, len(records), DAY + round(until * MINUTE), None, b"[]")], 1)


def totals(found: Tables, basis: str) -> dict[int, dict[tuple[str, str, str, int], tuple[int | None, int | None]]]:
    """Window -> (kind, entity, carrier, scope) -> (energy, mg)."""
    out: defaultdict[int, dict[tuple[str, str, str, int], tuple[int | None, int | None]]] = defaultdict(dict)
    for row in found["totals"]:
        if row["basis"] == basis:
            key = (row["entity_kind"], row["entity"], row["carrier"], row["scope"])
            out[(row["start"] - DAY) // WINDOW][key] = (row["energy_micro"], row["co2e_mg"])
    return dict(out)


def nodal(found: Tables) -> dict[int, dict[tuple[str, str], tuple[int | None, int | None]]]:
    """Window -> (kind, entity) -> (energy, mg) of the network's lines; a company's is that of electricity."""
    return {
        window: {key[:2]: amount for key, amount in rows.items() if key[2] == "electricity"}
        for window, rows in totals(found, "nodal").items()
    }


def unbalanced(found: Tables) -> dict[int, int]:
    """Window -> carbon of sources that is nowhere, mg; what is not known counts as 0."""
    signs = {"source": 1} | dict.fromkeys(("load", "charge", "export", "imbalance", "untraced", "loss"), -1)
    storages = {row["entity"] for row in found["totals"] if row["entity_kind"] == "storage"}
    out = {}
    for window, rows in nodal(found).items():
        parts = [
            signs.get(kind, 0) * (mg or 0)
            for (kind, name), (_, mg) in rows.items()
            if (kind, name not in storages) != ("loss", False)
        ]
        out[window] = sum(parts)
    return {window: rest for window, rest in out.items() if rest}
