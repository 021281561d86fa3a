"""The core says what the oracle says, in every column of every final row."""

from core_runs import disagreements, emitted, expected, fetches, final
from hypothesis import given
from hypothesis import strategies as st
from log_strategies import Case, cases


@given(cases(), st.booleans())
def test_the_core_equals_the_oracle_in_all_columns(case: Case, finish: bool) -> None:
    got = final(emitted(case.text, fetches(case.records), case.partitions, finish=finish))
    assert disagreements(expected(case.text, case.records, case.partitions, finish=finish), got) == []
