"""Final rows: of each key the row with the highest revision, sorted by key (design: what "equal" means)."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from zonepulse.schemas.tables.results import Table


def rank_codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Integers that sort and compare like the column."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type):
        coded = column.combine_chunks().dictionary_encode()
        ranks = np.asarray(pc.rank(coded.dictionary, "ascending"), np.int64)
        return ranks[np.asarray(coded.indices)] if len(ranks) else np.empty(0, np.int64)
    return np.asarray(column.cast(pa.int64()))


def final_rows(rows: pa.Table, table: Table) -> pa.Table:
    """The last revision of each key, sorted by key; columns as they are."""
    if rows.num_rows == 0:
        return rows
    keys = [rank_codes(rows[name]) for name in table.key]
    revision = rank_codes(rows["revision"]) if table.versioned else np.arange(rows.num_rows)
    order = np.lexsort((revision, *reversed(keys)))
    is_last = np.ones(len(order), bool)
    is_last[:-1] = np.any([np.diff(key[order]) != 0 for key in keys], axis=0)
    return rows.take(pa.array(order[is_last]))
