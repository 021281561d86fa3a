"""`bench ledger` in the small: what it tells, and that an age is what its docstring says, not how fast anything is."""

import json

import pytest
from typer.testing import CliRunner

from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.ledger.horizon import reach_ms
from zonepulse.streams.bench.ledger import DAY_MS, Ages
from zonepulse.streams.bench.ledger_load import START_MS, WINDOW_MS, CompanyZone
from zonepulse.streams.cli.main import app

KEYS = ["companies", "channels", "age_days", "build_s", "memory_mb", "snapshot_mb", "apply_s"]
SMALL = ["bench", "ledger", "--companies", "2", "--days", "1,3", "--channels-a-company", "3"]


@pytest.mark.large
@pytest.mark.parametrize("form", [["--json"], []])
def test_the_command_tells_what_each_age_costs(form: list[str]) -> None:
    result = CliRunner().invoke(app, [*SMALL, *form])
    assert result.exit_code == 0, result.output
    if form:
        found = json.loads(result.stdout)
        assert [list(one) for one in found] == [KEYS, KEYS]
        assert [(one["companies"], one["channels"], one["age_days"]) for one in found] == [(2, 6, 1), (2, 6, 3)]
        assert all(one["build_s"] > 0 and one["snapshot_mb"] > 0 and one["apply_s"] > 0 for one in found)
    else:
        assert "the ledger of a zone" in result.stdout


@pytest.mark.parametrize("option", [["--companies", "2,x"], ["--companies", "0"], ["--days", "3,1"], ["--days", ""]])
def test_numbers_that_are_none_are_told(option: list[str]) -> None:
    result = CliRunner().invoke(app, ["bench", "ledger", *option])
    assert result.exit_code != 0
    assert option[0] in str(result.exception) + result.output


@pytest.mark.large
def test_at_every_age_the_sums_hold_the_last_horizon_with_every_company_and_no_more() -> None:
    zone = CompanyZone(2, 6)
    channels = compile_registry(zone.registry(), 1)
    ages, sizes = Ages(zone, channels), []
    for days in (2, 3, 9):
        ages.grow_to(days)
        pages, end = ages.ledger.windows.pages, START_MS + days * DAY_MS
        assert pages.starts[-1] == end - WINDOW_MS
        assert pages.starts[0] <= end - reach_ms(channels.registry.zone) + WINDOW_MS
        companies = [
            accumulator for accumulator, (entity, *_) in enumerate(ages.ledger.plan.accumulators) if entity.startswith("company")
        ]
        newest = pages.sums.acc[pages.slot(pages.starts[-1])]
        assert sum(1 for accumulator in companies if newest[accumulator].any()) == 2
        sizes.append((len(pages), len(pages.sums.start), len(pages.chunks)))
    assert len(set(sizes)) == 1
