"""Properties of the core's parts: rows that travel as Arrow blocks, and a ledger that hears of them twice or in another order."""

import pickle
from collections import defaultdict

import numpy as np
import pyarrow as pa
from core_runs import fetches, plain, spans
from hypothesis import given, settings
from hypothesis import strategies as st
from log_strategies import Case, cases

from zonepulse.processors.channels.table import Channels, compile_registry
from zonepulse.processors.decoding.exact import decode_records
from zonepulse.processors.final_rows import final_rows
from zonepulse.processors.flow import ROW
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.processors.ledger.step import Offer, book
from zonepulse.processors.metering.interval_rows import interval_batch, interval_block, interval_rows
from zonepulse.processors.metering.partition import Partition, Step
from zonepulse.processors.zone_run import ZoneRun, no_items
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.schemas.zone_file.read import parse_zone

FEWER = settings(max_examples=settings.default.max_examples // 3)
Offers = list[tuple[int, Step]]


def steps_of(case: Case, sizes: tuple[int, ...] = (4,)) -> tuple[Channels, Offers]:
    """What the partitions say, in the order in which they say it, all closed at one tick in the end."""
    channels = compile_registry(parse_zone(case.text), case.partitions)
    partitions = [Partition(channels, p) for p in range(case.partitions)]
    offers: Offers = []
    for fetch in fetches(case.records, sizes):
        records, partition = spans(fetch), partitions[fetch[0].partition]
        ingest = partition.ingest_times(records.timestamp_ms)
        batch = decode_records(records, 0, len(records), ingest, channels)
        offers.append((partition.partition, partition.apply(batch.items, int(ingest[-1]))))
    end = max(partition.ingest for partition in partitions) + 10 * channels.registry.zone.window_ms
    return channels, offers + [(p.partition, p.apply(no_items(), end)) for p in partitions]


def booked(channels: Channels, offers: Offers) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the ledger makes of these offers, sorted."""
    ledger = Ledger(channels)
    made: defaultdict[str, list[pa.RecordBatch]] = defaultdict(list)
    for partition, step in offers:
        results, _ = book(ledger, [Offer(partition, channels, step.rows, step.through)])
        for name, table in results.tables("z").items():
            made[name] += table.to_batches()
    return {name: plain(pa.Table.from_batches(b, TABLES[name].arrow_schema).unify_dictionaries()) for name, b in made.items()}


@FEWER
@given(cases())
def test_interval_rows_survive_the_journey_as_an_arrow_block(case: Case) -> None:
    channels, offers = steps_of(case)
    for step, make in ((step, make) for _, step in offers for make in (interval_block, interval_batch)):
        back = interval_rows(make(step.rows, channels), channels)
        assert len(back) == len(step.rows)
        for name in set(ROW.names or ()) - {"bits"}:
            covered = step.rows["cov"] > 0 if name in ("val", "est") else np.ones(len(back), bool)
            assert np.array_equal(back[name][covered], step.rows[name][covered])


@FEWER
@given(cases(), st.data())
def test_rows_that_the_ledger_hears_of_again_change_nothing(case: Case, data: st.DataObject) -> None:
    channels, offers = steps_of(case)
    again: Offers = []
    for i, offer in enumerate(offers):
        again += [offer, *offers[max(0, i - data.draw(st.integers(0, 3))) : i + 1]]
    assert booked(channels, again) == booked(channels, offers)


@FEWER
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_in_which_partitions_speak_changes_no_result(case: Case, chance: object) -> None:
    channels, offers = steps_of(case)
    queues = [[o for o in offers if o[0] == p] for p in range(case.partitions)]
    mixed: Offers = []
    while any(queues):
        mixed.append(chance.choice([q for q in queues if q]).pop(0))  # type: ignore[attr-defined]
    assert booked(channels, mixed) == booked(channels, offers)


@FEWER
@given(cases())
def test_rows_come_sorted_by_revision_and_none_is_later_than_through(case: Case) -> None:
    _, offers = steps_of(case)
    through: dict[int, int] = {}
    for partition, step in offers:
        revisions = step.rows["revision"]
        assert np.all(np.diff(revisions) >= 0)
        if len(revisions):
            assert revisions[-1] <= step.through
            assert revisions[0] > through.get(partition, revisions[0] - 1)
        through[partition] = step.through


@FEWER
@given(cases(), st.randoms(use_true_random=False))
def test_partitions_metered_by_processes_of_their_own_have_the_rows_of_one_run(case: Case, chance: object) -> None:
    registry = parse_zone(case.text)
    alone, whole = ([ZoneRun(registry, case.partitions) for _ in range(n)] for n in (case.partitions, 1))
    queues: list[list[bytes]] = [[] for _ in alone]
    expected: defaultdict[str, list[pa.RecordBatch]] = defaultdict(list)
    booked: defaultdict[str, list[pa.RecordBatch]] = defaultdict(list)

    def keep(made: defaultdict[str, list[pa.RecordBatch]], batches: dict[str, list[pa.RecordBatch]]) -> None:
        for name, found in batches.items():
            made[name] += found

    for fetch in fetches(case.records, (4,)):
        number = fetch[0].partition
        queues[number] += map(pickle.dumps, alone[number].meter(spans(fetch)))
        keep(expected, whole[0].records(spans(fetch)))
    end_ms = max(record.timestamp_ms for record in case.records) + 10 * registry.zone.window_ms
    for number, zone in enumerate(alone):
        queues[number] += map(pickle.dumps, zone.pass_to(end_ms, [number]))
    for piece in whole[0].pass_to(end_ms, range(case.partitions)):
        keep(expected, whole[0].book(piece))
    ledger = ZoneRun(registry, case.partitions)
    while any(queues):
        keep(booked, ledger.book(pickle.loads(chance.choice([q for q in queues if q]).pop(0))))  # type: ignore[attr-defined]
    for name in FINAL_TABLES:
        schema = TABLES[name].arrow_schema
        ours, theirs = (pa.Table.from_batches(made[name], schema).unify_dictionaries() for made in (booked, expected))
        assert plain(final_rows(ours, TABLES[name])) == plain(final_rows(theirs, TABLES[name])), name
