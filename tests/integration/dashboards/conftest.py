"""One engine with the demo's rows for all files here, which run in one process (tests/conftest.py)."""

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client
from dashboard_board import METERS, WHAT_IF, Board, at
from demo_store import DAY_MS, DAYS, UNTIL_MS, connect, insert_registry, keep_indicators, run_demo

from zonepulse.schemas.tables.results import TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.clickhouse.stored_rows import stored
from zonepulse.streams.demo.data import demo_zone_yaml
from zonepulse.streams.embedded.clickhouse.process import READER, WRITER, ClickHouseProcess


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    server = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    server.start()
    with connect(server, WRITER, "default") as client:
        migrations.apply(client)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def writer(server: ClickHouseProcess) -> Iterator[Client]:
    with connect(server, WRITER) as client:
        yield client


@pytest.fixture(scope="session")
def board(server: ClickHouseProcess, writer: Client) -> Iterator[Board]:
    registry = parse_zone(demo_zone_yaml(UNTIL_MS, DAYS))
    rows = run_demo(registry)
    insert_registry(writer, registry)
    for name, table in rows.items():
        writer.insert_arrow(name, stored(TABLES[name], table))
    keep_indicators(writer, registry)
    insert_a_run(writer, registry.zone.id)
    insert_messages(writer, registry.zone.id)
    insert_bands(writer, registry.zone.id)
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


def insert_bands(writer: Client, zone: str) -> None:
    """What detectors expected of two windows; the demo's zone does not keep it."""
    for ago in (1, 2):
        row = {
            "run": "live", "zone": zone, "company": "", "meter": METERS[0], "register": "1.8.0", "start": at(UNTIL_MS - ago * 900_000),
            "length_s": 900, "low": 5.0, "high": 7.5, "revision": 1,
        }  # fmt: skip
        writer.insert("expected", [list(row.values())], column_names=list(row))
