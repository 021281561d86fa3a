"""What goes on from a snapshot says what the uninterrupted one says, bit for bit."""

from collections import defaultdict

import pyarrow as pa
from core_runs import fetches, spans
from hypothesis import given
from hypothesis import strategies as st
from log_strategies import Case, cases
from snapshots import Shelves

from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.zone_file.read import parse_zone

KEEP, RESTORE, PACK = "keep", "restore", "pack"


FOREVER = 1 << 62


def rows_of(case: Case, sizes: list[int], interruptions: list[str]) -> dict[str, list[object]]:
    """Everything that the core says about a log, in the order it says it; between fetches a snapshot is taken, or gone on
    from, or the books are packed."""
    core = ZoneRun(parse_zone(case.text), case.partitions)
    shelves = Shelves(case.partitions)
    said: defaultdict[str, list[object]] = defaultdict(list)

    def hear(step: dict[str, list[pa.RecordBatch]]) -> None:
        for name, batches in step.items():
            said[name] += [row for batch in batches for row in batch.to_pylist()]

    for i, fetch in enumerate(fetches(case.records, sizes)):
        what = interruptions[i % len(interruptions)] if interruptions else ""
        if what == PACK:
            core.ledger.windows.pages.pack(FOREVER)
        elif what:
            shelves.put(core)
        if what == RESTORE:
            shelves.restore(core)
        hear(core.records(spans(fetch)))
    hear(core.finish())
    return said


@given(
    cases(),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(st.sampled_from(("", KEEP, RESTORE, PACK)), min_size=1, max_size=6),
)
def test_a_core_restored_from_snapshots_says_what_the_uninterrupted_one_says(
    case: Case, sizes: list[int], interruptions: list[str]
) -> None:
    assert rows_of(case, sizes, interruptions) == rows_of(case, sizes, [])
