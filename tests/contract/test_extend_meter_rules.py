"""A rule about meters is a declaration and its kernel: all else follows."""

from pathlib import Path

import pytest
from extended import Extended

DECLARATION = """
_FIRST: Final = MeterRule(
    "first_energy",
    short={"en": "energy at last", "de": "endlich Energie", "zh": "终于有电"},
    title={"en": "First energy", "de": "Erste Energie", "zh": "首次用电"},
    advice={"en": "Nothing to do.", "de": "Nichts zu tun.", "zh": "无需处理。"},
    evidence=lambda told: {"times": int(told.transition["count"])},
    state=(("first_start", "i8"), ("first_times", "i8")),
    unset=("first_start",),
    severity="info",
)
RULES: Final = """

KERNEL = """

@kernel
def judge_first(det: Any, seen: Seen, rule: int, out: Any) -> None:
    if seen.value > 0 and det.first_start == UNSET:
        det.first_start = seen.start
        det.first_times += 1
        emit(out, seen.channel, rule, 1, (seen.start, UNSET), seen.tick, seen.value, det.first_times)
    elif seen.value == 0 and seen.w.cov > 0 and det.first_start != UNSET:
        emit(out, seen.channel, rule, 0, (det.first_start, seen.start), seen.tick, UNSET, det.first_times)
        det.first_start = UNSET


@kernel
def judge_silence("""

RUN = """
import json
from core_runs import emitted, fetches, final
from small_logs import IMPORT, meter, on_time, reading, zone_text
values = {"10:00": 0, "10:15": 0, "10:30": 4, "10:45": 8, "11:00": 8, "11:15": 9}
text = zone_text(meter(IMPORT))
rows = final(emitted(text, fetches(on_time(*(reading(ts, v) for ts, v in values.items()))), 1, finish=False))["alerts"]
print(json.dumps([r for r in rows.to_pylist() if r["rule"] == "first_energy"], default=str))
"""

DERIVED = """
import json
from zonepulse.processors.detection.meter.judging import ROWS_PER_WINDOW, empty_detectors
from zonepulse.processors.metering.partition import Partition
from zonepulse.processors.metering.snapshot import decode, encode, freeze_partition, restore_partition
from zonepulse.processors.channels.table import compile_registry
from zonepulse.streams.notify.messages.rule_texts import RULE_TEXTS
from zonepulse.streams.notify.messages.words import Words
from zonepulse.streams.queries.texts import Texts
from zonepulse.streams.queries.zone_live_queries import BUILT_IN_RULES
from zones import zone
channels = compile_registry(zone(), 1)
partition = Partition(channels, 0)
partition.state.detectors["first_times"] = 7
frozen = freeze_partition(partition)
chunks = [decode(encode(c)) for c in frozen.chunks.values()]
again = restore_partition(channels, frozen.facts, chunks, 0).state.detectors
title, advice = RULE_TEXTS["first_energy"]
print(json.dumps({
    "room": ROWS_PER_WINDOW,
    "state": again["first_times"].tolist(),
    "unset": sorted(set((empty_detectors(3)["first_start"] < 0).tolist())),
    "screens": [Texts(language)("first_energy") for language in ("en", "de", "zh")],
    "messages": [Words(language, "UTC")(title) + " " + Words(language, "UTC")(advice) for language in ("en", "de", "zh")],
    "is_on_boards": "first_energy" in BUILT_IN_RULES,
}))
"""


TWIN_CALL = """        self._judge_first(window, value, covered_ms, tick)
        self._judge_marks(window, covered_ms > 0, marks, tick)

    def _judge_first(self, window: int, value: int | None, covered_ms: int, tick: int) -> None:
        if value and "first_energy" not in self._active:
            self._times += 1
            told = {"times": self._times}
            start_ms = self._start_ms(window)
            self._active["first_energy"] = self._raised("first_energy", start_ms, window, tick, told, value / 1e6, severity="info")
        elif value == 0 and covered_ms > 0 and "first_energy" in self._active:
            over = self._active.pop("first_energy") | {"value": None}
            self.transitions.append(resolved(over, self._start_ms(window), tick))
"""

JUDGED = """
import json
from core_runs import disagreements, emitted, expected, fetches, final
from small_logs import IMPORT, meter, on_time, reading, zone_text
text = zone_text(meter(IMPORT))
values = {"10:00": 0, "10:15": 0, "10:30": 4, "10:45": 8, "11:00": 8, "11:15": 9, "12:30": 9, "12:45": 9, "13:00": 20}
log = on_time(*(reading(ts, v) for ts, v in values.items()))
print(json.dumps(disagreements(expected(text, log, 1, finish=False), final(emitted(text, fetches(log), 1, finish=False)))))
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Extended:
    return with_rule(Extended(tmp_path_factory.mktemp("rule")))


def with_rule(tree: Extended) -> Extended:
    tree.alter(
        "processors/detection/meter/rules.py",
        ("RULES: Final = ", DECLARATION),
        ("_RESTARTED, _GAP)", "_RESTARTED, _GAP, _FIRST)"),
    )
    tree.alter(
        "processors/detection/meter/judging.py",
        ("\n\n@kernel\ndef judge_silence(", KERNEL),
        ("    judge_stuck(det, seen, STUCK, out)", "    judge_first(det, seen, 6, out)\n    judge_stuck(det, seen, STUCK, out)"),
    )
    return tree


@pytest.mark.integration
def test_a_rule_of_two_files_raises_and_resolves_with_its_own_evidence_and_severity(extended: Extended) -> None:
    assert len(extended.files) == 2
    found = extended.run(RUN)
    told = [
        (r["state"], r["severity"], r["starts_at"][11:16], (r["ends_at"] or "")[11:16], r["value"], r["evidence"]) for r in found
    ]
    assert told == [
        ("resolved", "info", "10:15", "10:45", None, '{"register":"r","times":1}'),
        ("raised", "info", "11:00", "", 1.0, '{"register":"r","times":2}'),
    ]


@pytest.mark.integration
def test_its_state_room_and_texts_follow(extended: Extended) -> None:
    found = extended.run(DERIVED)
    assert found["room"] == 7
    assert set(found["state"]) == {7}
    assert found["unset"] == [True]
    assert found["screens"] == ["energy at last", "endlich Energie", "终于有电"]
    assert found["messages"] == ["First energy Nothing to do.", "Erste Energie Nichts zu tun.", "首次用电 无需处理。"]
    assert found["is_on_boards"]


@pytest.mark.integration
def test_it_compiles_with_the_others(extended: Extended) -> None:
    program = """
import json, numpy as np
from zonepulse.processors.detection.meter.judging import Seen, empty_detectors, judge_window
from zonepulse.processors.flow import new_rows
from zonepulse.processors.metering.state import WINDOW
from zonepulse.processors.metering.windows import new_out
detectors, window, out = empty_detectors(1), new_rows(WINDOW), new_out(10)
judge_window(detectors[0], Seen(window[0], 5, True, 0, 900000, 900000, 3, 1), out)
print(json.dumps([int(out.used[1]), int(out.transitions[0].rule), int(out.transitions[0].value)]))
"""
    assert extended.run(program, NUMBA_DISABLE_JIT="0") == [1, 6, 5]


@pytest.mark.integration
def test_a_twin_in_the_oracle_judges_it(tmp_path: Path) -> None:
    tree = with_rule(Extended(tmp_path))
    assert {line.partition(" ")[0] for line in tree.run(JUDGED)} == {"alerts", "alert_events"}, (
        "without a twin the oracle knows of no such alert"
    )
    tree.alter(
        "oracle/metering/channel_alerts.py",
        ("    _judged: int = 0\n", "    _judged: int = 0\n    _times: int = 0\n"),
        ("        self._judge_marks(window, covered_ms > 0, marks, tick)\n", TWIN_CALL),
    )
    assert tree.run(JUDGED) == []
    tree.alter("oracle/metering/channel_alerts.py", ("value / 1e6, severity", "value / 1e3, severity"))
    wrong = tree.run(JUDGED)
    assert wrong and all(": value is " in line for line in wrong)
