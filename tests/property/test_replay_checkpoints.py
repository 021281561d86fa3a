"""A run that is cut off anywhere and goes on from its checkpoint, in any number of processes, has the rows of one that was not."""

import pickle
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from core_runs import emitted, fetches, final, plain, spans
from hypothesis import given, settings
from hypothesis import strategies as st
from log_strategies import Case, cases

from zonepulse.oracle.metering.decode import Record
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.tables.results import FINAL_TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.replay.checkpoint import RunFolder, cut, resume
from zonepulse.streams.replay.file import FinalRows
from zonepulse.streams.replay.plan import Plan

FEWER = settings(max_examples=settings.default.max_examples // 3, deadline=None)
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)


class Attempt:
    """One life of a run: `processes` cores that meter their partitions, and one that keeps the ledger."""

    def __init__(self, case: Case, folder: Path, processes: int) -> None:
        plan = Plan("r", "z", 0, 1, "zp.readings", tuple((0, 1 << 40) for _ in range(case.partitions)))
        registry = parse_zone(case.text)
        self.cores = [ZoneRun(registry, case.partitions) for _ in range(processes)]
        self.zone, self.rows, self.folder = ZoneRun(registry, case.partitions), FinalRows(), RunFolder(folder, plan, 0)
        self.folder.open(self.zone)
        self.next = defaultdict(int, {p: part.next_offset for p, part in self.folder.state.partitions.items()})
        for number, part in self.folder.state.partitions.items():
            resume(self.core(number), number, part, None)

    def core(self, partition: int) -> ZoneRun:
        return self.cores[partition % len(self.cores)]

    def read(self, fetch: list[Record]) -> None:
        """What of a fetch was not read by an earlier life."""
        partition = fetch[0].partition
        if left := [record for record in fetch if record.offset >= self.next[partition]]:
            core = self.core(partition)
            for piece in pickle.loads(pickle.dumps(list(core.meter(spans(left))))):
                self.rows.add(self.zone.book(piece))
            core.partitions[partition].next_offset = left[-1].offset + 1

    def save(self, partitions: list[int]) -> None:
        """A checkpoint for which these partitions were cut anew."""
        for number in partitions:
            self.folder.take(pickle.loads(pickle.dumps(cut(self.core(number), number))))
        self.folder.save(self.zone, {name: self.rows.table(name) for name in FINAL_TABLES}, 0)
        self.rows = FinalRows()


@FEWER
@given(cases(), sizes, st.data())
def test_a_run_that_was_cut_off_has_the_rows_of_one_that_was_not(case: Case, cuts: tuple[int, ...], data: st.DataObject) -> None:
    whole = final(emitted(case.text, fetches(case.records), case.partitions, finish=False))
    log = fetches(case.records, cuts)
    with TemporaryDirectory() as folder:
        for _ in range(data.draw(st.integers(1, 2), "lives that are cut off")):
            attempt = Attempt(case, Path(folder, "run"), data.draw(st.integers(1, 3), "processes"))
            for fetch in log[: data.draw(st.integers(0, len(log)), "fetches until then")]:
                attempt.read(fetch)
                if data.draw(st.booleans(), "a checkpoint"):
                    attempt.save(data.draw(st.lists(st.integers(0, case.partitions - 1), unique=True), "partitions cut"))
        attempt = Attempt(case, Path(folder, "run"), data.draw(st.integers(1, 3), "processes"))
        for fetch in log:
            attempt.read(fetch)
        for name in FINAL_TABLES:
            found = attempt.rows.table(name, attempt.folder.rows(name))
            assert plain(found) == plain(whole[name])
