"""When readings of a file without ingest_ms arrive: one clock that is wrong costs one reading, however the file is cut into blocks."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zones import zone

from zonepulse.schemas.messages.reading_columns import UNKNOWN_MS
from zonepulse.streams.files.arrival import LOOK_AHEAD, Arrival
from zonepulse.streams.files.blocks import BadFile, Block

ZONE = zone().zone
FUTURE, MAX_GAP = ZONE.future_ms, ZONE.max_gap_ms
MINUTE = 60_000
T0 = 1_790_784_900_000


def arrivals(times: Sequence[int], *cuts: int) -> list[int]:
    edges = [0, *sorted(cuts), len(times)]
    parts = [np.array(times[a:b], np.int64) for a, b in pairwise(edges)]
    blocks = ((Block(Path("f.csv"), "typed", pa.table({"row": ts})), ts) for ts in parts)
    return [t for block in Arrival(ZONE).timed(blocks) for t in block.table["ingest_ms"].to_pylist()]


def plainly(times: Sequence[int]) -> list[int]:
    """The rule once more, line by line."""
    known = [i for i, t in enumerate(times) if t > UNKNOWN_MS]
    latest, out = UNKNOWN_MS, []
    for i, t in enumerate(times):
        if t > UNKNOWN_MS:
            is_confirmed = any(u >= t - FUTURE for u in times[i + 1 : i + 1 + LOOK_AHEAD])
            is_last = i == known[-1] and (latest == UNKNOWN_MS or t <= latest + MAX_GAP)
            if is_confirmed or is_last:
                latest = max(latest, t)
        out.append(latest)
    first = next((t for t in out if t > UNKNOWN_MS), 0)
    return [first if t == UNKNOWN_MS else t for t in out]


def test_one_time_a_month_ahead_moves_nothing() -> None:
    times = [T0, T0 + 15 * MINUTE, T0 + 30 * 24 * 60 * MINUTE, T0 + 45 * MINUTE, T0 + 60 * MINUTE]
    assert arrivals(times) == [T0, times[1], times[1], times[3], times[4]]


def test_the_last_line_counts_unless_it_lies_beyond_max_gap() -> None:
    assert arrivals([T0, T0 + MAX_GAP]) == [T0, T0 + MAX_GAP]
    assert arrivals([T0, T0 + 1, T0 + 1 + MAX_GAP + 1]) == [T0, T0 + 1, T0 + 1]
    assert arrivals([T0]) == [T0]


def test_a_row_without_a_time_arrives_with_those_around_it() -> None:
    assert arrivals([UNKNOWN_MS, T0, UNKNOWN_MS, T0 + 1]) == [T0, T0, T0, T0 + 1]
    assert arrivals([UNKNOWN_MS]) == [0]


def test_a_file_that_runs_backwards_is_refused() -> None:
    with pytest.raises(BadFile, match=r"f\.csv: 3 lines lie below the time before them and 1 above it; sort the file by ts"):
        arrivals([T0 + 3, T0 + 2, T0 + 1, T0 + 2, T0])
    arrivals([T0, T0 + 3, T0 + 1, T0 + 4, T0 + 2])


TIMES = st.one_of(st.just(UNKNOWN_MS), st.integers(0, 20).map(lambda n: T0 + n * 2 * MINUTE), st.just(T0 + 2 * MAX_GAP))


@given(st.lists(TIMES, max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_blocks_make_no_difference(times: list[int], cuts: list[int]) -> None:
    try:
        found = arrivals(times, *(min(cut, len(times)) for cut in cuts))
    except BadFile:
        known = [t for t in times if t > UNKNOWN_MS]
        steps = [b - a for a, b in pairwise(known)]
        assert sum(s < 0 for s in steps) > sum(s > 0 for s in steps)
    else:
        assert found == plainly(times)
