"""What is forgotten behind the ledger's horizon changes no row, wherever batches are cut, snapshots are taken or registries change."""

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pyarrow as pa
from core_runs import plain
from hypothesis import example, given
from hypothesis import strategies as st
from snapshots import Shelf

from zonepulse.processors.channels.table import Channels, compile_registry
from zonepulse.processors.flow import ROW, Rows, new_rows
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.processors.ledger.snapshot import freeze_ledger
from zonepulse.schemas.tables.results import TABLES
from zonepulse.streams.bench.ledger_load import HOUR_MS, MAX_GAP_MS, START_MS, TICK_MS, WINDOW_MS, CompanyZone

ZONE = CompanyZone(companies=3, channels=12)
PARTITIONS = 2
REACH = MAX_GAP_MS // WINDOW_MS + 8
"""In windows, about: what lies further back is too old."""


@dataclass(frozen=True, slots=True)
class Step:
    """Both partitions close so many ticks more, with rows of (channel, age in windows, kWh), sent under a registry version."""

    ticks: int
    rows: tuple[tuple[int, int, int], ...]
    version: int


rows = st.tuples(st.integers(0, 12), st.one_of(st.integers(1, 3), st.integers(1, 2 * REACH)), st.integers(0, 9))
steps = st.builds(Step, st.sampled_from((1, 5, 15, 60, 240, 1000, 5000)), st.lists(rows, max_size=4).map(tuple), st.just(1))


@st.composite
def logs(draw: st.DrawFn) -> list[Step]:
    """Steps; from some place on under version 2, whose max_gap is another."""
    found = draw(st.lists(steps, min_size=2, max_size=25))
    at = draw(st.integers(0, 2 * len(found)))
    return [replace(step, version=1 if i < at else 2) for i, step in enumerate(found)]


@cache
def versions(max_gap_hours: int) -> dict[int, Channels]:
    first = compile_registry(ZONE.registry(), PARTITIONS)
    policy = replace(first.registry.zone, max_gap_ms=max_gap_hours * HOUR_MS)
    second = compile_registry(replace(ZONE.registry(2), zone=policy), PARTITIONS, first.names)
    return {1: first, 2: second}


def row_of(channels: Channels, tick: int, start: int, channel: int, micro: int, was: int | None) -> Rows:
    row = new_rows(ROW)
    row["channel"], row["start"], row["revision"] = channel, start, tick
    row["version"], row["val"], row["cov"] = channels.first[channel], micro, WINDOW_MS
    row["was_val"], row["was_cov"] = was or 0, 0 if was is None else WINDOW_MS
    return row


class Remembering(Ledger):
    """A ledger that forgets nothing, and packs nothing."""

    def _compile(self, channels: Channels) -> None:
        super()._compile(channels)
        self.windows.forget = self.windows.pack = lambda *_: None  # type: ignore[method-assign]


def booked(ledger: Ledger, log: list[Step], known: dict[int, Channels], cuts: list[int], restores: list[int]) -> dict[str, object]:
    """Everything that the ledger says of a log; it advances behind the steps in `cuts`, and goes on from snapshots behind `restores`."""
    shelf, emitted, refused = Shelf(), dict[tuple[int, int], int](), 0
    made: defaultdict[str, list[pa.RecordBatch]] = defaultdict(list)
    tick = START_MS // TICK_MS
    for i, step in enumerate(log):
        channels, mine = known[step.version], []
        for number in range(PARTITIONS):
            ledger.announce(number, channels)
        for channel, age, kwh in step.rows:
            start = ((tick + step.ticks) * TICK_MS // WINDOW_MS - 1 - age) * WINDOW_MS
            if emitted.get((channel, start)) != kwh:
                mine.append(row_of(channels, tick + step.ticks, start, channel, kwh, emitted.get((channel, start))))
                emitted[channel, start] = kwh
        tick += step.ticks
        whole = np.concatenate([new_rows(ROW, 0), *mine])
        _, last = np.unique((whole["channel"], whole["start"]), axis=1, return_index=True)
        whole = whole[np.sort(last)].view(np.recarray)
        for number in range(PARTITIONS):
            ledger.offer(number, whole[whole["channel"] % PARTITIONS == number].view(np.recarray), tick, channels)
        if i in cuts or i == len(log) - 1:
            results = ledger.advance()
            refused += results.too_old
            for name, table in results.tables("z").items():
                made[name] += table.to_batches()
        if i in restores:
            shelf.put(freeze_ledger(ledger, 0))
            ledger = shelf.ledger(known)
    tables = {name: plain(pa.Table.from_batches(b, TABLES[name].arrow_schema).unify_dictionaries()) for name, b in made.items()}
    return {**tables, "refused": refused}


PLACES = st.lists(st.integers(0, 24), max_size=8)


PAGES_OPEN_AGAIN = [
    Step(1, ((0, 1, 0), (0, 1, 0)), 2),
    Step(1000, ((0, 1, 0), (0, 28, 0)), 2),
    Step(1, ((0, 1, 0), (0, 76, 0), (0, 11, 0)), 2),
]
"""A rule reads a packed window while every place is taken: the sums grow in the middle of the read."""


@given(logs(), st.sampled_from((1, 12, 40)), PLACES, PLACES)
@example(PAGES_OPEN_AGAIN, 40, [], [])
def test_forgetting_changes_no_row(log: list[Step], max_gap_hours: int, cuts: list[int], restores: list[int]) -> None:
    known = versions(max_gap_hours)
    every = list(range(len(log)))
    expected = booked(Remembering(known[1]), log, known, every, [])
    assert booked(Ledger(known[1]), log, known, every, restores) == expected
    assert booked(Ledger(known[1]), log, known, cuts, restores) == expected


@given(st.lists(steps, min_size=2, max_size=25))
def test_no_more_windows_are_held_than_the_horizon_the_rest_of_its_day_and_a_page_hold(log: list[Step]) -> None:
    known = versions(12)
    ledger = Ledger(known[1])
    booked(ledger, log, known, list(range(len(log))), [])
    assert len(ledger.windows.pages.chunks) <= (REACH + 96) // 16 + 3
