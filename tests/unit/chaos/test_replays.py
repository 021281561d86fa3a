"""What is said of a replay that ran among faults."""

from typing import Any

import pytest

from zonepulse.streams.chaos.replays import Replay

TABLES = {"totals": {"rows": 2, "digest": "aa"}, "alerts": {"rows": 0, "digest": "00"}}


@pytest.mark.parametrize(
    ("tables", "again", "is_eaten", "told"),
    [
        (TABLES, TABLES, False, 0),
        (TABLES, TABLES | {"totals": {"rows": 2, "digest": "ab"}}, False, 1),
        (TABLES, None, False, 1),
        (TABLES, None, True, 0),
        ({}, TABLES, False, 1),
        ({}, TABLES, True, 0),
    ],
)
def test_another_digest_and_a_run_that_never_ends_are_differences(
    tables: dict[str, Any], again: dict[str, Any] | None, is_eaten: bool, told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless readings that it needs were deleted."""
    monkeypatch.setattr(Replay, "zonepulse", lambda *_, **__: again and {"tables": again})
    assert len(Replay("chaos-0", ("", ""), {}, tables).differences(is_eaten)) == told
