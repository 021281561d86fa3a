"""Which blocks of a log that partitions share are taken when, while the slowest partition holds the others back."""

import json
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from zonepulse.streams.workers.far_ahead import Places

PARTITIONS = 3
MOST = 4
"""Blocks that may wait."""


def test_a_partition_at_rest_is_read_again_from_its_place_and_nobody_else_twice() -> None:
    places = Places()
    assert places.is_due(1, 5)
    places.rest(1, 5)
    assert not places.is_due(1, 6)
    assert places.is_due(0, 6)
    places.has_read(10)
    assert (places.low, places.front, places.next_offset, places.at_rest) == (5, 10, 10, {1})
    places.read_again([0, 1])
    assert (places.next_offset, places.at_rest) == (5, set())
    assert [places.is_due(1, at) for at in (4, 5, 6)] == [False, True, True]
    assert not places.is_due(0, 6)
    places.has_read(8)
    assert (places.low, places.next_offset) == (8, 8)
    places.has_read(12)
    assert (places.low, places.front, places.next_offset) == (12, 12, 12)


@dataclass
class Reader:
    """What a ledger does with blocks, one tick each: tick k is applied when every partition has sent its k-th block."""

    log: list[int]
    """The partition of each record; offsets are positions."""
    places: Places = field(default_factory=Places)
    taken: list[list[int]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    most_waiting: int = 0
    reads: int = 0

    @property
    def waiting(self) -> int:
        return sum(len(t) for t in self.taken) - PARTITIONS * self.applied

    @property
    def applied(self) -> int:
        return min(len(t) for t in self.taken)

    def step(self, at: int, n: int) -> int:
        """Reads n records from `at`; returns where to read on."""
        end = min(len(self.log), at + n)
        for offset in range(at, end):
            self.reads += 1
            p = self.log[offset]
            if self.places.is_due(p, offset):
                if self.waiting > MOST and len(self.taken[p]) > self.applied:
                    self.places.rest(p, offset)
                else:
                    self.taken[p].append(offset)
                    self.most_waiting = max(self.most_waiting, self.waiting)
        self.places.has_read(end)
        has_room = 2 * self.waiting <= MOST
        self.places.read_again({p for p in self.places.at_rest if has_room or len(self.taken[p]) == self.applied})
        return self.places.next_offset


@given(st.lists(st.integers(0, PARTITIONS - 1), max_size=80), st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1))
def test_every_block_is_taken_once_and_in_order_and_few_wait(log: list[int], steps: list[tuple[int, bool]]) -> None:
    reader, at, done = Reader(log), 0, 0
    while at < len(log):
        n, is_restored = steps[done % len(steps)]
        done += 1
        assert done < 10 * len(log) + 10, "it does not come to an end"
        if is_restored and done <= len(steps):
            reader.places = Places.of(json.loads(json.dumps(reader.places.facts())))
            at = reader.places.low
        low = reader.places.low
        at = reader.step(at, n)
        assert low <= reader.places.low <= reader.places.front
    whole = [[offset for offset, p in enumerate(log) if p == number] for number in range(PARTITIONS)]
    for number, taken in enumerate(reader.taken):
        assert taken == whole[number][: len(taken)]
        assert taken == whole[number] or (number in reader.places.at_rest and len(taken) > reader.applied)
    assert reader.most_waiting <= MOST + PARTITIONS
    assert reader.waiting > MOST // 2 or not reader.places.at_rest


def test_what_is_read_again_is_read_once_more_and_not_over_and_over() -> None:
    log = [1] * 1000 + [0] * 1000
    reader, at = Reader(log), 0
    while at < len(log):
        at = reader.step(at, 2)
    assert [len(t) for t in reader.taken[:2]] == [1, 5]  # partition 2 has sent nothing
    log = log + [2] * 1000
    reader.log = log
    while at < len(log):
        at = reader.step(at, 2)
    assert [len(t) for t in reader.taken] == [1000, 1000, 1000]
    assert reader.reads < 5 * len(log)
