"""Every query of the dashboards on the real engine, with what the core makes of the demo's readings."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from demo_store import DAY_MS, DAYS, UNTIL_MS, DemoRows, connect, insert_registry, run_demo

from zonepulse.processors.detection.meter.rules import RULES
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.tables.results import TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.clickhouse.stored_rows import stored
from zonepulse.streams.demo.data import demo_zone_yaml
from zonepulse.streams.embedded.clickhouse.process import READER, WRITER, ClickHouseProcess
from zonepulse.streams.queries.macros import TimeRange, Value, with_macros, with_variables
from zonepulse.streams.queries.texts import TEXTS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel

DASHBOARDS = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((Path(__file__).parents[2] / "grafana/dashboards").glob("*.json"))
    if not path.name.startswith("pipeline")  # it reads Prometheus
}
ENGLISH = {name: dashboard for name, dashboard in DASHBOARDS.items() if not name.endswith(("-de", "-zh"))}
METERS = ("TC-0101-E1", "TC-0302-E1")
"""One with alerts and one with refused readings in the day."""
WHAT_IF = "what-if"
"""A run over the last two days that has a tenth more CO2e in every total."""
EMPTY: Value = "no-such-run"
DAY = TimeRange(UNTIL_MS - DAY_MS, UNTIL_MS)

every_english = pytest.mark.parametrize("name", ENGLISH)
every_dashboard = pytest.mark.parametrize("name", DASHBOARDS)
every_zone_live = pytest.mark.parametrize("name", [name for name in DASHBOARDS if name.startswith("zone-live")])


class Frame(NamedTuple):
    """A query's answer: column names, ClickHouse types, rows."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def column(self, name: str) -> list[Any]:
        return [row[self.names.index(name)] for row in self.rows]


class Board:
    """The engine with the demo's rows, asked as Grafana would ask."""

    def __init__(self, client: Client, registry: Registry, rows: DemoRows) -> None:
        self._client, self.registry, self.rows = client, registry, rows
        self.variables: dict[str, Value] = {
            "run": "live",
            "zone": registry.zone.id,
            "basis": "location",
            "company": [*(c.id for c in registry.companies), "(zone)"],
        }
        self.ones: dict[str, Value] = {"company": "steelworks", "meter": METERS[0]}
        """What is chosen where one value is."""

    def ask(self, sql: str, time: TimeRange = DAY, **variables: Value) -> Frame:
        text = with_macros(with_variables(sql, self.variables | variables), time)
        result = self._client.query(text)
        if result.column_names:
            return Frame(
                result.column_names, tuple(t.name for t in result.column_types), [tuple(row) for row in result.result_rows]
            )
        meta = json.loads(self._client.raw_query(text, fmt="JSONCompact"))["meta"]  # Native says nothing of a frame without rows
        return Frame(tuple(column["name"] for column in meta), tuple(column["type"] for column in meta), [])

    def panel(self, title: str, ref: str = "A", time: TimeRange = DAY, **variables: Value) -> Frame:
        """A query of an English dashboard: of the first one that has the panel."""
        (dashboard, panel), *_ = (
            (d, p) for d in (ENGLISH["zone-live"], *ENGLISH.values()) for p in d["panels"] if p["title"].startswith(title)
        )
        (target,) = (t for t in panel["targets"] if t["refId"] == ref)
        return self.ask(target["rawSql"], time, **self.chosen(dashboard) | variables)

    def chosen(self, dashboard: dict[str, Any]) -> dict[str, Value]:
        """The values of the variables of which one is chosen."""
        single = {v["name"] for v in dashboard["templating"]["list"] if not v["multi"]}
        chosen = {name: value for name, value in self.ones.items() if name in single}
        return chosen | ({"run": WHAT_IF} if dashboard["uid"].startswith("zp-replay") else {})

    def intensity(self) -> list[dict[str, Any]]:
        """The zone's rows on the basis that is chosen at first."""
        return [row for row in self.list("intensity") if (row["node"], row["basis"]) == ("", "location")]

    def list(self, table: str) -> list[dict[str, Any]]:
        return self.rows.dicts(table)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    server = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    server.start()
    with connect(server, WRITER, "default") as client:
        migrations.apply(client)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def writer(server: ClickHouseProcess) -> Iterator[Client]:
    with connect(server, WRITER) as client:
        yield client


@pytest.fixture(scope="module")
def board(server: ClickHouseProcess, writer: Client) -> Iterator[Board]:
    registry = parse_zone(demo_zone_yaml(UNTIL_MS, DAYS))
    rows = run_demo(registry)
    insert_registry(writer, registry)
    for name, table in rows.items():
        writer.insert_arrow(name, stored(TABLES[name], table))
    insert_a_run(writer, registry.zone.id)
    insert_messages(writer, registry.zone.id)
    with connect(server, READER) as client:
        yield Board(client, registry, rows)


def insert_a_run(writer: Client, zone: str) -> None:
    """The run WHAT_IF, and a promotion of it that was taken back."""
    begin, end = at(UNTIL_MS - 2 * DAY_MS), at(UNTIL_MS)
    row = {
        "run": WHAT_IF, "zone": zone, "started_at": begin, "finished_at": begin, "state": "reverted",
        "registry_version": 1, "registry_hash": "",
        "input_topic": "zp.readings", "input_from": "", "input_to": "", "note": "a tenth more", "revision": 1,
        "from_at": begin, "to_at": end,
        "plan": "{}", "result": "{}",
    }  # fmt: skip
    writer.insert("runs", [list(row.values())], column_names=list(row))
    taken_back = {
        "zone": zone,
        "run": WHAT_IF,
        "from_at": begin,
        "to_at": end,
        "is_active": 0,
        "who": "a",
        "why": "b",
        "at": begin,
        "revision": 2,
    }
    writer.insert("promotions", [list(taken_back.values())], column_names=list(taken_back))
    for table, more in (
        ("totals", ", intDiv(co2e_mg * 11, 10) AS co2e_mg"),
        ("intensity", ""),
        ("emissions", ""),
        ("intervals", ""),
    ):
        writer.command(
            f"INSERT INTO {table} SELECT * REPLACE ('{WHAT_IF}' AS run{more})"
            f" FROM (SELECT * FROM {table} WHERE run = 'live' AND start >= %(begin)s)",
            parameters={"begin": begin},
        )


def insert_messages(writer: Client, zone: str) -> None:
    """One message that went and one that was given up."""
    for outcome, error in (("sent", ""), ("dead", "550 no such mailbox")):
        row = {
            "run": "live", "zone": zone, "made_at": at(UNTIL_MS - 3_600_000), "message": outcome, "fingerprint": "f", "rule": "silent",
            "starts_at": at(UNTIL_MS - 3_600_000), "severity": "warning", "company": "", "said": "raised",
            "subscriber": "s", "channel": "mail",
            "purpose": "now", "outcome": outcome, "attempts": 2, "ended_at": at(UNTIL_MS), "error": error, "revision": 1,
        }  # fmt: skip
        writer.insert("deliveries", [list(row.values())], column_names=list(row))


def panel_queries(dashboard: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel, target


RANGES = {
    "an hour": TimeRange(UNTIL_MS - 3_600_000, UNTIL_MS, 15),
    "a day": DAY,
    "a week": TimeRange(UNTIL_MS - 7 * DAY_MS, UNTIL_MS, 1200),
    "a month": TimeRange(UNTIL_MS - 30 * DAY_MS, UNTIL_MS, 7200),
    "before everything": TimeRange(UNTIL_MS - 400 * DAY_MS, UNTIL_MS - 390 * DAY_MS, 1200),
}


def check_frame(panel: dict[str, Any], target: dict[str, Any], frame: Frame) -> None:
    """What Grafana needs of a frame."""
    if target["format"] == 0 or panel["type"] == "barchart":
        assert frame.names[0] == "time" and frame.types[0].startswith("DateTime"), panel["title"]
        times = frame.column("time")
        assert times == sorted(times), panel["title"]
    if target["format"] == 0:
        for kind in frame.types[1:]:
            assert kind == "String" or kind.startswith("Nullable("), f"{panel['title']}: a gap in {kind} would be drawn as zero"
        labels = [i for i, kind in enumerate(frame.types) if kind == "String"]
        keys = [(row[0], *(row[i] for i in labels)) for row in frame.rows]
        assert len(keys) == len(set(keys)), f"{panel['title']}: two values at one time"
    numbers = [v for row in frame.rows for v in row if isinstance(v, float)]
    assert np.isfinite(numbers).all(), panel["title"]


@every_english
@pytest.mark.parametrize("range_name", RANGES)
def test_every_panel_query_answers_in_the_shape_that_its_panel_needs(board: Board, range_name: str, name: str) -> None:
    for panel, target in panel_queries(ENGLISH[name]):
        check_frame(panel, target, board.ask(target["rawSql"], RANGES[range_name], **board.chosen(ENGLISH[name])))


@every_dashboard
def test_every_override_names_a_column_or_a_series(board: Board, name: str) -> None:
    for panel in DASHBOARDS[name]["panels"]:
        known: set[str] = set()
        for target in panel["targets"]:
            frame = board.ask(target["rawSql"], **board.chosen(DASHBOARDS[name]))
            known |= set(frame.names) | {v for row in frame.rows for v in row if isinstance(v, str)}
        named = [o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"] if o["matcher"]["id"] == "byName"]
        assert set(named) <= known, panel["title"]


@every_dashboard
def test_every_panel_has_something_to_show_of_a_day_of_the_demo(board: Board, name: str) -> None:
    for panel, target in panel_queries(DASHBOARDS[name]):
        chosen = board.chosen(DASHBOARDS[name])
        frames = [board.ask(target["rawSql"], **chosen | ({"meter": meter} if "meter" in chosen else {})) for meter in METERS]
        for frame in frames:
            check_frame(panel, target, frame)
        assert any(v not in (None, "") for frame in frames for row in frame.rows for v in row[1:]), panel["title"]


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


@every_english
def test_a_dashboard_is_drawn_at_once(board: Board, record_property: Any, name: str) -> None:
    begun = time.perf_counter()
    asked = sum(1 for _, target in panel_queries(ENGLISH[name]) if board.ask(target["rawSql"], **board.chosen(ENGLISH[name])))
    seconds = time.perf_counter() - begun
    record_property("panel_seconds", seconds)
    print(f"{name}: {asked} panel queries took {seconds:.2f} s")
    assert asked == sum(1 for _ in panel_queries(ENGLISH[name]))


# What the panels say, against the rows of the core


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def windows(board: Board, from_ms: int = DAY.from_ms, to_ms: int = DAY.to_ms) -> list[dict[str, Any]]:
    return [row for row in board.intensity() if at(from_ms) <= row["start"] <= at(to_ms)]


def is_full(row: dict[str, Any]) -> bool:
    return bool(row["covered_ms"] >= 0.9 * row["expected_ms"])


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


# Where carbon goes


def on_basis(board: Board, kinds: set[str], basis: str = "nodal") -> list[dict[str, Any]]:
    """Totals of these kinds in the day."""
    return [
        row for row in board.list("totals")
        if row["entity_kind"] in kinds and row["basis"] == basis and at(DAY.from_ms) <= row["start"] <= at(DAY.to_ms)
    ]  # fmt: skip


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


def test_the_flow_table_is_the_networks_with_its_losses(board: Board) -> None:
    frame = board.panel("Energy flow")
    for kind, column in (("flow", "energy"), ("flow_back", "back"), ("loss", "lost")):
        edges = {e.id for e in board.registry.network.edges}
        rows = [r for r in on_basis(board, {kind}) if r["entity"] in edges]
        assert sum(v or 0 for v in frame.column(column)) == pytest.approx(sum(r["energy_micro"] or 0 for r in rows) / 1e6)
    ways = dict(zip(frame.column("line"), frame.column("from → to"), strict=True))
    assert ways["mill"] == "n-grid → n-mill" and len(ways) == len(board.registry.network.edges)


def test_no_imbalance_is_hidden(board: Board) -> None:
    frame = board.panel("Imbalance")
    found = {(t.replace(tzinfo=UTC), place): kw for t, place, kw in frame.rows if kw is not None}
    imbalances = [r for r in on_basis(board, {"imbalance"}) if r["energy_micro"]]
    assert imbalances
    for row in imbalances:
        assert found[row["start"], row["entity"]] == pytest.approx(row["energy_micro"] / 1e6 * 4)


def test_the_storage_holds_what_the_ledger_says(board: Board) -> None:
    drawn = {(t.replace(tzinfo=UTC), place): kwh for t, place, kwh in board.panel("Held in storage").rows}
    rows = on_basis(board, {"storage"})
    assert rows and all(drawn[r["start"], r["entity"]] == pytest.approx(r["energy_micro"] / 1e6) for r in rows)


def test_contracts_are_shown_with_their_share_and_hourly_ones_with_the_score(board: Board) -> None:
    week = RANGES["a week"]
    frame = board.panel("Contracts", time=week, company=board.variables["company"])
    by_name = {row[frame.names.index("contract")]: dict(zip(frame.names, row, strict=True)) for row in frame.rows}
    assert set(by_name) == {c.id for c in board.registry.contracts}
    rows = [r for r in board.list("totals") if r["basis"] == "market" and at(week.from_ms) <= r["start"] <= at(week.to_ms)]
    for contract in board.registry.contracts:
        mine = [r for r in rows if r["entity"] == contract.company]
        matched = sum(r["energy_micro"] or 0 for r in mine if r["carrier"] == f"contract:{contract.id}")
        imported = sum(r["energy_micro"] or 0 for r in mine if r["carrier"] == "electricity")
        shown = by_name[contract.id]
        assert (shown["matched"], shown["of import"]) == (pytest.approx(matched / 1e6), pytest.approx(matched / imported))
        assert shown["24/7 score"] == (None if contract.hourly is None else shown["of import"])


@pytest.mark.parametrize("basis", ["location", "market", "nodal"])
def test_every_explained_row_is_its_amount_times_its_factor(board: Board, basis: str) -> None:
    frame = board.panel("What each kilogram", basis=basis, company=board.variables["company"])
    assert len(frame.rows) > 100
    for row in (dict(zip(frame.names, row, strict=True)) for row in frame.rows):
        if row["kg CO₂e"] is not None:
            assert row["amount"] * row["kg per unit"] == pytest.approx(row["kg CO₂e"], abs=1e-6)
            assert row["factor"] and row["source"] and row["rung"]
            assert bool(row["quality"]) == bool(row["register"].split()[:1] and row["covered"] is not None)


# The live view


LIVE_COLUMNS = ["run", "zone", "entity_kind", "entity", "at", "power_kw", "g_per_kwh", "co2e_kg_per_h", "reporting", "expected"]


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


# A company, a meter, the alerts, a replay


def on_its_basis(board: Board, company: str) -> list[dict[str, Any]]:
    """The totals of a company in the day that make up scope 1 and 2 by location, a row a carrier."""
    return [
        row for row in board.list("totals")
        if (row["entity_kind"], row["entity"], row["basis"]) == ("company", company, "location") and row["carrier"] and row["scope"] > 0
        and at(DAY.from_ms) <= row["start"] <= at(DAY.to_ms)
    ]  # fmt: skip


@pytest.mark.parametrize("company", ["steelworks", "bakery"])
def test_a_companys_emissions_are_its_totals_and_what_is_not_covered_is_apart(board: Board, company: str) -> None:
    frame = board.panel("Emissions by scope", company=company)
    drawn: dict[str, float] = defaultdict(float)
    for _, series, tonnes in frame.rows:
        drawn[series] += tonnes or 0
    known: dict[str, float] = defaultdict(float)
    for row in on_its_basis(board, company):
        known[f"scope {row['scope']}{'' if is_full(row) else ' (provisional)'}"] += (row["co2e_mg"] or 0) / 1e9
    assert {k: v for k, v in drawn.items() if k != "same day last week"} == pytest.approx(known)
    by_carrier = board.panel("What it uses", company=company)
    assert sum(t or 0 for t in by_carrier.column("CO₂e")) == pytest.approx(sum(known.values()))


def test_a_companys_meters_are_its_own_with_what_they_counted(board: Board) -> None:
    frame = board.panel("Its meters", company="bakery")
    counted: dict[tuple[str, str], int] = defaultdict(int)
    for row in board.list("intervals"):
        if row["company"] == "bakery" and at(DAY.from_ms) <= row["start"] <= at(DAY.to_ms):
            counted[row["meter"], row["register"]] += row["value_micro"] or 0
    shown = {(m, r): v for m, r, v in zip(frame.column("meter"), frame.column("register"), frame.column("amount"), strict=True)}
    assert {key: value or 0 for key, value in shown.items()} == pytest.approx({key: micro / 1e6 for key, micro in counted.items()})


def test_a_meters_windows_and_belief_are_the_ledgers(board: Board) -> None:
    meter = board.ones["meter"]
    mine = [r for r in board.list("intervals") if r["meter"] == meter and at(DAY.from_ms) <= r["start"] <= at(DAY.to_ms)]
    ((complete, estimated, newest_s, alerts, _),) = board.panel("Can I believe it").rows
    assert complete == pytest.approx(sum(r["covered_ms"] for r in mine) / sum(r["length_s"] * 1000 for r in mine))
    assert estimated == pytest.approx(sum(r["estimated_micro"] for r in mine) / sum(r["value_micro"] or 0 for r in mine))
    assert newest_s >= 0
    begun = [a for a in board.list("alerts") if a["meter"] == meter and a["starts_at"] <= at(DAY.to_ms)]
    assert (
        alerts
        == sum(a["state"] != "resolved" or a["ends_at"] >= at(DAY.from_ms) for a in begun)
        == len(board.panel("Alerts and restarts").rows)
    )
    frame = board.panel("Its windows")
    assert len(frame.rows) == min(len(mine), 300)
    assert frame.rows[0][2] == (None if mine[-1]["value_micro"] is None else pytest.approx(mine[-1]["value_micro"] / 1e6))
    assert {row[1] for row in board.panel("Mean rate").rows} >= {
        r["register"] for r in mine if r["value_micro"] is not None and not r["estimated_micro"]
    }


def test_refused_readings_that_name_a_meter_are_shown_with_it(board: Board) -> None:
    named = [
        (str(letter["reason"]), meter)
        for letter in board.list("dead_letters")
        for meter in {m.id for m in board.registry.meters}
        if meter.encode() in letter["value"]
    ]
    assert named
    reason, meter = named[0]
    week = TimeRange(UNTIL_MS - DAYS * DAY_MS - DAY_MS, UNTIL_MS)
    frame = board.panel("Refused readings that name it", time=week, meter=meter)
    assert reason in frame.column("reason") and all(meter in text for text in frame.column("what was sent"))


def test_the_counts_of_alerts_leave_hints_out_and_floods_are_slots_of_ten(board: Board) -> None:
    week = TimeRange(UNTIL_MS - DAYS * DAY_MS, UNTIL_MS)
    raised = [a for a in board.list("alerts") if at(week.from_ms) <= a["starts_at"] <= at(week.to_ms) and a["severity"] != "info"]
    slots: dict[int, int] = defaultdict(int)
    for alert in raised:
        slots[int(alert["starts_at"].timestamp()) // 600] += 1
    ((critical, warning, a_day, in_flood),) = board.panel("Open, and how many a day", time=week).rows
    open_now = [a for a in board.list("alerts") if a["state"] != "resolved" or a["ends_at"] > at(UNTIL_MS)]
    assert (critical, warning) == tuple(sum(a["severity"] == s for a in open_now) for s in ("critical", "warning"))
    assert a_day == pytest.approx(len(raised) / DAYS)
    assert in_flood == pytest.approx(sum(n >= 10 for n in slots.values()) / (DAYS * 144))
    assert sum(sum(row[1:]) for row in board.panel("Raised by severity", time=week).rows) == sum(
        at(week.from_ms) <= a["starts_at"] <= at(week.to_ms) for a in board.list("alerts")
    )


def test_messages_are_counted_by_what_became_of_them(board: Board) -> None:
    ((channel, purpose, sent, not_sent, attempts, error),) = board.panel("Who was told").rows
    assert (channel, purpose, sent, not_sent, attempts, error) == ("mail", "now", 1, 1, 2, "550 no such mailbox")


def test_a_gateway_and_a_day_show_what_their_meters_covered(board: Board) -> None:
    week = TimeRange(UNTIL_MS - 7 * DAY_MS, UNTIL_MS, 86_400)
    frame = board.panel("By gateway", time=week)
    assert sum(frame.column("meters")) == len({r["meter"] for r in board.list("intervals") if r["start"] >= at(week.from_ms)})
    days = board.panel("Completeness by meter and day", time=week)
    covered: dict[tuple[datetime, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in board.list("intervals"):
        if row["start"] >= at(week.from_ms):
            midnight = datetime.combine((row["start"] + timedelta(hours=8)).date(), datetime.min.time()) - timedelta(hours=8)
            cell = covered[midnight, row["meter"]]
            cell[0] += row["covered_ms"]
            cell[1] += row["length_s"] * 1000
    assert days.rows and all(
        share == pytest.approx(covered[t, m][0] / covered[t, m][1]) for t, m, share in days.rows if share is not None
    )


@pytest.mark.parametrize("basis", ["location", "market", "nodal"])
def test_a_run_is_compared_with_live_in_its_stretch(board: Board, basis: str) -> None:
    week = TimeRange(UNTIL_MS - 7 * DAY_MS, UNTIL_MS, 86_400)
    frame = board.panel("Change by company", time=week, basis=basis)
    assert frame.rows
    for _, live, run, change, share in frame.rows:
        if live:
            assert (run, share) == (pytest.approx(1.1 * live, rel=1e-5), pytest.approx(0.1, rel=1e-3))
            assert change == pytest.approx(run - live)
    assert {
        t.replace(tzinfo=UTC) + timedelta(hours=8) >= at(UNTIL_MS - 3 * DAY_MS)
        for t in board.panel("Change by day", time=week).column("time")
    } == {True}
    tables = {row[0]: row[1:] for row in board.panel("Rows and energy", time=week).rows}
    assert all(live == run > 0 and abs(kwh) < 1e-9 for live, run, kwh in tables.values())
    assert board.panel("Change by company", time=week, run="live").rows == []
