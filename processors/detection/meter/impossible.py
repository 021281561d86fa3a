"""impossible_value: a window holds a reading that was not booked."""

from collections.abc import Mapping
from typing import Any, Final

from zonepulse.processors.channels.table import POWER
from zonepulse.processors.detection.meter.rule import MeterRule, Seen, Told, emit
from zonepulse.processors.flow import UNSET
from zonepulse.processors.kernel import kernel

HINT: Final = "a negative power: its sign means direction; register both directions"


def _evidence(told: Told) -> Mapping[str, Any]:
    hint = {"hint": HINT} if told.version["kind"] == POWER and told.transition["value"] < 0 else {}
    return {"readings": int(told.transition["count"])} | hint


RULE: Final = MeterRule(
    "impossible_value",
    short={"en": "impossible value", "de": "unmöglicher Wert", "zh": "数值不可能"},
    title={"en": "Impossible reading", "de": "Unmöglicher Messwert", "zh": "读数不可能"},
    advice={
        "en": "The value is more than the connection lets through, or negative; it was not booked."
        " Check unit, multiplier and max_power.",
        "de": "Der Wert ist größer, als der Anschluss zulässt, oder negativ; er wurde nicht gebucht."
        " Einheit, Faktor und max_power prüfen.",
        "zh": "数值超过线路容量或为负，未入账。请核对单位、倍率和 max_power。",
    },
    evidence=_evidence,
    state=(
        ("impossible_start", "i8"),  # start of the alert while raised, else UNSET; then value and readings it was raised with
        ("impossible_val", "i8"),
        ("impossible_n", "i8"),
    ),
    unset={"impossible_start": UNSET},
)


@kernel
def judge_impossible(det: Any, seen: Seen, rule: int, out: Any) -> None:
    """The window holds readings that were not booked; a covered window without one resolves."""
    w, start, tick = seen.w, seen.start, seen.tick
    if w.bad_n > 0:
        if det.impossible_start == UNSET:
            det.impossible_start, det.impossible_val, det.impossible_n = start, w.bad_val, w.bad_n
            emit(out, seen.channel, rule, 1, (start, UNSET), tick, w.bad_val, w.bad_n)
    elif w.cov > 0 and det.impossible_start != UNSET:
        emit(out, seen.channel, rule, 0, (det.impossible_start, start), tick, det.impossible_val, det.impossible_n)
        det.impossible_start = UNSET
