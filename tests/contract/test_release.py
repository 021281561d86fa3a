"""What the last release left behind: its snapshots are gone on from with the same rows, or refused by their version; never misread."""

from collections import defaultdict

import pyarrow as pa
import pytest
from core_runs import spans
from release_state import FILE, PARTITIONS, ReleaseState, read
from snapshots import Shelves

from zonepulse.oracle.metering.decode import Record
from zonepulse.processors.metering.snapshot import SCHEMA, BadSnapshot, decode
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.tables.results import TABLES
from zonepulse.schemas.zone_file.read import parse_zone


def rows(core: ZoneRun, log: list[list[Record]]) -> dict[str, pa.Table]:
    made: defaultdict[str, list[pa.RecordBatch]] = defaultdict(list)
    for step in [*(core.records(spans(fetch)) for fetch in log), core.finish()]:
        for name, batches in step.items():
            made[name] += batches
    return {name: pa.Table.from_batches(found, TABLES[name].arrow_schema).unify_dictionaries() for name, found in made.items()}


def shelved(state: ReleaseState) -> Shelves:
    shelves = Shelves(PARTITIONS)
    for shelf, kept in zip([*shelves.partitions, shelves.ledger], [*state.partitions, state.ledger], strict=True):
        shelf.keep(*kept)
    return shelves


def test_a_snapshot_of_the_last_release_is_gone_on_from_or_refused() -> None:
    state = read(FILE)
    if state.schema != SCHEMA:  # workers begin with the log then, as CHANGELOG.md must say
        with pytest.raises(BadSnapshot, match=f"schema version {state.schema}"):
            decode(next(iter(state.partitions[0][1].values())))
        return
    log, whole, restored = state.log(), *(ZoneRun(parse_zone(state.zone), PARTITIONS) for _ in range(2))
    for fetch in log[: state.half]:
        whole.records(spans(fetch))
    shelved(state).restore(restored)
    expected, found = rows(whole, log[state.half :]), rows(restored, log[state.half :])
    assert expected.keys() == found.keys() and expected["intervals"].num_rows > 100
    assert {name for name in expected if not expected[name].equals(found[name])} == set()
