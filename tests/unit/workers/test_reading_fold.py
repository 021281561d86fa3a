"""Pieces of a batch: as large as the machine is fast. What is refused leaves nothing in the state."""

import json
import tracemalloc

import pytest
from fetches import START_MS, Message, channels, ordinary

from zonepulse.processors.metering.partition import Partition
from zonepulse.streams.workers.reading_fold import FIRST_RECORDS, MOST_RECORDS, PIECE_LETTERS, PieceSize, fold


def test_a_fast_machine_soon_takes_whole_batches() -> None:
    size = PieceSize()
    for _ in range(4):
        size.took(size.records, 0, 0.01)
    assert size.records == MOST_RECORDS


def test_a_slow_machine_takes_what_fits_into_a_second() -> None:
    size = PieceSize()
    for _ in range(5):
        size.took(size.records, 0, size.records / 300)
    assert 150 <= size.records <= 300


def test_many_letters_make_pieces_small_and_few_let_them_grow() -> None:
    size = PieceSize(MOST_RECORDS)
    size.took(MOST_RECORDS, MOST_RECORDS, 0.1)
    assert size.records == PIECE_LETTERS
    size.took(size.records, 10, 0.1)
    assert size.records == 4 * PIECE_LETTERS


def test_a_record_is_the_least() -> None:
    size = PieceSize()
    size.took(1, 100_000, 30.0)
    assert size.records == 1


def test_small_batches_say_nothing_about_large_ones() -> None:
    size = PieceSize()
    for _ in range(10):
        size.took(3, 0, 0.02)
    assert size.records == FIRST_RECORDS


@pytest.mark.large
def test_a_flood_of_meters_that_nobody_registered_leaves_no_memory() -> None:
    partition, grown = Partition(channels(), 0), []
    tracemalloc.start()
    for flood in range(6):
        messages = []
        for i in range(100):
            ids = [f"{flood}-{i}-{n}" for n in range(100)]
            readings = [{"meter": name, "register": name, "ts": START_MS, "value": 1.0} for name in ids]
            messages.append(Message(json.dumps(readings).encode(), f"gateway {flood} {i}".encode()))
        records = ordinary(messages, 100 * flood)
        folded = fold(partition, records, 0, len(records)).folded
        assert folded.readings == sum(1 for _ in folded.letters) == 10_000
        del folded, records, messages, readings, ids
        grown.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert grown[-1] - grown[1] < 200_000, grown  # forty thousand ids more: 20 bytes each would be 800 kB
