"""Hypothesis strategies of zones with a network, contracts and manual entries, and of logs in which most registers report every window."""

import json
from typing import Any

from hypothesis import strategies as st
from log_strategies import Case, Unnumbered, numbered, partition_key
from zone_strategies import BASE, CALENDARS, HOUR, MINUTE, Draw, duration, factors, policies, rules, text_of, window_of

from zonepulse.schemas.messages.partitioner import partition_of

COMPANIES = ("c0", "c1")
ENERGIES = (0, 1, 1, 2.5, 7, 0.0004, 0.123457)
"""kWh of a window."""


def register(draw: Draw, direction: str, window: int, carrier: str = "electricity", unit: str = "kWh") -> dict[str, Any]:
    """A register that reports every window, or now and then every other."""
    facts: dict[str, Any] = {"carrier": carrier, "direction": direction, "unit": unit, "multiplier": 1, "max_power": 1000}
    facts["kind"] = draw(st.sampled_from(("cumulative", "interval")))
    is_rare = draw(st.integers(0, 15)) == 0 and (facts["kind"] == "cumulative" or 2 * window <= HOUR)
    facts["period"] = duration(window * (2 if is_rare else 1))
    if direction == "generation" and draw(st.booleans()):
        facts["ef"] = 0.05
    return facts


def meter(draw: Draw, name: str, site: str, role: str, directions: tuple[str, ...], window: int) -> dict[str, Any]:
    """A meter; a few are not valid from the beginning."""
    facts: dict[str, Any] = {"id": name, "site": site, "role": role}
    facts["registers"] = {d: register(draw, d, window) for d in directions}
    if draw(st.integers(0, 9)) == 0:
        facts["valid_from"] = text_of(BASE + 2 * window)
    return facts


@st.composite
def networks(draw: Draw, window: int) -> dict[str, Any]:
    """Sites, meters and network: a tree of feeders with the companies' main meters, sources, and now and then more lines."""
    n = draw(st.integers(1, 4))
    nodes = [f"n{i}" for i in range(n)]
    sites: list[dict[str, Any]] = [{"id": "point", "company": None, "node": "n0"}]
    both = st.sampled_from((("import",), ("import", "export")))
    meters = [meter(draw, "grid", "point", "boundary", draw(both), window)]
    edges: list[dict[str, Any]] = []
    sources: list[dict[str, Any]] = [{"node": "n0", "kind": "grid_import", "meter": "grid"}]
    for i, node in enumerate(nodes):
        company = draw(st.sampled_from((*COMPANIES, "c0", "c1", None)))
        sites.append({"id": f"s{i}", "company": company, "node": node})
        if i == 0 and draw(st.booleans()):
            continue
        meters.append(meter(draw, f"m{i}", f"s{i}", "main", draw(both), window))
        if i:
            edge: dict[str, Any] = {"id": f"e{i}", "from": f"n{draw(st.integers(0, i - 1))}", "to": node, "meter_to": f"m{i}"}
            if draw(st.integers(0, 2)) == 0:
                meters.append(meter(draw, f"f{i}", "point", "sub", draw(both), window) | {"parent": f"m{i}"})
                edge["meter_from"] = f"f{i}"
                if draw(st.booleans()):
                    del edge["meter_to"]
            edges.append(edge)
    for i in range(draw(st.integers(0, 2)) if n > 1 else 0):
        start, end = draw(st.permutations(nodes))[:2]
        meters.append(meter(draw, f"x{i}", "point", "sub", draw(both), window) | {"parent": "m1"})
        edges.append({"id": f"x{i}", "from": start, "to": end, draw(st.sampled_from(("meter_from", "meter_to"))): f"x{i}"})
        if draw(st.booleans()):
            edges[-1] |= {"valid_from": text_of(BASE + window), "valid_to": text_of(BASE + 4 * window)}
    for i in range(draw(st.integers(0, 1))):
        at = draw(st.integers(0, n - 1))
        meters.append(meter(draw, f"p{i}", f"s{at}", "generation", ("generation",), window))
        sources.append({"id": f"pv{i}", "node": nodes[at], "kind": draw(st.sampled_from(("pv", "chp"))), "meter": f"p{i}"})
    for i in range(draw(st.sampled_from((0, 1, 1, 2)))):
        at = draw(st.integers(0, n - 1))
        meters.append(meter(draw, f"b{i}", f"s{at}", "storage", ("charge", "discharge"), window))
        storage = {"node": nodes[at], "kind": "storage", "meter": f"b{i}", "method": draw(st.sampled_from(("average", "fifo")))}
        storage["efficiency"] = draw(st.sampled_from((0.9, 1, 0.333)))
        if draw(st.booleans()):
            storage["initial"] = {"kwh": draw(st.sampled_from((0, 3, 0.0005))), "g_per_kwh": 400}
        sources.append(storage)
    sites.append({"id": "away", "company": "c1"})
    if draw(st.booleans()):
        meters.append(meter(draw, "aw", "away", "main", ("import",), window))
    heat = {"id": "h", "site": "s0", "role": "main", "registers": {"h": register(draw, "consumption", window, "heat", "GJ")}}
    if draw(st.booleans()):
        meters.append(heat)
    return {"sites": sites, "meters": meters, "network": {"nodes": nodes, "edges": edges, "sources": sources}}


def series(draw: Draw, window: int, values: tuple[float | None, ...]) -> dict[str, Any]:
    """Steps of one, two or four windows."""
    step = draw(st.sampled_from((1, 2, 4))) * window
    found = draw(st.lists(st.sampled_from(values), min_size=1, max_size=6))
    return {"from": text_of(BASE + draw(st.integers(-1, 3)) * window), "step": duration(step), "values": found}


@st.composite
def contracts(draw: Draw, window: int) -> list[dict[str, Any]]:
    """Up to three contracts, by volume or by hour."""
    out = []
    for i in range(draw(st.sampled_from((0, 1, 2, 3)))):
        start = BASE + draw(st.integers(-4, 3)) * window
        contract: dict[str, Any] = {"id": f"k{i}", "company": draw(st.sampled_from(COMPANIES)), "kind": "ppa", "evidence": "e"}
        contract |= {"valid_from": text_of(start), "valid_to": text_of(start + draw(st.integers(3, 12)) * window)}
        if draw(st.booleans()):
            contract["hourly"] = series(draw, window, (0, 1, 2.5, 0.000001, None))
        else:
            contract["mwh"] = draw(st.sampled_from((0.001, 0.0125, 0.004, 1)))
        if draw(st.booleans()):
            contract["ef"] = 0.03
        out.append(contract)
    return out


@st.composite
def entries(draw: Draw, window: int) -> list[dict[str, Any]]:
    """Up to two manual entries, in any window."""
    out = []
    for i in range(draw(st.sampled_from((0, 0, 1, 2)))):
        entry: dict[str, Any] = {"id": f"entry{i}", "company": draw(st.sampled_from(COMPANIES))}
        entry["carrier"] = draw(st.sampled_from(("refrigerant:R-410A", "process:welding")))
        entry |= {
            "kg": draw(st.sampled_from((0.5, 12))),
            "at": text_of(BASE + draw(st.integers(-3, 9)) * window + draw(st.integers(0, 1))),
        }
        out.append(entry | {"occurred": "2026-10-01", "by": "me", "reason": "leak", "evidence": "e"})
    return out


def more_factors(draw: Draw, window: int) -> list[dict[str, Any]]:
    """Residual factors, series and what entries need, beside the factors of every zone."""
    from_ms, to_ms = text_of(BASE + draw(st.integers(-2, 2)) * window), text_of(BASE + draw(st.integers(3, 9)) * window)
    rows: list[dict[str, Any]] = [
        {"id": f"welding-{region}", "activity": "process:welding", "region": region, "value": value, "unit": "kgCO2/kg"}
        for region, value in (("X", 2), ("CN", 3))
    ]
    grid = {"activity": "grid_electricity", "unit": "kgCO2/kWh"}
    if draw(st.booleans()):
        rows.append(
            {
                "id": "rest-x",
                **grid,
                "region": "X",
                "basis": "market_residual",
                "value": 0.7,
                "valid_from": from_ms,
                "valid_to": to_ms,
            }
        )
    if draw(st.booleans()):
        signal = series(draw, window, (0.1, 0.35, None, 0))
        rows.append({"id": "signal", **grid, "region": draw(st.sampled_from(("X", "LIVE"))), "basis": "location", "series": signal})
    if draw(st.booleans()):
        rows.append({"id": "mine", **grid, "company": "c1", "basis": "location", "series": series(draw, window, (0.2, None))})
    return [{"source": "s", "valid_from": "2026-01-01", **row} for row in rows]


@st.composite
def network_zones(draw: Draw) -> dict[str, Any]:
    """A zone.yaml as plain values."""
    policy = draw(policies())
    window = window_of(policy)
    policy["timezone"] = "Asia/Shanghai"
    policy |= {"max_gap": duration(draw(st.sampled_from((2, 3, 4, 6))) * window), "gwp": "AR5"}
    policy["lateness"] = duration(draw(st.sampled_from((0, 1, 2, 4))) * window)
    policy["factor_regions"] = draw(st.sampled_from((["CN-JS", "CN"], ["CN-JS", "CN"], ["LIVE", "CN"], ["X"])))
    return {
        "zone": policy,
        "companies": [{"id": c} for c in COMPANIES],
        "gateways": [],
        "meter_changes": [],
        "factors": draw(factors(window)) + more_factors(draw, window),
        "contracts": draw(contracts(window)),
        "entries": draw(entries(window)),
        "rules": [draw(rules(i, window, ("node", "node", "zone", "site"))) for i in range(draw(st.integers(0, 2)))],
        "calendars": CALENDARS,
        **draw(networks(window)),
    }


@st.composite
def network_logs(draw: Draw, zone: dict[str, Any], partitions: int) -> list[Unnumbered]:
    """Readings at the ends of windows; some arrive late or twice, some never."""
    window, count = window_of(zone["zone"]), draw(st.integers(2, 6))
    sent: list[tuple[int, str, dict[str, Any]]] = []
    for version in zone["meters"]:
        key = partition_key(zone, version)
        for name, facts in version["registers"].items():
            total = 0.0
            steps = int(facts["period"].removesuffix("s")) * 1000 // window
            energies = draw(st.lists(st.sampled_from(ENERGIES), min_size=count, max_size=count))
            for i, energy in enumerate((0, *energies) if facts["kind"] == "cumulative" else energies):
                ts = BASE + (i if facts["kind"] == "cumulative" else i + 1) * window
                if (ts - BASE) // window % steps:
                    continue
                total = total + energy if facts["kind"] == "cumulative" else energy
                sent.append((ts, key, {"meter": version["id"], "register": name, "ts": ts, "value": round(total, 6)}))
    for _ in range(draw(st.integers(0, 8))):
        i = draw(st.integers(0, len(sent) - 1))
        if len(sent) > 1 and draw(st.integers(0, 2)) == 0:
            del sent[i]
            continue
        arrival, key, fields = sent[i]
        delay = draw(st.sampled_from((window, 2 * window, 4 * window, 3 * MINUTE)))
        if draw(st.integers(0, 3)):
            sent[i] = (arrival + delay, key, fields)
        else:
            sent.append((arrival + delay, key, {**fields, "value": round(fields["value"] + 1.5, 6), "seq": 1}))
    first = min(arrival for arrival, _, _ in sent) - draw(st.sampled_from((0, 3))) * window
    heartbeats: list[Unnumbered] = [(p, first, None, b"[]", ()) for p in range(partitions)]
    sent.sort(key=lambda s: s[0])
    return heartbeats + [
        (partition_of(key, partitions), at, key.encode(), json.dumps(fields).encode(), ()) for at, key, fields in sent
    ]


@st.composite
def network_cases(draw: Draw) -> Case:
    """A zone with a network, and a log of it."""
    zone, partitions = draw(network_zones()), draw(st.integers(1, 2))
    return Case(zone, numbered(draw(network_logs(zone, partitions))), partitions)
