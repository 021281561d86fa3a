"""Hypothesis strategies of zones: every role, kind, carrier and change of validity, small enough that rows end and gaps are too long."""

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from hypothesis import strategies as st

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
BASE: Final = 1_790_812_800_000
"""2026-10-01T00:00Z: an edge of every window."""
_DIRECTIONS: Final = {
    "main": ("import", "export"),
    "sub": ("import", "export"),
    "generation": ("generation",),
    "storage": ("charge", "discharge"),
    "production": ("generation",),
    "boundary": ("import", "export"),
}
_UNITS: Final = {
    "electricity": ("kWh", "MWh", "Wh"),
    "reactive": ("kvarh",),
    "natural_gas": ("m3", "Nm3"),
    "heat": ("GJ", "MWh"),
    "water": ("m3", "L"),
    "diesel": ("kg", "t"),
    "biogas": ("m3",),
    "product:part": ("piece",),
}
TIMEZONES: Final = ("Asia/Shanghai", "Asia/Shanghai", "Europe/Berlin", "Asia/Kolkata")
MULTIPLIERS: Final = (1, 1, 40, 0.001, 1.5, 33.333, 1000)
Draw = Any


def text_of(ms: int) -> str:
    """An instant as zone.yaml writes it."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def duration(ms: int) -> str:
    """A duration as zone.yaml writes it."""
    return f"{ms // 1000}s"


@st.composite
def policies(draw: Draw) -> dict[str, Any]:
    """The section `zone`."""
    window = draw(st.sampled_from((15, 15, 5, 60, 30))) * MINUTE
    tick = draw(st.sampled_from([t for t in (MINUTE, MINUTE, window, 30_000, window // 5) if window % t == 0]))
    return {
        "id": "z",
        "timezone": draw(st.sampled_from(TIMEZONES)),
        "factor_regions": draw(st.sampled_from((["CN-JS", "CN"], ["CN-JS", "CN"], ["X"]))),
        "key": draw(st.sampled_from(("gateway", "site", "meter"))),
        "window": duration(window),
        "tick": duration(tick),
        "delay": duration(draw(st.sampled_from((MINUTE, 0, tick, window, 90_000)))),
        "lateness": duration(draw(st.sampled_from((4, 8, 1, 0, 20))) * window),
        "future": duration(draw(st.sampled_from((5 * MINUTE, 0, 2 * window)))),
        "max_gap": duration(draw(st.sampled_from((4, 12, 1, 2, 120))) * window),
        "vee": {
            "n_confirm": draw(st.sampled_from((2, 3, 2, 3, 4, 1))),
            "boundary_tolerance": duration(draw(st.sampled_from((60_000, 0, 300_000)))),
        },
    }


def window_of(policy: dict[str, Any]) -> int:
    """The window's length in ms."""
    return int(policy["window"].removesuffix("s")) * 1000


def period_of(draw: Draw, kind: str, choices: tuple[int, ...]) -> int:
    """A reporting period; those of kind `interval` divide an hour."""
    return int(draw(st.sampled_from([c for c in choices if kind != "interval" or HOUR % c == 0])))


@st.composite
def grids(draw: Draw, period: int) -> dict[str, Any]:
    """Where the periods of an interval register begin, and which end stamps them."""
    offset = draw(st.sampled_from((0, 0, 0, period // 3 // 1000 * 1000, period - 1000)))
    return {"offset": duration(offset), "stamp": draw(st.sampled_from(("end", "end", "start")))}


@st.composite
def registers(draw: Draw, role: str, window: int) -> dict[str, Any]:
    """One register that suits a role (or, now and then, does not)."""
    carrier = "electricity"
    if role in ("main", "sub"):
        carrier = draw(st.sampled_from(("electricity", "electricity", *_UNITS)))
    elif role == "production":
        carrier = "product:part"
    directions = _DIRECTIONS[role] if carrier in ("electricity", "reactive") or role == "production" else ("consumption",)
    direction = draw(st.sampled_from((*directions, *directions, "generation")))
    kind = draw(st.sampled_from(("cumulative", "cumulative", "cumulative", "interval", "power")))
    unit = draw(st.sampled_from(_UNITS[carrier]))
    if kind == "power":
        unit = {"kWh": "kW", "MWh": "MW", "Wh": "W", "kvarh": "kvar"}.get(unit, f"{unit}/h")
    register: dict[str, Any] = {"carrier": carrier, "direction": direction, "kind": kind, "unit": unit}
    if unit.startswith("m3") and carrier == "natural_gas":
        register["reference"] = draw(st.sampled_from(("0C", "20C")))
    register["multiplier"] = draw(st.sampled_from(MULTIPLIERS))
    register["max_power"] = draw(st.sampled_from((250, 1000, 0.5, 3, 100_000)))
    if kind == "cumulative" and draw(st.booleans()):
        register["modulus"] = draw(st.sampled_from((1000, 100_000, 99.5)))
    if kind == "cumulative" and draw(st.integers(0, 2)) == 0:
        register["on_reset"] = "zero"
    register["period"] = duration(period_of(draw, kind, (window, window, MINUTE, window // 5, 2 * window, 7 * MINUTE, HOUR)))
    if kind == "interval":
        register |= draw(grids(int(register["period"].removesuffix("s")) * 1000))
    if draw(st.integers(0, 7)) == 0:
        register["counts"] = False
    if direction == "generation" and draw(st.booleans()):
        register["ef"] = 0.05
    return register


@st.composite
def changed_register(draw: Draw, register: dict[str, Any], window: int) -> dict[str, Any]:
    """The register of a later version: the same, or different in one thing that matters."""
    what = draw(
        st.sampled_from(
            ("nothing", "multiplier", "modulus", "unit", "kind", "period", "max_power", "on_reset", "grid", "reference")
        )
    )
    other = dict(register)
    if what == "multiplier":
        other["multiplier"] = draw(st.sampled_from(MULTIPLIERS))
    elif what == "modulus" and register["kind"] == "cumulative":
        other["modulus"] = 5000
    elif what == "unit" and register["unit"] in ("kWh", "Wh"):
        other["unit"] = "MWh"
    elif what == "kind" and register["unit"] in ("kWh", "kW"):
        other["kind"] = draw(st.sampled_from(("cumulative", "interval", "power")))
        for key in ("on_reset", "offset", "stamp"):
            other.pop(key, None)
        if other["kind"] == "interval":
            other["period"] = duration(window)
        other["unit"] = "kW" if other["kind"] == "power" else "kWh"
        if other["kind"] != "cumulative":
            other.pop("modulus", None)
    elif what == "period":
        other["period"] = duration(period_of(draw, register["kind"], (window, MINUTE, 3 * window)))
        other.pop("offset", None)
    elif what == "max_power":
        other["max_power"] = draw(st.sampled_from((100, 2000)))
    elif what == "on_reset" and register["kind"] == "cumulative":
        other["on_reset"] = "unknown" if register.get("on_reset") == "zero" else "zero"
    elif what == "grid" and register["kind"] == "interval":
        other |= draw(grids(int(register["period"].removesuffix("s")) * 1000))
    elif what == "reference" and "reference" in register:
        other["reference"] = "20C" if register["reference"] == "0C" else "0C"
    return other


@st.composite
def meters(draw: Draw, number: int, sites: list[str], window: int, *, may_move: bool) -> list[dict[str, Any]]:
    """The versions of one meter. Only a later version names another site, and only if the meter may move."""
    role = draw(st.sampled_from(("main", "main", "sub", "generation", "storage", "production", "boundary")))
    role = "main" if role == "sub" and number == 0 else role
    ids = draw(st.sampled_from((("1.8.0",), ("1.8.0",), ("1.8.0", "2.8.0"))))
    meter: dict[str, Any] = {"id": f"m{number}", "site": draw(st.sampled_from(sites)), "role": role}
    if role == "sub":
        meter["parent"] = f"m{draw(st.integers(0, number - 1))}"
    if draw(st.booleans()):
        meter["gateway"] = draw(st.sampled_from(("g0", "g1")))
    meter["registers"] = found = {name: draw(registers(role, window)) for name in ids}
    if len({(register["carrier"], register["direction"]) for register in found.values()}) < len(found):
        found["2.8.0"]["counts"] = False
    edges = sorted(BASE + k * window for k in draw(st.sets(st.integers(-2, 12), max_size=3)))
    if not edges:
        return [meter]
    versions: list[dict[str, Any]] = []
    bounds = [None, *edges, None] if draw(st.booleans()) else [*edges, None]
    for start, end in pairwise(bounds):
        version = dict(meter)
        if start is not None:
            version["valid_from"] = text_of(start)
        if end is not None:
            version["valid_to"] = text_of(end)
        if versions:
            version["registers"] = {n: draw(changed_register(r, window)) for n, r in versions[-1]["registers"].items()}
            if may_move and draw(st.booleans()):
                version["site"] = draw(st.sampled_from(sites))
        if len(versions) == 0 or draw(st.integers(0, 4)):
            versions.append(version)
    return versions


@st.composite
def factors(draw: Draw, window: int) -> list[dict[str, Any]]:
    """Own factors: of region X for everything (with a hole in time), and now and then one of a company."""
    start, end = BASE + draw(st.integers(-2, 5)) * window, BASE + draw(st.integers(6, 9)) * window
    rows = [
        {
            "id": f"x-{activity}-{i}", "activity": activity, "region": region, "value": value, "unit": unit, "source": "s",
            "valid_from": text_of(start),
        }
        for i, (activity, region, value, unit) in enumerate((
            ("grid_electricity", "X", 0.4321, "kgCO2/kWh"),
            ("natural_gas", "X", 2.1622, "kgCO2/Nm3"),
            ("purchased_heat", "X", 0.11, "tCO2/GJ"),
            ("diesel", "X", 3.1, "tCO2/t"),
            ("biogas", "X", 0.2, "kgCO2/m3"),
            ("biogas", "CN", 0.3, "kgCO2/m3"),
            ("purchased_heat", "CN-JS", 0.12, "tCO2/GJ"),
        ))
    ]  # fmt: skip
    rows[0]["valid_to"] = text_of(end)
    rows.append({**rows[0], "id": "x-again", "value": 0.5, "valid_from": text_of(end + window), "valid_to": None})
    if draw(st.booleans()):
        rows.append(
            {
                "id": "own", "activity": "grid_electricity", "company": "c0", "value": 0.1, "unit": "kgCO2/kWh", "source": "s",
                "valid_from": text_of(BASE + 3 * window), "valid_to": text_of(BASE + 7 * window),
            }
        )  # fmt: skip
    return rows


INDICATORS_ON = {
    "zone": ("g_per_kwh",),
    "company": (),
    "site": (),
    "meter": (),
    "register": ("quantity", "quantity_per_h"),
    "node": ("g_per_kwh", "imbalance_kwh"),
}
OF_ALL = ("co2e_kg", "energy_kwh", "power_kw", "completeness", "estimated_share")
LEVELS = (0, 1, 0.5, 10, 100, 400)


def expressions(draw: Draw, names: tuple[str, ...], depth: int = 2) -> str:
    """True or false."""
    if depth and draw(st.booleans()):
        parts = [expressions(draw, names, depth - 1) for _ in range(2)]
        return draw(st.sampled_from(("({0}) and not ({1})", "({0}) or ({1})", "not ({0})"))).format(*parts)
    name, other = draw(st.sampled_from(names)), draw(st.sampled_from(names))
    level = draw(st.sampled_from(LEVELS))
    shape = draw(st.sampled_from(("{0} > {2}", "{0} - {1} / 2 <= {2}", "{0} / ({1} - {2}) != -1", "-{0} * 3 < {2}")))
    return shape.format(name, other, level)


@st.composite
def rules(draw: Draw, number: int, window: int, scopes: tuple[str, ...] = ("zone", "company", "site", "meter", "register")) -> Any:
    """One alert rule."""
    on = draw(st.sampled_from(scopes))
    names = (*OF_ALL, *INDICATORS_ON[on])
    rule: dict[str, Any] = {"id": f"r{number}", "on": on}
    kind = draw(st.sampled_from(("bound", "bound", "change", "expr", "unusual")))
    if kind == "unusual":
        rule["when"] = {"indicator": draw(st.sampled_from(names)), "unusual": True}
    elif kind == "expr":
        rule["when"] = {"expr": expressions(draw, names)}
        if draw(st.booleans()):
            rule["clear"] = {"expr": expressions(draw, names, 1)}
    else:
        level = draw(st.sampled_from(LEVELS))
        side, other = draw(st.sampled_from((("above", "below"), ("below", "above"))))
        rule["when"] = {"indicator": draw(st.sampled_from(names)), side: level}
        if kind == "change":
            against = draw(st.sampled_from((1, 2, 4))) * window
            rule["when"] |= {"change": draw(st.sampled_from(("absolute", "percent"))), "against": duration(against)}
        if draw(st.booleans()):
            rule["clear"] = {other: level * 0.5 if side == "above" else level * 2}
    rule["for"] = duration(draw(st.sampled_from((0, window, 2 * window + 1000))))
    rule["keep_firing"] = duration(draw(st.sampled_from((0, window, 2 * window))))
    if draw(st.integers(0, 3)) == 0:
        rule["calendar"] = draw(st.sampled_from(("day", "night")))
    if on != "zone" and draw(st.integers(0, 3)) == 0:
        rule["on"] = [f"{on}:*"]
    return rule


CALENDARS = [
    {"id": "day", "days": ["mon", "thu"], "hours": ["00:30", "09:00"], "workdays": ["2026-10-03"], "holidays": ["2026-09-30"]},
    {"id": "night", "hours": ["23:15", "00:45"]},
]
"""Hours that begin and end near BASE, whatever day it is."""
BUDGETS = [
    {"id": "zone", "period": "2026", "amount": 100, "unit": "kgCO2e", "basis": "market"},
    {"id": "own", "company": "c0", "period": "2026-10", "amount": 1, "unit": "kWh"},
]
TARIFFS = [
    {"id": "t", "carrier": "electricity", "price": 0.72, "currency": "CNY", "unit": "kWh", "source": "s", "valid_from": "2026-01-01"},
    {
        "id": "own", "carrier": "electricity", "company": "c0", "price": 700, "currency": "EUR", "unit": "MWh", "source": "s",
        "valid_from": "2026-01-01", "valid_to": "2026-10-02",
    },
    {
        "id": "in-hours", "carrier": "electricity", "price": 1.1, "currency": "CNY", "unit": "kWh", "source": "s",
        "valid_from": "2026-01-01", "calendar": CALENDARS[0]["id"],
    },
]  # fmt: skip


@st.composite
def changes(draw: Draw, found: list[dict[str, Any]], window: int) -> list[dict[str, Any]]:
    """Known meter changes of cumulative registers, wherever the meter is valid."""
    out: dict[tuple[str, str, int], dict[str, Any]] = {}
    for _ in range(draw(st.integers(0, 2))):
        version = draw(st.sampled_from(found))
        name = draw(st.sampled_from(sorted(version["registers"])))
        at = BASE + draw(st.integers(0, 12)) * window + draw(st.sampled_from((0, 0, 420_000 % window, 1)))
        valid = [v for v in found if v["id"] == version["id"] and _from(v) <= at <= _to(v)]
        if valid and all(v["registers"][name]["kind"] == "cumulative" for v in valid):
            low = min(float(v["registers"][name].get("modulus", 200)) for v in valid)
            old, new = (low * draw(st.sampled_from((0.5, 0.1, 0.9, 0))) for _ in range(2))
            change = {"meter": version["id"], "register": name, "at": text_of(at), "old_final": old, "new_initial": new}
            out[version["id"], name, at] = change
    return list(out.values())


def _from(version: dict[str, Any]) -> int:
    return instant(version.get("valid_from"), -(1 << 62))


def _to(version: dict[str, Any]) -> int:
    return instant(version.get("valid_to"), 1 << 62)


def instant(text: str | None, default: int) -> int:
    """Epoch ms of `text_of`."""
    return default if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


@st.composite
def zones(draw: Draw, *, may_move: bool = False) -> dict[str, Any]:
    """A zone.yaml as plain values (`yaml_of` makes the text)."""
    policy = draw(policies())
    window = window_of(policy)
    sites = [
        {"id": "s0", "company": "c0", "node": "n0"},
        {"id": "s1", "company": "c1"},
        {"id": "s2", "company": None, "node": "n2"},
    ]
    names = [s["id"] for s in sites[: draw(st.integers(1, 3))]]
    found = [v for i in range(draw(st.integers(1, 4))) for v in draw(meters(i, names, window, may_move=may_move))]
    longest = int(policy["max_gap"].removesuffix("s"))
    for register in (r for version in found for r in version["registers"].values()):
        if register["kind"] == "interval" and int(register["period"].removesuffix("s")) > longest:
            register |= {"period": duration(window), "offset": "0s"}
    return {
        "zone": policy,
        "companies": [{"id": "c0"}, {"id": "c1"}],
        "sites": sites,
        "gateways": [{"id": "g0", "site": "s0"}, {"id": "g1", "site": "s1"}],
        "meters": found,
        "meter_changes": draw(changes(found, window)),
        "factors": draw(factors(window)),
        "calendars": CALENDARS,
        "tariffs": draw(st.sampled_from(([], TARIFFS[:1], TARIFFS[:2], TARIFFS))),
        "budgets": draw(st.sampled_from(([], [], BUDGETS))),
        "rules": [draw(rules(i, window)) for i in range(draw(st.integers(0, 3)))],
    }


def yaml_of(zone: dict[str, Any]) -> str:
    """The text of zone.yaml (JSON is YAML)."""
    return json.dumps(zone)
