"""`zonepulse network`, `benchmark` and `advice` on the real engine: two years of a zone of eight companies."""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from demo_store import connect
from typer.testing import CliRunner

from zonepulse.schemas.indicators.periods import midnight_ms
from zonepulse.schemas.tables.results import TOTALS
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.main import app
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.efficiency.daily import metered_days
from zonepulse.streams.embedded.clickhouse.process import READER, WRITER, ClickHouseProcess
from zonepulse.streams.indicators.store import asker

pytestmark = [pytest.mark.integration]

COMPANIES = tuple(f"c{i}" for i in range(8))
BERLIN = ZoneInfo("Europe/Berlin")
FIRST, END = date(2024, 1, 1), date(2026, 1, 1)
HOUR_MS = 3_600_000
SAVED = 0.08
ZONE = """\
zone: {id: z, timezone: Europe/Berlin, factor_regions: [CN], window: 1h}
companies:
""" + "".join(f"  - {{id: {one}, sector: C34, employees: {20 + 5 * i}}}\n" for i, one in enumerate(COMPANIES)) + "sites:\n" + "".join(
    f"  - {{id: s-{one}, company: {one}}}\n" for one in COMPANIES
) + "meters:\n" + "".join(
    f'  - {{id: m-{one}, site: s-{one}, role: main, registers: {{"1.8.0": {{carrier: electricity, direction: import, kind: cumulative,'
    f" unit: kWh, max_power: 10000}}}}, valid_from: 2020-01-01}}\n"
    for one in COMPANIES
) + """\
tariffs:
  - {id: grid, carrier: electricity, price: 0.7, currency: CNY, unit: kWh, source: contract, valid_from: 2020-01-01}
efficiency_networks:
  networks: [{id: n, begins: 2024-01-01, ends: 2026-12-31, moderator: M. Wu}]
  members: [{network: n, company: c0, joined: 2024-01-01}, {network: n, company: c1, joined: 2024-01-01}]
  targets: [{network: n, company: c0, base_year: 2024, kwh_a: 40000}]
  measures:
    - {id: led, network: n, company: c0, title: LED, status: implemented, starts: 2025-01-01, kwh_a: {electricity: 36500},
       method: deemed, evidence: invoice}
"""  # fmt: skip
SEVEN = ZONE.replace(
    "  members: [{network: n, company: c0, joined: 2024-01-01}, {network: n, company: c1, joined: 2024-01-01}]\n",
    "  members:\n" + "".join(f"    - {{network: n, company: {one}, joined: 2024-01-01}}\n" for one in COMPANIES[:7]),
).replace("{network: n, company: c0, base_year: 2024, kwh_a: 40000}", ", ".join(
    f"{{network: n, company: {one}, base_year: 2024, kwh_a: {40000 + i}}}" for i, one in enumerate(COMPANIES[:7])
)) + "  reviews: [{id: r, network: n, company: c3, on: 2025-02-03, by: K. Maier, evidence: report 4}]\n"  # fmt: skip
"""With a network of seven."""


class Zone(NamedTuple):
    server: ClickHouseProcess
    folder: Path
    kwh: dict[str, Any]


def hours() -> tuple[Any, Any]:
    """Starts of all hours, and their local days."""
    at = np.arange(midnight_ms(FIRST, BERLIN), midnight_ms(END, BERLIN), HOUR_MS)
    return at, [datetime.fromtimestamp(ms / 1000, UTC).astimezone(BERLIN) for ms in at]


def temperature_c(day: date) -> float:
    return float(10 - 9 * np.cos(2 * np.pi * (day.timetuple().tm_yday - 20) / 365) + 3 * np.sin(day.toordinal() * 1.7))


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zone]:
    folder = tmp_path_factory.mktemp("efficiency")
    server = ClickHouseProcess(folder / "clickhouse")
    server.start()
    at, local = hours()
    heating = np.array([max(0.0, 14 - temperature_c(one.date())) for one in local])
    day_time = np.array([8 <= one.hour < 18 and one.weekday() < 5 for one in local])
    chance, kwh = np.random.default_rng(1), {}
    with connect(server, WRITER, "default") as client:
        migrations.apply(client)
    with connect(server, WRITER) as client:
        for i, company in enumerate(COMPANIES):
            use = 40 + 5 * i + 30.0 * day_time + 1.5 * heating + chance.normal(0, 2, len(at))
            if company == "c0":
                use *= np.where(np.array([one.year for one in local]) == 2025, 1 - SAVED, 1)
            kwh[company] = use
            for scope, basis, g_per_kwh in ((0, "", None), (2, "location", 450 + 100 * day_time)):
                client.insert_arrow("totals", rows(company, at, use, scope, basis, g_per_kwh))
    (folder / "zone.yaml").write_text(ZONE, "utf-8")
    (folder / "seven.yaml").write_text(SEVEN, "utf-8")
    days = [FIRST + timedelta(days=i) for i in range((END - FIRST).days)]
    lines = [f"{day},{temperature_c(day):.3f}" for day in days if day not in (date(2025, 3, 1), date(2025, 3, 2))]
    (folder / "weather.csv").write_text("\n".join(["start,temperature_c", *lines]) + "\n", "utf-8")
    yield Zone(server, folder, kwh)
    server.stop()


def rows(company: str, at: Any, use: Any, scope: int, basis: str, g_per_kwh: Any, carrier: str = "electricity") -> pa.Table:
    count = len(at)
    micro = np.round(use * 1e6).astype(np.int64)
    given: dict[str, Any] = {
        "run": ["live"] * count, "zone": ["z"] * count, "entity_kind": ["company"] * count, "entity": [company] * count,
        "carrier": [carrier] * count, "basis": [basis] * count, "scope": [scope] * count, "length_s": [3600] * count,
        "energy_micro": micro, "estimated_micro": [0] * count, "covered_ms": [HOUR_MS] * count, "expected_ms": [HOUR_MS] * count,
        "co2e_mg": [None] * count if g_per_kwh is None else np.round(use * g_per_kwh * 1000).astype(np.int64), "revision": [1] * count,
    }  # fmt: skip
    arrays = {"run": pa.array(given["run"])}
    for column in TOTALS.columns:
        arrays[column.name] = (
            pa.array(at).cast(column.arrow) if column.name == "start" else pa.array(given[column.name]).cast(column.arrow)
        )
    return pa.table(arrays)


def run(zone: Zone, *arguments: str, code: int = 0, file: str = "zone.yaml") -> str:
    environment = {
        "ZONEPULSE_CLICKHOUSE_HOST": "127.0.0.1",
        "ZONEPULSE_CLICKHOUSE_PORT": str(zone.server.port),
        "ZONEPULSE_CLICKHOUSE_USER": READER,
        "ZONEPULSE_CLICKHOUSE_PASSWORD": zone.server.password(READER),
    }
    result = CliRunner().invoke(app, [*arguments, "--zone", str(zone.folder / file)], env=environment)
    assert result.exit_code == code, result.output
    return result.output


def weather(zone: Zone) -> tuple[str, ...]:
    return "--period", "2025", "--weather", str(zone.folder / "weather.csv")


def test_savings_by_meters_and_by_measures_stand_side_by_side(zone: Zone) -> None:
    said = json.loads(run(zone, "network", "savings", *weather(zone), "--json"))
    first, second = said["members"]
    (carrier,) = first["carriers"]
    used = sum(zone.kwh["c0"][8784:])
    assert carrier["savings"]["actual"] == pytest.approx(used, abs=0.02)
    assert (carrier["savings"]["days"], carrier["savings"]["days_with_substitute"]) == (365, 2)
    assert carrier["baseline"]["accepted"] and carrier["baseline"]["days"] == 366
    truth = used * SAVED / (1 - SAVED)
    assert first["meters"]["low_kwh"] < truth < first["meters"]["high_kwh"]
    assert first["meters"]["kwh"] == pytest.approx(truth, rel=0.1)
    assert first["measures"]["kwh"] == pytest.approx(36500)
    assert first["meters"]["less_measures_kwh"] == pytest.approx(first["meters"]["kwh"] - 36500)
    assert first["meters"]["attained"] == pytest.approx(first["meters"]["kwh"] / 40000)
    assert second["target"] is None and second["meters"]["low_kwh"] < 0 < second["meters"]["high_kwh"]
    assert said["total"]["meters"]["kwh"] == pytest.approx(first["meters"]["kwh"] + second["meters"]["kwh"])
    assert "2 days with substituted weather" in run(zone, "network", "savings", *weather(zone))


def test_a_baseline_is_shown_with_its_numbers_or_with_the_reason_why_not(zone: Zone) -> None:
    text = run(zone, "network", "baseline", "c0", *weather(zone))
    assert "heating_degree_days" in text and "cv_rmse_monthly" in text and "unverified" in text and "saved:" in text
    without = run(zone, "network", "baseline", "c0", "--period", "2025")
    assert "not computable because neither weather nor production is known" in " ".join(without.split())
    early = run(zone, "network", "baseline", "c0", "--period", "2024")
    assert "a baseline needs twelve months before the reporting period" in " ".join(early.split())


def test_a_network_is_shown_from_the_registry(zone: Zone) -> None:
    said = json.loads(run(zone, "network", "show", "--json"))
    assert said["savings"]["total"]["attained"] == pytest.approx(36500 / 40000)
    assert "a network has 5 at least" in run(zone, "network", "show")
    assert "did you mean `n`?" in run(zone, "network", "show", "nn", code=2)


def test_a_snapshot_never_changes_and_its_numbers_follow_from_it(zone: Zone) -> None:
    path = zone.folder / "snapshot.json"
    text = run(zone, "network", "snapshot", *weather(zone), "--out", str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest in text
    assert "never overwritten" in run(zone, "network", "snapshot", *weather(zone), "--out", str(path), code=2)
    assert "is no snapshot" in run(zone, "network", "snapshot", "--check", str(path), code=1)
    declared = f'  snapshots: [{{id: y, network: n, period: "2025", sha256: {digest}, taken: 2026-01-05, by: M. Wu}}]\n'
    (zone.folder / "declared.yaml").write_text(ZONE + declared, "utf-8")
    checked = CliRunner().invoke(app, ["network", "snapshot", "--check", str(path), "--zone", str(zone.folder / "declared.yaml")])
    assert "is the snapshot y, taken on 2026-01-05 by M. Wu, unchanged" in checked.output
    kept = json.loads(path.read_bytes())
    (carrier,) = kept["savings"]["members"][0]["carriers"]
    model, found = carrier["baseline"], carrier["savings"]
    reference = actual = 0.0
    past = [(date.fromisoformat(day), c) for day, c in model["temperatures"]]
    for text_of_day, energy, c, _ in kept["days"]["c0/electricity"]["days"]:
        day = date.fromisoformat(text_of_day)
        if day.year != 2025:
            continue
        near = [t for one, t in past if min((one - day).days % 365, 365 - (one - day).days % 365) <= 15]
        columns = {
            "constant": lambda t: 1.0,
            "heating_degree_days": lambda t: max(0.0, (model["heating_c"] or 0) - t),
            "cooling_degree_days": lambda t: max(0.0, t - (model["cooling_c"] or 0)),
            "weekend": lambda t, day=day: float(day.weekday() >= 5),
        }
        for v in model["variables"]:
            reference += v["coefficient"] * float(np.mean([columns[v["name"]](t) for t in ([c] if c is not None else near)]))
        actual += energy
    assert found["actual"] == pytest.approx(actual) and found["reference"] == pytest.approx(reference)


def test_a_benchmark_is_published_without_names_and_each_company_finds_itself(zone: Zone) -> None:
    asked = ("benchmark", "electricity_per_employee", "--period", "2025", "--records", str(zone.folder / "records"))
    said = json.loads(run(zone, *asked, "--company", "c3", "--json"))
    each = sorted(sum(zone.kwh[one][8784:]) / (20 + 5 * i) for i, one in enumerate(COMPANIES))
    assert said["figures"]["members"] == 8 and len(said["positions"]) == 8
    assert said["figures"]["median"] == pytest.approx((each[3] + each[4]) / 2, rel=0.05)
    assert said["own"]["value"] == pytest.approx(sum(zone.kwh["c3"][8784:]) / 35)
    assert {"pseudonym": said["own"]["pseudonym"], "quarter": said["own"]["quarter"]} in said["positions"]
    assert not any(f'"{one}"' in json.dumps(said) for one in COMPANIES if one != "c3")
    named = json.loads(run(zone, *asked, "--moderator", "M. Wu", "--json"))
    assert sorted(named["moderator"]["names"].values()) == list(COMPANIES)
    assert not set(named["moderator"]["names"]) & {row["pseudonym"] for row in said["positions"]}
    assert "moderates no network" in run(zone, *asked, "--moderator", "somebody", code=2)
    assert "did you mean `electricity_per_employee`?" in run(
        zone, "benchmark", "electricity_per_employe", "--period", "2025", code=2
    )
    assert "no answer" in run(zone, *asked, "--sector", "C99")


def test_advice_is_worked_out_from_the_rows(zone: Zone) -> None:
    pv = zone.folder / "pv.csv"
    at = datetime(2025, 1, 1, tzinfo=UTC) - timedelta(hours=1)
    sun = [
        max(0.0, float(np.cos((at + timedelta(hours=i)).hour / 24 * 2 * np.pi - np.pi + (13.4 / 15 + 0.5) / 12 * np.pi)))
        for i in range(8760)
    ]
    lines = [f"{(at + timedelta(hours=i)).isoformat()},{value:.4f}" for i, value in enumerate(sun)]
    pv.write_text("\n".join(["start,kwh_per_kw", *lines]) + "\n", "utf-8")
    asked = ("advice", "c2", "--until", "2026-01-01", "--pv", str(pv), "--longitude", "13.4", "--pv-cny-per-kw", "3000")
    said = {one["kind"]: one for one in json.loads(run(zone, *asked, "--json"))["advice"]}
    night, moved, solar = said["night_base_load"], said["shift_by_intensity"], said["photovoltaics"]
    months = night["calculation"]["months"]
    assert sum(one["hours"] for one in months) == 365 * 5
    assert night["kwh_a"] == pytest.approx(
        sum(one["hours"] * (one["median_kw"] - night["calculation"]["best_kw"]) for one in months)
    )
    assert (night["confidence"], night["because"][:22]) == ("low", "it follows the season:"), "it is heating"
    assert night["kg_a"] == pytest.approx(night["kwh_a"] * 0.45, rel=1e-4) and night["cny_a"] == pytest.approx(night["kwh_a"] * 0.7)
    assert 0 < moved["kg_a"] <= moved["kwh_a"] * 0.1 * 1.0001
    assert solar["calculation"]["yield_kwh_per_kw"] == pytest.approx(sum(sun), rel=1e-3)
    assert solar["kwh_a"] >= 0.8 * next(
        row["generated"] for row in solar["calculation"]["sizes"] if row["pv_kw"] == solar["calculation"]["pv_kw"]
    )
    assert "the same in all hours" in said["shift_by_price"]["missing"]
    assert "are metered in only 0" in said["power_factor"]["missing"] and "hourly profile" in said["unmatched_contracts"]["missing"]
    text = run(zone, *asked, "--explain")
    assert "best_kw" in text and "payback_years" in text and "no advice on" in text
    german = json.loads(run(zone, *asked[:4], "--language", "de", "--json"))["advice"][0]
    assert german["name"] == "Grundlast nachts" and german["because"].startswith("sie folgt der Jahreszeit")
    assert german["calculation"]["months"] == months and "deren Summe" in german["calculation"]["formula"]
    assert "did you mean `c2`" in run(zone, "advice", "c22", code=2)


ADVISED = ZONE.replace("tariffs:\n", """\
contracts:
  - {id: sun, company: c3, kind: ppa, hourly: {from: "2025-01-01T00:00+01:00", step: 12h, values: [%s]}, valid_from: 2025-01-01,
     valid_to: 2026-01-01, evidence: contract}
calendars: [{id: day, hours: ["08:00", "18:00"]}]
tariffs:
  - {id: peak, carrier: electricity, price: 1.1, currency: CNY, unit: kWh, source: contract, valid_from: 2020-01-01, calendar: day}
""" .replace("%s", ", ".join(["300", "1500"] * 365)))  # fmt: skip
"""With prices by the hour, and an hourly contract of c3."""


def test_every_kind_of_advice_prints_the_whole_calculation(zone: Zone) -> None:
    """Each amount is worked out again from nothing but what `--explain` shows."""
    (zone.folder / "advised.yaml").write_text(ADVISED, "utf-8")
    at, _ = hours()
    use = zone.kwh["c3"]
    with connect(zone.server, WRITER) as client:
        client.insert_arrow("totals", rows("c3", at, use * 0.75, 0, "", None, carrier="reactive"))
        client.insert_arrow("totals", rows("c3", at, use, 2, "market", 600 * (use - 20) / use))
        client.insert_arrow("totals", rows("c3", at, np.full(len(at), 20.0), 2, "market", 0 * use, carrier="contract:sun"))
    pv = zone.folder / "sun.csv"
    first = datetime(2024, 12, 31, 23, tzinfo=UTC)
    each = [max(0.0, float(np.cos(((first + timedelta(hours=i)).hour + 0.5 + 13.4 / 15 - 12) / 12 * np.pi))) for i in range(8760)]
    lines = [f"{(first + timedelta(hours=i)).isoformat()},{value:.6f}" for i, value in enumerate(each)]
    pv.write_text("\n".join(["start,kwh_per_kw", *lines]) + "\n", "utf-8")
    asked = (
        "advice", "c3", "--until", "2026-01-01", "--pv", str(pv), "--longitude", "13.4", "--pv-cny-per-kw", "3000",
        "--battery-cny-per-kwh", "900", "--feed-in-cny-per-kwh", "0.3", "--power-factor", "0.9:0.5",
    )  # fmt: skip
    said = {one["kind"]: one for one in json.loads(run(zone, *asked, "--json", file="advised.yaml"))["advice"]}
    assert not [one for one in said.values() if "missing" in one] and len(said) == 7
    shown = run(zone, *asked, "--explain", file="advised.yaml")
    for one in said.values():
        assert one["calculation"]["formula"][:60] in " ".join(shown.split()), one["kind"]
        for value in leaves(one["calculation"]):
            text = "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
            assert text in shown, (one["kind"], value)

    for kind in ("night_base_load", "weekend_base_load"):
        one = said[kind]
        best, months = one["calculation"]["best_kw"], one["calculation"]["months"]
        assert one["kwh_a"] == pytest.approx(sum(row["hours"] * (row["median_kw"] - best) for row in months))
        assert one["kg_a"] == pytest.approx(sum(row["kwh"] * row["g_per_kwh"] / 1000 for row in months))
        assert one["cny_a"] == pytest.approx(sum(row["kwh"] * row["cny_per_kwh"] for row in months))
    for kind in ("shift_by_intensity", "shift_by_price"):
        one = said[kind]
        days, scale = one["calculation"]["by_day"], 365 / one["calculation"]["days"]
        for amount, name, size in (("kwh_a", "moved_kwh", 1), ("kg_a", "saved_g", 1000), ("cny_a", "saved_cny", 1)):
            assert one[amount] == pytest.approx(sum(row[name] for row in days) / size * scale)
    one = said["photovoltaics"]
    of = one["calculation"]
    fitting = [row for row in of["sizes"] if row["used"] >= of["least_share"] * row["generated"]]
    assert of["pv_kw"] == (fitting[-1] if fitting else of["sizes"][0])["pv_kw"]
    assert one["kwh_a"] == pytest.approx(sum(row["used"] for row in of["by_month"]))
    assert one["kg_a"] == pytest.approx(sum(row["kg"] for row in of["by_month"]))
    assert one["cny_a"] == pytest.approx(
        sum(row["cny_saved"] + row["exported"] * of["feed_in_cny_per_kwh"] for row in of["by_month"])
    )
    one = said["power_factor"]
    months = one["calculation"]["months"]
    assert all(row["power_factor"] == pytest.approx(row["kwh"] / (row["kwh"] ** 2 + row["kvarh"] ** 2) ** 0.5) for row in months)
    below = [(row["kwh"] * row["cny_per_kwh"] * 0.5 / 100, (0.9 - row["power_factor"]) / 0.01) for row in months]
    assert one["cny_a"] == pytest.approx(sum(bill * hundredths for bill, hundredths in below))
    one = said["unmatched_contracts"]
    of = one["calculation"]
    sums = {name: sum(row[name] for row in of["by_month"]) for name in of["by_month"][0] if name != "month"}
    assert one["kwh_a"] == pytest.approx(min(sums["contracted_kwh"], sums["drawn_kwh"]) - sums["matched_kwh"])
    assert of["residual_g_per_kwh"] == pytest.approx(600, rel=1e-4), "of what no contract covers, and not of the whole import"
    assert one["kg_a"] == pytest.approx(one["kwh_a"] * of["residual_g_per_kwh"] / 1000)


COUNTERS = "".join(
    f"  - {{id: {one}, site: s-c5, role: production, registers: {{r: {{carrier: 'product:part', direction: generation, kind: cumulative,"
    " unit: piece, max_power: 1000}}, valid_from: 2020-01-01}\n"
    for one in ("p1", "p2")
)
"""Two, of one company's product."""


def test_what_was_made_is_not_known_on_a_day_on_which_a_counter_is_silent(zone: Zone) -> None:
    registry = parse_zone(ZONE.replace("tariffs:\n", COUNTERS + "tariffs:\n"))
    first, end = date(2025, 3, 29), date(2025, 4, 2)
    columns = "run, zone, meter, register, start, length_s, company, carrier, role, direction, value_micro, covered_ms, revision"
    with connect(zone.server, WRITER) as client:
        for day in range((end - first).days):  # the second has 23 hours
            begin, after = (midnight_ms(first + timedelta(days=n), BERLIN) for n in (day, day + 1))
            for meter in ("p1", "p2") if day != 2 else ("p1",):
                client.command(
                    f"INSERT INTO intervals ({columns}) SELECT 'live', 'z', '{meter}', 'r',"
                    f" fromUnixTimestamp64Milli(toInt64({begin} + number * {HOUR_MS})), 3600, 'c5', 'product:part', 'production',"
                    f" 'generation', 5000000, {HOUR_MS}, 1 FROM numbers({(after - begin) // HOUR_MS})"
                )
        found = metered_days(registry, ("c5",), first, end, asker(client))
    assert found.use["c5", "product:part"] == {date(2025, 3, 29): 240, date(2025, 3, 30): 230, date(2025, 4, 1): 240}


def leaves(value: Any) -> Iterator[Any]:
    """Every number and text of a document."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from leaves(one)
    elif not isinstance(value, str):
        yield value


def reported(zone: Zone, out: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """What a network's report says until June 2025: the document, and everything that is written."""
    asked = (
        "report",
        "network",
        "--month",
        "2025-06",
        "--weather",
        str(zone.folder / "weather.csv"),
        "--format",
        "html",
        "--format",
        "csv",
    )
    records = ("--records", str(zone.folder / "records-network"))
    said = json.loads(run(zone, *asked, *records, "--out", str(out), "--json", *arguments, file="seven.yaml"))
    return said, "".join(Path(path).read_text("utf-8") for path in said["files"])


def test_the_moderator_reads_every_member_and_the_sums_are_theirs(zone: Zone, tmp_path: Path) -> None:
    said, text = reported(zone, tmp_path, "--moderator", "M. Wu")
    tables, seven = said["tables"], COMPANIES[:7]
    asked = ("network", "savings", "--period", "2025-06", "--weather", str(zone.folder / "weather.csv"), "--json")
    june = json.loads(run(zone, *asked, file="seven.yaml"))["members"]
    savings = {row["company"]: row for row in tables["savings"]}
    assert list(savings) == list(seven) and {row["company"] for row in tables["baselines"]} == set(seven)
    figures = {row["what"]: row for row in tables["network-summary"]}
    meters = figures["Saved by meters"]
    assert float(meters["amount_word"]) == pytest.approx(sum(float(row["by_meters_kwh"]) for row in savings.values()))
    half = [(float(row["high_kwh"]) - float(row["low_kwh"])) / 2 for row in savings.values()]
    assert float(meters["high_90"]) - float(meters["amount_word"]) == pytest.approx(sum(one**2 for one in half) ** 0.5)
    assert float(figures["Target"]["amount_word"]) == sum(40000 + i for i in range(7))
    assert float(meters["of_target"]) == pytest.approx(
        float(meters["amount_word"]) / (sum(40000 + i for i in range(7)) * 181 / 365)
    )
    months = tables["savings-by-month"]
    assert [row["month"] for row in months] == [f"2025-{month:02}" for month in range(1, 7)]
    assert float(months[-1]["cumulative_kwh"]) == pytest.approx(float(meters["amount_word"]))
    assert float(months[-1]["saved_kwh"]) == pytest.approx(sum(one["meters"]["kwh"] for one in june), rel=1e-6)
    electricity = next(one for one in tables["savings-by-carrier"] if one["company"] == "c0")
    used = sum(zone.kwh["c0"][8784 : 8784 + 181 * 24 - 1])  # the clocks went forward
    assert float(electricity["used"]) == pytest.approx(used, abs=0.1)
    kg = (450 * used + 100 * sum(u for u, t in zip(zone.kwh["c0"][8784:], hours()[1][8784:], strict=True)
                                 if 8 <= t.hour < 18 and t.weekday() < 5 and t.month < 7)) / 1000  # fmt: skip
    assert float(savings["c0"]["by_meters_kg"]) == pytest.approx(float(savings["c0"]["by_meters_kwh"]) * kg / used, rel=1e-4)
    assert tables["reviews"][0]["company"] == "c3" and "For the moderator, M. Wu, alone" in text
    assert all(Path(path).stat().st_mode & 0o77 == 0 for path in said["files"])
    assert "does not moderate n" in run(zone, "report", "network", "--moderator", "L. Chen", code=2, file="seven.yaml")


def named(text: str) -> set[str]:
    return {one for one in COMPANIES if re.search(rf"\b{one}\b", text)}


def test_what_everybody_reads_of_a_network_names_nobody_and_a_member_reads_itself(zone: Zone, tmp_path: Path) -> None:
    said, text = reported(zone, tmp_path / "all")
    figures = {row["what"]: row for row in said["tables"]["network-summary"]}
    assert set(said["tables"]) == {"network-summary", "digests"}
    assert not named(text) and "For everybody" in text
    assert float(figures["Target"]["amount_word"]) == sum(40000 + i for i in range(7))
    for hidden in ("Implemented measures, a year", "Saved by measures", "Number of measures", "Saved by meters"):
        assert figures[hidden]["amount_word"] is None and "it would tell of a member" in figures[hidden]["remark"], hidden
    own, of_c3 = reported(zone, tmp_path / "c3", "--company", "c3")
    assert own["tables"]["network-summary"] == said["tables"]["network-summary"]
    assert [row["company"] for row in own["tables"]["members"]] == ["c3"] and len(own["tables"]["savings"]) == 1
    assert "For c3 alone" in of_c3 and named(of_c3) == {"c3"}
    assert "was no member of n" in run(
        zone, "report", "network", "--company", "c7", "--month", "2025-06", code=2, file="seven.yaml"
    )


def test_a_company_s_month_has_its_measures_and_savings(zone: Zone, tmp_path: Path) -> None:
    asked = ("report", "company", "c0", "--month", "2025-06", "--weather", str(zone.folder / "weather.csv"), "--language", "de")
    said = json.loads(run(zone, *asked, "--format", "html", "--out", str(tmp_path), "--json"))["tables"]
    assert [(one["measure"], one["state"], one["kwh_a"]) for one in said["measures"]] == [("LED", "umgesetzt", "36500")]
    (savings,) = said["savings"]
    assert float(savings["by_measures_kwh"]) == pytest.approx(36500 * 181 / 365)
    assert float(savings["low_kwh"]) < float(savings["by_meters_kwh"]) < float(savings["high_kwh"])
    assert said["savings-by-carrier"][0]["days_substituted"] == "2"
    without = json.loads(run(zone, *asked[:5], "--format", "html", "--out", str(tmp_path), "--json"))["tables"]
    assert "neither weather nor production is known" in without["savings-by-carrier"][0]["remark"]
