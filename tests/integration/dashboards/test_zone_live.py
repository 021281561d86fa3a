"""What *zone live* says, against the rows of the core."""

import time
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client
from dashboard_board import (
    DASHBOARDS,
    DAY,
    EMPTY,
    Board,
    at,
    check_frame,
    every_zone_live,
    is_full,
    on_basis,
    panel_queries,
    windows,
)
from demo_store import DAY_MS, DAYS, UNTIL_MS

from zonepulse.processors.detection.meter.rules import RULES
from zonepulse.streams.demo.given import BUDGETS
from zonepulse.streams.queries.macros import TimeRange
from zonepulse.streams.queries.texts import TEXTS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel
LIVE_COLUMNS = ["run", "zone", "entity_kind", "entity", "at", "power_kw", "g_per_kwh", "co2e_kg_per_h", "reporting", "expected"]


@every_zone_live
def test_a_run_without_rows_shows_no_number_but_counts_of_nothing(board: Board, name: str) -> None:
    language = name.removeprefix("zone-live").lstrip("-") or "en"
    trust, rejected = (DASHBOARDS[name]["panels"][i]["title"] for i in (4, 10))
    for panel, target in panel_queries(DASHBOARDS[name]):
        frame = board.ask(target["rawSql"], run=EMPTY)
        check_frame(panel, target, frame)
        numbers = {(n, v) for row in frame.rows for n, v in zip(frame.names, row, strict=True) if isinstance(v, int | float)}
        if panel["title"] == trust:
            assert numbers == {(TEXTS["too_late"][language], 0)}
        elif panel["title"] == rejected and target["refId"] == "A":
            assert {v for _, v in numbers} == {0}
        else:
            assert {v for _, v in numbers} <= {4}, panel["title"]


@every_zone_live
def test_variables_offer_the_live_run_the_zone_and_its_companies_in_the_language(board: Board, name: str) -> None:
    run, zone, basis, company = (v["query"]["rawSql"] for v in DASHBOARDS[name]["templating"]["list"])
    language = name.removeprefix("zone-live").lstrip("-") or "en"
    assert board.ask(run).rows[0] == ("live",)
    assert board.ask(zone).rows == [(board.registry.zone.id, board.registry.zone.name[language])]
    assert board.ask(basis).rows == [("location",), ("market",), ("nodal",)] and board.ask(basis, run=EMPTY).rows == [("location",)]
    offered = board.ask(company).rows
    assert set(offered[:-1]) == {(c.id, c.name[language]) for c in board.registry.companies}
    assert offered[-1][0] == "(zone)" and board.ask(company, run=EMPTY).rows == offered[-1:]


@every_zone_live
def test_annotations_lie_within_the_range_and_name_their_rule(board: Board, name: str) -> None:
    (marks,) = DASHBOARDS[name]["annotations"]["list"]
    frame = board.ask(marks["target"]["rawSql"])
    assert frame.names == ("time", "timeEnd", "title", "text", "tags")
    language = name.removeprefix("zone-live").lstrip("-") or "en"
    known = tuple(rule.text[language] for rule in board.registry.rules) + tuple(rule.short[language] for rule in RULES)
    assert frame.rows and all(title.startswith(known) for title in frame.column("title"))
    assert all(start <= end for start, end in zip(frame.column("time"), frame.column("timeEnd"), strict=True))
    assert all(tags and not tags.endswith(",") for tags in frame.column("tags"))


def test_the_curve_is_the_ledger_and_what_is_provisional_is_not_drawn_as_measured(board: Board) -> None:
    curve = board.panel("Carbon intensity")
    drawn = {t.replace(tzinfo=UTC): (m, p) for t, m, p in curve.rows}
    known = {row["start"]: row for row in windows(board) if row["g_per_kwh"] is not None}
    assert drawn.keys() >= known.keys()
    for start, (measured, provisional) in drawn.items():
        if start not in known:
            assert (measured, provisional) == (None, None)
            continue
        shown = provisional if measured is None else measured
        assert shown == pytest.approx(known[start]["g_per_kwh"])
        assert (measured is None) == (not is_full(known[start]) or known[start]["estimated_share"] >= 0.1)
    assert any(m is None and p is not None for m, p in drawn.values()), "the last hour waits for the hourly meters"


@pytest.mark.parametrize(("ref", "days"), [("B", 1), ("C", 7)])
def test_yesterday_and_last_week_are_the_windows_of_then(board: Board, ref: str, days: int) -> None:
    then = {row["start"] + timedelta(days): row["g_per_kwh"] for row in board.intensity() if is_full(row)}
    frame = board.panel("Carbon intensity", ref)
    assert len(frame.rows) > 90
    for when, g in frame.rows:
        assert g == (pytest.approx(then[when.replace(tzinfo=UTC)]) if when.replace(tzinfo=UTC) in then else None)


def test_wide_steps_draw_no_comb_of_false_peaks(board: Board) -> None:
    def drawn(interval_s: int) -> list[float]:
        frame = board.panel("Power by source", time=replace(DAY, interval_s=interval_s))
        return [kw for kw in frame.column("power") if kw is not None]

    fine, wide = drawn(900), drawn(1200)
    assert len(wide) < len(fine) and max(wide) <= max(fine)
    assert sum(wide) / len(wide) == pytest.approx(sum(fine) / len(fine), rel=0.05)


@pytest.mark.parametrize("interval_s", [43_200, 86_400])
def test_steps_of_half_a_day_and_a_day_begin_at_the_zones_midnight(board: Board, interval_s: int) -> None:
    days = TimeRange(UNTIL_MS - 8 * DAY_MS, UNTIL_MS, interval_s)
    for title in ("Carbon intensity", "Power by source", "Data quality", "Rejected readings", "Held in storage"):
        times = {t.replace(tzinfo=UTC) + timedelta(hours=8) for t in board.panel(title, time=days).column("time")}
        assert times and all((t.hour * 3600 + t.minute * 60) % interval_s == 0 for t in times), title


def test_an_empty_range_costs_no_row_a_window(board: Board) -> None:
    years = TimeRange(UNTIL_MS - 1500 * DAY_MS, UNTIL_MS, 86_400)
    assert len(board.panel("Data quality", time=years, run=EMPTY).rows) <= 1501


def test_the_sources_add_up_to_the_energy_of_the_full_windows(board: Board) -> None:
    drawn = sum(kw for kw in board.panel("Power by source").column("power") if kw is not None) / 4
    assert drawn == pytest.approx(sum(row["energy_micro"] for row in windows(board) if is_full(row)) / 1e6)


@pytest.mark.parametrize("basis", ["location", "market", "nodal"])
def test_the_emitters_of_today_add_up_to_their_totals_on_every_basis(board: Board, basis: str) -> None:
    midnight = at(UNTIL_MS) - timedelta(hours=8)
    totals = [
        row for row in board.list("totals")
        if row["entity_kind"] == "company" and row["carrier"] == "" and row["start"] >= midnight
        and (row["scope"], row["basis"]) in ((1, "location"), (2, basis))
    ]  # fmt: skip
    frame = board.panel("Who emits today", basis=basis)
    today = [t for t in frame.column("today") if t is not None]
    assert sum(today) == pytest.approx(sum(r["co2e_mg"] or 0 for r in totals) / 1e9)
    assert today == sorted(today, reverse=True) and sum(s or 0 for s in frame.column("share")) == pytest.approx(1)
    assert set(frame.column("company_name")) == {c.name["en"] for c in board.registry.companies}


def test_an_hour_that_a_company_has_not_reported_is_null_in_its_sparkline(board: Board) -> None:
    frame = board.panel("Who emits today")
    hourly = dict(zip(frame.column("company_id"), frame.column("last 24 h"), strict=True))
    assert all(len(values) == 24 for values in hourly.values())
    assert hourly["bakery"][-1] is None and hourly["steelworks"][-1] is not None


def test_the_company_variable_narrows_emitters_alerts_and_meters(board: Board) -> None:
    assert board.panel("Who emits today", company=["bakery"]).column("company_id") == ["bakery"]
    assert set(board.panel("What is wrong", company=["bakery"]).column("company_id")) <= {"bakery"}
    mine = {r["meter"] for r in board.list("intervals") if r["company"] == "bakery"}
    assert {channel.split()[0] for channel in board.panel("Data quality", company=["bakery"]).column("channel")} == mine


def test_the_status_counts_the_alerts_that_were_open_then(board: Board) -> None:
    for hours in (0, 12, 100):
        then = UNTIL_MS - hours * 3_600_000
        open_then = [
            a for a in board.list("alerts") if a["starts_at"] <= at(then) and (a["state"] != "resolved" or a["ends_at"] > at(then))
        ]
        ((status, why),) = board.panel("Zone status", time=TimeRange(then - DAY_MS, then)).rows
        assert (status, why) == ("WATCH", f"0 critical, {len(open_then)} warning")


def test_a_zone_whose_values_stop_goes_blind(board: Board) -> None:
    for minutes, status in ((30, "WATCH"), (40, "BLIND")):
        later = TimeRange(DAY.from_ms, UNTIL_MS - 15 * 60_000 + minutes * 60_000)
        assert board.panel("Zone status", time=later).rows[0][0] == status
    assert board.panel("Intensity now", time=TimeRange(DAY.from_ms, UNTIL_MS + 3 * 3_600_000)).rows[-1][1] is None


def test_the_comparison_is_sum_over_sum_of_the_newest_full_hour(board: Board) -> None:
    newest = max(row["start"] for row in windows(board) if is_full(row))

    def g(days: int) -> float:
        end = newest - timedelta(days)
        rows = [r for r in board.intensity() if end - timedelta(hours=1) < r["start"] <= end and is_full(r)]
        return float(sum(r["co2e_mg"] for r in rows) / sum(r["energy_micro"] for r in rows))

    ((yesterday, last_week),) = board.panel("Last full hour").rows
    assert (yesterday, last_week) == (pytest.approx(g(0) / g(1) - 1), pytest.approx(g(0) / g(7) - 1))


def test_the_pace_of_the_day_needs_last_weeks_whole_day(board: Board) -> None:
    ((emitted, gone),) = board.panel("Day so far").rows
    assert 0 < emitted < 2 and gone == pytest.approx(7 / 24)
    earlier = TimeRange(UNTIL_MS - 4 * DAY_MS, UNTIL_MS - 3 * DAY_MS)
    assert board.panel("Day so far", time=earlier).rows[0][0] is None


def test_rejected_readings_are_all_counted(board: Board) -> None:
    week = TimeRange(UNTIL_MS - DAYS * DAY_MS - DAY_MS, UNTIL_MS, 1200)
    frame = board.panel("Rejected readings", time=week)
    assert sum(sum(row[1:]) for row in frame.rows) == len(board.list("dead_letters"))


def test_the_quality_of_a_register_is_the_ledgers_and_its_gaps_stay_open(board: Board) -> None:
    words = ("measured", "corrected", "estimated", "missing")
    drawn = {(t.replace(tzinfo=UTC), channel): q for t, channel, q in board.panel("Data quality").rows}
    known = {(r["start"], f"{r['meter']} {r['register']}"): r["quality"] for r in board.list("intervals")}
    assert len({channel for _, channel in drawn}) == 12 and any(q == 3 for q in drawn.values())
    assert all((words[q] if q is not None else None) == known.get(key) for key, q in drawn.items())


@pytest.mark.parametrize("basis", ["location", "market", "nodal"])
def test_the_curve_follows_the_basis(board: Board, basis: str) -> None:
    drawn = {t.replace(tzinfo=UTC): p if m is None else m for t, m, p in board.panel("Carbon intensity", basis=basis).rows}
    if basis == "nodal":
        kwh: dict[datetime, int] = defaultdict(int)
        kg: dict[datetime, int] = defaultdict(int)
        for row in on_basis(board, {"load"}):
            kwh[row["start"]] += row["energy_micro"] or 0
            kg[row["start"]] += row["co2e_mg"] or 0
        expected = {start: 1000 * kg[start] / kwh[start] for start in kwh if kwh[start]}
    else:
        rows = [r for r in board.list("intensity") if (r["node"], r["basis"]) == ("", basis) and r["g_per_kwh"] is not None]
        expected = {r["start"]: r["g_per_kwh"] for r in rows if at(DAY.from_ms) <= r["start"] <= at(DAY.to_ms)}
    shown = {start: g for start, g in drawn.items() if g is not None}
    assert len(shown) > 80 and all(g == pytest.approx(expected[start]) for start, g in shown.items())


def test_a_live_value_is_the_intensity_now_until_it_is_null(board: Board, writer: Client) -> None:
    now_ms = int(time.time()) * 1000
    zone = board.registry.zone.id
    for ago_s, g in ((60, 480.0), (30, 490.0), (5, None)):
        power = None if g is None else 900.0
        row = ["with-live", zone, "zone", zone, at(now_ms - ago_s * 1000), power, g, None if g is None else 441.0, 3, 3]
        writer.insert("live", [row], column_names=LIVE_COLUMNS)
        shown = board.panel("Intensity now", time=TimeRange(now_ms - DAY_MS, now_ms), run="with-live").rows
        assert [row[1] for row in shown][-1] == g
        assert board.panel("Zone status", time=TimeRange(now_ms - DAY_MS, now_ms), run="with-live").rows[0][0] == "ALL RIGHT"


def test_budgets_burn_as_the_days_of_the_ledger_say(board: Board) -> None:
    """The sample begins within the month, so what is used since its begin is not known."""
    drawn = {row[0]: row[4:] for row in board.panel("How fast budgets go").rows}
    used = (("electricity", 0, ""),)
    sums = {
        "steelworks": ("steelworks", "energy_micro", used), "office-park": ("office-park", "energy_micro", used),
        "zone": (board.registry.zone.id, "co2e_mg", (("", 1, "location"), ("", 2, "location"))),
    }  # fmt: skip
    month_s = 30 * 86_400
    amounts = {company or "zone": amount for company, _, amount in BUDGETS}
    assert {f"{name}-2025-11" for name in sums} == set(drawn)
    for name, (entity, column, series) in sums.items():
        days: dict[datetime, int] = defaultdict(int)
        for row in board.list("period_totals"):
            mine = (row["period"], row["entity"]) == ("day", entity) and (row["carrier"], row["scope"], row["basis"]) in series
            if mine and row["start"] + timedelta(seconds=row["length_s"]) <= at(UNTIL_MS) and row[column] is not None:
                days[row["start"]] += row[column]
        newest = [used for _, used in sorted(days.items())]
        fast, slow = (sum(newest[-n:]) * month_s / (amounts[name] * 1e6 * n * 86_400) for n in (1, 7))
        spent, gone, *rates, verdict = drawn[f"{name}-2025-11"]
        assert spent is None and gone == pytest.approx(
            (max(days) + timedelta(days=1) - datetime(2025, 10, 31, 16, tzinfo=UTC)).days / 30
        )
        assert rates == [pytest.approx(fast), pytest.approx(slow)]
        assert verdict == ("burning" if min(fast, slow) > 1 else "in_budget")


def test_a_budget_keeps_its_row_on_the_first_of_a_month_when_no_day_of_it_is_summed(board: Board, writer: Client) -> None:
    """The days of the run are October's, the budgets November's."""
    run, ago = "first-of-a-month", "INTERVAL 30 DAY"
    moved = f"'{run}' AS run, start - {ago} AS start, local_start - {ago} AS local_start"
    of_live = "(SELECT * FROM period_totals WHERE run = 'live' AND period = 'day')"
    writer.command(f"INSERT INTO period_totals SELECT * REPLACE ({moved}) FROM {of_live}")
    noon_ms = int(datetime(2025, 11, 1, 4, tzinfo=UTC).timestamp() * 1000)
    drawn = board.panel("How fast budgets go", time=TimeRange(noon_ms - DAY_MS, noon_ms), run=run).rows
    assert {row[0] for row in drawn} == {f"{company or 'zone'}-2025-11" for company, _, _ in BUDGETS}
    assert {row[4:] for row in drawn} == {(None,) * 5}


def test_every_company_is_named_before_the_first_window_of_its_day(board: Board, writer: Client) -> None:
    midnight = at(UNTIL_MS) - timedelta(hours=8)
    for table in ("totals", "intensity"):
        rows = f"(SELECT * FROM {table} WHERE run = 'live' AND start < %(midnight)s)"
        writer.command(
            f"INSERT INTO {table} SELECT * REPLACE ('before-dawn' AS run) FROM {rows}", parameters={"midnight": midnight}
        )
    soon_ms = int(midnight.timestamp() * 1000) + 600_000
    frame = board.panel("Who emits today", time=TimeRange(soon_ms - DAY_MS, soon_ms), run="before-dawn")
    assert set(frame.column("company_id")) == {c.id for c in board.registry.companies}
    assert set(frame.column("today")) == set(frame.column("share")) == set(frame.column("complete")) == {None}
    assert any(value is not None for values in frame.column("last 24 h") for value in values)
