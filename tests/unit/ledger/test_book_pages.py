"""The ledger's books are packed when they are settled, say the same when they are opened again, and do not grow with time."""

import numpy as np
import pytest

from zonepulse.processors.accounting.cold_sums import KEPT, PAGE, ColdSums
from zonepulse.processors.accounting.posting import Sums

CELLS, LINES = 7, 3
FIRST = 63 * PAGE
"""An edge of a page; windows are one millisecond long."""


def new_sums(slots: int) -> Sums:
    return Sums(
        np.zeros((slots, CELLS, 5), np.int64),
        np.zeros((slots, CELLS), np.int8),
        np.full((slots, LINES), -1),
        np.zeros(slots, np.int64),
        np.zeros((slots, 2, 6), np.int64),
        np.zeros((slots, 1, 2), np.int64),
    )


def filled(windows: int) -> ColdSums:
    pages = ColdSums(new_sums, 1)
    for start in range(FIRST, FIRST + windows):
        fill(pages, start)
    return pages


def fill(pages: ColdSums, start: int) -> None:
    slot = pages.slots(np.array([start]))[0]
    pages.sums.acc[slot] += amounts(start)
    pages.sums.seen[slot, start % CELLS] = 1


def amounts(start: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.random.default_rng(start).integers(-(1 << 61), 1 << 61, (CELLS, 5))


def check(pages: ColdSums, starts: range) -> None:
    assert pages.starts == list(starts)
    assert len(pages) == len(starts)
    for start in starts:
        slot = pages.slot(start)
        assert pages.sums.start[slot] == start
        np.testing.assert_array_equal(pages.sums.acc[slot], amounts(start))
        assert pages.sums.seen[slot].tolist() == [int(c == start % CELLS) for c in range(CELLS)]


@pytest.mark.parametrize("windows", [1, PAGE, 5 * PAGE + 3])
def test_packed_windows_say_what_they_said(windows: int) -> None:
    pages = filled(windows)
    pages.pack(1 << 60)
    check(pages, range(FIRST, FIRST + windows))


def test_a_settled_page_is_packed_and_its_place_used_again() -> None:
    pages = filled(4 * PAGE)
    rows = len(pages.sums.start)
    for start in range(FIRST + 4 * PAGE, FIRST + 100 * PAGE):
        pages.slots(np.array([start]))
        pages.pack(start - 2 * PAGE)
    assert len(pages.sums.start) == 2 * rows, "grown once, for the fifth page"
    assert pages.starts == list(range(FIRST, FIRST + 100 * PAGE))
    assert pages.sums.start[pages.slot(FIRST + 3)] == FIRST + 3, "an old window is opened again"


def test_a_window_that_begins_in_a_packed_page_has_its_start_where_the_sums_must_grow() -> None:
    pages = filled(3)
    pages.pack(1 << 60)
    for number in range(1, 5):  # every place is taken
        fill(pages, FIRST + number * PAGE)
    fill(pages, FIRST + 3)
    assert pages.sums.start[pages.slot(FIRST + 3)] == FIRST + 3


@pytest.mark.parametrize("lag", [0, 2 * PAGE])
def test_what_is_forgotten_leaves_its_place_and_its_chunk_to_later_windows(lag: int) -> None:
    """`lag` 0: nothing is packed before it is forgotten."""
    pages = ColdSums(new_sums, 1)
    sizes, last = set(), FIRST + 100 * PAGE
    for start in range(FIRST, last):
        fill(pages, start)
        pages.pack(start - lag if lag else 0)
        pages.forget(start - 5 * PAGE)
        if start >= FIRST + 7 * PAGE:
            sizes.add((len(pages.sums.start), len(pages.chunks)))
    assert len(sizes) == 1
    assert len(pages.chunks) == 7
    check(pages, range((last - 1 - 5 * PAGE) // PAGE * PAGE, last))


def test_a_forgotten_window_comes_back_empty() -> None:
    pages = filled(3 * PAGE)
    pages.pack(FIRST + PAGE)
    pages.forget(FIRST + 2 * PAGE)
    assert pages.starts[0] == FIRST + 2 * PAGE
    slot = pages.slots(np.array([FIRST + 5]))[0]
    assert not pages.sums.acc[slot].any()
    assert not pages.sums.seen[slot].any()
    assert pages.starts[:2] == [FIRST + 5, FIRST + 2 * PAGE]


def test_a_chunk_of_a_packed_page_is_that_of_the_open_one() -> None:
    pages = filled(3 * PAGE + 2)
    before = [pages.chunk(k) for k in range(len(pages.chunks))]
    pages.pack(1 << 60)
    after = [pages.chunk(k) for k in range(len(pages.chunks))]
    for one, other in zip(before, after, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in KEPT)


@pytest.mark.parametrize("forgotten", [0, PAGE, 3 * PAGE])
def test_chunks_are_taken_again_whatever_became_of_their_numbers(forgotten: int) -> None:
    pages = filled(3 * PAGE + 2)
    pages.forget(FIRST + forgotten)
    chunks = [pages.chunk(number) for number in range(len(pages.chunks))]
    again = ColdSums(new_sums, 1)
    again.restore(chunks, pages.chunks, FIRST + 2 * PAGE)
    assert again.touched == set(range(len(again.chunks))), "all of them are written anew"
    check(again, range(FIRST + forgotten, FIRST + 3 * PAGE + 2))


def test_other_accumulators_take_over_the_sums_of_their_name() -> None:
    pages = filled(2 * PAGE + 1)
    pages.pack(FIRST + PAGE)
    moved = pages.rebuilt(new_sums, {"acc": (np.array([0, 2]), np.array([6, 0]))}, FIRST + PAGE)
    assert moved.chunks == pages.chunks
    for start in range(FIRST, FIRST + 2 * PAGE + 1):
        acc = moved.sums.acc[moved.slot(start)]
        np.testing.assert_array_equal(acc[[6, 0]], amounts(start)[[0, 2]])
        assert not acc[1:6].any()
