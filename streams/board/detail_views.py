"""The pages behind the zone's: a company, a meter, alerts, the factors."""

import json
import math
from collections import defaultdict
from typing import Any

from zonepulse.streams.board import charts
from zonepulse.streams.board.charts import Axes, Line
from zonepulse.streams.board.facts import DAY_MS, HOUR_MS, Answer, Zone
from zonepulse.streams.board.store import Row
from zonepulse.streams.board.words import NOTHING, Words
from zonepulse.streams.board.zone_view import NARROW, SEVERITY_KINDS, axes, budgets, company_name, rule_name, to_ms
from zonepulse.streams.queries.limits import COMPLETE

_MICRO = 1e6
QUALITY_KINDS = {"measured": "ok", "corrected": "corrected", "estimated": "watch", "missing": "unknown"}
_EXPLAINED = 40
"""Rows of the explanation on a company's page."""


def company_view(zone: Zone, answer: Answer, words: Words, company: str) -> dict[str, Any]:
    """A company's page."""
    rows = answer["hours"]
    weak = frozenset(int(row["time_ms"]) for row in rows if row["is_provisional"])
    series = [
        Line(words(f"scope_{n}"), f"scope{n}", [(int(r["time_ms"]), _kg(r["mg"])) for r in rows if r["scope"] == n]) for n in (2, 1)
    ]
    by_time: dict[int, dict[int, Row]] = defaultdict(dict)
    for row in rows:
        by_time[int(row["time_ms"])][int(row["scope"])] = row
    return {
        "company": company,
        "name": company_name(zone, company, words),
        "row": answer.first("emitters"),
        "hours": charts.bars(series, HOUR_MS, weak, axes(answer, words, words("hours_title"))),
        "hour_rows": [
            (
                words.clock(ms),
                *(words.kilograms(scopes[n]["mg"] if n in scopes else None) for n in (1, 2)),
                words("provisional") if ms in weak else "",
            )
            for ms, scopes in sorted(by_time.items(), reverse=True)
        ],
        "alerts": [alert(zone, row, words) for row in answer["alerts"] if row["company"] == company],
        "budgets": budgets(zone, answer, words),
        "meters": [_meter(zone, row, words) for row in answer["meters"]],
        "contracts": [row for row in answer["contracts"] if row["company"] in (company, company_name(zone, company, words),
                      zone.companies[company].name.get("en"))],
        "explained": [
            row | {"time_ms": to_ms(row["time"])}
            for row in answer["explain"] if row["company"] in (company, zone.companies[company].name.get("en"))
        ][:_EXPLAINED],
    }  # fmt: skip


def explain_view(zone: Zone, answer: Answer, words: Words, company: str) -> dict[str, Any]:
    """The chain behind a company's newest kilograms: windows, their scopes and carriers, and of each register amount x factor = mass."""
    windows: dict[int, dict[tuple[int, str], list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in answer["explain"]:
        windows[to_ms(row["time"])][int(row["scope"]), str(row["carrier"])].append(row)
    return {
        "company": company,
        "name": company_name(zone, company, words),
        "windows": [
            {
                "ms": ms,
                "when": words.moment(ms),
                "kg": _mass([row for rows in parts.values() for row in rows], words),
                "parts": [
                    {"scope": scope, "carrier": carrier, "kg": _mass(rows, words), "rows": rows}
                    for (scope, carrier), rows in sorted(parts.items())
                ],
            }
            for ms, parts in sorted(windows.items(), reverse=True)
        ],
    }


def _mass(rows: list[Row], words: Words) -> str:
    """What is known of it; a dash where nothing is."""
    known = [row["mass"] for row in rows if row["mass"] is not None]
    return words.number(math.fsum(known), 3) if known else NOTHING


def meter_view(zone: Zone, answer: Answer, words: Words, meter: str) -> dict[str, Any]:
    """A meter's page: a chart and a table a register."""
    units = {(m.id, r.id): r.base_unit for m in zone.registry.meters for r in m.registers}
    registers: dict[str, list[Row]] = defaultdict(list)
    for row in answer["windows"]:
        registers[str(row["register"])].append(row)
    parts = []
    for register, rows in registers.items():
        unit = units.get((meter, register), "")
        weak = frozenset(
            int(r["start_ms"]) for r in rows if r["quality"] != "measured" or r["covered_ms"] < COMPLETE * r["length_s"] * 1000
        )
        points = [(int(r["start_ms"]), None if r["value_micro"] is None else r["value_micro"] / _MICRO) for r in rows]
        title = f"{meter} {register}, {unit}"
        chart = charts.bars(
            [Line(register, "scope2", points)],
            int(rows[0]["length_s"]) * 1000,
            weak,
            axes(answer, words, title, height=180, width=NARROW),
        )
        parts.append({
            "register": register, "unit": unit, "chart": chart, "carrier": rows[0]["carrier"], "direction": rows[0]["direction"],
            "rows": [
                (words.clock(r["start_ms"]), _amount(r["value_micro"], words), words(r["quality"]), QUALITY_KINDS[r["quality"]],
                 r["method"], words.percent(_covered(r)))
                for r in reversed(rows)
            ],
        })  # fmt: skip
    company = zone.owner.get(meter, "")
    return {"meter": meter, "company": company, "name": company_name(zone, company, words), "registers": parts}


def alert(zone: Zone, row: Row, words: Words) -> dict[str, Any]:
    """One alert as a line."""
    impact = _facts_of(row)
    return {
        **row,
        "title": rule_name(zone, str(row["rule"]), words),
        "name": company_name(zone, str(row["company"]), words),
        "kind": SEVERITY_KINDS[row["severity"]],
        "began": words.moment(row["starts_ms"]),
        "ended": words.moment(row["ends_ms"]) if row["ends_ms"] is not None and not row["is_open"] else "",
        "value_text": words.three_digits(row["value"]),
        "band": _band(*_bounds(row), words),
        "kg": words.three_digits(row["impact_kg"]),
        "kwh": words.three_digits(impact.get("impact_kwh")),
        "cost": f"{words.three_digits(cost)} {impact['currency']}" if (cost := impact.get("impact_cost")) is not None else NOTHING,
    }


def alert_view(zone: Zone, answer: Answer, words: Words) -> dict[str, Any]:
    """One alert with its evidence, the windows around its begin, and its earlier lives."""
    lives = [alert(zone, row, words) for row in answer["lives"]]
    newest = lives[0]
    units = {(m.id, r.id): r.base_unit for m in zone.registry.meters for r in m.registers}
    return {
        "alert": newest,
        "lives": lives[1:],
        "evidence": _evidence(newest["evidence"]),
        "unit": units.get((newest["meter"], newest["register"]), ""),
        "picture": _picture(answer, words, newest) if answer["around"] else "",
    }


def _picture(answer: Answer, words: Words, newest: Row) -> Any:
    """The register's windows from a day before the alert's begin on, those of a week before, and what was expected of the first."""
    rows, before, week_ms = answer["around"], answer["week_before"], 7 * DAY_MS
    begin = int(newest["starts_ms"])
    from_ms, to_ms = begin - DAY_MS, min(begin + DAY_MS, answer.to_ms)
    series = [
        Line(words("last_week"), "before", [(int(r["start_ms"]) + week_ms, _kg(r["value_micro"])) for r in before]),
        Line(words("measured"), "ok", [(int(r["start_ms"]), _kg(r["value_micro"])) for r in rows]),
    ]
    low, high = _bounds(newest)
    window_s = int(rows[0]["length_s"])
    length_s = _judged_s(newest) or window_s
    per_window = window_s / length_s
    band = None if low is None or high is None else charts.Band(begin, begin + length_s * 1000, low * per_window, high * per_window)
    frame = Axes(words("around_title"), from_ms, to_ms, words.hour_ticks(from_ms, to_ms, 8), words.axis, band=band, mark_ms=begin)
    return charts.lines(series, frame)


def _bounds(row: Row) -> tuple[float | None, float | None]:
    """What was expected; a register counts one direction, so that its windows are never below 0."""
    low, high = row["expected_low"], row["expected_high"]
    return (max(low, 0.0) if row["meter"] and low is not None else low), high


def _judged_s(row: Row) -> int | None:
    """How long what was judged lasts, where it is several windows."""
    found = _facts_of(row).get("length_s")
    return found if isinstance(found, int) else None


def _band(low: float | None, high: float | None, words: Words) -> str:
    """What was expected; a dash where nothing is known of it."""
    if low is None and high is None:
        return NOTHING
    if low is None or high is None:
        return ("≤ " if low is None else "≥ ") + words.three_digits(high if low is None else low)
    return f"{words.three_digits(low)} … {words.three_digits(high)}"


def _facts_of(row: Row) -> dict[str, Any]:
    """The evidence; nothing where it cannot be read."""
    try:
        found = json.loads(row["evidence"] or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _covered(row: Row) -> float:
    """Share of a window that was metered."""
    return float(row["covered_ms"] / (row["length_s"] * 1000))


def _evidence(text: str) -> list[tuple[str, str]]:
    """The evidence's fields as they stand there."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return [("", text)]
    if not isinstance(found, dict):
        return [("", text)]
    return [(str(key), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) for key, value in found.items()]


def _meter(zone: Zone, row: Row, words: Words) -> dict[str, Any]:
    units = {(m.id, r.id): r.base_unit for m in zone.registry.meters for r in m.registers}
    return {
        **row,
        "unit": units.get((row["meter"], row["register"]), ""),
        "newest": _amount(row["newest_micro"], words),
        "sum": _amount(row["range_micro"], words),
        "kind": QUALITY_KINDS[row["quality"]],
        "at": words.clock(row["newest_ms"]),
    }


def _amount(micro: int | None, words: Words) -> str:
    return NOTHING if micro is None else words.number(micro / _MICRO, 2)


def _kg(mg: int | None) -> float | None:
    """Likewise micro-units as units."""
    return None if mg is None else mg / _MICRO
