"""Dead letters, unknown meters, SQL and replays on a real broker and the real ClickHouse engine."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest
from faust.types import TP
from live_parts import produce
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner, Result
from zones import SMALL, small

from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.readings import ARROW_SCHEMA, one_row_stream
from zonepulse.schemas.messages.topics import READINGS, RESULTS
from zonepulse.schemas.tables.results import DEAD_LETTERS
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.main import app
from zonepulse.streams.clickhouse.sink import ClickHouseSink
from zonepulse.streams.clickhouse.stored_rows import stored
from zonepulse.streams.control.command_log import CommandLog
from zonepulse.streams.control.outfit import Outfit
from zonepulse.streams.control.registry_topic import publish, read_to_end
from zonepulse.streams.embedded.stack import Stack
from zonepulse.streams.indicators.keeping import Keeping
from zonepulse.streams.kafka.topics_admin import ensure_topics
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.settings import Settings

pytestmark = pytest.mark.integration
N = 3
NOW_MS = round(time.time() * 1000)
_prefixes = (f"d{i}." for i in count())


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        yield stack


class Zone:
    """A zone of its own on the stack, whose store holds nothing of it yet."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.prefix = stack, next(_prefixes)
        mine = {"ZONEPULSE_TOPIC_PREFIX": self.prefix, "ZONEPULSE_PARTITIONS": str(N)}
        self.environment = {k: v for k, v in stack.environment.items() if k.startswith("ZONEPULSE_")} | mine
        ensure_topics(stack.kafka, self.prefix, N)
        publish(stack.kafka, self.prefix, parse_zone(SMALL), N)
        with stack.client() as client:
            for table in ("dead_letters", "intervals"):
                client.command(f"TRUNCATE TABLE {table}")

    def run(self, *arguments: object) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments], env=self.environment)

    def object(self, *arguments: object) -> dict[str, Any]:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def store(self, letters: Sequence[tuple[str, bytes, bytes]], first: int = 0) -> None:
        """(reason, key, value), as the store agent writes them."""
        rows = [
            {"zone": "z", "topic": READINGS.full_name(self.prefix), "partition": 1, "offset": first + i, "item": 0, "reason": reason,
             "key": key, "value": value, "received_at": NOW_MS + i}
            for i, (reason, key, value) in enumerate(letters)
        ]  # fmt: skip
        arrays = [
            pa.array([row[c.name] for row in rows], pa.string() if c.kind == "code" else c.arrow) for c in DEAD_LETTERS.columns
        ]
        block = stored(DEAD_LETTERS, pa.Table.from_arrays(arrays, names=[c.name for c in DEAD_LETTERS.columns]))
        with self.stack.client() as client:
            client.insert_arrow("dead_letters", block, settings={"async_insert": 0})

    def sent(self) -> list[Any]:
        return [r for r in read_to_end(self.stack.kafka, READINGS.full_name(self.prefix)) if r.value != b"[]"]


@pytest.fixture
def site(stack: Stack) -> Zone:
    return Zone(stack)


def reading(meter: str = "M", ts: int = NOW_MS, **more: Any) -> bytes:
    return json.dumps({"meter": meter, "register": "1.8.0", "ts": ts, "value": 1.5, **more}).encode()


def arrow(meter: str) -> bytes:
    row = {"meter": meter, "register": "9.9", "ts": NOW_MS, "value": 1.0}
    return one_row_stream(pa.Table.from_pylist([row], ARROW_SCHEMA), 0)


def test_letters_are_listed_newest_first_with_their_bytes(site: Zone) -> None:
    site.store([("malformed", b"k", b"{bad"), ("late", b"s", reading()), ("malformed", b"", b"\xff\xfe")])
    found = site.object("deadletters", "list", "--limit", 2)
    assert found["reasons"] == {"malformed": 2, "late": 1}
    assert [(x["reason"], x["offset"], x["key"]) for x in found["dead_letters"]] == [("malformed", 2, ""), ("late", 1, "s")]
    assert (found["dead_letters"][0]["value_base64"], found["dead_letters"][1]["value"]) == ("//4=", reading().decode())
    assert [x["value"] for x in site.object("deadletters", "list", "--reason", "late")["dead_letters"]] == [reading().decode()]
    shown = site.run("deadletters", "list", "--reason", "malformed")
    assert "{bad" in shown.stdout
    assert site.run("deadletters", "list", "--reason", "boredom").exit_code == 2


def test_what_is_accepted_now_is_sent_again_as_it_was(site: Zone) -> None:
    old = NOW_MS - 3 * 3_600_000
    site.store(
        [
            ("unknown_meter", b"s", reading()),
            ("unknown_meter", b"s", reading()),
            ("unknown_meter", b"s", reading("nobody")),
            ("unknown_meter", b"s", reading(ts=old)),
            ("malformed", b"s", b"{bad"),
            ("wrong_partition", b"elsewhere", reading(value=9)),
        ]
    )
    expected = {"sent": 1, "too_old": 1, "still_refused": {"malformed": 1, "unknown_meter": 1, "wrong_partition": 1}}
    assert site.object("deadletters", "redrive", "--dry-run") == {"dry_run": True, **expected}
    assert site.sent() == []
    assert site.object("deadletters", "redrive") == {"dry_run": False, **expected}
    assert [(r.partition, r.key, r.value) for r in site.sent()] == [(partition_of("s", N), b"s", reading())]
    assert "they need a replay" in site.run("deadletters", "redrive", "--reason", "late").stdout


def test_a_meter_that_was_registered_since_is_redriven(site: Zone, tmp_path: Path) -> None:
    site.store([("unknown_meter", b"s", reading("NEW"))])
    assert site.object("deadletters", "redrive")["sent"] == 0
    register = '{"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}}'
    more = f"  - {{id: NEW, site: s, role: main, valid_from: 2024-01-01, registers: {register}}}\n"
    (tmp_path / "zone.yaml").write_text(SMALL + more)
    assert site.object("registry", "apply", tmp_path / "zone.yaml")["version"] == 2
    assert site.object("deadletters", "redrive")["sent"] == 1
    assert [r.value for r in site.sent()] == [reading("NEW")]


def test_items_that_a_capped_letter_names_are_redriven_from_the_topic(site: Zone) -> None:
    topic = READINGS.full_name(site.prefix)
    array = b"[" + b",".join(reading(value=n) for n in range(6)) + b"]"
    produce(site.stack.kafka, topic, [(1, b"s", array, [], None), (1, b"s", arrow("M"), [], None)])
    (at, also) = (r.offset for r in site.sent())
    site.store([("capped", b"s", b'{"unknown_meter":"1,3-4"}')], at)
    site.store([("capped", b"s", b'{"unknown_meter":"0"}')], also)
    site.store([("capped", b"s", b'{"unknown_meter":"0"}')], also + 1_000)
    expected = {"sent": 3, "too_old": 0, "still_refused": {"malformed": 1, "unknown_register": 1}}
    assert site.object("deadletters", "redrive") == {"dry_run": False, **expected}
    assert [(r.key, r.value) for r in site.sent()[2:]] == [(b"s", reading(value=n)) for n in (1, 3, 4)]


def test_unknown_meters_are_counted_in_every_form(site: Zone) -> None:
    site.store(
        [
            ("unknown_meter", b"s", reading("A")),
            ("unknown_meter", b"s", reading("A")),
            ("unknown_meter", b"s", arrow("A")),
            ("unknown_register", b"s", arrow("M")),
            ("late", b"s", reading("B")),
        ]
    )
    found = site.object("registry", "unknown")
    assert [(x["meter"], x["register"], x["unknown"], x["readings"]) for x in found["unknown"]] == [
        ("A", "1.8.0", "meter", 2), ("A", "9.9", "meter", 1), ("M", "9.9", "register", 1),
    ]  # fmt: skip
    assert (found["channels"], found["readings"]) == (3, 4)
    assert found["unknown"][0]["first_seen"] < found["unknown"][0]["last_seen"]
    assert "A" in site.run("registry", "unknown").stdout


def amended(site: Zone, file: Path, *more: str) -> dict[str, Any]:
    return site.object("readings", "amend", file, "--by", "L. Chen", "--why", "gateway burnt", "--evidence", "log book 7", *more)


def test_the_values_of_an_outage_are_given_once_they_are_right_and_listed(site: Zone, tmp_path: Path) -> None:
    quarter, file = 900_000, tmp_path / "outage.csv"
    first = NOW_MS // quarter * quarter - 4 * quarter
    old = first - 24 * quarter
    rows = [f"M,1.8.0,{ts},{value}" for ts, value in ((first, 10), (first + quarter, 11), (first + 2 * quarter, 12), (old, 1))]

    def write(*lines: str) -> None:
        file.write_text("meter,register,ts,value\n" + "\n".join(lines) + "\n")

    for wrong, said in (
        ("nobody,1.8.0,{ts},1", "no meter 'nobody'"),
        ("M,9.9,{ts},1", "unknown_register"),
        ("M,1.8.0,x,1", "malformed"),
    ):
        write(*rows, wrong.format(ts=first))
        refused = site.run("readings", "amend", file, "--by", "L", "--why", "w", "--evidence", "e")
        assert refused.exit_code != 0 and said in refused.stderr, refused.output
    write(*rows)
    (would,) = amended(site, file, "--dry-run")["amendments"]
    assert (would["meter"], would["values"], would["late"], would["measured windows"]) == ("M", 4, 1, 0)
    assert site.sent() == [] and site.object("readings", "list")["amendments"] == []
    assert "--include-late" in site.run("readings", "amend", file, "--dry-run", "--by", "L", "--why", "w", "--evidence", "e").output
    amended(site, file)
    said = [json.loads(record.value) for record in site.sent()]
    assert [one["value"] for one in said] == [1, 10, 11, 12]
    assert {(one["quality"], one["by"], one["why"], one["evidence"], "seq" in one) for one in said} == {
        ("manual", "L. Chen", "gateway burnt", "log book 7", False)
    }
    (listed,) = site.object("readings", "list")["amendments"]
    assert (listed["by"], listed["register"], listed["values"]) == ("L. Chen", "1.8.0", 4)
    assert listed["why"] == "gateway burnt (evidence: log book 7)"

    with site.stack.client() as client:
        client.command(
            "INSERT INTO intervals (run, zone, meter, register, start, length_s, value_micro, covered_ms, quality, revision) VALUES"
            f" ('live', 'z', 'M', '1.8.0', fromUnixTimestamp64Milli(toInt64({first})), 900, 1, 900000, 'measured', 1)"
        )
    refused = site.run("readings", "amend", file, "--by", "L", "--why", "w", "--evidence", "e")
    assert refused.exit_code == 2 and "pass --replace" in refused.stderr
    (replaced,) = amended(site, file, "--replace")["amendments"]
    assert replaced["measured windows"] == 1
    assert {json.loads(record.value).get("seq") for record in site.sent()[4:]} == {2**32 - 1}
    assert len(site.object("readings", "list", "--meter", "M")["amendments"]) == 2


def test_the_store_keeps_the_indicators_of_the_days_that_are_due_and_of_what_is_given(site: Zone, tmp_path: Path) -> None:
    """One `WINDOW` of a day: 1 kWh of company a, and its period."""
    columns = (
        "run, zone, entity_kind, entity, start, length_s, carrier, scope, basis, energy_micro, covered_ms, expected_ms, revision"
    )
    values = "'live', 'z', 'company', 'a', '2026-03-03 16:00:00', {}, 'electricity', 0, '', 1000000, 900000, 900000, 5"
    with site.stack.client() as client:
        for table in ("totals", "period_totals", "indicators"):
            client.command(f"TRUNCATE TABLE {table}")
        client.command(f"INSERT INTO totals ({columns}) VALUES ({values.format(900)})")
        client.command(
            f"INSERT INTO period_totals ({columns}, period, local_start) VALUES ({values.format(86400)}, 'day', '2026-03-04 00:00:00')"
        )
    settings = Settings.from_env(site.environment)
    results = TP(RESULTS.full_name(site.prefix), 0)
    outfit = Outfit(cast(Any, None), settings, Metrics(CollectorRegistry()), CommandLog(site.prefix))

    def kept() -> dict[tuple[str, str], tuple[object, ...]]:
        sql = (
            "SELECT period, indicator, exact, inputs, missing_en != '' FROM indicators_final"
            " WHERE entity = 'a' AND indicator IN ('electricity_per_product', 'electricity_per_employee')"
        )
        with site.stack.client() as client:
            return {(row[0], row[1]): tuple(row[2:]) for row in client.query(sql).result_rows}

    asyncio.run(Keeping(outfit, ClickHouseSink(settings), lambda: ()).round())
    assert kept() == {}, "somebody else has the results"
    keeping = Keeping(outfit, ClickHouseSink(settings), lambda: (results,))
    asyncio.run(keeping.round())
    assert kept() == {
        (period, f"electricity_per_{what}"): ("", 0, 1)
        for period in ("day", "month", "rolling_year", "year")
        for what in ("product", "employee")
    }
    (tmp_path / "given.csv").write_text("quantity,company,period,value\nproduct_units,a,2026-03,4\nemployees,a,2026,5\n")
    site.object("inputs", "apply", tmp_path / "given.csv", "--by", "L. Chen", "--evidence", "book")
    again = Keeping(outfit, ClickHouseSink(settings), lambda: (results,))
    asyncio.run(again.round())
    assert kept() == {("day", f"electricity_per_{what}"): ("", 2, 1) for what in ("product", "employee")} | {
        ("month", "electricity_per_employee"): ("1/5", 2, 0),
        ("year", "electricity_per_employee"): ("1/5", 2, 0),
        ("month", "electricity_per_product"): ("1/4", 2, 0),
        ("year", "electricity_per_product"): ("", 2, 1),
        ("rolling_year", "electricity_per_employee"): ("", 2, 1),
        ("rolling_year", "electricity_per_product"): ("", 2, 1),
    }
    asyncio.run(again.round())
    with site.stack.client() as client:
        assert client.query("SELECT count(), countDistinct(inputs) FROM indicators WHERE period = 'year'").result_rows[0][1] == 2


def test_a_registry_is_applied_shown_and_refused(site: Zone, tmp_path: Path) -> None:
    file = tmp_path / "zone.yaml"
    file.write_text(SMALL)
    again = site.object("registry", "apply", file)
    assert (again["version"], again["is_new"], again["changes"]) == (1, False, [])
    file.write_text(small(("{id: b}", "{id: b, sector: C1}")))
    assert site.object("registry", "apply", file, "--dry-run")["changes"] == ["~ companies b"]
    assert site.object("registry", "apply", file)["version"] == 2
    shown = site.object("registry", "show", "--version", 1)
    assert (shown["version"], shown["versions"], shown["registry"]["companies"][1]["sector"]) == (1, [1, 2], "")
    assert "version 2 of 1, 2" in site.run("registry", "show").stdout
    assert site.run("registry", "show", "--version", 9).exit_code == 2
    file.write_text(small(("id: z,", "id: other,")))
    refused = site.run("registry", "apply", file)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "zone 'other' cannot follow zone 'z'" in refused.stderr
    file.write_text(small(("site: s\n", "site: nowhere\n")))
    refused = site.run("registry", "apply", file)
    assert refused.exit_code == 2
    assert f"{file}:10: " in refused.stderr


def test_sql_reads_and_does_not_write_unless_told(site: Zone) -> None:
    found = site.object("sql", "SELECT 1 AS a, 'x' AS b")
    assert found == {"columns": [{"name": "a", "type": "UInt8"}, {"name": "b", "type": "String"}], "rows": [{"a": 1, "b": "x"}]}
    assert site.run("sql", "SELECT 7 AS n, 'x' AS b;", "--format", "CSV").stdout == '7,"x"\n'
    refused = site.run("sql", "INSERT INTO runs (run) VALUES ('w')")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "statements that write need --write" in refused.stderr
    assert site.run("sql", "--write", "INSERT INTO runs (run, zone) VALUES ('w', 'z')").exit_code == 0
    assert site.object("sql", "SELECT zone FROM runs_final WHERE run = 'w'")["rows"] == [{"zone": "z"}]
    assert 'zonepulse sql "SHOW TABLES"' in site.run("sql", "SELECT * FROM nope").stderr


def test_a_file_is_replayed_into_the_store_under_its_own_run_once(site: Zone, tmp_path: Path) -> None:
    (tmp_path / "zone.yaml").write_text(SMALL)
    lines = [
        json.dumps(json.loads(reading(ts=NOW_MS + i * 900_000)) | {"value": i, "ingest_ms": NOW_MS + i * 900_000}) for i in range(5)
    ]
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    arguments = ["replay", "file", "--zone", tmp_path / "zone.yaml", tmp_path / "r.jsonl", "--partitions", N, "--run", "once"]
    summary = site.object(*arguments)
    rows = site.object("sql", "SELECT count() AS n, sum(value_micro) AS v FROM intervals_final WHERE run = 'once'")["rows"][0]
    assert rows == {"n": summary["rows"]["intervals"], "v": 4_000_000}
    (known,) = site.object("sql", "SELECT state, registry_hash FROM runs_final WHERE run = 'once'")["rows"]
    assert known == {"state": "finished", "registry_hash": summary["registry_sha256"]}
    again = site.run(*arguments)
    assert (again.exit_code, again.stderr) == (
        1,
        "--run 'once' is in the store already; choose another id, or none for a new one\n",
    )


def test_doctor_finds_everything_in_order(site: Zone) -> None:
    found = site.object("doctor")
    states = {check["name"]: check["state"] for check in found["checks"]}
    assert [states[name] for name in ("broker", "topics", "registry", "store", "migrations")] == ["ok"] * 5
    wrong = CliRunner().invoke(app, ["doctor", "--json"], env=site.environment | {"ZONEPULSE_PARTITIONS": "9"})
    assert wrong.exit_code == 1
    assert "has 3 partitions, expected 9" in next(c["found"] for c in json.loads(wrong.stdout)["checks"] if c["state"] == "fail")
