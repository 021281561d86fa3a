"""The core says what the oracle says, in every column of every final row, however the log is cut, dealt out or reordered."""

from collections import Counter
from typing import Any

import pyarrow as pa
from core_runs import disagreements, emitted, expected, fetches, final, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from log_moves import dealt, reordered
from log_strategies import Case, cases

from zonepulse.schemas.messages.commands import NEEDS_UNTIL, ON_AN_ALERT, Command, Told
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES

FEWER = settings(max_examples=settings.default.max_examples // 3)
UNSETTLED = ("revision", "was_value_micro", "was_estimated_micro", "was_covered_ms")
"""How a row came to say what it says."""
OF_ALERTS = ("alerts", "alert_events")
UNLIKE: dict[str, tuple[str, ...]] = {"dead_letters": ("partition", "offset")}


@given(cases(), st.booleans())
def test_the_core_equals_the_oracle_in_all_columns(case: Case, finish: bool) -> None:
    got = final(emitted(case.text, fetches(case.records), case.partitions, finish=finish))
    assert disagreements(expected(case.text, case.records, case.partitions, finish=finish), got) == []


@FEWER
@given(st.data())
def test_what_people_say_of_alerts_counts_where_it_stands(data: st.DataObject) -> None:
    case = data.draw(cases())
    alerts = expected(case.text, case.records, case.partitions)["alerts"]
    targets = [f"{row['fingerprint']}/{row['starts_at']}" for row in alerts]
    first, last = (pick(r.timestamp_ms for r in case.records) for pick in (min, max))
    times = data.draw(st.lists(st.integers(first, last + 3_600_000), max_size=4))
    commands = []
    for offset, at in enumerate(sorted(times)):
        kind = data.draw(st.sampled_from((*(ON_AN_ALERT if targets else ()), "maintenance")))
        target = data.draw(st.sampled_from(targets if kind in ON_AN_ALERT else ("site=s0", "gateway=g1", "severity=warning")))
        until_ms = at + 7_200_000 if kind in NEEDS_UNTIL else None
        commands.append(Told(offset, at, Command(kind, target, "me", "why", until_ms)))
    got = final(emitted(case.text, fetches(case.records), case.partitions, commands=commands))
    wanted = expected(case.text, case.records, case.partitions, commands=commands)
    assert disagreements({**wanted}, got) == []


@FEWER
@given(cases(), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_where_a_fetch_ends_changes_no_row(case: Case, sizes: list[int]) -> None:
    whole = emitted(case.text, fetches(case.records), case.partitions)
    cut = emitted(case.text, fetches(case.records, sizes), case.partitions)
    for name in FINAL_TABLES:
        assert plain(cut[name]) == plain(whole[name])


@FEWER
@given(cases(clean=True), st.integers(1, 5))
def test_the_partition_count_changes_only_what_names_it(case: Case, partitions: int) -> None:
    rows = final(emitted(case.text, fetches(case.records), case.partitions))
    others = final(emitted(case.text, fetches(dealt(case, partitions)), partitions))
    for name in FINAL_TABLES:
        ignore = ("revision", *UNLIKE.get(name, ()))
        if name not in OF_ALERTS:
            assert plain(others[name], ignore) == plain(rows[name], ignore)


@FEWER
@given(st.data())
def test_order_within_lateness_changes_only_revisions_and_alerts(data: st.DataObject) -> None:
    case = data.draw(cases(clean=True))
    moved = data.draw(reordered(case))
    rows = final(emitted(case.text, fetches(case.records), case.partitions))
    others = final(emitted(case.text, fetches(moved), case.partitions))
    for name in set(FINAL_TABLES) - {*OF_ALERTS, "dead_letters"}:
        assert plain(others[name], UNSETTLED) == plain(rows[name], UNSETTLED)
    assert refused(others["dead_letters"]) == refused(rows["dead_letters"])


def refused(rows: pa.Table) -> Counter[tuple[Any, ...]]:
    """Reasons and bytes of dead letters, wherever they stood."""
    return Counter((row["reason"], row["value"]) for row in rows.to_pylist())


@FEWER
@given(cases())
def test_a_row_comes_at_most_once_a_tick_and_only_when_it_says_something_new(case: Case) -> None:
    made = emitted(case.text, fetches(case.records, (3,)), case.partitions)
    for name in ("intervals", "emissions", "totals", "intensity"):
        table = TABLES[name]
        latest: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in made[name].select([c.name for c in table.stored]).sort_by("revision").to_pylist():
            key = tuple(row[column] for column in table.key)
            if key in latest:
                assert row["revision"] > latest[key]["revision"]
                assert row | {"revision": 0} != latest[key] | {"revision": 0}
            latest[key] = row


@FEWER
@given(cases())
def test_what_a_row_says_it_was_is_what_was_said_last(case: Case) -> None:
    made = emitted(case.text, fetches(case.records, (2, 5)), case.partitions)["intervals"]
    latest: dict[tuple[str, str, Any], tuple[Any, ...]] = {}
    for row in made.sort_by("revision").to_pylist():
        key = (row["meter"], row["register"], row["start"])
        was = (row["was_value_micro"], row["was_estimated_micro"], row["was_covered_ms"])
        assert was == latest.get(key, (None, 0, 0))
        latest[key] = (row["value_micro"], row["estimated_micro"], row["covered_ms"])
