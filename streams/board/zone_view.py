"""The zone's page: what its template shows, from the rows that the dashboards show."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from zonepulse.streams.board import charts
from zonepulse.streams.board.charts import Axes, Line
from zonepulse.streams.board.facts import DAY_MS, Answer, Zone
from zonepulse.streams.board.store import Row
from zonepulse.streams.board.words import NOTHING, Words
from zonepulse.streams.queries.limits import (
    COMPLETE,
    COMPLETE_WATCH,
    ESTIMATED_ACT,
    ESTIMATED_WATCH,
    LATE_ACT,
    LATE_WATCH,
)
from zonepulse.streams.queries.zone_live_queries import BUILT_IN_RULES, REASONS

_MS_PER_S: Final = 1000
NARROW: Final = 520
"""Of a chart over less than half of a page."""
STATUS_KINDS: Final = {"blind": "unknown", "act": "act", "watch": "watch", "all_right": "ok"}
SEVERITY_KINDS: Final = {"critical": "act", "warning": "watch", "info": "ok"}


def zone_view(zone: Zone, answer: Answer, words: Words) -> dict[str, Any]:
    """Everything the zone's template names."""
    return {
        "status": _status(zone, answer, words),
        "now": _intensity(zone, answer, words),
        "last_hour": answer.first("last_hour"),
        "day": answer.first("day"),
        "trust": _trust(zone, answer, words),
        "curve": curve(zone, answer, words),
        "curve_rows": _curve_rows(answer, words),
        "sources": _sources(zone, answer, words),
        "source_rows": _source_rows(answer, words),
        "emitters": [_emitter(zone, row, words) for row in answer["emitters"]],
        "wrong": [_wrong(zone, row, words) for row in answer["wrong"]],
        "letters": _letters(answer, words),
        "budgets": budgets(zone, answer, words),
        "pulse": answer.first("pulse"),
        "old": _old(zone, answer, words),
        "has_limits": zone.limits.watch_g is not None or zone.limits.act_g is not None,
    }


def rule_name(zone: Zone, rule: str, words: Words) -> str:
    """A rule's text: a built-in one's, the registry's own, else its id."""
    if rule in BUILT_IN_RULES:
        return words(rule)
    if rule in zone.limits.rule_texts:
        return words.name(zone.limits.rule_texts[rule], rule)
    return words("ops_rule", rule=rule.removeprefix("ops_").replace("_", " ")) if rule.startswith("ops_") else rule


def company_name(zone: Zone, company: str, words: Words) -> str:
    """A company's name; of none, the zone."""
    known = zone.companies.get(company)
    return words.name(known.name, company) if known else company or words("zone_itself")


def to_ms(moment: datetime) -> int:
    """ClickHouse's times are UTC, with or without saying so."""
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * _MS_PER_S)


def graded(value: float | None, watch: float | None, act: float | None) -> str:
    """The class of a value that is bad when it is high."""
    if value is None:
        return "unknown"
    return "act" if act is not None and value >= act else "watch" if watch is not None and value >= watch else "ok"


def axes(answer: Answer, words: Words, label: str, **more: Any) -> Axes:
    """The day's frame."""
    begin = answer.to_ms - DAY_MS
    return Axes(label, begin, answer.to_ms, words.hour_ticks(begin, answer.to_ms), words.axis, **more)


def _status(zone: Zone, answer: Answer, words: Words) -> dict[str, str]:
    row = answer.first("status")
    word = str(row["status"])
    why = str(row["why"])
    if why in ("blind_why", "all_right_why"):
        said = words(why, blind_min=zone.limits.blind_s // 60) if why == "blind_why" else words(why)
    else:
        said = why.replace("critical", words("critical")).replace("warning", words("warning"))
    return {"word": words(word), "why": said, "kind": STATUS_KINDS[word]}


def _intensity(zone: Zone, answer: Answer, words: Words) -> dict[str, Any]:
    values = [row["intensity"] for row in answer["intensity"]]
    newest = values[-1] if values else None
    kind = graded(newest, zone.limits.watch_g, zone.limits.act_g)
    return {"value": newest, "text": words.number(newest), "kind": kind, "spark": charts.spark(values, words("curve_title"), kind)}


def _trust(zone: Zone, answer: Answer, words: Words) -> list[dict[str, str]]:
    row, limits = answer.first("trust"), zone.limits
    complete, estimated = row.get("complete"), row.get("estimated")
    kind = "unknown" if complete is None else "ok" if complete >= COMPLETE_WATCH else "watch" if complete >= COMPLETE else "act"
    return [
        {"name": words("complete"), "text": words.percent(complete, 1), "kind": kind},
        {"name": words("estimated"), "text": words.percent(estimated, 1), "kind": graded(estimated, ESTIMATED_WATCH, ESTIMATED_ACT)},
        {"name": words("too_late"), "text": words.number(row.get("too_late")), "kind": graded(row.get("too_late"), LATE_WATCH, LATE_ACT)},
        {"name": words("age"), "text": words.span(row.get("newest_value")),
         "kind": graded(row.get("newest_value"), limits.quiet_s, limits.blind_s)},
    ]  # fmt: skip


def _old(zone: Zone, answer: Answer, words: Words) -> str:
    """What to say across the page when its newest number is old; empty while it is not."""
    age_s = answer.first("trust").get("newest_value")
    if age_s is None:
        return words("never_a_value")
    return words("old_numbers", age=words.span(age_s)) if age_s > zone.limits.blind_s else ""


def curve(zone: Zone, answer: Answer, words: Words) -> Any:
    """Measured and provisional intensity, and yesterday's."""
    rows, before = answer["curve"], answer["yesterday"]
    series = [
        Line(words("yesterday"), "before", [(to_ms(row["time"]), row["yesterday"]) for row in before]),
        Line(words("measured"), "ok", [(to_ms(row["time"]), row["measured"]) for row in rows]),
        Line(words("provisional"), "ok dashed", [(to_ms(row["time"]), row["provisional"]) for row in rows]),
    ]
    limits = [(v, kind) for v, kind in ((zone.limits.watch_g, "watch"), (zone.limits.act_g, "act")) if v is not None]
    return charts.lines(series, axes(answer, words, words("curve_title"), limits=limits, from_zero=False))


def _curve_rows(answer: Answer, words: Words) -> list[tuple[str, ...]]:
    """(time, g/kWh, measured or provisional), the newest first."""
    return [
        (words.clock(to_ms(row["time"])), words.number(_shown(row), 1), words("measured" if row["measured"] is not None else "provisional"))
        for row in reversed(answer["curve"])
        if _shown(row) is not None
    ]  # fmt: skip


def _shown(row: Row) -> float | None:
    """What the curve shows of a window."""
    found: float | None = row["provisional"] if row["measured"] is None else row["measured"]
    return found


def _by_source(answer: Answer, source: str) -> list[tuple[int, float | None]]:
    return [(to_ms(row["time"]), row["power"]) for row in answer["sources"] if row["source"] == source]


def _sources(zone: Zone, answer: Answer, words: Words) -> Any:
    series = [Line(words(source), f"from-{source}", _by_source(answer, source)) for source in ("grid", "own")]
    return charts.stacked(series, zone.limits.window_s * _MS_PER_S, axes(answer, words, words("sources_title"), width=NARROW))


def _source_rows(answer: Answer, words: Words) -> list[tuple[str, ...]]:
    """(time, kW of the grid, own kW), the newest first."""
    own = dict(_by_source(answer, "own"))
    return [
        (words.clock(ms), words.number(kw, 1), words.number(own.get(ms), 1))
        for ms, kw in reversed(_by_source(answer, "grid")) if kw is not None
    ]  # fmt: skip


def budgets(zone: Zone, answer: Answer, words: Words) -> list[dict[str, Any]]:
    """Each budget as a line."""
    kinds = {"burning": "watch", "in_budget": "ok", None: "unknown"}
    return [
        {**row, "name": company_name(zone, str(row["company_id"]), words), "kind": kinds[row["verdict"]],
         "word": words(row["verdict"]) if row["verdict"] else NOTHING}
        for row in answer["budgets"]
    ]  # fmt: skip


def _emitter(zone: Zone, row: Row, words: Words) -> dict[str, Any]:
    company = str(row["company_id"])
    return {
        **row,
        "name": company_name(zone, company, words),
        "spark": charts.spark(row["last_24_h"], words("last_24_h")),
        "is_weak": (row["complete"] or 0) < COMPLETE or (row["estimated"] or 0) >= ESTIMATED_WATCH,
    }


def _wrong(zone: Zone, row: Row, words: Words) -> dict[str, Any]:
    company = "" if row["company_id"] == "(zone)" else str(row["company_id"])
    return {
        **row, "kind": SEVERITY_KINDS[row["severity"]], "name": company_name(zone, company, words), "company": company,
        "title": rule_name(zone, str(row["what"]), words),
        "kg": NOTHING if row["impact_t"] is None else words.three_digits(1000 * row["impact_t"]),
    }  # fmt: skip


def _letters(answer: Answer, words: Words) -> Sequence[tuple[str, str]]:
    """(reason group, count) of the groups with any."""
    counts = {str(row["reason"]): int(row["letters"]) for row in answer["letters"]}
    grouped = {key: sum(counts.get(reason, 0) for reason in reasons) for key, reasons in REASONS.items()}
    return [(words(key), words.number(n)) for key, n in grouped.items() if n]
