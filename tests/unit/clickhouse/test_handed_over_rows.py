"""Rows that live tasks make from a state that was handed over are its run's in its stretch, and the live ones' elsewhere."""

import json

import numpy as np
import pyarrow as pa

from zonepulse.processors.detection.rules import Alert
from zonepulse.schemas.messages.dead_letters import DeadLetter
from zonepulse.schemas.messages.hand_overs import HandOver, headers_of
from zonepulse.schemas.messages.records import Headers, RecordSpans
from zonepulse.schemas.tables.results import PERIOD_TOTALS, TABLES
from zonepulse.streams.clickhouse.stored_rows import Poison, lies_within, rows_of
from zonepulse.streams.kafka.interval_codec import encode
from zonepulse.streams.kafka.origin import Origin

HOUR_MS = 3_600_000
FROM_MS, TO_MS = 500_000 * HOUR_MS, 500_024 * HOUR_MS
BY = HandOver("0123abcd", "0123abcd", "repaired", FROM_MS, TO_MS, order=9)
ORIGIN = Origin("z", 1, 60_000, 1 << 40, tuple, True)
EDGES = {FROM_MS - 1: "live", FROM_MS: "repaired", TO_MS - 1: "repaired", TO_MS: "live"}


def records(topic: str, made: list[tuple[bytes | None, bytes, Headers]]) -> RecordSpans:
    parts = [part or b"" for key, value, _ in made for part in (key, value)]
    edges = np.cumsum([0, *map(len, parts)])
    return RecordSpans(
        topic, 0, np.frombuffer(b"".join(parts), np.uint8), edges[:-1:2], edges[1::2], edges[1::2], edges[2::2],
        np.arange(len(made)), np.full(len(made), TO_MS), len(made), {i: headers for i, (_, _, headers) in enumerate(made) if headers},
    )  # fmt: skip


def runs(found: RecordSpans, topic: str, column: str) -> dict[int, str]:
    out: dict[int, str] = {}
    for one in rows_of(found, topic, ORIGIN):
        assert not isinstance(one, Poison), one
        times = one[1].rows[column].cast(pa.int64()).to_pylist()
        out |= dict(zip(times, one[1].rows["run"].to_pylist(), strict=True))
    return out


def test_alerts_and_letters_bear_the_run_whose_state_made_them() -> None:
    rows = [Alert("z", "silent_channel", {"meter": str(at)}, "warning", "raised", at, 2, {}).row() for at in EDGES]
    values = [json.dumps({"zone": "z", **row}).encode() for row in rows]
    assert runs(records("zp.alerts", [(b"k", value, headers_of(BY)) for value in values]), "alerts", "starts_at") == EDGES
    assert set(runs(records("zp.alerts", [(b"k", value, ()) for value in values]), "alerts", "starts_at").values()) == {"live"}
    letters = [DeadLetter("zp.readings", 0, i, 0, "late", at, b"k", b"{}") for i, at in enumerate(EDGES)]
    sent = [(letter.key, letter.value or b"", (*headers_of(BY), *letter.headers())) for letter in letters]
    assert runs(records("zp.deadletters", sent), "deadletters", "received_at") == EDGES


def test_blocks_do_too_and_a_day_is_the_runs_only_where_it_lies_in_the_stretch_as_a_whole() -> None:
    table = TABLES["intensity"]
    row = {c.name: {"str": "", "code": "", "f64": 0.0}.get(c.kind, 0) for c in table.columns}
    made = [row | {"zone": "z", "start": at, "length_s": 900, "revision": 1} for at in EDGES]
    block = encode(pa.Table.from_pylist(made, table.arrow_schema).to_batches()[0])
    assert runs(records("zp.results", [(b"intensity", block, headers_of(BY))]), "results", "start") == EDGES
    days = pa.table({"start": pa.array([FROM_MS, FROM_MS], pa.timestamp("ms")), "length_s": pa.array([86_400, 86_401], pa.int32())})
    assert lies_within(PERIOD_TOTALS, days, FROM_MS, TO_MS).to_pylist() == [True, False]


def test_a_header_that_is_no_hand_over_makes_its_record_poison() -> None:
    row = Alert("z", "silent_channel", {"meter": "M"}, "warning", "raised", FROM_MS, 2, {}).row()
    value = json.dumps({"zone": "z", **row}).encode()
    (found,) = rows_of(records("zp.alerts", [(b"k", value, (("hand-over", b"{}"),))]), "alerts", ORIGIN)
    assert isinstance(found, Poison) and "no hand-over" in found.why
