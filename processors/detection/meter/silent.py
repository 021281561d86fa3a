"""silent_channel: three periods' worth of windows in a row without coverage."""

from typing import Any, Final

from zonepulse.processors.detection.meter.rule import MeterRule, Seen, emit, windows_of
from zonepulse.processors.flow import UNSET
from zonepulse.processors.kernel import kernel

RULE: Final = MeterRule(
    "silent_channel",
    short={"en": "meter is silent", "de": "Zähler meldet nichts", "zh": "电表无上报"},
    title={"en": "No readings", "de": "Keine Messwerte", "zh": "没有读数"},
    advice={
        "en": "The meter sends nothing. Look at its power supply, gateway and network.",
        "de": "Der Zähler sendet nichts. Stromversorgung, Gateway und Netz prüfen.",
        "zh": "表计没有上传数据。请检查其供电、网关和网络。",
    },
    evidence=windows_of,
    state=(("silent_run", "i8"), ("silent_start", "i8"), ("silent_on", "i8")),
)
PERIODS: Final = 3


@kernel
def judge_silence(det: Any, seen: Seen, rule: int, out: Any) -> None:
    """`n` = ceil(3 periods / length) uncovered windows in a row."""
    needed = max(1, -(-PERIODS * seen.period // seen.length))
    if seen.is_heard:
        if det.silent_on:
            emit(out, seen.channel, rule, 0, (det.silent_start, seen.start), seen.tick, UNSET, det.silent_on)
        det.silent_run = 0
        det.silent_on = 0
        return
    if det.silent_run == 0:
        det.silent_start = seen.start
    det.silent_run += 1
    if not det.silent_on and det.silent_run >= needed:
        emit(out, seen.channel, rule, 1, (det.silent_start, UNSET), seen.tick, UNSET, needed)
        det.silent_on = needed
