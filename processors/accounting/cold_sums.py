"""Where the sums of the zone's windows are: recent ones as they are, settled ones packed, those behind the horizon nowhere.

A *page* is `PAGE` neighbouring windows of the grid. It is what is packed (what is not zero, without its zero bytes), what is forgotten, and
a chunk of a snapshot: its place in memory and its chunk's number go to a later page, so neither grows with the age of a zone. Whatever asks
for a window of a packed page gets the page unpacked again, so packing changes no row.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from zonepulse.processors.accounting.posting import Sums

PAGE: Final = 16
_FIRST_PAGES: Final = 4
_LEVEL: Final = 3
KEPT: Final = ("acc", "seen", "start", "emitted", "storage_valuation")
"""`stamp` only means something within a tick."""
Arrays = Mapping[str, NDArray[Any]]


class ColdSums:
    """`sums` holds the pages that are open; a *slot* is a place in it, good until the next `pack` or `forget`."""

    def __init__(self, new_sums: Callable[[int], Sums], length_ms: int) -> None:
        self._new_sums, self._length_ms, self._page_ms = new_sums, length_ms, PAGE * length_ms
        self.sums = new_sums(_FIRST_PAGES * PAGE)
        self.starts: list[int] = []
        """Of all windows, in order of time."""
        self._known: set[int] = set()
        self._place: dict[int, int] = {}
        """Page -> where in `sums` it is, in pages; -1 = packed."""
        self._packed: dict[int, bytes] = {}
        self._free = list(range(_FIRST_PAGES))
        self.chunks: list[int | None] = []
        """Chunk -> its page; None: of a page that is forgotten, to be used again."""
        self._chunk_of: dict[int, int] = {}
        self.touched: set[int] = set()
        """Chunks that changed since the last snapshot."""

    def __len__(self) -> int:
        return len(self._known)

    @property
    def nbytes(self) -> int:
        """Memory of open and packed pages."""
        return sum(int(a.nbytes) for a in self.sums) + sum(map(len, self._packed.values()))

    def slots(self, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The slot of every window, to be changed: new windows get one, packed pages are opened."""
        used, compact = np.unique(starts, return_inverse=True)
        out = np.empty(len(used), np.int64)
        for i, start in enumerate(used.tolist()):
            if start not in self._known:
                self._begin(start)
            out[i] = self.slot(start)
        self.touch(used)
        return out[compact]

    def slot(self, start: int) -> int:
        """The slot of a known window, to be read."""
        page = start // self._page_ms
        if self._place[page] < 0:
            self._open(page, self._unpacked(self._packed.pop(page)))
        return self._place[page] * PAGE + start // self._length_ms % PAGE

    def read(self, starts: Sequence[int]) -> Iterator[tuple[Sums, NDArray[np.int64]]]:
        """Sums and slots of known windows, in order of time, page by page. Packed pages stay packed."""
        for page, mine in groupby(starts, key=lambda start: start // self._page_ms):
            places = np.array(list(mine), np.int64) // self._length_ms % PAGE
            place = self._place[page]
            if place < 0:
                yield Sums(**self._unpacked(self._packed[page])), places
            else:
                yield self.sums, place * PAGE + places

    def touch(self, starts: NDArray[np.int64]) -> None:
        """These windows changed."""
        self.touched.update(self._chunk_of[page] for page in np.unique(starts // self._page_ms).tolist())

    def pack(self, before: int) -> None:
        """Pack every open page that ends by `before`."""
        for page, place in self._place.items():
            if place >= 0 and (page + 1) * self._page_ms <= before:
                mine = slice(place * PAGE, (place + 1) * PAGE)
                self._packed[page] = _packed({name: getattr(self.sums, name)[mine] for name in KEPT})
                self._place[page] = -1
                self._free.append(place)
        self._free.sort(reverse=True)

    def forget(self, before: int) -> None:
        """Give up every page that ends by `before`."""
        first = before // self._page_ms
        for page in sorted(page for page in self._place if page < first):
            if (place := self._place.pop(page)) >= 0:
                self._free.append(place)
            self._packed.pop(page, None)
            chunk = self._chunk_of.pop(page)
            self.chunks[chunk] = None
            self.touched.add(chunk)
        gone = bisect_left(self.starts, first * self._page_ms)
        self._known.difference_update(self.starts[:gone])
        del self.starts[:gone]

    def chunk(self, number: int) -> Arrays:
        """Copies of a chunk's arrays, for a snapshot: one row for each of its page's windows, in order of time;
        nothing without a page."""
        page = self.chunks[number]
        if page is None:
            return {}
        windows = self._windows(page)
        if self._place[page] < 0:
            found = self._unpacked(self._packed[page])
            return {name: found[name][windows] for name in KEPT}
        return {name: getattr(self.sums, name)[self._place[page] * PAGE + windows] for name in KEPT}

    def restore(
        self,
        chunks: Sequence[Arrays],
        pages: Sequence[int | None],
        before: int,
        progress: Callable[[], object] = lambda: None,
    ) -> None:
        """Take the pages of a snapshot; `pages` = `chunks` of then. Those that end by `before` stay packed; `progress` is called after
        each."""
        for page, chunk in zip(pages, chunks, strict=True):
            if page is not None:
                self._put(page, chunk, before)
                progress()
        self._finish()

    def rebuilt(
        self,
        new_sums: Callable[[int], Sums],
        moves: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]],
        before: int,
        progress: Callable[[], object] = lambda: None,
    ) -> "ColdSums":
        """The same windows with other accumulators and series: `moves` says, array by array, which old columns go where; `before` as in
        `restore`; `progress` is called after each page. Chunks keep their numbers.
        """
        out = ColdSums(new_sums, self._length_ms)
        out.chunks = [None] * len(self.chunks)
        for number, page in enumerate(self.chunks):
            if page is None:
                continue
            old = self.chunk(number)
            made: dict[str, NDArray[Any]] = dict(zip(Sums._fields, new_sums(len(old["start"])), strict=True))
            made["start"][:] = old["start"]
            for name, (was, now) in moves.items():
                made[name][:, now] = old[name][:, was]
            out.chunks[number], out._chunk_of[page] = page, number
            out._put(page, {name: made[name] for name in KEPT}, before)
            progress()
        out._finish()
        return out

    def _windows(self, page: int) -> NDArray[np.int64]:
        """Places in their page of the windows that are known."""
        first, last = (bisect_left(self.starts, at * self._page_ms) for at in (page, page + 1))
        return np.array(self.starts[first:last], np.int64) // self._length_ms % PAGE

    def _finish(self) -> None:
        self.starts = sorted(self._known)
        self.touched = set(self._chunk_of.values())

    def _begin(self, start: int) -> None:
        page = start // self._page_ms
        if page not in self._place:
            self._number(page)
            self._open(page, {})
        self._known.add(start)
        insort(self.starts, start)
        slot = self.slot(start)  # first: opening a page may replace the sums
        self.sums.start[slot] = start

    def _number(self, page: int) -> None:
        """Give a page its chunk."""
        number = self.chunks.index(None) if None in self.chunks else len(self.chunks)
        self.chunks[number : number + 1] = [page]
        self._chunk_of[page] = number

    def _put(self, page: int, chunk: Arrays, before: int) -> None:
        """A page out of its chunk."""
        if page not in self._chunk_of:
            self._number(page)
        self._known.update(chunk["start"].tolist())
        whole: dict[str, NDArray[Any]] = dict(zip(Sums._fields, self._new_sums(PAGE), strict=True))
        for name in KEPT:
            whole[name][chunk["start"] // self._length_ms % PAGE] = chunk[name]
        if (page + 1) * self._page_ms <= before:
            self._packed[page] = _packed(whole)
            self._place[page] = -1
        else:
            self._open(page, whole)

    def _open(self, page: int, arrays: Arrays) -> None:
        """Give a page a place, filled with `arrays`, the rest as in new sums."""
        if not self._free:
            self._grow()
        place = self._free.pop()
        self._place[page] = place
        for name, mine, fresh in zip(Sums._fields, self.sums, self._new_sums(PAGE), strict=True):
            mine[place * PAGE : (place + 1) * PAGE] = arrays.get(name, fresh)

    def _grow(self) -> None:
        old, pages = self.sums, len(self.sums.start) // PAGE
        self.sums = self._new_sums(2 * pages * PAGE)
        for mine, before in zip(self.sums, old, strict=True):
            mine[: pages * PAGE] = before
        self._free = list(range(2 * pages - 1, pages - 1, -1))

    def _unpacked(self, data: bytes) -> Arrays:
        made: dict[str, NDArray[Any]] = dict(zip(Sums._fields, self._new_sums(PAGE), strict=True))
        plain, at = zstandard.ZstdDecompressor().decompress(data), 0
        for name in KEPT:
            width, size = made[name].dtype.itemsize, made[name].nbytes
            shuffled = np.frombuffer(plain, np.uint8, size, at).reshape(width, -1)
            made[name] = np.ascontiguousarray(shuffled.T).view(made[name].dtype).reshape(made[name].T.shape).T.copy()
            at += size
        return made


def _packed(arrays: Arrays) -> bytes:
    """Accumulator by accumulator over time and byte by byte of the numbers: most bytes of neighbours are equal then."""
    parts = []
    for name in KEPT:
        flat = np.ascontiguousarray(arrays[name].T).reshape(-1)
        parts.append(np.ascontiguousarray(flat.view(np.uint8).reshape(-1, flat.dtype.itemsize).T).tobytes())
    return zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(parts))
