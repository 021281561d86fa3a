"""stuck: a run of equal, fully measured windows that is longer than runs have been."""

from typing import Any, Final

from zonepulse.processors.detection.meter.rule import MeterRule, Seen, emit, windows_of
from zonepulse.processors.flow import BIT_ESTIMATED, UNSET
from zonepulse.processors.kernel import kernel

RULE: Final = MeterRule(
    "stuck",
    short={"en": "value does not change", "de": "Wert ändert sich nicht", "zh": "数值不变"},
    title={"en": "Readings stand still", "de": "Messwerte stehen still", "zh": "读数不变"},
    advice={
        "en": "The same value comes again and again. Look whether the sensor or gateway hangs.",
        "de": "Immer derselbe Wert. Prüfen, ob Sensor oder Gateway hängt.",
        "zh": "数值一直相同。请检查传感器或网关是否卡死。",
    },
    evidence=windows_of,
    state=(
        ("stuck_val", "i8"),
        ("stuck_start", "i8"),
        ("stuck_run", "i8"),
        ("stuck_longest", "i8"),
        ("stuck_on", "i8"),
    ),
    room=2,
)
LEAST: Final = 6
_DAY_MS: Final = 86_400_000


@kernel
def judge_stuck(det: Any, seen: Seen, rule: int, out: Any) -> None:
    """A run of equal, fully measured windows reaches max(6, 2 x the longest run before)."""
    if seen.w.cov != seen.length or seen.w.bits & BIT_ESTIMATED:
        return
    value, start = seen.value, seen.start
    if det.stuck_run > 0 and value == det.stuck_val:
        det.stuck_run += 1
    else:
        if det.stuck_on:
            emit(out, seen.channel, rule, 0, (det.stuck_start, start), seen.tick, det.stuck_val, det.stuck_on)
        det.stuck_longest = max(det.stuck_longest, det.stuck_run)
        det.stuck_run, det.stuck_start, det.stuck_val, det.stuck_on = 1, start, value, 0
    warm = value != 0 or det.judged > _DAY_MS // seen.length
    if not det.stuck_on and warm and det.stuck_run >= max(LEAST, 2 * det.stuck_longest):
        emit(out, seen.channel, rule, 1, (det.stuck_start, UNSET), seen.tick, value, det.stuck_run)
        det.stuck_on = det.stuck_run
