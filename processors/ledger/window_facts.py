"""What is known of a window that rules judge, and the values of indicators in it."""

from collections.abc import Callable
from typing import NamedTuple

from zonepulse.processors.detection.rules import NOTHING, Excess
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


def excess(name: str, facts: Facts, length_ms: int, low: float | None, high: float | None) -> Excess:
    """What a window has of an indicator above `high` or below `low`, at the carbon that it has."""
    rate = facts.rate
    if name == "co2e_kg" and facts.co2e is not None:
        return Excess(None, _outside(facts.co2e, low, high, lambda bound: round(bound * MICRO)))
    if name == "g_per_kwh" and rate is not None:
        return Excess(None, _outside(rate[0], low, high, lambda bound: round(bound * 1000) * rate[1] // MICRO))
    amount = facts.energy if name in ("energy_kwh", "power_kw") else facts.quantity
    if amount is None or name not in ("energy_kwh", "power_kw", "quantity", "quantity_per_h"):
        return NOTHING
    ms = length_ms if name in ("power_kw", "quantity_per_h") else MS_PER_HOUR
    outside = _outside(amount, low, high, lambda bound: round(bound * MICRO) * ms // MS_PER_HOUR)
    return Excess(outside if name in ("energy_kwh", "power_kw") else None, rate and outside * rate[0] // rate[1])


def _outside(amount: int, low: float | None, high: float | None, of_window: Callable[[float], int]) -> int:
    above = 0 if high is None else amount - of_window(high)
    return max(0, above, 0 if low is None else of_window(low) - amount)


def grams(energy: int | None, co2e: int | None) -> float | None:
    """1000 co2e_mg / energy_micro; None at 0 or when either is unknown."""
    return None if energy is None or co2e is None or energy == 0 else 1000 * co2e / energy
