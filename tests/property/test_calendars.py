"""Core and oracle count days and hours alike, in the nights in which clocks change too."""

from calendar_strategies import calendar_cases
from core_runs import disagreements, emitted, expected, fetches, final
from hypothesis import given
from log_strategies import Case


@given(calendar_cases())
def test_the_core_equals_the_oracle_on_periods_of_the_local_clock(case: Case) -> None:
    got = final(emitted(case.text, fetches(case.records), case.partitions))
    assert disagreements(expected(case.text, case.records, case.partitions), got) == []
