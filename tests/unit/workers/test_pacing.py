"""Who rests while another partition is behind, and that somebody always moves."""

from hypothesis import given
from hypothesis import strategies as st

from zonepulse.processors.flow import UNSET
from zonepulse.streams.workers.pacing import AHEAD_TICKS, NEAR_TICKS, Pace

partitions = st.integers(0, 5)


def test_a_fast_partition_rests_until_the_slowest_has_come_near() -> None:
    pace = Pace()
    assert pace.judge({0: 100, 1: 100 + AHEAD_TICKS}, [0, 1], []) == (set(), set())
    assert pace.judge({0: 100, 1: 101 + AHEAD_TICKS}, [0, 1], []) == ({1}, set())
    assert pace.judge({0: 100 + NEAR_TICKS, 1: 101 + AHEAD_TICKS}, [0, 1], []) == (set(), set())
    assert pace.judge({0: 101 + NEAR_TICKS, 1: 101 + AHEAD_TICKS}, [0, 1], []) == (set(), {1})


def test_a_partition_at_the_end_of_its_log_holds_nobody_back_and_one_that_stands_does() -> None:
    assert Pace().judge({0: 100, 1: 5000}, [1], []) == (set(), set())
    assert Pace().judge({0: 100, 1: 5000}, [1], [0]) == ({1}, set())


def test_a_partition_that_stands_before_its_first_record_counts_as_where_the_others_began() -> None:
    pace = Pace()
    assert pace.judge({0: UNSET, 1: 5000}, [1], [0]) == (set(), set())
    assert pace.judge({0: UNSET, 1: 5001 + AHEAD_TICKS}, [1], [0]) == ({1}, set())


@given(st.lists(st.tuples(st.dictionaries(partitions, st.integers(0, 3000)), st.sets(partitions), st.sets(partitions)), max_size=9))
def test_whoever_is_behind_and_slowest_never_rests(steps: list[tuple[dict[int, int], set[int], set[int]]]) -> None:
    pace, paused = Pace(), set[int]()
    for ticks, behind, standing in steps:
        rest, go_on = pace.judge(ticks, behind, standing)
        paused = (paused & ticks.keys() | rest) - go_on
        assert paused == pace.resting and not rest & go_on and not paused & standing
        waited_for = (behind | standing) & ticks.keys()
        slowest = min((ticks[p] for p in waited_for), default=None)
        assert all(slowest is not None and ticks[p] > slowest + NEAR_TICKS for p in paused)
        assert all(p in paused for p in ticks.keys() - standing if slowest is not None and ticks[p] > slowest + AHEAD_TICKS)
