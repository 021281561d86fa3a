"""`zonepulse registry factors`: which factor answers, on which rung, and what it comes from."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner
from zones import small, zone

from zonepulse.streams.cli.registry.command import app
from zonepulse.streams.cli.registry.factor_answers import factor_answers
from zonepulse.streams.screen import BadInput

START_MS = 1_767_196_800_000  # 2026-01-01T00:00+08:00
OWN = """\
factors:
  - {id: own, activity: grid_electricity, company: a, unit: gCO2/kWh, source: s, series: {from: 2026-01-01, step: 1h, values: [431.5]}}
"""


def test_every_look_up_of_the_zone_is_a_row() -> None:
    rows = factor_answers(zone(), START_MS)
    assert [(r["carrier"], r["company"], r["basis"], r["factor_id"], r["rung"], r["value"]) for r in rows] == [
        ("electricity", "", "location", "grid-cn-js-loc-2023", "CN-JS", 0.5827),
        ("electricity", "", "market", "grid-cn-residual-2023", "CN", 0.6096),
    ]


def test_a_companys_own_signal_answers_for_it_step_by_step() -> None:
    found = factor_answers(zone(more=OWN), START_MS, carrier="electricity", company="a")
    assert [(r["company"], r["factor_id"], r["rung"], r["value"], r["unit"], r["source"]) for r in found] == [
        ("a", "own", "company", 431.5, "gCO2/kWh", "s"),
        ("a", "grid-cn-residual-2023", "CN", 0.6096, "kgCO2/kWh", found[1]["source"]),
    ]
    assert (found[0]["valid_from_ms"], found[0]["valid_to_ms"]) == (START_MS, START_MS + 3_600_000)
    (other, _) = factor_answers(zone(more=OWN), START_MS, carrier="electricity", company="b")
    assert other["factor_id"] == "grid-cn-js-loc-2023"


def test_what_was_known_on_a_day_answers() -> None:
    rows = factor_answers(zone(), START_MS, as_of="2025-12-30")
    assert [r["factor_id"] for r in rows] == ["grid-cn-js-loc-2022", "grid-cn-residual-2022"]
    assert [r["factor_id"] for r in factor_answers(zone(), START_MS, as_of="2024-01-01")] == [None, None]


def test_a_carrier_that_nobody_meters_is_looked_up_too() -> None:
    rows = factor_answers(zone(), START_MS, carrier="diesel")
    assert [(r["base_unit"], r["factor_id"]) for r in rows] == [("GJ", "fuel-a-diesel-energy"), ("kg", "fuel-a-diesel-mass")]


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(BadInput, match=r"--carrier 'diesle': no factor is for it; did you mean `diesel`\?"):
        factor_answers(zone(), START_MS, carrier="diesle")
    with pytest.raises(BadInput, match="--company 'x': not in the registry; name one of its companies"):
        factor_answers(zone(), START_MS, company="x")


def test_the_command_reads_a_file_without_any_server(tmp_path: Path) -> None:
    file = tmp_path / "zone.yaml"
    file.write_text(small(more=OWN), "utf-8")
    arguments = ["factors", "--zone", str(file), "--at", "2026-01-01", "--company", "a"]
    table = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert table.exit_code == 0
    assert "own" in table.stdout and "431.5" in table.stdout
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert (found["zone"], found["at_ms"], found["as_of"]) == ("z", START_MS, None)
    assert found["factors"][0]["factor_id"] == "own"


@pytest.mark.parametrize(
    ("option", "value", "message"), [("--at", "soon", "write a date such as"), ("--as-of", "soon", "write a date")]
)
def test_a_time_that_is_none_is_told(tmp_path: Path, option: str, value: str, message: str) -> None:
    file = tmp_path / "zone.yaml"
    file.write_text(small(), "utf-8")
    error = CliRunner().invoke(app, ["factors", "--zone", str(file), option, value]).exception
    assert isinstance(error, BadInput)
    assert message in str(error)
