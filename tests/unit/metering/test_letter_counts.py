"""Letters of one key are capped by tick, wherever batches are cut and whoever goes on from a snapshot; the oracle says the same."""

import json

import pytest
from core_runs import disagreements, emitted, expected, fetches, final
from zones import SMALL

from zonepulse.oracle.metering.decode import Record
from zonepulse.processors.metering.letter_counts import MOST_A_TICK, LetterCounts

START_MS = 1_790_812_800_000
ZONE = SMALL.replace("factor_regions: [CN-JS, CN]}", "factor_regions: [CN-JS, CN], key: site}")


def bad(n: int, at_ms: int) -> bytes:
    readings = [{"meter": f"X{i}", "register": "1.8.0", "ts": at_ms, "value": 1.0} for i in range(n)]
    return json.dumps(readings if n > 1 else readings[0]).encode()


def log() -> list[Record]:
    """Two noisy senders and a quiet one over three ticks, times not in order."""
    records, offset = [], 0
    for tick in range(3):
        for k in range(9):
            for key, n in ((b"noisy", 300), (b"also", 1), (None, 150), (b"noisy", 1)):
                at_ms = START_MS + tick * 60_000 + k * 1_000 - (5_000 if k == 8 else 0)
                records.append(Record(0, offset, at_ms, key, bad(n, at_ms), ()))
                offset += 1
        records.append(Record(0, offset, START_MS + tick * 60_000, b"noisy", None, ()))
        offset += 1
    return records


@pytest.mark.parametrize("sizes", [(), pytest.param((1,), marks=pytest.mark.large), pytest.param((7, 2), marks=pytest.mark.large)])
def test_capped_records_are_the_oracles_however_batches_are_cut(sizes: tuple[int, ...]) -> None:
    records = log()
    wanted, got = expected(ZONE, records, 1), final(emitted(ZONE, fetches(records, sizes), 1))
    assert disagreements(wanted, got) == []
    reasons = got["dead_letters"]["reason"].to_pylist()
    noisy = [r for r, key in zip(reasons, got["dead_letters"]["key"].to_pylist(), strict=True) if key == b"noisy"]
    assert noisy.count("capped") == 3 * 11  # of 18 records a tick the first seven have 300 + 1 + 300 + 1 + 300 + 1 + 300 letters
    assert MOST_A_TICK <= noisy.count("unknown_meter") / 3 < MOST_A_TICK + 300
    assert [r for r, key in zip(reasons, got["dead_letters"]["key"].to_pylist(), strict=True) if key == b"also"] == [
        "unknown_meter"
    ] * 27


def test_counts_are_the_same_after_a_snapshot() -> None:
    counts = LetterCounts(7, {3: 5, 1: 2})
    assert LetterCounts.of(json.loads(json.dumps(counts.facts()))) == counts
    assert LetterCounts.of({}) == LetterCounts()
