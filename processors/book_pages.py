"""Where the books of the zone's windows are: recent ones as they are, old ones packed.

A window belongs for good to a page of `PAGE` windows, in the order in which windows came up; a page is also a chunk of a snapshot. Pages
of which every window is older than what can normally still change are packed: what is not zero, without its zero bytes. Whatever asks for
such a window gets the page unpacked again, so packing changes no row; it keeps memory small, since a row may still come for any window
(a meter that was silent for months makes its missing rows when it returns).
"""

from bisect import insort
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from zonepulse.processors.posting import Books

PAGE: Final = 16
_FIRST_PAGES: Final = 4
_LEVEL: Final = 3
_PACKED: Final = ("acc", "seen", "start", "said", "pair")
"""`stamp` only means something within a tick."""
Arrays = Mapping[str, NDArray[Any]]


class BookPages:
    """`books` holds the pages that are open; a *slot* is a place in it, good until the next `pack`."""

    def __init__(self, new_books: Callable[[int], Books]) -> None:
        self._new_books = new_books
        self.books = new_books(_FIRST_PAGES * PAGE)
        self._number: dict[int, int] = {}
        """Start of a window -> its number for good; it is in page number // PAGE."""
        self.starts: list[int] = []
        """Of all windows, in order of time."""
        self._place: list[int] = []
        """Page -> where in `books` it is, in pages; -1 = packed."""
        self._packed: dict[int, bytes] = {}
        self._free = list(range(_FIRST_PAGES))
        self.touched: set[int] = set()
        """Pages that changed since the last snapshot."""

    def __len__(self) -> int:
        return len(self._number)

    @property
    def page_count(self) -> int:
        """Of all windows, open or packed."""
        return len(self._place)

    @property
    def nbytes(self) -> int:
        """Memory of open and packed pages."""
        return sum(int(a.nbytes) for a in self.books) + sum(map(len, self._packed.values()))

    def slots(self, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The slot of every window, to be changed: new windows get one, packed pages are opened."""
        used, compact = np.unique(starts, return_inverse=True)
        out = np.empty(len(used), np.int64)
        for i, start in enumerate(used.tolist()):
            if start not in self._number:
                self._begin(start)
            out[i] = self.slot(start)
            self.touched.add(self._number[start] // PAGE)
        return out[compact]

    def slot(self, start: int) -> int:
        """The slot of a known window, to be read."""
        page, place = divmod(self._number[start], PAGE)
        if self._place[page] < 0:
            self._open(page, self._unpacked(self._packed.pop(page)))
        return self._place[page] * PAGE + place

    def touch(self, starts: NDArray[np.int64]) -> None:
        """These windows changed."""
        self.touched.update(self._number[start] // PAGE for start in np.unique(starts).tolist())

    def pack(self, before: int) -> None:
        """Pack every full page of which all windows start before `before`."""
        for page, place in enumerate(self._place):
            mine = slice(place * PAGE, (place + 1) * PAGE)
            if place >= 0 and len(self._number) >= (page + 1) * PAGE and int(self.books.start[mine].max()) < before:
                self._packed[page] = _packed({name: getattr(self.books, name)[mine] for name in _PACKED})
                self._place[page] = -1
                self._free.append(place)
        self._free.sort(reverse=True)

    def chunk(self, page: int) -> Arrays:
        """Copies of a page's arrays, for a snapshot."""
        n = min(PAGE, len(self._number) - page * PAGE)
        place = self._place[page]
        if place < 0:
            return self._unpacked(self._packed[page])
        return {name: getattr(self.books, name)[place * PAGE : place * PAGE + n].copy() for name in Books._fields}

    def restore(self, chunks: Iterable[Arrays], before: int) -> None:
        """Take the pages of a snapshot, all of them, in order; those before `before` stay packed."""
        for chunk in chunks:
            starts = chunk["start"].tolist()
            self._number |= {start: len(self._number) + i for i, start in enumerate(starts)}
            self._place.append(-1)
            self._put(len(self._place) - 1, chunk, before)
        self.starts = sorted(self._number)
        self.touched = set(range(len(self._place)))

    def rebuilt(
        self, new_books: Callable[[int], Books], moves: Mapping[str, Iterable[tuple[int, int]]], before: int
    ) -> "BookPages":
        """The same windows with other cells and lines: `moves` says, array by array, which old column goes where; `before` as in
        `restore`.
        """
        pairs = {name: list(moved) for name, moved in moves.items()}
        out = BookPages(new_books)
        out._number, out.starts, out._place = dict(self._number), list(self.starts), [-1] * len(self._place)
        for page in range(len(self._place)):
            old = self.chunk(page)
            made: dict[str, NDArray[Any]] = dict(zip(Books._fields, new_books(len(old["start"])), strict=True))
            made["start"][:] = old["start"]
            for name, moved in pairs.items():
                for a, b in moved:
                    made[name][:, b] = old[name][:, a]
            out._put(page, made, before)
        out.touched = set(range(len(out._place)))
        return out

    def _begin(self, start: int) -> None:
        number = len(self._number)
        if number % PAGE == 0:
            self._place.append(-1)
            self._open(number // PAGE, {})
        self._number[start] = number
        insort(self.starts, start)
        self.books.start[self.slot(start)] = start

    def _put(self, page: int, arrays: Arrays, before: int) -> None:
        if len(arrays["start"]) == PAGE and int(arrays["start"].max()) < before:
            self._packed[page] = _packed(arrays)
        else:
            self._open(page, arrays)

    def _open(self, page: int, arrays: Arrays) -> None:
        """Give a page a place, filled with `arrays`, the rest as in new books."""
        if not self._free:
            self._grow()
        place = self._free.pop()
        self._place[page] = place
        for name, mine, fresh in zip(Books._fields, self.books, self._new_books(PAGE), strict=True):
            mine[place * PAGE : (place + 1) * PAGE] = fresh
            if name in arrays:
                mine[place * PAGE : place * PAGE + len(arrays[name])] = arrays[name]

    def _grow(self) -> None:
        old, pages = self.books, len(self.books.start) // PAGE
        self.books = self._new_books(2 * pages * PAGE)
        for mine, before in zip(self.books, old, strict=True):
            mine[: pages * PAGE] = before
        self._free = list(range(2 * pages - 1, pages - 1, -1))

    def _unpacked(self, data: bytes) -> Arrays:
        made: dict[str, NDArray[Any]] = dict(zip(Books._fields, self._new_books(PAGE), strict=True))
        plain, at = zstandard.ZstdDecompressor().decompress(data), 0
        for name in _PACKED:
            width, size = made[name].dtype.itemsize, made[name].nbytes
            shuffled = np.frombuffer(plain, np.uint8, size, at).reshape(width, -1)
            made[name] = np.ascontiguousarray(shuffled.T).view(made[name].dtype).reshape(made[name].T.shape).T.copy()
            at += size
        return made


def _packed(arrays: Arrays) -> bytes:
    """Cell by cell over time and byte by byte of the numbers: most bytes of neighbours are equal then."""
    parts = []
    for name in _PACKED:
        flat = np.ascontiguousarray(arrays[name].T).reshape(-1)
        parts.append(np.ascontiguousarray(flat.view(np.uint8).reshape(-1, flat.dtype.itemsize).T).tobytes())
    return zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(parts))
