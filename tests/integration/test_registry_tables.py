"""A result row finds what it was multiplied with: the registry's tables on the real engine."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from zonepulse.schemas.registry.model import Network, Registry
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.clickhouse.registry_rows import registry_rows
from zonepulse.streams.embedded.clickhouse.process import WRITER, ClickHouseProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
ZONE = files("zonepulse.schemas").joinpath("examples", "zone.yaml").read_text("utf-8")
START_MS = 1_767_196_800_000  # 2026-01-01T00:00+08:00
HOUR_MS = 3_600_000
RESOLVE = """
SELECT factor_mg, origin, source FROM zonepulse.registry_factors_final
WHERE zone = 'harbour' AND factor = {factor:String}
  AND valid_from <= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
  AND (valid_to IS NULL OR valid_to > fromUnixTimestamp64Milli({start:Int64}, 'UTC'))"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    server = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    server.start()
    client = clickhouse_connect.get_client(
        host="127.0.0.1", port=server.port, username=WRITER, password=server.password(WRITER), compress=False,
        autogenerate_session_id=False,
    )  # fmt: skip
    migrations.apply(client)
    registry = parse_zone(ZONE)
    bare = replace(registry, version=1, network=Network(), contracts=(), entries=())
    for version in (replace(registry, version=2), bare, replace(registry, version=2)):
        store(client, version)
    yield client
    client.close()
    server.stop()


def store(client: Client, registry: Registry) -> None:
    for name, table in registry_rows(registry):
        client.insert_arrow(f"zonepulse.{name}", table)


def count(client: Client, table: str, zone: str) -> int:
    query = f"SELECT count() FROM zonepulse.{table}_final WHERE zone = {{zone:String}}"
    return int(client.query(query, parameters={"zone": zone}).result_rows[0][0])


@pytest.mark.parametrize(
    ("factor", "start_ms", "expected"),
    [
        ("office-signal", START_MS, (512_500, "series", "supplier's hourly signal")),
        ("office-signal", START_MS + HOUR_MS, (498_000, "series", "supplier's hourly signal")),
        ("gec-1", START_MS, (0, "contract", "certificates 1 to 500")),
        ("gwp-AR5-R-410A", START_MS, (1_924_000_000, "value", "IPCC AR5 WG1 (2013), table 8.A.1")),
        ("mill-gas", START_MS, (2_160_467, "fuel", "supplier's certificate 2026-04")),
        (
            "grid-cn-js-loc-2022",
            START_MS - 4 * 365 * 24 * HOUR_MS,
            (597_800, "value", "MEE+NBS announcement of the 2022 power CO2 factors"),
        ),
    ],
)
def test_a_factor_id_and_a_start_find_one_row(client: Client, factor: str, start_ms: int, expected: tuple[object, ...]) -> None:
    (row,) = client.query(RESOLVE, parameters={"factor": factor, "start": start_ms}).result_rows
    assert tuple(row) == expected


def test_where_a_series_has_no_value_it_has_no_row(client: Client) -> None:
    asked = {"factor": "office-signal", "start": START_MS + 2 * HOUR_MS}
    assert client.query(RESOLVE, parameters=asked).result_rows == []


def test_the_newest_version_has_its_rows_once_and_nothing_of_an_older_one(client: Client) -> None:
    tables = ("contracts", "entries", "nodes", "edges", "sources")
    assert [count(client, f"registry_{name}", "harbour") for name in tables] == [2, 2, 3, 2, 3]
    registry = parse_zone(ZONE)
    registry = replace(registry, zone=replace(registry.zone, id="other"))
    store(client, replace(registry, version=2))
    store(client, replace(registry, version=3, network=Network(), contracts=(), entries=()))
    assert [count(client, f"registry_{name}", "other") for name in tables] == [0, 0, 0, 0, 0]
    versions = client.query("SELECT DISTINCT version FROM zonepulse.registry_factors_final WHERE zone = 'other'").result_rows
    assert list(versions) == [(3,)]
