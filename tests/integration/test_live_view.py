"""The live view: power and intensity of the zone and its companies from the newest readings."""

import time
from typing import Any

import pytest
from live_parts import wait_until
from typer.testing import CliRunner
from zone_runs import SampleRun, sample_run

from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.main import app

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
LIVE = """
SELECT entity_kind, entity, power_kw, g_per_kwh, co2e_kg_per_h, reporting, expected FROM live
WHERE run = 'live' AND at = (SELECT max(at) FROM live)"""
NEWEST_FULL = """
SELECT entity, argMax(energy_micro / 1e6 * 3600 / length_s, start) FROM totals_final
WHERE entity_kind = 'company' AND carrier = 'electricity' AND scope = 0 AND covered_ms = expected_ms GROUP BY entity"""


def live_rows(run: SampleRun) -> dict[str, dict[str, Any]]:
    found = run.client.query(LIVE)
    return {row["entity"]: row for row in found.named_results()}


def test_the_zone_and_every_company_have_a_plausible_power_when_all_is_sent() -> None:
    now_ms = int(time.time() * 1000) // MS_PER_HOUR * MS_PER_HOUR
    with sample_run(now_ms, 1, 1_000_000, faults=False) as run:
        registry = parse_zone(run.zone_yaml)
        entities = {registry.zone.id, *(company.id for company in registry.companies)}

        late = {registry.zone.id, "garden-row"}  # one inverter reports an hour after the fact and may count as silent

        def is_complete() -> bool:
            rows = live_rows(run)
            return rows.keys() == entities and all(r["reporting"] >= r["expected"] - (e in late) > 0 for e, r in rows.items())

        wait_until(is_complete, 180, f"live rows of {sorted(entities)} with their channels reporting")
        rows, ledger = live_rows(run), dict(run.client.query(NEWEST_FULL).result_rows)
        shown, refused = (
            CliRunner().invoke(app, ["top", *words], env={**run.stack.environment, "COLUMNS": "120"})
            for words in (["--once"], ["--zone", "nowhere"])
        )

    assert shown.exit_code == 0, shown.output
    assert f"zonepulse · {registry.zone.id} · live" in shown.stdout and "g CO2e/kWh at" in shown.stdout
    assert all(company in shown.stdout for company in list(ledger)[:1]) and "what fires" in shown.stdout
    assert refused.exit_code == 2 and f"--zone 'nowhere': the store has no rows of it; it has {registry.zone.id}" in refused.stderr
    zone = rows.pop(registry.zone.id)
    assert zone["entity_kind"] == "zone" and {row["entity_kind"] for row in rows.values()} == {"company"}
    # The zone's own meter and the companies' meters report at other times, and lines lose 1.5 % between them.
    assert zone["power_kw"] == pytest.approx(sum(row["power_kw"] for row in rows.values()), rel=0.1)
    assert 0 < zone["reporting"] <= zone["expected"]
    assert 0 < zone["g_per_kwh"] < 700 and zone["co2e_kg_per_h"] > 0
    site = {s.id: s.company for s in registry.sites}
    for company, row in rows.items():
        bound = sum(float(r.max_power) for m in registry.meters if site[m.site] == company for r in m.registers)
        assert 0 <= row["power_kw"] <= bound, company
        assert row["co2e_kg_per_h"] >= 0, company
    for company in (
        "bakery",
        "laundry",
        "tea-house",
    ):  # their meters report by the hour: the newest full window is of the newest segment
        assert rows[company]["power_kw"] == pytest.approx(ledger[company], rel=1e-6), company
