"""The store is away while readings come: the worker's memory stays bounded, and nothing is lost."""

from pathlib import Path

import pytest
from outages import store_away

pytestmark = [pytest.mark.integration, pytest.mark.soak]  # in short, of the store alone: test_store_agent.py


@pytest.mark.timeout(1800)
def test_a_store_that_is_away_costs_no_memory_and_no_row(tmp_path: Path) -> None:
    seen = store_away(tmp_path, readings=12_000, away_s=6)
    assert seen.waited > 0
    assert max(seen.late) <= 1.25 * max(seen.early)
    assert {name: lines[:3] for name, lines in seen.differences.items() if lines} == {}
