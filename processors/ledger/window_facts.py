"""What is known of a window that rules judge, and the values of indicators in it."""

from typing import NamedTuple

from zonepulse.processors.detection.rules import NOTHING, Excess
from zonepulse.schemas.registry.model import Rule
from zonepulse.schemas.units import MICRO, MS_PER_HOUR


class Facts(NamedTuple):
    """What is known of a subject's window; None: not known. Micro-units and mg."""

    cov: int
    expected: int
    energy: int | None = None
    co2e: int | None = None
    g_per_kwh: float | None = None
    imbalance: int | None = None
    quantity: int | None = None
    share: tuple[int, int] | None = None
    """Estimated and all of what `estimated_share` is about."""
    rate: tuple[int, int] | None = None
    """Co2e of an energy (of a register's quantity) above 0: what more of it is valued at."""
    parts: tuple[tuple[int, int], ...] = ()
    """Of a subject whose channels are judged beside one another: each that is covered, and what it counts."""


def indicator(name: str, facts: Facts, length_ms: int) -> float | None:
    """The value of an indicator: one division of integers each; None where it is not known, or is none of the scope's."""
    hours = {"energy_kwh": MS_PER_HOUR, "quantity": MS_PER_HOUR, "power_kw": length_ms, "quantity_per_h": length_ms}
    if name in hours:
        amount = facts.energy if name in ("energy_kwh", "power_kw") else facts.quantity
        return None if amount is None else amount * MS_PER_HOUR / (MICRO * hours[name])
    if name == "g_per_kwh":
        return facts.g_per_kwh
    if name == "completeness":
        return facts.cov / facts.expected if facts.expected else None
    if name == "estimated_share":
        return facts.share[0] / facts.share[1] if facts.share is not None and facts.share[1] > 0 else None
    amount = {"co2e_kg": facts.co2e, "imbalance_kwh": facts.imbalance}.get(name)
    return None if amount is None else amount / MICRO


def excess(rule: Rule, facts: Facts, length_ms: int) -> Excess:
    """What a window has above the rule's bound, at the carbon that it has."""
    if rule.above is None or rule.change:
        return NOTHING
    bound, rate = round(rule.above * MICRO), facts.rate
    if rule.indicator == "co2e_kg" and facts.co2e is not None:
        return Excess(None, max(0, facts.co2e - bound))
    if rule.indicator == "g_per_kwh" and rate is not None:
        return Excess(None, max(0, rate[0] - round(rule.above * 1000) * rate[1] // MICRO))
    amount = facts.energy if rule.indicator in ("energy_kwh", "power_kw") else facts.quantity
    if amount is None or rule.indicator not in ("energy_kwh", "power_kw", "quantity", "quantity_per_h"):
        return NOTHING
    per_window = bound * length_ms // MS_PER_HOUR if rule.indicator in ("power_kw", "quantity_per_h") else bound
    over = max(0, amount - per_window)
    return Excess(over if rule.indicator in ("energy_kwh", "power_kw") else None, rate and over * rate[0] // rate[1])


def grams(energy: int | None, co2e: int | None) -> float | None:
    """1000 co2e_mg / energy_micro; None at 0 or when either is unknown."""
    return None if energy is None or co2e is None or energy == 0 else 1000 * co2e / energy
