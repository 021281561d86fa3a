"""Why rows of two runs differ: each kind of difference is put down to what made it, and to nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client

from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.embedded.clickhouse.process import WRITER, ClickHouseProcess
from zonepulse.streams.replay.causes import CODE, FACTORS, READINGS, REGISTRY, Inputs, Made, inputs
from zonepulse.streams.replay.diff import Side, diff

pytestmark = pytest.mark.integration
START_MS, WINDOW_MS = 1_771_977_600_000, 900_000
SIDE = Side("z", START_MS, START_MS + 100 * WINDOW_MS, "zp.readings")
ZONE = """\
zone: {id: z, timezone: UTC, factor_regions: [CN-JS, CN]}
companies: [{id: a}]
sites: [{id: s, company: a}]
meters:
  - {id: m, site: s, role: main, registers: {r: {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 100}}}
  - {id: n, site: s, role: main, registers: {r: {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 100}}}
"""
FACTOR = (
    "factors: [{id: own, activity: grid_electricity, company: a, value: 0.9, unit: kgCO2/kWh, source: x, valid_from: 2020-01-01}]\n"
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One window a kind of difference; A and B have the meter's interval, its emission, and the company's sum."""
    process = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    process.start()
    with get_client(
        host="127.0.0.1", port=process.port, username=WRITER, password=process.password(WRITER), autogenerate_session_id=False
    ) as made:
        migrations.apply(made)
        made.database = "zonepulse"
        for window, (a, b) in enumerate(PAIRS.values()):
            write(made, "a", window, **a)
            write(made, "b", window, **b)
        yield made
    process.stop()


SAME: dict[str, Any] = {}
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the same": (SAME, SAME),
    "another factor": (SAME, {"factor": "own", "mg": 90}),
    "another meter entry": (SAME, {"meter": "n", "energy": 200, "mg": 200}),
    "another company": (SAME, {"company": "b"}),
    "other readings": (SAME, {"energy": 150, "mg": 150}),
    "factor and readings": (SAME, {"energy": 150, "mg": 135, "factor": "own"}),
    "a forged sum": (SAME, {"sum": 1}),
}
WINDOWS = {name: number for number, name in enumerate(PAIRS)}


def write(
    client: Client, run: str, window: int, *, meter: str = "m", company: str = "a", energy: int = 100, mg: int = 100,
    factor: str = "grid", **more: int,
) -> None:  # fmt: skip
    at = f"fromUnixTimestamp64Milli(toInt64({START_MS + window * WINDOW_MS}))"
    for table, columns, values in (
        ("intervals", "meter, register, start, company, value_micro", f"'{meter}', 'r', {at}, '{company}', {energy}"),
        (
            "emissions", "company, meter, register, start, scope, basis, energy_micro, co2e_mg, factor_id",
            f"'{company}', '{meter}', 'r', {at}, 2, 'location', {energy}, {mg}, '{factor}'",
        ),
        (
            "totals", "entity_kind, entity, start, energy_micro, co2e_mg",
            f"'company', '{company}', {at}, {energy}, {more.get('sum', mg)}",
        ),
    ):  # fmt: skip
        client.command(f"INSERT INTO {table} (run, zone, {columns}, revision) SELECT '{run}', 'z', {values}, 7")


def causes(client: Client, made: Inputs, kind: str) -> dict[str, set[str]]:
    """By table, of the rows of this kind's window."""
    start = START_MS + WINDOWS[kind] * WINDOW_MS
    found = diff(client, "a", "b", Side("z", start, start + WINDOW_MS, SIDE.topic), 5, made)
    return {table.name: {cause for row in table.first for cause in row["causes"]} for table in found if table.differences}


@pytest.mark.parametrize(
    ("kind", "made", "expected"),
    [
        ("the same", Inputs(FACTORS | REGISTRY | READINGS), []),
        ("another factor", Inputs(FACTORS, factors=frozenset({"own"})), ["", "factors", "factors"]),
        ("another factor", Inputs(FACTORS | READINGS | REGISTRY, factors=frozenset({"own"})), ["", "factors", "factors"]),
        ("another meter entry", Inputs(REGISTRY, frozenset({"n", "m"})), ["registry"] * 3),
        ("another company", Inputs(FACTORS | REGISTRY, factors=frozenset({"own"})), ["registry"] * 3),
        ("other readings", Inputs(READINGS), ["readings"] * 3),
        ("other readings", Inputs(READINGS | REGISTRY, frozenset({"n"})), ["readings"] * 3),
        ("other readings", Inputs(), ["code"] * 3),
        (
            "factor and readings", Inputs(FACTORS | READINGS, factors=frozenset({"own"})),
            ["readings", "factors readings", "factors readings"],
        ),
        ("a forged sum", Inputs(), ["", "", "code"]),
    ],
)  # fmt: skip
def test_a_difference_is_put_down_to_what_made_it(client: Client, kind: str, made: Inputs, expected: list[str]) -> None:
    wanted = {name: set(told.split()) for name, told in zip(("intervals", "emissions", "totals"), expected, strict=False) if told}
    assert causes(client, made, kind) == wanted


def test_groups_by_cause_add_up_to_all_that_differs(client: Client) -> None:
    made = Inputs(FACTORS | READINGS, factors=frozenset({"own"}))
    for table in diff(client, "a", "b", SIDE, 100, made):
        assert sum(told["rows"] for told in table.causes) == sum(told["rows"] for told in table.days) == table.differences
        assert len(table.first) == table.differences


def test_what_two_runs_were_made_with_is_compared() -> None:
    plain, doubled = parse_zone(ZONE), parse_zone(ZONE.replace("max_power: 100}", "max_power: 100, multiplier: 2}", 1))
    own = parse_zone(ZONE + FACTOR)
    log = Made([plain])
    assert inputs(log, log) == Inputs()
    assert inputs(log, Made([doubled], has_own_registry=True)) == Inputs(REGISTRY, frozenset({"m"}))
    assert inputs(log, Made([own], has_own_registry=True)) == Inputs(FACTORS, factors=frozenset({"own"}))
    assert inputs(log, Made([plain], has_late=True)) == Inputs(READINGS)
    assert inputs(Made([plain], has_late=True), Made([plain], has_late=True)) == Inputs()
    several = inputs(Made([plain, doubled]), Made([plain], has_own_registry=True))
    assert several == Inputs(REGISTRY, frozenset({"m"})), "any version of the log may have made a row"
    assert inputs(log, Made([plain], log="a file")).possible == READINGS
    assert CODE not in (inputs(log, log).possible, several.possible), "code is what nothing else explains"
