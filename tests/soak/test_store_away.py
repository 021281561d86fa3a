"""Half an hour without a store, under load."""

import os
from pathlib import Path

import pytest
from outages import store_away

pytestmark = pytest.mark.integration
AWAY_S = float(os.environ.get("ZONEPULSE_SOAK_AWAY_S", "1800"))
READINGS = int(os.environ.get("ZONEPULSE_SOAK_READINGS", "5000000"))


def test_a_store_that_is_away_for_half_an_hour_costs_no_memory_and_no_row(tmp_path: Path) -> None:
    seen = store_away(tmp_path, READINGS, AWAY_S)
    print(f"store worker: {max(seen.early) >> 20} MB at first, {max(seen.late) >> 20} MB later; {seen.waited} records waited")
    assert seen.waited > 0
    assert max(seen.late) <= 1.25 * max(seen.early)
    assert {name: lines[:3] for name, lines in seen.differences.items() if lines} == {}
