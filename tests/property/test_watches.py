"""Detectors on a log: core, oracle and live workers say the same, wherever it is cut and whatever goes on from a snapshot."""

import pyarrow as pa
from core_runs import disagreements, emitted, expected, fetches, final, spans
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from snapshots import interrupted_alerts
from watch_strategies import FAULTY, Watched, every_fault, watched, work_out_of_hours

from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.detection.watch.words import SHORT
from zonepulse.processors.metering.partition import Partition
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.messages.alerts import CHANNEL_DETECTORS
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.kafka.interval_codec import decode_block
from zonepulse.streams.workers.reading_fold import fold

FEWER = settings(max_examples=max(5, settings.default.max_examples // 10))


@FEWER
@given(watched())
@example(every_fault())
@example(work_out_of_hours())
def test_core_equals_oracle(log: Watched) -> None:
    got = final(emitted(log.text, fetches(log.records), 1))
    for rule in {*got["alerts"]["rule"].to_pylist()}:
        event(rule)
    assert disagreements(expected(log.text, log.records, 1), got) == []


def test_each_detector_speaks_where_its_fault_is() -> None:
    """So that core and oracle agree on what each says, and not only on silence."""
    assert {*FAULTY, "off_hours"} == {*CHANNEL_DETECTORS}
    found = [
        row
        for log in (every_fault(), work_out_of_hours())
        for row in final(emitted(log.text, fetches(log.records), 1))["alerts"].to_pylist()
    ]
    assert {(row["meter"], row["rule"]) for row in found if row["rule"] in CHANNEL_DETECTORS} == {
        (name, name) for name in CHANNEL_DETECTORS
    }


@FEWER
@example(every_fault(), [700, 45])
@given(watched(), st.lists(st.integers(20, 300), min_size=1, max_size=4))
def test_where_the_log_is_cut_and_what_is_restored_changes_no_alert(log: Watched, sizes: list[int]) -> None:
    whole = emitted(log.text, fetches(log.records), 1)
    assert sorted(interrupted_alerts(log.text, log.records, sizes), key=repr) == sorted(whole["alerts"].to_pylist(), key=repr)


@FEWER
@given(watched())
def test_what_live_workers_send_is_what_a_replay_says(log: Watched) -> None:
    partition = Partition(compile_registry(parse_zone(log.text), 1), 0)
    made = [fold(partition, spans(fetch), 0, len(fetch)) for fetch in fetches(log.records, (150,))]
    replayed = emitted(log.text, fetches(log.records), 1, finish=False)
    sent = [row for one in made for block in one.expected for row in pa.ipc.open_stream(block).read_all().to_pylist()]
    assert sorted(sent, key=repr) == sorted(replayed["expected"].to_pylist(), key=repr)
    candidates = [row for one in made for block in one.candidates for row in decode_block(block).candidates or ()]
    core = ZoneRun(parse_zone(log.text), 1)
    proposed = [row for fetch in fetches(log.records) for piece in core.meter(spans(fetch)) for row in piece.alerts]
    of_both = [[row for row in rows if row["rule"] in SHORT] for rows in (candidates, proposed)]
    assert sorted(of_both[0], key=repr) == sorted(of_both[1], key=repr)
