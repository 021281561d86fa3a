"""A store with the demo's rows, asked as Grafana would ask; and the dashboards as they are committed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from demo_store import DAY_MS, UNTIL_MS, DemoRows

from zonepulse.schemas.registry.model import Registry
from zonepulse.streams.queries.macros import TimeRange, Value, with_macros, with_variables

DASHBOARDS = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((Path(__file__).parents[1] / "grafana/dashboards").glob("*.json"))
    if not path.name.startswith("pipeline")  # it reads Prometheus
}
ENGLISH = {name: dashboard for name, dashboard in DASHBOARDS.items() if not name.endswith(("-de", "-zh"))}
METERS = ("TC-0101-E1", "TC-0302-E1")
"""One with alerts and one with refused readings in the day."""
WHAT_IF = "what-if"
"""A run over the last two days that has a tenth more CO2e in every total."""
EMPTY: Value = "no-such-run"
DAY = TimeRange(UNTIL_MS - DAY_MS, UNTIL_MS)
RANGES = {
    "an hour": TimeRange(UNTIL_MS - 3_600_000, UNTIL_MS, 15),
    "a day": DAY,
    "a week": TimeRange(UNTIL_MS - 7 * DAY_MS, UNTIL_MS, 1200),
    "a month": TimeRange(UNTIL_MS - 30 * DAY_MS, UNTIL_MS, 7200),
    "before everything": TimeRange(UNTIL_MS - 400 * DAY_MS, UNTIL_MS - 390 * DAY_MS, 1200),
}
every_english = pytest.mark.parametrize("name", ENGLISH)
every_dashboard = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.soak] if name.endswith("-zh") else []) for name in DASHBOARDS]
)
"""The Chinese ones, whose queries differ by names alone, in `make soak`."""
every_range = pytest.mark.parametrize(
    "range_name", [pytest.param(name, marks=[pytest.mark.soak] if name in ("an hour", "a week") else []) for name in RANGES]
)
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
            "period": "month",
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


def panel_queries(dashboard: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel, target


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


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def windows(board: Board, from_ms: int = DAY.from_ms, to_ms: int = DAY.to_ms) -> list[dict[str, Any]]:
    return [row for row in board.intensity() if at(from_ms) <= row["start"] <= at(to_ms)]


def is_full(row: dict[str, Any]) -> bool:
    return bool(row["covered_ms"] >= 0.9 * row["expected_ms"])


def on_basis(board: Board, kinds: set[str], basis: str = "nodal") -> list[dict[str, Any]]:
    """Totals of these kinds in the day."""
    return [
        row for row in board.list("totals")
        if row["entity_kind"] in kinds and row["basis"] == basis and at(DAY.from_ms) <= row["start"] <= at(DAY.to_ms)
    ]  # fmt: skip


def on_its_basis(board: Board, company: str) -> list[dict[str, Any]]:
    """The totals of a company in the day that make up scope 1 and 2 by location, a row a carrier."""
    return [
        row for row in board.list("totals")
        if (row["entity_kind"], row["entity"], row["basis"]) == ("company", company, "location") and row["carrier"] and row["scope"] > 0
        and at(DAY.from_ms) <= row["start"] <= at(DAY.to_ms)
    ]  # fmt: skip
