"""The ledger's books are packed when they are settled, and say the same when they are opened again."""

import numpy as np
import pytest

from zonepulse.processors.book_pages import PAGE, BookPages
from zonepulse.processors.posting import Books

CELLS, LINES = 7, 3


def new_books(slots: int) -> Books:
    return Books(
        np.zeros((slots, CELLS, 5), np.int64),
        np.zeros((slots, CELLS), np.int8),
        np.full((slots, LINES), -1),
        np.zeros(slots, np.int64),
        np.zeros((slots, 2, 6), np.int64),
        np.zeros((slots, 1, 2), np.int64),
    )


def filled(windows: int) -> BookPages:
    pages = BookPages(new_books)
    for start in range(1000, 1000 + windows):
        slot = pages.slots(np.array([start]))[0]
        pages.books.acc[slot] += amounts(start)
        pages.books.seen[slot, start % CELLS] = 1
    return pages


def amounts(start: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.random.default_rng(start).integers(-(1 << 61), 1 << 61, (CELLS, 5))


def check(pages: BookPages, windows: int) -> None:
    for start in range(1000, 1000 + windows):
        slot = pages.slot(start)
        assert pages.books.start[slot] == start
        np.testing.assert_array_equal(pages.books.acc[slot], amounts(start))
        assert pages.books.seen[slot].tolist() == [int(c == start % CELLS) for c in range(CELLS)]


@pytest.mark.parametrize("windows", [1, PAGE, 5 * PAGE + 3])
def test_packed_windows_say_what_they_said(windows: int) -> None:
    pages = filled(windows)
    pages.pack(1 << 60)
    check(pages, windows)


def test_a_settled_page_is_packed_when_all_its_windows_are_old_and_its_place_used_again() -> None:
    pages = filled(4 * PAGE)
    rows = len(pages.books.start)
    for start in range(1000 + 4 * PAGE, 1000 + 100 * PAGE):
        pages.slots(np.array([start]))
        pages.pack(start - 2 * PAGE)
    assert len(pages.books.start) == 2 * rows, "grown once, for the fifth page"
    assert pages.starts == list(range(1000, 1000 + 100 * PAGE))
    assert pages.books.start[pages.slot(1003)] == 1003, "an old window is opened again"


def test_a_chunk_of_a_packed_page_is_that_of_the_open_one() -> None:
    pages = filled(3 * PAGE + 2)
    before = [pages.chunk(k) for k in range(pages.page_count)]
    pages.pack(1 << 60)
    after = [pages.chunk(k) for k in range(pages.page_count)]
    for one, other in zip(before, after, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in Books._fields)
    again = BookPages(new_books)
    again.restore(after, 1000 + 2 * PAGE)
    check(again, 3 * PAGE + 2)


def test_other_cells_take_over_the_sums_of_their_name() -> None:
    pages = filled(2 * PAGE + 1)
    pages.pack(1000 + PAGE)
    moved = pages.rebuilt(new_books, {"acc": [(0, 6), (2, 0)]}, 1000 + PAGE)
    for start in range(1000, 1000 + 2 * PAGE + 1):
        acc = moved.books.acc[moved.slot(start)]
        np.testing.assert_array_equal(acc[[6, 0]], amounts(start)[[0, 2]])
        assert not acc[1:6].any()
