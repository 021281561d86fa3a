"""series_restarted: a new series without a record in the registry; metering.fold finds it."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from zonepulse.processors.detection.meter.held import step_of
from zonepulse.processors.detection.meter.rule import MeterRule, Told

_TENS: Final = [Fraction(10) ** n for k in range(1, 13) for n in (k, -k)]


def _evidence(told: Told) -> Mapping[str, Any]:
    t, version = told.transition, told.version
    before, value = int(t["before"]), int(t["value"])
    ratio = _ratio(before, value, Fraction(int(version["num"]), int(version["den"])))
    found = step_of(told) | {"from_ts": int(t["starts_at"]) - int(t["ms"]), "to_micro": value}
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


RULE: Final = MeterRule(
    "series_restarted",
    short={"en": "register began anew", "de": "Zählwerk begann neu", "zh": "示数重新起算"},
    title={"en": "Register began anew", "de": "Zählerstand begann neu", "zh": "表码重新开始"},
    advice={
        "en": "The register goes on from another value. Record the meter change, so that no energy is lost.",
        "de": "Der Zählerstand läuft von einem anderen Wert weiter. Zählerwechsel eintragen, damit keine Energie verloren geht.",
        "zh": "表码从另一数值继续。请登记换表，避免电量丢失。",
    },
    evidence=_evidence,
    room=0,
    is_of_reading=True,
)
