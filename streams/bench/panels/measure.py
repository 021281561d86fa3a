"""Every panel's queries as Grafana puts them, from outside, by the store's read-only user."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import clickhouse_connect
import numpy as np
from clickhouse_connect.driver.client import Client

from zonepulse.streams.bench.ledger_load import WINDOW_MS
from zonepulse.streams.bench.panels.store import DAY_MS, Size, fill
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.embedded.clickhouse.process import READER, WRITER, ClickHouseProcess
from zonepulse.streams.queries.macros import TimeRange, Value, with_macros, with_variables
from zonepulse.streams.screen import BadInput, count, print_table

AIM_MS: Final = 300
"""What a panel may take in 95 of 100 cases."""
RANGES: Final[Mapping[str, int]] = {"1d": 1, "30d": 30, "365d": 365}
_POINTS_A_COLUMN: Final = 70
"""Grafana asks for about a point a pixel; a dashboard has 24 columns."""
_CLICKHOUSE: Final = "grafana-clickhouse-datasource"
Dashboard = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """`folder` holds dashboards as files; each panel is asked `rounds` times in each of `ranges`, each time for another company."""

    folder: Path
    channels: int
    days: int
    rounds: int
    ranges: tuple[str, ...]


def english(folder: Path) -> dict[str, Dashboard]:
    """The dashboards of ClickHouse in a folder, by file name. Raises BadInput."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}
    chosen = {name: board for name, board in found.items() if not name.endswith(("-de", "-zh")) and any(_queries(board))}
    if not chosen:
        raise BadInput(f"--dashboards {folder}: there is no dashboard of ClickHouse; `grafana/README.md` says how they are built")
    return chosen


def _queries(board: Dashboard) -> Iterator[Mapping[str, Any]]:
    for panel in board["panels"]:
        if any(t["datasource"]["type"] == _CLICKHOUSE for t in panel.get("targets", ())):
            yield panel


def run(options: Options, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """A line a range, dashboard and panel: p50, p95 and the rows of an answer; `tell` hears what is being done."""
    boards = english(options.folder)
    zone = next(str(v["current"]["value"]) for board in boards.values() for v in board["templating"]["list"] if v["name"] == "zone")
    size = Size(zone, options.channels, options.days, int(time.time() * 1000) // WINDOW_MS * WINDOW_MS)
    with TemporaryDirectory(prefix="zonepulse-panels-") as folder:
        server = ClickHouseProcess(Path(folder) / "clickhouse")
        server.start()
        try:
            with _connected(server, WRITER, "default") as writer:
                migrations.apply(writer)
            with _connected(server, WRITER, "zonepulse") as writer:
                begun = time.monotonic()
                rows = fill(writer, size)
                made, taken_s = count(sum(rows.values())), time.monotonic() - begun
                tell(f"{made} rows of {count(size.channels)} channels and {size.days} days in {taken_s:.0f} s")
            with _connected(server, READER, "zonepulse") as reader:
                return [line for name, board in boards.items() for line in _measured(reader, name, board, size, options, tell)]
        finally:
            server.stop()


def _connected(server: ClickHouseProcess, user: str, database: str) -> Client:
    return clickhouse_connect.get_client(
        host="127.0.0.1", port=server.port, username=user, password=server.password(user), database=database, compress=False,
        autogenerate_session_id=False, send_receive_timeout=3_600,
    )  # fmt: skip


def _measured(
    client: Client, name: str, board: Dashboard, size: Size, options: Options, tell: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    tell(f"{name}: {board['title']}")
    for panel in _queries(board):
        for range_name in options.ranges:
            taken, rows = [], 0
            for number in range(options.rounds + 1):
                begun = time.perf_counter()
                rows = sum(
                    len(client.query(sql).result_rows) for sql in _statements(board, panel, size, RANGES[range_name], number)
                )
                taken.append(1000 * (time.perf_counter() - begun))
            p50, p95 = np.percentile(taken[1:], (50, 95)).tolist()  # the first one also reads the disk
            yield {
                "dashboard": name,
                "panel": panel["title"],
                "range": range_name,
                "p50_ms": round(p50, 1),
                "p95_ms": round(p95, 1),
                "rows": rows,
            }


def _statements(board: Dashboard, panel: Mapping[str, Any], size: Size, days: int, number: int) -> Iterator[str]:
    step_s = max(_seconds(panel.get("interval", "")), days * 86_400 // (_POINTS_A_COLUMN * panel["gridPos"]["w"]))
    span = TimeRange(size.until_ms - days * DAY_MS, size.until_ms, step_s)
    for target in panel["targets"]:
        yield with_macros(with_variables(target["rawSql"], _chosen(board, size, number)), span)


def _chosen(board: Dashboard, size: Size, number: int) -> dict[str, Value]:
    companies = [f"c-{i:05}" for i in range(size.companies)]
    one = number * 37 % size.companies
    known: dict[str, Value] = {
        "run": "live", "zone": size.zone, "basis": "location", "period": "month",
        "company": [*companies, "(zone)"], "meter": f"m-{one:05}-000",
    }  # fmt: skip
    many = {v["name"] for v in board["templating"]["list"] if v["multi"]}
    return known if "company" in many else known | {"company": companies[one]}


def _seconds(text: str) -> int:
    """A panel's least step, as Grafana writes it."""
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[text[-1]] if text else 1


def print_report(lines: list[dict[str, Any]]) -> None:
    """The slowest panels, and how many are slower than they may be."""
    slowest = sorted(lines, key=lambda line: -float(line["p95_ms"]))
    columns = ("dashboard", "panel", "range", "p50_ms", "p95_ms", "rows")
    shown = [[line[name] for name in columns] for line in islice(slowest, 20)]
    late = sum(line["p95_ms"] > AIM_MS for line in lines)
    print_table(columns, shown, title=f"the slowest of {len(lines)}; {late} above {AIM_MS} ms", right=columns[3:])
