"""Detectors on a log: core and oracle say the same alerts, wherever the log is cut and whatever goes on from a snapshot."""

from typing import Any

from core_runs import disagreements, emitted, expected, fetches, final, spans
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import Shelves
from watch_strategies import Watched, watched

from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.zone_file.read import parse_zone

FEWER = settings(max_examples=max(5, settings.default.max_examples // 5))


@FEWER
@given(watched())
def test_core_equals_oracle(log: Watched) -> None:
    got = final(emitted(log.text, fetches(log.records), 1))
    assert disagreements(expected(log.text, log.records, 1), got) == []


@FEWER
@given(watched(), st.lists(st.integers(20, 300), min_size=1, max_size=4))
def test_where_the_log_is_cut_and_what_is_restored_changes_no_alert(log: Watched, sizes: list[int]) -> None:
    whole = emitted(log.text, fetches(log.records), 1)
    core, shelves, alerts = ZoneRun(parse_zone(log.text), 1), Shelves(1), list[Any]()
    for i, fetch in enumerate(fetches(log.records, sizes)):
        if i % 2:
            shelves.put(core)
            shelves.restore(core)
        alerts += core.records(spans(fetch)).get("alerts", [])
    alerts += core.finish().get("alerts", [])
    assert sorted((row for batch in alerts for row in batch.to_pylist()), key=repr) == sorted(whole["alerts"].to_pylist(), key=repr)
