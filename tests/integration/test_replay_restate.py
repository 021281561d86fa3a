"""The past restated, by commands as they are documented and printed: exactly the rows that must change do, and stand as the live ones."""

import json
import shlex
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from kafka import KafkaConsumer
from live_parts import produce
from typer.testing import CliRunner

from zonepulse.oracle.periods import periods
from zonepulse.oracle.zone.zone_file import read_registry
from zonepulse.schemas.factors.shipped import shipped_factors_csv
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.tables.results import FINAL_TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.main import app
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kernels.warm_up import warm_up

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
PARTITIONS, WINDOW_MS = 3, 900_000
START_MS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
WINDOWS = 4 * 24 * 3
SILENCE = range(4 * 58 + 1, 4 * 60)
"""On the third day M-1 says nothing from 10:05 to 12:05, which is longer than max_gap."""
METERS = {"M-1": "a", "M-2": "b", "M-3": "b"}
REGISTERS = '{"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000}}'
ZONE = """\
zone: {id: z, timezone: UTC, factor_regions: [CN-JS, CN], key: meter, max_gap: 1h, lateness: 10m}
companies: [{id: a}, {id: b}]
sites: [{id: s-a, company: a}, {id: s-b, company: b}]
meters:
""" + "".join(f"  - {{id: {m}, site: s-{c}, role: main, registers: {REGISTERS}}}\n" for m, c in METERS.items())
FACTOR = """
  - {id: b-2026, activity: grid_electricity, company: b, value: 0.9, unit: kgCO2/kWh, source: a test, published: 2026-07-01,
     valid_from: 2026-03-03, valid_to: 2026-03-04}
"""
DAY = "start >= '2026-03-03' AND start < '2026-03-04'"
EMISSIONS = "meter, register, start, scope, basis"


@pytest.fixture(scope="module")
def stack() -> Iterator[ZoneStack]:
    """Three days of three meters on the topic; the live rows are those of a run."""
    warm_up()
    with ZoneStack(PARTITIONS, is_simulated=True) as made, made.client() as client:
        publish(made.kafka, "zp.", parse_zone(ZONE), PARTITIONS, timestamp_ms=START_MS)
        records = []
        for step in range(WINDOWS):
            at_ms = START_MS + step * WINDOW_MS + 300_000
            for number, meter in enumerate(METERS, 1):
                if meter == "M-1" and step in SILENCE:
                    continue
                reading = {"meter": meter, "register": "1.8.0", "ts": at_ms, "value": 100.0 + step * number}
                records.append((partition_of(meter, PARTITIONS), meter.encode(), json.dumps(reading).encode(), [], at_ms))
        records += [(p, None, b"[]", [], START_MS + WINDOWS * WINDOW_MS + 300_000) for p in range(PARTITIONS)]
        produce(made.kafka, "zp.readings", records)
        zonepulse(made, "replay plan --from 2026-03-02 --to 2026-03-05 --run base")
        zonepulse(made, "replay run base")
        for table in FINAL_TABLES:
            client.command(f"INSERT INTO {table} SELECT * REPLACE ('live' AS run) FROM {table} t WHERE t.run = 'base'")
        yield made


@pytest.fixture
def client(stack: ZoneStack) -> Iterator[Client]:
    with stack.client() as made:
        yield made


def zonepulse(stack: ZoneStack, command: str, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [*shlex.split(command), "--json"], env=stack.worker_environment)
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def plainly(stack: ZoneStack, command: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, shlex.split(command), env={**stack.worker_environment, "COLUMNS": "200"})
    assert done.exit_code == code, done.output
    return done.stderr + done.stdout


def rows(client: Client, sql: str) -> list[Any]:
    return list(client.query(sql).result_rows)


def test_a_factor_published_for_the_past_changes_exactly_its_rows_and_they_stand_as_the_live_ones(
    stack: ZoneStack, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "factors.yaml"
    file.write_text(f"factors:{FACTOR}")
    assert zonepulse(stack, f"registry factors publish {file}") == {
        "published": ["b-2026"], "unchanged": [], "factors_as_of": "2026-07-01",
    }  # fmt: skip
    assert zonepulse(stack, f"registry factors publish {file}")["unchanged"] == ["b-2026"]
    shown = [
        zonepulse(stack, f"registry factors --company b --at 2026-03-03 --as-of {day}")["factors"]
        for day in ("2026-06-30", "2026-07-01")
    ]
    assert [{row["factor_id"] for row in found if row["basis"] == "location"} for found in shown] == [
        {"grid-cn-js-loc-2023"}, {"b-2026"},
    ]  # fmt: skip

    zonepulse(stack, "replay plan --from 2026-03-02 --to 2026-03-04 --factors-as-of 2026-06-30 --run before")
    zonepulse(stack, "replay run before")
    assert zonepulse(stack, "replay diff live before")["differences"] == 0
    zonepulse(stack, "replay plan --from 2026-03-02 --to 2026-03-04 --factors-as-of 2026-07-01 --run restated")
    zonepulse(stack, "replay run restated")
    found = {table["name"]: table for table in zonepulse(stack, "replay diff live restated", 1)["tables"]}

    must = rows(
        client,
        f"SELECT {EMISSIONS}, toInt64(energy_micro * 9 / 10) FROM emissions_final WHERE run = 'live' AND company = 'b' AND scope = 2"
        f" AND basis = 'location' AND energy_micro > 0 AND {DAY} ORDER BY ALL",
    )
    changed = rows(
        client,
        f"SELECT {EMISSIONS}, b.co2e_mg FROM emissions_final a JOIN emissions_final b USING (zone, company, {EMISSIONS})"
        f" WHERE a.run = 'live' AND b.run = 'restated' AND a.co2e_mg != b.co2e_mg ORDER BY ALL",
    )
    assert len(must) == 2 * 96 and changed == must
    only = {name: (t["only_a"], t["only_b"], t["changed"]) for name, t in found.items() if t["only_a"] + t["only_b"] + t["changed"]}
    assert only["emissions"] == (0, 0, len(must)) and only.keys() == {"emissions", "totals", "period_totals"}
    assert {name: [(told["causes"], told["rows"]) for told in found[name]["causes"]] for name in only} == {
        name: [(["factors"], 2 * (24 + 1) if name == "period_totals" else 2 * 96)] for name in only
    }
    assert all(row["causes"] == ["factors"] for name in only for row in (*found[name]["days"], *found[name]["first"]))
    assert only["totals"] == (0, 0, 2 * 96), "of all carriers and of electricity"
    assert {(day["who"], day["day"]) for name in only for day in found[name]["days"]} == {("b", "2026-03-03")}
    more = "SELECT sum(co2e_mg) FROM {} WHERE run = '{}' AND " + DAY
    entity = " AND entity = 'b' AND carrier = 'electricity' AND scope = 2 AND basis = 'location'"
    booked = [rows(client, more.format("emissions_final", run) + " AND basis = 'location'")[0][0] for run in ("live", "restated")]
    summed = [rows(client, more.format("totals_final", run) + entity)[0][0] for run in ("live", "restated")]
    assert summed[1] - summed[0] == booked[1] - booked[0] > 0

    plainly(stack, "replay promote restated --why 'the factor of 2026'")
    try:
        assert zonepulse(stack, "replay diff live restated")["differences"] == 0
        assert zonepulse(stack, "replay verify --hour 2026-03-03T10:00:00Z")["differences"] == 0, "made again as it was made"
        said = zonepulse(stack, "explain b --at 2026-03-03T10:00:00Z")["emissions"]
        factors = [row["factor"] for row in said if row["scope"] == 2]
        assert {(f["factor"], f["source"], f["published"], f["factor_mg"]) for f in factors} == {
            ("b-2026", "a test", "2026-07-01", 900_000)
        }
    finally:
        plainly(stack, "replay revert restated")
    assert zonepulse(stack, "replay diff live base --from 2026-03-02 --to 2026-03-04")["differences"] == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("published: 2026-07-01", "published: soon", "no date"),
        ("company: b", "company: c", "not in the registry"),
        ("id: b-2026", "id: grid-cn-js-loc-2023", "another factor's"),
        ("valid_to: 2026-03-04", "valid_to: 2026-03-01", "ends before it begins"),
        ("value: 0.9", "value: -1", "negative"),
    ],
)
def test_a_factor_that_cannot_be_published_is_refused_with_its_line(
    stack: ZoneStack, tmp_path: Path, old: str, new: str, told: str
) -> None:
    file = tmp_path / "factors.yaml"
    file.write_text(f"factors:{FACTOR}".replace(old, new))
    said = plainly(stack, f"registry factors publish {file}", 2)
    assert "factors.yaml:" in said and told in said


def test_what_a_refused_apply_prints_restates_the_past_and_promotes_it(stack: ZoneStack, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "the past.yaml"
    file.write_text(ZONE.replace("max_power: 1000}}", "max_power: 1000, multiplier: 2}}", 1))
    said = plainly(stack, f"registry apply '{file}'", 2)
    assert "meters.M-1: changes what was valid in closed windows" in said
    plan, run, diff, promote = [line.strip() for line in said.splitlines() if line.startswith("    zonepulse replay ")]
    for command, code in ((plan, 0), (run, 0), (diff, 1), (promote, 0)):
        told = plainly(stack, command.removeprefix("zonepulse ").replace("restated", "doubled"), code)
        assert code == 0 or ("rows because of registry," in told and "factors" not in told and "code" not in told), told
    try:
        energy = "SELECT sum(value_micro) FROM intervals_final WHERE run = '{}' AND meter = '{}' AND {}"
        sums = {
            (run, meter): rows(client, energy.format(run, meter, DAY))[0][0] for run in ("live", "base") for meter in ("M-1", "M-2")
        }
        assert sums["live", "M-1"] == 2 * sums["base", "M-1"] > 0
        assert sums["live", "M-2"] == sums["base", "M-2"] > 0
    finally:
        plainly(stack, "replay revert doubled")


SUMMED = "energy_micro, co2e_mg, covered_ms, expected_ms, revision"
WINDOWS_OF = {
    "totals": f"zone, entity_kind, entity, carrier, scope, basis, estimated_micro, {SUMMED}",
    "intensity": f"zone, node, basis, estimated_share, {SUMMED}",
}


def as_dicts(client: Client, sql: str) -> list[dict[str, Any]]:
    return list(client.query(sql).named_results())


def test_hours_and_days_that_a_promotions_edges_cut_are_what_the_oracle_sums_of_the_windows_that_stand(
    stack: ZoneStack, client: Client, tmp_path: Path
) -> None:
    """Of a stretch that begins in one hour and day, and ends in others."""
    file = tmp_path / "doubled.yaml"
    file.write_text(ZONE.replace("max_power: 1000}}", "max_power: 1000, multiplier: 2}}", 1))
    zonepulse(stack, f"replay plan --from 2026-03-02T10:15Z --to 2026-03-03T14:30Z --registry '{file}' --run within")
    zonepulse(stack, "replay run within")
    sums = "SELECT * EXCEPT (run) FROM period_{}_final WHERE run = 'live' AND start < '2026-03-04' ORDER BY ALL"
    before = {name: as_dicts(client, sums.format(name)) for name in WINDOWS_OF}
    plainly(stack, "replay promote within")
    try:
        windows = {
            name: as_dicts(
                client,
                f"SELECT {columns}, toUnixTimestamp64Milli(t.start) AS start FROM {name}_final AS t WHERE run = 'live'"
                " AND t.start < '2026-03-04'",
            )
            for name, columns in WINDOWS_OF.items()
        }
        policy = read_registry(ZONE, shipped_factors_csv()).policy
        must = periods(windows["totals"], windows["intensity"], policy, 1 << 62)
        for name in WINDOWS_OF:
            found = as_dicts(
                client,
                "SELECT * EXCEPT (run) REPLACE (toUnixTimestamp64Milli(t.start) AS start, toUnixTimestamp64Milli(local_start) AS"
                f" local_start) FROM period_{name}_final AS t WHERE run = 'live' AND t.start < '2026-03-04'",
            )
            assert in_order(found) == in_order(must[f"period_{name}"])
            assert len(found) == len(before[name])
        changed = [row for row in as_dicts(client, sums.format("totals")) if row not in before["totals"]]
        assert {(row["period"], f"{row['start']:%d %H}") for row in changed} == {
            ("day", "02 00"), ("day", "03 00"), *(("hour", f"02 {hour}") for hour in range(10, 24)),
            *(("hour", f"03 {hour:02}") for hour in range(15)),
        }  # fmt: skip
        assert zonepulse(stack, "replay verify --hour 2026-03-02T11:00:00Z")["differences"] == 0
        assert zonepulse(stack, "replay verify --hour 2026-03-03T15:00:00Z")["differences"] == 0
    finally:
        plainly(stack, "replay revert within")
    assert {name: as_dicts(client, sums.format(name)) for name in WINDOWS_OF} == before
    plainly(stack, "replay discard within")
    kept = "SELECT count() FROM period_totals WHERE startsWith(run, 'within')"
    assert rows(client, kept) == [(0,)], "the sums that were written with the promotion too"


def in_order(found: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    return sorted((sorted(row.items()) for row in found), key=repr)


def test_another_max_gap_bridges_a_silence_that_the_zone_does_not(stack: ZoneStack, client: Client) -> None:
    zonepulse(stack, "replay plan --from 2026-03-04 --to 2026-03-05 --run own-gap")
    made = zonepulse(stack, "replay plan --from 2026-03-04 --to 2026-03-05 --max-gap 3h --run bridged")
    assert (made["max_gap"], made["kind"]) == ("3h", "what-if")
    for run in ("own-gap", "bridged"):
        zonepulse(stack, f"replay run {run}")
    found = {table["name"]: table for table in zonepulse(stack, "replay diff own-gap bridged", 1)["tables"]}
    gap = "SELECT count(), countIf(value_micro IS NULL) FROM intervals_final WHERE run = '{}' AND meter = 'M-1' AND start >= '2026-03-04'"
    assert rows(client, gap.format("own-gap")) == [(96 - 3, 4)], "behind max_gap there are no rows"
    assert rows(client, gap.format("bridged")) == [(96, 0)]
    assert {cause for table in found.values() for told in table["causes"] for cause in told["causes"]} == {"registry"}
    told = plainly(stack, "replay plan --from 2026-03-04 --to 2026-03-05 --max-gap 1m", 2)
    assert "shorter than 15m" in told


def proposed(stack: ZoneStack) -> list[dict[str, Any]]:
    """Alerts of this rule that were sent to the ledger, in order."""
    with closing(KafkaConsumer("zp.intervals", bootstrap_servers=stack.kafka, auto_offset_reset="earliest")) as consumer:
        values = [record.value for records in consumer.poll(10_000).values() for record in records]
    blocks = [pa.ipc.open_stream(value).read_all() for value in values]
    rows = [json.loads(text) for block in blocks for text in block.column(0).to_pylist()]
    return [row for row in rows if row["rule"] == "ops_replay_differs"]


def test_a_settled_hour_that_differs_raises_an_alert_until_it_is_equal(stack: ZoneStack, client: Client) -> None:
    hour, alert = "2026-03-02T10:00:00Z", "fingerprint, starts_at, rule, severity, state, ends_at, revision"
    client.command(
        "INSERT INTO totals SELECT * REPLACE ('forged' AS entity) FROM totals t WHERE t.run = 'live' AND start = '2026-03-02 10:15:00'"
        " LIMIT 1"
    )
    try:
        found = zonepulse(stack, f"replay verify --hour {hour}", 1)
    finally:
        client.command("ALTER TABLE totals DELETE WHERE entity = 'forged' SETTINGS mutations_sync = 1")
    assert (found["differences"], found["alert"]) == (1, "raised")
    assert [told["causes"] for table in found["tables"] for told in table["causes"]] == [["code"]]
    (raised,) = proposed(stack)
    at_ms = START_MS + 10 * 3_600_000
    assert (raised["starts_at"], raised["severity"], raised["ends_at"]) == (at_ms, "critical", None)
    assert json.loads(raised["evidence"]) == {"differences": 1, "run": found["run"], "tables": {"totals": 1}}

    again = zonepulse(stack, f"replay verify --hour {hour}")
    assert (again["differences"], again["alert"]) == (0, None), "none lasts in the store"
    client.command(
        f"INSERT INTO alerts (run, zone, {alert}) SELECT 'live', 'z', '{raised['fingerprint']}', fromUnixTimestamp64Milli({at_ms}),"
        f" '{raised['rule']}', 'critical', 'raised', NULL, {raised['revision']}"
    )
    assert zonepulse(stack, f"replay verify --hour {hour}")["alert"] == "resolved"
    resolved = proposed(stack)[-1]
    assert (resolved["fingerprint"], resolved["starts_at"]) == (raised["fingerprint"], at_ms) and resolved["ends_at"] > at_ms
