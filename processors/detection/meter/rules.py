"""The rules about meters, as people are told of them; schemas/messages/alerts.py is their contract, judging.py judges them.

A new rule is a declaration here, its place in RULES with a number, and its kernel in judging.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, NamedTuple

from zonepulse.schemas.registry.model import Text
from zonepulse.schemas.units import MS_PER_HOUR

_NEGATIVE_POWER: Final = "a negative power: its sign means direction; register both directions"
_TENS: Final = [Fraction(10) ** n for k in range(1, 13) for n in (k, -k)]


class Told(NamedTuple):
    """One transition, as evidence is made of it."""

    transition: Mapping[str, int]
    """A row of flow.TRANSITION."""
    multiplier: Fraction
    """Its value was read with."""
    is_power: bool
    """Whether the register shows power."""
    max_gap_ms: int
    """Of the zone."""


@dataclass(frozen=True, slots=True)
class MeterRule:
    """A rule: what it remembers of a channel and what people are told."""

    id: str
    short: Text
    """A few words for screens: language -> text; en, de and zh."""
    title: Text
    """The subject of a message."""
    advice: Text
    """What to do."""
    evidence: Callable[[Told], Mapping[str, Any]]
    """What an alert says beside `register`."""
    state: tuple[tuple[str, str], ...] = ()
    """(field, numpy type of 8 bytes) of what is remembered of a channel; fields begin with a word of the rule's own."""
    unset: tuple[str, ...] = ()
    """Fields of `state` that begin as UNSET instead of zero."""
    room: int = 1
    """Transitions that one judged window can make."""
    severity: str = "warning"
    is_of_reading: bool = False
    """Whether an alert begins with a reading: at the edge of two versions it was read with the one that ends."""


def _windows(told: Told) -> Mapping[str, Any]:
    """Evidence of a rule that counts windows."""
    return {"windows": int(told.transition["count"])}


def _impossible(told: Told) -> Mapping[str, Any]:
    hint = {"hint": _NEGATIVE_POWER} if told.is_power and told.transition["value"] < 0 else {}
    return {"readings": int(told.transition["count"])} | hint


def _step(told: Told) -> dict[str, Any]:
    """Evidence of a step from one value of a register to another."""
    before, value, ms = (int(told.transition[name]) for name in ("before", "value", "ms"))
    return {"from_micro": before, "mean_power_micro": abs(value - before) * MS_PER_HOUR // ms}


def _held(told: Told) -> Mapping[str, Any]:
    before, value = int(told.transition["before"]), int(told.transition["value"])
    return _step(told) | {
        "direction": "up" if value > before else "down",
        "held_micro": value,
        "steps_above": int(told.transition["count"]),
    }


def _restarted(told: Told) -> Mapping[str, Any]:
    before, value, starts_at, ms = (int(told.transition[name]) for name in ("before", "value", "starts_at", "ms"))
    ratio = _ratio(before, value, told.multiplier)
    found = _step(told) | {"from_ts": starts_at - ms, "to_micro": value}
    return found if ratio is None else found | {"ratio": str(ratio)}


def _ratio(before: int, after: int, multiplier: Fraction) -> Fraction | None:
    """A power of ten, or the multiplier, within 3 % of which the new value lies to the old one."""
    known = _TENS + ([multiplier, 1 / multiplier] if multiplier != 1 else [])
    if before <= 0 or after <= 0:
        return None
    return next(
        (r for r in known if 100 * abs(after * r.denominator - before * r.numerator) <= 3 * before * r.numerator),
        None,
    )


def _gap(told: Told) -> Mapping[str, Any]:
    return {"energy_micro": int(told.transition["value"]), "max_gap_ms": told.max_gap_ms}


_SILENT: Final = MeterRule(
    "silent_channel",
    short={"en": "meter is silent", "de": "Zähler meldet nichts", "zh": "电表无上报"},
    title={"en": "No readings", "de": "Keine Messwerte", "zh": "没有读数"},
    advice={
        "en": "The meter sends nothing. Look at its power supply, gateway and network.",
        "de": "Der Zähler sendet nichts. Stromversorgung, Gateway und Netz prüfen.",
        "zh": "表计没有上传数据。请检查其供电、网关和网络。",
    },
    evidence=_windows,
    state=(("silent_run", "i8"), ("silent_start", "i8"), ("silent_on", "i8")),
)
"""Three periods' worth of windows in a row without coverage."""
_STUCK: Final = MeterRule(
    "stuck",
    short={"en": "value does not change", "de": "Wert ändert sich nicht", "zh": "数值不变"},
    title={"en": "Readings stand still", "de": "Messwerte stehen still", "zh": "读数不变"},
    advice={
        "en": "The same value comes again and again. Look whether the sensor or gateway hangs.",
        "de": "Immer derselbe Wert. Prüfen, ob Sensor oder Gateway hängt.",
        "zh": "数值一直相同。请检查传感器或网关是否卡死。",
    },
    evidence=_windows,
    state=(
        ("stuck_val", "i8"),
        ("stuck_start", "i8"),
        ("stuck_run", "i8"),
        ("stuck_longest", "i8"),
        ("stuck_on", "i8"),
    ),
    room=2,
)
"""A run of equal, fully measured windows that is longer than runs have been."""
_IMPOSSIBLE: Final = MeterRule(
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
    evidence=_impossible,
    state=(
        ("impossible_start", "i8"),  # start of the alert while raised, else UNSET; then value and readings it was raised with
        ("impossible_val", "i8"),
        ("impossible_n", "i8"),
    ),
    unset=("impossible_start",),
)
"""A window holds a reading that was not booked."""
_HELD: Final = MeterRule(
    "register_held",
    short={"en": "register value in doubt", "de": "Zählerstand fraglich", "zh": "示数存疑"},
    title={"en": "Register held", "de": "Zählerstand zurückgehalten", "zh": "表码待定"},
    advice={
        "en": "The register jumped and is not booked until it is clear what happened. If the meter was changed, record the change.",
        "de": "Der Zählerstand ist gesprungen und wird erst gebucht, wenn klar ist, warum. Wurde der Zähler getauscht,"
        " tragen Sie es ein.",
        "zh": "表码突变，原因明确前暂不入账。如已换表，请登记换表记录。",
    },
    evidence=_held,
    state=(
        ("held_start", "i8"),  # start of the alert while raised, else UNSET
        ("held_from", "i8"),  # R0, the held value, the time between and the steps above max_power that it was raised with
        ("held_val", "i8"),
        ("held_ms", "i8"),
        ("held_steps", "i8"),
    ),
    unset=("held_start",),
    room=2,
)
"""What a register showed last is not decided, and leaves windows open."""
_RESTARTED: Final = MeterRule(
    "series_restarted",
    short={"en": "register began anew", "de": "Zählwerk begann neu", "zh": "示数重新起算"},
    title={"en": "Register began anew", "de": "Zählerstand begann neu", "zh": "表码重新开始"},
    advice={
        "en": "The register goes on from another value. Record the meter change, so that no energy is lost.",
        "de": "Der Zählerstand läuft von einem anderen Wert weiter. Zählerwechsel eintragen, damit keine Energie verloren geht.",
        "zh": "表码从另一数值继续。请登记换表，避免电量丢失。",
    },
    evidence=_restarted,
    room=0,
    is_of_reading=True,
)
"""A new series without a record in the registry; metering.fold finds it."""
_GAP: Final = MeterRule(
    "gap_too_long",
    short={"en": "gap too long to book", "de": "Lücke zu lang zum Verbuchen", "zh": "缺口过长未入账"},
    title={"en": "Gap too long", "de": "Lücke zu lang", "zh": "数据缺口过长"},
    advice={
        "en": "Energy came in one piece after a long gap and is not booked live; a replay with a larger max_gap books it.",
        "de": "Nach langer Lücke kam Energie in einem Stück und wird nicht gebucht; ein Replay mit größerem max_gap bucht sie.",
        "zh": "长时间缺数后一次性到达的电量不会实时入账；用更大的 max_gap 重放即可入账。",
    },
    evidence=_gap,
    room=0,
)
"""Energy over a longer gap than max_gap, which nobody books live; metering.registers finds it."""

RULES: Final = (_SILENT, _STUCK, _IMPOSSIBLE, _HELD, _RESTARTED, _GAP)
"""A rule's number is its place."""
SILENT, STUCK, IMPOSSIBLE, HELD, RESTARTED, GAP = range(6)
