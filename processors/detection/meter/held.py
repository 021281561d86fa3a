"""register_held: what a register showed last is not decided, and leaves windows open."""

from collections.abc import Mapping
from typing import Any, Final

from zonepulse.processors.detection.meter.rule import MeterRule, Told, emit
from zonepulse.processors.flow import NEVER, UNSET
from zonepulse.processors.kernel import kernel
from zonepulse.schemas.units import MS_PER_HOUR


def step_of(told: Told) -> dict[str, Any]:
    """Evidence of a step from one value of a register to another."""
    before, value, ms = (int(told.transition[name]) for name in ("before", "value", "ms"))
    return {"from_micro": before, "mean_power_micro": abs(value - before) * MS_PER_HOUR // ms}


def _evidence(told: Told) -> Mapping[str, Any]:
    before, value = int(told.transition["before"]), int(told.transition["value"])
    return step_of(told) | {
        "direction": "up" if value > before else "down",
        "held_micro": value,
        "steps_above": int(told.transition["count"]),
    }


RULE: Final = MeterRule(
    "register_held",
    short={"en": "register value in doubt", "de": "Zählerstand fraglich", "zh": "示数存疑"},
    title={"en": "Register held", "de": "Zählerstand zurückgehalten", "zh": "表码待定"},
    advice={
        "en": "The register jumped and is not booked until it is clear what happened. If the meter was changed, record the change.",
        "de": "Der Zählerstand ist gesprungen und wird erst gebucht, wenn klar ist, warum. Wurde der Zähler getauscht,"
        " tragen Sie es ein.",
        "zh": "表码突变，原因明确前暂不入账。如已换表，请登记换表记录。",
    },
    evidence=_evidence,
    state=(
        ("held_start", "i8"),  # start of the alert while raised, else UNSET
        ("held_from", "i8"),  # R0, the held value, the time between and the steps above max_power that it was raised with
        ("held_val", "i8"),
        ("held_ms", "i8"),
        ("held_steps", "i8"),
    ),
    unset={"held_start": UNSET},
    room=2,
)


@kernel
def judge_held(
    det: Any, start: int, raised: tuple[int, int, int, int, int], ended: int, tick: int, out: Any, channel: int, rule: int
) -> None:
    """What pends begins to leave windows open at `start` (UNSET: nothing pends). `raised` = (tick from which on it is told, NEVER = not
    yet; R0, held value, ms between, steps above max_power)."""
    if det.held_start != UNSET and det.held_start != start:
        span = (det.held_start, ended)
        emit(out, channel, rule, 0, span, tick, det.held_val, det.held_steps, det.held_from, det.held_ms)
        det.held_start = UNSET
    if det.held_start == UNSET and start != UNSET and raised[0] != NEVER:
        det.held_start = start
        det.held_from, det.held_val, det.held_ms, det.held_steps = raised[1], raised[2], raised[3], raised[4]
        emit(out, channel, rule, 1, (start, UNSET), raised[0], raised[2], raised[4], raised[1], raised[3])
