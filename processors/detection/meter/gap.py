"""gap_too_long: energy over a longer gap than max_gap, which nobody books live; metering.registers finds it."""

from collections.abc import Mapping
from typing import Any, Final

from zonepulse.processors.detection.meter.rule import MeterRule, Told


def _evidence(told: Told) -> Mapping[str, Any]:
    return {"energy_micro": int(told.transition["value"]), "max_gap_ms": told.max_gap_ms}


RULE: Final = MeterRule(
    "gap_too_long",
    short={"en": "gap too long to book", "de": "Lücke zu lang zum Verbuchen", "zh": "缺口过长未入账"},
    title={"en": "Gap too long", "de": "Lücke zu lang", "zh": "数据缺口过长"},
    advice={
        "en": "Energy came in one piece after a long gap and is not booked live; a replay with a larger max_gap books it.",
        "de": "Nach langer Lücke kam Energie in einem Stück und wird nicht gebucht; ein Replay mit größerem max_gap bucht sie.",
        "zh": "长时间缺数后一次性到达的电量不会实时入账；用更大的 max_gap 重放即可入账。",
    },
    evidence=_evidence,
    room=0,
)
