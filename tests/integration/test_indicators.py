"""`zonepulse indicators` on the real engine with the demo's rows: values are those of the rows, and what is missing says how to give it."""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import openpyxl
import pytest
from demo_store import DAYS, UNTIL_MS, DemoRows, connect, fill, keep_indicators
from pdf_glyphs import boxes, cut_off, glyphs, pages
from typer.testing import CliRunner

from zonepulse.oracle import indicators as oracle
from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.registry.budgets import BUDGETS as SECTION
from zonepulse.schemas.registry.inputs import INPUTS
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.main import app
from zonepulse.streams.demo.data import demo_zone_yaml
from zonepulse.streams.embedded.clickhouse.process import READER, WRITER, ClickHouseProcess
from zonepulse.streams.indicators.kept import due_again, made, news
from zonepulse.streams.indicators.kept_hours import hours_again, hours_made
from zonepulse.streams.indicators.store import asker
from zonepulse.streams.indicators.stored_days import budget_days
from zonepulse.streams.reports.month import DIGESTED
from zonepulse.streams.reports.page import paper
from zonepulse.streams.reports.sheets import decimal_text

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel

NATIONAL, JIANGSU = "national-zero-carbon-park", "jiangsu-zero-carbon-park"
MEASURED = {
    "co2_per_energy_location",
    "co2_per_energy_market",
    "clean_energy_share",
    "non_fossil_share",
    "renewable_power_share",
    "electrification",
}
GIVEN = """\
  - {id: size, quantity: annual_energy_tce, period: "2025", value: 500000, by: M. Wu, given: 2026-01-20, evidence: report}
  - {id: added, quantity: value_added_cny, period: 2025-11, value: 2000000, by: M. Wu, given: 2025-12-02, evidence: report}
  - {id: waste, quantity: solid_waste_t, period: 2025-11, value: 50, by: M. Wu, given: 2025-12-02, evidence: book}
  - {id: used, quantity: solid_waste_used_t, period: 2025-11, value: 41, by: M. Wu, given: 2025-12-02, evidence: book}
"""
BUDGETS = """\
budgets:
  - {id: mill, company: steelworks, period: 2025-11, unit: kWh, amount: 20000}
  - {id: zone, period: 2025-11, unit: kgCO2e, basis: market, amount: 1000}
  - {id: next, period: 2025-12, unit: kgCO2e, amount: 1000}
"""


class Zone(NamedTuple):
    server: ClickHouseProcess
    rows: DemoRows
    file: Path


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zone]:
    folder = tmp_path_factory.mktemp("indicators")
    text = demo_zone_yaml(UNTIL_MS, DAYS)
    server = ClickHouseProcess(folder / "clickhouse")
    server.start()
    rows = fill(server, parse_zone(text))
    (folder / "zone.yaml").write_text(text, "utf-8")
    (folder / "given.yaml").write_text(text.replace("\ninputs:\n", "\ninputs:\n" + GIVEN), "utf-8")
    (folder / "budgets.yaml").write_text(re.sub(r"\nbudgets:\n(  - .*\n)+", f"\n{BUDGETS}", text), "utf-8")
    yield Zone(server, rows, folder / "zone.yaml")
    server.stop()


def run(zone: Zone, *arguments: str) -> str:
    environment = {
        "ZONEPULSE_CLICKHOUSE_HOST": "127.0.0.1",
        "ZONEPULSE_CLICKHOUSE_PORT": str(zone.server.port),
        "ZONEPULSE_CLICKHOUSE_USER": READER,
        "ZONEPULSE_CLICKHOUSE_PASSWORD": zone.server.password(READER),
    }
    result = CliRunner().invoke(app, list(arguments), env=environment)
    assert result.exit_code == 0, result.output
    return result.output


def answers(zone: Zone, name: str = "zone.yaml", *arguments: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    file = zone.file.with_name(name)
    said = json.loads(run(zone, "indicators", "--zone", str(file), "--period", "2025-11", "--json", *arguments))
    return {(one["set"], one["entity"], one["indicator"]): one for one in said["indicators"]}


def test_every_indicator_of_both_guides_is_computed_or_says_what_is_missing_and_how_to_give_it(zone: Zone) -> None:
    found = answers(zone)
    for guide, count in ((NATIONAL, 7), (JIANGSU, 20)):
        mine = {name: one for (of, _, name), one in found.items() if of == guide}
        assert len(mine) == count
        for name, one in mine.items():
            assert bool(one["values"]) != bool(one["missing"]), name
            assert bool(one["values"]) == (name in MEASURED), (name, one["missing"])
            for missing in one["missing"]:
                assert missing["quantity"] in missing["text"] and "`inputs` of zone.yaml" in missing["text"], missing
            assert all(value["provisional"] and 0 < value["covered"] < 0.5 for value in one["values"]), one["values"]


def test_the_core_indicator_is_the_sum_of_the_rows(zone: Zone) -> None:
    totals = zone.rows.dicts("totals")
    co2e_mg = {
        basis: sum(
            row["co2e_mg"] or 0
            for row in totals
            if row["entity_kind"] == "zone" and not row["carrier"] and (row["scope"], row["basis"]) in ((1, "location"), (2, basis))
        )
        for basis in ("location", "market")
    }

    def used(kind: str, carrier: str, *entities: str) -> Fraction:
        mine = (row for row in totals if (row["entity_kind"], row["carrier"], row["scope"]) == (kind, carrier, 0))
        return Fraction(sum(row["energy_micro"] or 0 for row in mine if not entities or row["entity"] in entities), 10**6)

    found = answers(zone)
    for basis in ("location", "market"):
        values = found[NATIONAL, "taicang-demo", f"co2_per_energy_{basis}"]["values"]
        assert [value["electricity"]["year"] for value in values] == [None, 2024]
        for value, kgce in zip(values, ("0.1229", "0.3024"), strict=True):
            energy = {
                "electricity": (used("zone", "electricity"), Fraction(kgce)),
                "gas": (used("company", "natural_gas", "bakery", "laundry"), Fraction("1.33")),
                "gas by energy": (used("company", "natural_gas", "tea-house"), Fraction("34.12")),
            }
            assert Fraction(value["exact"]) == Fraction(co2e_mg[basis], 10**9) / oracle.energy_tce(energy)
            assert value["verdict"] == "unknown_size"


def test_clean_electricity_is_what_roofs_made_and_contracts_took(zone: Zone) -> None:
    intervals = zone.rows.dicts("intervals")
    made = sum(row["value_micro"] or 0 for row in intervals if row["role"] == "generation")
    left = sum(row["value_micro"] or 0 for row in intervals if row["role"] == "boundary" and row["direction"] == "export")
    totals = zone.rows.dicts("totals")
    bought = sum(row["energy_micro"] or 0 for row in totals if row["carrier"].startswith("contract:"))
    used = sum(
        row["energy_micro"] or 0
        for row in totals
        if (row["entity_kind"], row["carrier"], row["scope"]) == ("zone", "electricity", 0)
    )
    assert made and bought
    (value,) = answers(zone)[JIANGSU, "taicang-demo", "renewable_power_share"]["values"]
    assert Fraction(value["exact"]) == Fraction(made - left + bought, used) * 100


def test_what_was_given_is_computed_with_and_judged(zone: Zone) -> None:
    found = answers(zone, "given.yaml")
    (waste,) = found[NATIONAL, "taicang-demo", "solid_waste_utilisation"]["values"]
    assert (waste["value"], waste["verdict"], waste["covered"], waste["provisional"]) == (82, "met", None, False)
    (stricter,) = found[JIANGSU, "taicang-demo", "solid_waste_utilisation"]["values"]
    assert stricter["verdict"] == "missed"
    for value in found[NATIONAL, "taicang-demo", "co2_per_energy_location"]["values"]:
        assert (value["verdict"], value["threshold"]["at_most"]) == ("missed", 0.2) and value["gap"] < 0
    (steel,) = found["company", "steelworks", "electricity_per_product"]["values"]
    assert steel["value"] > 0
    assert found["company", "office-park", "electricity_per_product"]["missing"][0]["why"] == "input"
    assert found["company", "bakery", "reactive_ratio"]["missing"][0]["why"] == "no_meter"


def test_a_day_that_is_covered_is_not_provisional_and_a_day_without_rows_has_no_value(zone: Zone) -> None:
    arguments = ("--zone", str(zone.file), "--set", "data-quality", "--json", "--of", "taicang-demo", "--period")
    full = json.loads(run(zone, "indicators", *arguments, "2025-11-20"))["indicators"]
    assert [one["values"][0]["verdict"] for one in full] == ["met", "met"]
    empty = json.loads(run(zone, "indicators", *arguments, "2025-10-01"))["indicators"]
    assert [one["missing"][0]["why"] for one in empty] == ["no_rows", "no_rows"]


def kept(zone: Zone, where: str) -> list[dict[str, Any]]:
    with connect(zone.server, READER) as client:
        return list(client.query(f"SELECT * FROM indicators_final WHERE {where}").named_results())


@pytest.mark.parametrize(
    ("period", "begins", "asked"), [("day", "2025-11-20 00:00:00", "2025-11-20"), ("hour", "2025-11-20 08:00:00", "2025-11-20T08")]
)
def test_the_table_says_of_a_period_what_the_command_says_in_every_language(
    zone: Zone, period: str, begins: str, asked: str
) -> None:
    rows = kept(zone, f"period = '{period}' AND local_start = '{begins}'")
    for language in LANGUAGES:
        arguments = ("--zone", str(zone.file), "--period", asked, "--language", language, "--json")
        said = json.loads(run(zone, "indicators", *arguments))["indicators"]
        expected = set()
        for one in said:
            if period == "hour" and any(missing["why"] == "short" for missing in one["missing"]):
                continue
            key = (one["set"], one["entity"], one["indicator"], one["name"])
            for value in one["values"]:
                way = value["electricity"]["counts_as"] if value["electricity"] else ""
                expected.add((*key, way, value["exact"], value["verdict"], ""))
            missing = "; ".join(missing["text"] for missing in one["missing"])
            ways = {row["electricity"] for row in rows if (row["entity"], row["indicator"]) == (one["entity"], one["indicator"])}
            expected |= {(*key, way, "", "", missing) for way in ways if missing}
        assert expected == {
            (*(row[name] for name in ("indicator_set", "entity", "indicator", f"name_{language}", "electricity", "exact", "verdict")),
             row[f"missing_{language}"])
            for row in rows
        }  # fmt: skip


def test_the_table_sums_a_month_and_both_years_up_to_the_last_day_that_is_due(zone: Zone) -> None:
    totals = zone.rows.dicts("totals")
    until = datetime(2025, 11, 24, tzinfo=ZoneInfo("Asia/Shanghai"))
    used = sum(
        row["energy_micro"] or 0
        for row in totals
        if (row["entity"], row["carrier"], row["scope"]) == ("steelworks", "electricity", 0) and row["start"] < until
    )
    rows = kept(zone, "entity = 'steelworks' AND indicator = 'electricity_per_employee' AND period NOT IN ('day', 'hour')")
    assert {(row["period"], Fraction(row["exact"]), row["until"]) for row in rows} == {
        (period, Fraction(used, 10**6 * 420), until.astimezone(UTC).replace(tzinfo=rows[0]["until"].tzinfo))
        for period in ("month", "rolling_year", "year")
    }
    (rolling,) = kept(zone, "entity = 'steelworks' AND indicator = 'electricity_per_employee' AND period = 'rolling_year'")
    assert (rolling["local_start"].replace(tzinfo=None), rolling["length_s"]) == (datetime(2024, 12, 1), 365 * 86_400)
    assert all(row["is_provisional"] and 0 < row["covered"] < 0.5 for row in rows)


def test_the_table_is_made_again_where_a_day_is_revised_or_something_is_given(zone: Zone) -> None:
    registry = parse_zone(zone.file.read_text("utf-8"))
    given = parse_zone(zone.file.with_name("given.yaml").read_text("utf-8"))
    inputs = entities_of(registry, INPUTS)
    with connect(zone.server, WRITER) as client:
        ask = asker(client)
        before = made(registry.zone.id, ask)
        assert not news(before, registry.zone.id, ask) and due_again(before, registry, (), inputs, ask)[0] == []
        periods, _, _ = due_again(before, given, (), inputs, ask)
        assert [one.text for one in periods][-3:] == ["2025-11", "P1Y/2025-11", "2025"] and len(periods) > 8
        one_day = "run = 'live' AND period = 'day' AND toDate(local_start) = '2025-11-19'"
        client.command(
            f"INSERT INTO period_totals SELECT * REPLACE (revision + 1000000 AS revision) FROM period_totals_final WHERE {one_day}"
        )
        assert news(before, registry.zone.id, ask)
        periods, _, now = due_again(before, registry, (), inputs, ask)
        assert [one.text for one in periods] == ["2025-11-19", "2025-11", "P1Y/2025-11", "2025"] and now.revision > before.revision
        keep_indicators(client, registry)
        assert made(registry.zone.id, ask) == now
        client.command(
            "INSERT INTO promotions (zone, run, from_at, to_at, is_active, who, why, at, revision, is_open)"
            " VALUES ('taicang-demo', 'r', '2025-11-17 16:00:00', '2025-11-18 16:00:00', 0, 'me', 'test', now(), 7, 0)"
        )
        assert [one.text for one in due_again(now, registry, (), inputs, ask)[0]] == [
            "2025-11-18", "2025-11", "P1Y/2025-11", "2025",
        ]  # fmt: skip
        (hour, *_) = hours_again(hours_made(registry.zone.id, ask), registry.zone.id, ask)[0]
        assert hour.from_ms == datetime(2025, 11, 17, 16, tzinfo=UTC).timestamp() * 1000, "the promoted stretch's first"


def test_hours_stand_in_the_table_as_they_are_due_and_again_as_they_are_revised(zone: Zone) -> None:
    registry = parse_zone(zone.file.read_text("utf-8"))
    with connect(zone.server, WRITER) as client:
        ask, name = asker(client), registry.zone.id
        keep_indicators(client, registry)
        of_ledger = "SELECT DISTINCT start FROM period_totals_final WHERE run = 'live' AND period = 'hour' ORDER BY start"
        due = [row["start"] for row in ask(of_ledger, {})][-7 * 24 :]
        rows = kept(zone, "period = 'hour'")
        assert sorted({row["start"] for row in rows}) == due and len(due) == 7 * 24
        assert {row["indicator"] for row in rows} == {
            "completeness", "estimated_share", "reactive_ratio", "clean_share", "carbon_free_score",
        }  # fmt: skip
        before = hours_made(name, ask)
        assert hours_again(before, name, ask) == ([], before)
        one_hour = "run = 'live' AND period = 'hour' AND local_start = '2025-11-21 03:00:00'"
        client.command(
            f"INSERT INTO period_totals SELECT * REPLACE (revision + 2000000 AS revision) FROM period_totals_final WHERE {one_hour}"
        )
        again, now = hours_again(before, name, ask)
        assert [hour.from_ms for hour in again] == [
            at.replace(tzinfo=UTC).timestamp() * 1000 for at in (datetime(2025, 11, 20, 19), due[-1])
        ], "and the newest, which says how far it is made"
        keep_indicators(client, registry)
        assert hours_made(name, ask)._replace(version=0, inputs=0) == now._replace(version=0, inputs=0)


def hourly(zone: Zone, kind: str, entity: str, begin: datetime, hours: int) -> list[tuple[int, int, int]]:
    """Used, own that stayed, and contracts of each hour, from the rows alone."""
    registry = parse_zone(zone.file.read_text("utf-8"))
    used, own = [0] * hours, [0] * hours

    def hour_of(row: dict[str, Any]) -> int | None:
        at = (row["start"] - begin) // timedelta(hours=1)
        return at if 0 <= at < hours else None

    for row in zone.rows.dicts("totals"):
        is_use = (row["entity_kind"], row["entity"], row["carrier"], row["scope"]) == (kind, entity, "electricity", 0)
        if is_use and (at := hour_of(row)) is not None:
            used[at] += row["energy_micro"] or 0
    for row in zone.rows.dicts("intervals"):
        leaves = row["direction"] == "export" and row["role"] == ("boundary" if kind == "zone" else "main")
        if row["carrier"] == "electricity" and (kind == "zone" or row["company"] == entity) and (at := hour_of(row)) is not None:
            sign = 1 if row["role"] == "generation" else -1 if leaves else 0
            own[at] += sign * (row["value_micro"] or 0)
    steps = {
        series.first_ms + i * series.step_ms: value
        for contract in registry.contracts
        if (series := contract.hourly) is not None and (kind == "zone" or contract.company == entity)
        for i, value in enumerate(series.values)
    }
    begins = [int((begin + timedelta(hours=i)).timestamp() * 1000) for i in range(hours)]
    return [(u, o, int((steps.get(at) or 0) * 10**6)) for u, o, at in zip(used, own, begins, strict=True)]


def test_base_load_and_the_24_7_score_are_those_of_the_hours(zone: Zone) -> None:
    begin = datetime(2025, 11, 20, tzinfo=ZoneInfo("Asia/Shanghai"))
    asked = ("indicators", "--zone", str(zone.file), "--set", "company", "--period", "2025-11-20", "--json")
    said = {(one["entity"], one["indicator"]): one for one in json.loads(run(zone, *asked))["indicators"]}
    for kind, entity in (("zone", "taicang-demo"), ("company", "steelworks"), ("company", "garden-quarter")):
        hours = hourly(zone, kind, entity, begin, 24)
        (base,) = said[entity, "base_load_share"]["values"]
        assert Fraction(base["exact"]) == 100 * oracle.base_load_share([used for used, _, _ in hours]), entity
        (score,) = said[entity, "carbon_free_score"]["values"]
        assert Fraction(score["exact"]) == 100 * oracle.carbon_free_share(hours), entity
        assert 0 < score["value"] < 100
    (missing,) = said["office-park", "carbon_free_score"]["missing"]
    assert missing["why"] == "no_profile" and "contracts office-certificates say no hours" in missing["text"]
    hour = json.loads(run(zone, *asked[:6], "2025-11-20T12", "--json"))["indicators"]
    (noon,) = [one for one in hour if (one["entity"], one["indicator"]) == ("steelworks", "carbon_free_score")]
    assert Fraction(noon["values"][0]["exact"]) == 100 * oracle.carbon_free_share(
        hourly(zone, "company", "steelworks", begin + timedelta(hours=12), 1)
    )


@pytest.mark.parametrize(
    ("language", "name", "said"),
    [
        ("en", "Industrial water reuse", "not computable because water_reused_m3 is missing"),
        ("de", "Wiederverwendung von Industriewasser", "nicht berechenbar, denn water_reused_m3 fehlt"),
        ("zh", "工业用水重复利用率", "无法计算，因为：缺少 water_reused_m3"),
    ],
)
def test_people_read_it_in_their_language(zone: Zone, language: str, name: str, said: str) -> None:
    text = run(zone, "indicators", "--zone", str(zone.file), "--set", NATIONAL, "--period", "2025-11", "--language", language)
    assert name in text and said in text


def test_budgets_are_measured_by_the_rows_until_an_instant(zone: Zone) -> None:
    file = str(zone.file.with_name("budgets.yaml"))
    said = json.loads(run(zone, "budgets", "--zone", file, "--at", "2025-11-20T10:07:00+08:00", "--json"))
    assert said["at_ms"] == 1_763_604_000_000
    mill, whole, next_month = said["budgets"]
    spent = [
        row["energy_micro"] or 0
        for row in zone.rows.dicts("totals")
        if (row["entity_kind"], row["entity"], row["carrier"], row["scope"]) == ("company", "steelworks", "electricity", 0)
        and row["start"].timestamp() * 1000 < said["at_ms"]
    ]
    assert Fraction(mill["exact"]) == Fraction(sum(spent), 10**6)
    assert mill["fast"] > 0 and mill["slow"] > 0 and mill["projected"] > mill["spent"] and mill["provisional"]
    assert abs(sum(part["spent"] for part in whole["parts"]) / whole["spent"] - 1) < 0.2
    assert "its period, which has not begun" in next_month["missing"]
    assert "most by" in run(zone, "budgets", "--zone", file, "--at", "2025-11-20T10:07:00+08:00")


def reported(zone: Zone, folder: Path, *of: str) -> dict[str, Any]:
    said = run(zone, "report", *of, "--zone", str(zone.file), "--month", "2025-11", "--out", str(folder), "--json")
    document: dict[str, Any] = json.loads(said)
    return document


def test_every_number_of_a_report_is_the_sum_of_the_ledger_s_rows(zone: Zone, tmp_path: Path) -> None:
    for of in (("zone",), ("company", "steelworks"), ("company", "tea-house")):
        kind, entity = (of[0], of[-1] if len(of) > 1 else "taicang-demo")
        document = reported(zone, tmp_path, *of, "--format", "csv", "--format", "html", "--format", "xlsx")
        tables = document["tables"]
        assert document["settled"] is False
        mine = [row for row in zone.rows.dicts("totals") if (row["entity_kind"], row["entity"]) == (kind, entity)]
        sums: dict[tuple[int, str], list[int]] = {}
        for row in mine:
            if not row["carrier"] and row["co2e_mg"] is not None:
                sums.setdefault((row["scope"], row["basis"]), []).append(row["co2e_mg"])
        shown = {(one["scope"], one["basis"]): one["tonnes"] for one in tables["emissions"] if one["carrier"] == "sum"}
        assert shown == {(f"Scope {scope}", basis): decimal_of(sum(mg), 9) for (scope, basis), mg in sums.items()}

        used = sum(row["energy_micro"] or 0 for row in mine if (row["carrier"], row["scope"]) == ("electricity", 0))
        (electricity,) = [one for one in tables["energy"] if one["carrier"] == "electricity"]
        assert electricity["used"] == decimal_of(used, 6)
        assert Fraction(electricity["tce_equal"]) == Fraction(used, 10**6) * Fraction("0.0001229")

        emissions = [row for row in zone.rows.dicts("emissions") if kind == "zone" or row["company"] == entity]
        for one in tables["factors"]:
            borne = [row["co2e_mg"] or 0 for row in emissions
                     if (row["factor_id"], row["basis"], row["rung"]) == (one["factor_word"], one["basis"], one["rung"])]  # fmt: skip
            assert one["tonnes"] == decimal_of(sum(borne), 9) and one["source_word"]
        assert {one["factor_word"] for one in tables["factors"]} == {row["factor_id"] for row in emissions if row["factor_id"]}

        alerts = [row for row in zone.rows.dicts("alerts") if kind == "zone" or row["company"] == entity]
        assert len(tables["alerts"]) == len(alerts)
        assert {one["table"]: int(one["rows"]) for one in tables["digests"]} == {
            name: len(zone.rows.dicts(name)) if name in zone.rows else 0 for name in DIGESTED
        }
        page = (tmp_path / f"{entity}-2025-11-en.html").read_text("utf-8")
        assert f'<td class="n">{used / 1e6:,.1f}</td>' in page and "not settled yet" in page and "<script" not in page
        with (tmp_path / f"{entity}-2025-11-en-emissions.csv").open(encoding="utf-8-sig", newline="") as file:
            assert [row["tonnes"] for row in csv.DictReader(file)] == [one["tonnes"] or "" for one in tables["emissions"]]
        book = openpyxl.load_workbook(tmp_path / f"{entity}-2025-11-en.xlsx")
        column = [row[5].value for row in book["Emissions by scope and basis"].iter_rows(min_row=2)]
        assert column == [None if one["tonnes"] is None else float(one["tonnes"]) for one in tables["emissions"]]


def decimal_of(value: int, places: int) -> str:
    return decimal_text(Fraction(value, 10**places))


def test_a_zone_s_report_names_its_companies_and_a_company_s_its_meters(zone: Zone, tmp_path: Path) -> None:
    registry = parse_zone(zone.file.read_text("utf-8"))
    of_zone = reported(zone, tmp_path, "zone", "--format", "csv")["tables"]
    assert {one["company"] for one in of_zone["companies"]} == {one.id for one in registry.companies}
    of_company = reported(zone, tmp_path, "company", "steelworks", "--format", "csv")["tables"]
    sites = {site.id for site in registry.sites if site.company == "steelworks"}
    assert {one["meter"] for one in of_company["meters"]} == {meter.id for meter in registry.meters if meter.site in sites}
    assert of_zone["digests"] == of_company["digests"]
    assert len(of_zone["members"]) == len(of_zone["savings"]) == len(registry.companies)
    assert (
        [one["measure"] for one in of_zone["measures"]][:1]
        == [one["measure"] for one in of_company["measures"]]
        == ["LED in hall 2"]
    )
    assert all("not computable because" in one["remark"] for one in of_company["savings-by-carrier"])


def test_a_month_without_rows_has_dashes_and_no_zero(zone: Zone, tmp_path: Path) -> None:
    said = run(
        zone, "report", "zone", "--zone", str(zone.file), "--month", "2025-03", "--out", str(tmp_path), "--json", "--format", "html"
    )
    document = json.loads(said)
    tables = document["tables"]
    assert document["settled"] is True
    assert tables["emissions"] == [] and tables["alerts"] == [] and tables["factors"] == []
    assert all(one["amount_word"] is None and "not computable because" in one["remark"] for one in tables["summary"])
    assert all(one["electricity_kwh"] is None for one in tables["companies"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_on_paper_has_every_glyph_and_none_beyond_its_margin(zone: Zone, tmp_path: Path, language: str) -> None:
    registry = parse_zone(zone.file.read_text("utf-8"))
    of = ("zone", "--month", "2025-11", "--language", language, "--format", "html")
    run(zone, "report", *of, "--zone", str(zone.file), "--out", str(tmp_path))
    page = (tmp_path / f"taicang-demo-2025-11-{language}.html").read_text("utf-8")
    drawn = paper(page, uncompressed_pdf=True)
    assert drawn.missing == "" and boxes(drawn.pdf) == 0
    assert pages(drawn.pdf) >= 3 and len(list(glyphs(drawn.pdf))) > 4000
    assert cut_off(page) == []
    assert registry.sha256 in page


def test_a_budget_s_days_are_those_of_the_rows_and_too_few_of_them_make_no_forecast(zone: Zone) -> None:
    registry = parse_zone(zone.file.with_name("budgets.yaml").read_text("utf-8"))
    mill = entities_of(registry, SECTION)[0]
    with connect(zone.server, READER) as client:
        days = budget_days(registry, mill, date(2025, 11, 24), asker(client))
    local = ZoneInfo(registry.zone.timezone)
    used: dict[date, int] = defaultdict(int)
    for row in zone.rows.dicts("totals"):
        if (row["entity_kind"], row["entity"], row["carrier"], row["scope"]) == ("company", "steelworks", "electricity", 0):
            used[row["start"].astimezone(local).date()] += row["energy_micro"] or 0
    whole = [date(2025, 11, day) for day in range(16, 24)]
    assert days[-len(whole) :].tolist() == [used[day] / 10**6 for day in whole]
    whole_zone = entities_of(registry, SECTION)[1]
    with connect(zone.server, READER) as client:
        of_zone = budget_days(registry, whole_zone, date(2025, 11, 24), asker(client))
    emitted: dict[date, int] = defaultdict(int)
    for row in zone.rows.dicts("totals"):
        counts = (row["scope"], row["basis"]) in ((1, "location"), (2, "market"))
        if (row["entity_kind"], row["carrier"]) == ("zone", "") and counts:
            emitted[row["start"].astimezone(local).date()] += row["co2e_mg"] or 0
    assert of_zone[-len(whole) :].tolist() == [emitted[day] / 10**6 for day in whole]
    file = str(zone.file.with_name("budgets.yaml"))
    said = json.loads(run(zone, "budgets", "--zone", file, "--at", "2025-11-24T07:00:00+08:00", "--json"))["budgets"][0]
    assert said["forecast"] is None and said["forecast_needs_days"] == 37 and said["forecast_has_days"] == np.isfinite(days).sum()
