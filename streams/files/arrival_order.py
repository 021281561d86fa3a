"""The order in which rows of several files arrive: a stable merge by ingest time."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zonepulse.schemas.messages.reading_columns import UNKNOWN_MS
from zonepulse.streams.files.blocks import Block

Taken = tuple[Block, NDArray[np.int64]]
"""Rows and their running maximum of ingest time."""


def merged(files: Iterable[Iterator[Block]]) -> Iterator[Block]:
    """The blocks of all files; one block of each file is held.

    Where every file has `ingest_ms`: in the order of its running maximum in each file, of equal ones the earlier file first.
    Otherwise file after file.
    """
    heads = [(head, blocks) for blocks in files if (head := next(blocks, None)) is not None]
    if len(heads) > 1 and all("ingest_ms" in head.table.column_names for head, _ in heads):
        yield from _merge([_Source(head, blocks) for head, blocks in heads])
    else:
        yield from chain.from_iterable(chain([head], blocks) for head, blocks in heads)


class _Source:
    """One file: the rows of its current block that are not taken yet, with their keys."""

    def __init__(self, head: Block, rest: Iterator[Block]) -> None:
        self._rest = chain([head], rest)
        self._latest_ms = UNKNOWN_MS
        self.is_open = self.refill()

    def refill(self) -> bool:
        """Take the next block that has rows; False at the end of the file."""
        for block in self._rest:
            if block.table.num_rows:
                keys = np.maximum.accumulate(block.table["ingest_ms"].to_numpy())
                self._block, self.keys = block, np.maximum(keys, self._latest_ms)
                self._latest_ms = int(self.keys[-1])
                return True
        return False

    def take(self, rows: int) -> Taken:
        """The first rows, which are then gone."""
        block, keys = self._block, self.keys
        self._block, self.keys = Block(block.path, block.form, block.table.slice(rows)), keys[rows:]
        return Block(block.path, block.form, block.table.slice(0, rows)), keys[:rows]


def _merge(sources: Sequence[_Source]) -> Iterator[Block]:
    """Up to the earliest end of the current blocks nothing can be missing: weave the rows up to there, then read on."""
    sources = [source for source in sources if source.is_open]
    while sources:
        first_end = min(range(len(sources)), key=lambda i: (sources[i].keys[-1], i))
        horizon = sources[first_end].keys[-1]
        counts = [np.searchsorted(s.keys, horizon, "right" if i <= first_end else "left") for i, s in enumerate(sources)]
        yield from _woven([s.take(int(n)) for s, n in zip(sources, counts, strict=True) if n])
        sources = [s for s in sources if len(s.keys) or s.refill()]


def _woven(parts: Sequence[Taken]) -> Iterator[Block]:
    """All rows in the order of their keys. Rows of unlike columns cannot share a block: a new one begins where they alternate."""
    kinds: list[tuple[str, pa.Schema]] = []
    kind, row = [], []
    tables: list[list[Block]] = []
    for block, keys in parts:
        key = (block.form, block.table.schema)
        if key not in kinds:
            kinds.append(key)
            tables.append([])
        k = kinds.index(key)
        start = sum(b.table.num_rows for b in tables[k])
        tables[k].append(block)
        kind.append(np.full(len(keys), k))
        row.append(np.arange(start, start + len(keys)))
    order = np.argsort(np.concatenate([keys for _, keys in parts]), kind="stable")
    kinds_in_order, rows_in_order = np.concatenate(kind)[order], np.concatenate(row)[order]
    joined = [Block(bs[0].path, bs[0].form, pa.concat_tables(b.table for b in bs).unify_dictionaries()) for bs in tables]
    for run in np.split(np.arange(len(order)), np.flatnonzero(np.diff(kinds_in_order)) + 1):
        block = joined[kinds_in_order[run[0]]]
        yield Block(block.path, block.form, block.table.take(pa.array(rows_in_order[run])))
