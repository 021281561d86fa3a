"""An energy-efficiency network's savings: of each member by what its measures say and by what its meters say, and of them all."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from fractions import Fraction
from math import sqrt
from typing import Any, Final

from zonepulse.processors.efficiency.baseline import Baseline, Refused, fit, refusal
from zonepulse.processors.efficiency.history import By, History
from zonepulse.processors.efficiency.savings import BottomUp, TopDown, baseline_span, bottom_up, top_down
from zonepulse.processors.indicators.facts import facts_of
from zonepulse.schemas.indicators.conversions import is_energy
from zonepulse.schemas.registry.efficiency.networks import EFFICIENCY, Efficiency, EfficiencyNetwork, SavingsTarget, current_members
from zonepulse.schemas.registry.model import Registry, Series
from zonepulse.schemas.registry.sections import whole_of
from zonepulse.streams.efficiency.daily import company_history, kwh_per_unit, stored_days
from zonepulse.streams.efficiency.words import reason
from zonepulse.streams.indicators.store import Ask


@dataclass(frozen=True, slots=True)
class Asked:
    """What savings are asked for: of the days [first, end), by a model of days or months."""

    first: date
    end: date
    base_year: int
    """Of members without a target."""
    by: By = "day"
    judge_unverified: bool = False


@dataclass(frozen=True, slots=True)
class CarrierSavings:
    """A member's savings of one carrier."""

    carrier: str
    kwh_per_unit: Fraction | None
    history: History | None
    baseline: Baseline | None
    """Also where it is not accepted."""
    found: TopDown | Refused


@dataclass(frozen=True, slots=True)
class MemberSavings:
    """A member's savings."""

    company: str
    target: SavingsTarget | None
    measured: BottomUp
    carriers: tuple[CarrierSavings, ...]

    def kwh(self) -> tuple[float, float] | None:
        """What its meters say it saved of all carriers, and half the 90 % interval; None where one of them has no answer."""
        total = variance = 0.0
        for one in self.carriers:
            if isinstance(one.found, Refused) or one.kwh_per_unit is None:
                return None
            total += one.found.saved * float(one.kwh_per_unit)
            variance += (one.found.half_width * float(one.kwh_per_unit)) ** 2
        return (total, sqrt(variance)) if self.carriers else None


def by_measures(registry: Registry, company: str, network: str, asked: Asked) -> MemberSavings:
    """Of one company, by what its measures say alone."""
    efficiency: Efficiency = whole_of(registry, EFFICIENCY)
    target = next((one for one in efficiency.targets if (one.network, one.company) == (network, company)), None)
    measures = (one for one in efficiency.measures if (one.network, one.company) == (network, company))
    return MemberSavings(company, target, bottom_up(measures, asked.first, asked.end), ())


def member_savings(registry: Registry, company: str, network: str, asked: Asked, ask: Ask, weather: Series | None) -> MemberSavings:
    """Of one company; `network` '' = of a company as such. Raises what `ask` raises."""
    efficiency: Efficiency = whole_of(registry, EFFICIENCY)
    known = by_measures(registry, company, network, asked)
    carriers = sorted(filter(is_energy, facts_of(registry).base_units.get(company, {})))
    changes = [one for one in efficiency.static_changes if one.company == company]
    span = baseline_span(known.target.base_year if known.target else asked.base_year, asked.first, asked.end, changes)
    if isinstance(span, Refused):
        found = [CarrierSavings(carrier, None, None, None, span) for carrier in carriers]
    else:
        meters = stored_days(registry, (company,), span[0], asked.end, ask)
        histories = {carrier: company_history(registry, company, carrier, meters, weather) for carrier in carriers}
        found = [_of_carrier(carrier, one, span, asked) for carrier, one in histories.items()]
    return replace(known, carriers=tuple(found))


def _of_carrier(carrier: str, history: History | Refused, span: tuple[date, date], asked: Asked) -> CarrierSavings:
    if isinstance(history, Refused):
        return CarrierSavings(carrier, None, None, None, history)
    factor = kwh_per_unit(carrier, history.unit)
    model = fit(history.between(*span), asked.by, judge_unverified=asked.judge_unverified)
    if isinstance(model, Refused):
        return CarrierSavings(carrier, factor, history, None, model)
    found = refusal(model) or top_down(model, history.between(asked.first, asked.end))
    return CarrierSavings(carrier, factor, history, model, found)


def network_savings(
    registry: Registry, network: EfficiencyNetwork, asked: Asked, ask: Ask, weather: Series | None
) -> tuple[MemberSavings, ...]:  # fmt: skip
    """Of everybody who was a member in the period."""
    efficiency: Efficiency = whole_of(registry, EFFICIENCY)
    members = current_members(efficiency, network.id, asked.first.isoformat(), asked.end.isoformat())
    return tuple(member_savings(registry, company, network.id, asked, ask, weather) for company in members)


# --- as documents -------------------------------------------------------------------------------------------------------------------


def network_document(found: Sequence[MemberSavings], asked: Asked, language: str = "en") -> dict[str, Any]:
    """The members and their sum."""
    return {
        "first": asked.first.isoformat(),
        "end": asked.end.isoformat(),
        "members": [member_document(one, asked, language) for one in found],
        "total": _total(found, asked),
    }


def member_document(one: MemberSavings, asked: Asked, language: str = "en") -> dict[str, Any]:
    """A member. kWh of final energy; `attained` are parts of the target."""
    kwh = one.kwh()
    return {
        "company": one.company,
        "target": None if one.target is None else _target(one.target),
        "measures": _measured(one.measured, one.target),
        "meters": None if kwh is None else _metered(*kwh, one.measured, one.target, asked),
        "carriers": [carrier_document(carrier, language) for carrier in one.carriers],
    }


def _target(target: SavingsTarget) -> dict[str, Any]:
    return {
        "base_year": target.base_year,
        "kwh_a": float(target.kwh_a),
        "kg_a": None if target.kg_a is None else float(target.kg_a),
    }


def _measured(found: BottomUp, target: SavingsTarget | None) -> dict[str, Any]:
    is_all = not found.without_kg
    has_kg = target is not None and target.kg_a is not None and is_all
    return {
        "kwh": float(sum(found.kwh.values())),
        "kwh_by_carrier": {carrier: float(value) for carrier, value in sorted(found.kwh.items())},
        "kwh_a": float(found.kwh_a),
        "kg_a": float(found.kg_a) if is_all else None,
        "measures_without_kg": list(found.without_kg),
        "attained": None if target is None else float(found.kwh_a / target.kwh_a),
        "attained_kg": float(found.kg_a / target.kg_a) if has_kg and target and target.kg_a else None,
    }


def _metered(kwh: float, half_width: float, measured: BottomUp, target: SavingsTarget | None, asked: Asked) -> dict[str, Any]:
    due = None if target is None else float(target.kwh_a) * _years(asked)
    return {
        "kwh": kwh,
        "low_kwh": kwh - half_width,
        "high_kwh": kwh + half_width,
        "less_measures_kwh": kwh - float(sum(measured.kwh.values())),
        "attained": None if not due else kwh / due,
    }


_DAYS_A_YEAR: Final = 365


def _years(asked: Asked) -> float:
    return min(1.0, (asked.end - asked.first).days / _DAYS_A_YEAR)


def carrier_document(one: CarrierSavings, language: str = "en") -> dict[str, Any]:
    """A carrier: the model as it is, the savings, or why there are none."""
    return {
        "carrier": one.carrier,
        "kwh_per_unit": None if one.kwh_per_unit is None else float(one.kwh_per_unit),
        "baseline": None if one.baseline is None else baseline_document(one.baseline),
        "savings": None
        if isinstance(one.found, Refused)
        else asdict(one.found) | {"months": [m._asdict() for m in one.found.months]},
        "missing": reason(one.found, language) if isinstance(one.found, Refused) else None,
    }


def baseline_document(one: Baseline) -> dict[str, Any]:
    """A model with everything that its predictions are made of."""
    return asdict(one) | {
        "variables": [variable._asdict() for variable in one.variables],
        "judged": [judged.criterion._asdict() | {"value": judged.value, "verdict": judged.verdict} for judged in one.judged],
        "accepted": one.is_accepted,
    }


def _total(found: Sequence[MemberSavings], asked: Asked) -> dict[str, Any]:
    """Of the network: its target is the sum of the members'; what the meters say only where all of them have an answer."""
    targets = [one.target for one in found if one.target is not None]
    measured = sum((sum(one.measured.kwh.values(), Fraction(0)) for one in found), Fraction(0))
    kwh_a, target = sum((one.measured.kwh_a for one in found), Fraction(0)), sum((one.kwh_a for one in targets), Fraction(0))
    metered = [one.kwh() for one in found]
    known = [one for one in metered if one is not None]
    is_whole = bool(known) and len(known) == len(metered)
    kwh, half_width = sum(one[0] for one in known), sqrt(sum(one[1] ** 2 for one in known))
    return {
        "members": len(found),
        "members_with_target": len(targets),
        "target_kwh_a": float(target),
        "measures_kwh": float(measured),
        "measures_kwh_a": float(kwh_a),
        "attained": float(kwh_a / target) if target else None,
        "meters": {
            "kwh": kwh,
            "low_kwh": kwh - half_width,
            "high_kwh": kwh + half_width,
            "less_measures_kwh": kwh - float(measured),
            "attained": kwh / (float(target) * _years(asked)) if target else None,
        }
        if is_whole
        else None,
        "members_without_meters": [one.company for one, kwh in zip(found, metered, strict=True) if kwh is None],
    }


def days_document(history: History) -> Mapping[str, Any]:
    """The days that a model and its savings are made of."""
    return {
        "unit": history.unit,
        "products": list(history.products),
        "days": [[day.day.isoformat(), day.energy, day.temperature_c, list(day.production)] for day in history.days],
    }
