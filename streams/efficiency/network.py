"""An energy-efficiency network's savings: of each member by what its measures say and by what its meters say, and of them all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from fractions import Fraction
from math import sqrt
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from zonepulse.processors.efficiency.baseline import Baseline, Refused, fit, refusal
from zonepulse.processors.efficiency.history import By, History
from zonepulse.processors.efficiency.savings import BottomUp, TopDown, baseline_span, bottom_up, top_down
from zonepulse.processors.indicators.facts import facts_of
from zonepulse.schemas.indicators.conversions import is_energy
from zonepulse.schemas.indicators.periods import midnight_ms
from zonepulse.schemas.registry.efficiency.networks import EFFICIENCY, Efficiency, EfficiencyNetwork, SavingsTarget, current_members
from zonepulse.schemas.registry.model import Registry, Series
from zonepulse.schemas.registry.sections import whole_of
from zonepulse.streams.efficiency.daily import Meters, company_history, kwh_per_unit, metered_days, stored_intensity
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
    weather: Series | None = None
    source: str = ""
    """Of the weather."""

    def span_ms(self, timezone: str) -> tuple[int, int]:
        """Epoch ms."""
        zone = ZoneInfo(timezone)
        return midnight_ms(self.first, zone), midnight_ms(self.end, zone)


@dataclass(frozen=True, slots=True)
class CarrierSavings:
    """A member's savings of one carrier."""

    carrier: str
    kwh_per_unit: Fraction | None
    kg_per_unit: Fraction | None
    """kg CO2e by location: the mean of what was used in the period."""
    history: History | None
    baseline: Baseline | None
    """Also where it is not accepted."""
    found: TopDown | Refused


class Saved(NamedTuple):
    """An amount, and half its 90 % interval."""

    amount: float
    half_width: float


@dataclass(frozen=True, slots=True)
class MemberSavings:
    """A member's savings."""

    company: str
    target: SavingsTarget | None
    measured: BottomUp
    carriers: tuple[CarrierSavings, ...]

    def kwh(self) -> Saved | None:
        """What its meters say it saved of all carriers; None where one of them has no answer."""
        return _sum((one.found, one.kwh_per_unit) for one in self.carriers)

    def kg(self) -> Saved | None:
        """The same in kg CO2e, each carrier at its mean intensity in the period: what factors did is not in it."""
        return _sum((one.found, one.kg_per_unit) for one in self.carriers)


def _sum(parts: Iterable[tuple[TopDown | Refused, Fraction | None]]) -> Saved | None:
    total, variance, known = 0.0, 0.0, False
    for found, per_unit in parts:
        if isinstance(found, Refused) or per_unit is None:
            return None
        total, variance, known = total + found.saved * float(per_unit), variance + (found.half_width * float(per_unit)) ** 2, True
    return Saved(total, sqrt(variance)) if known else None


def by_measures(registry: Registry, company: str, network: str, asked: Asked) -> MemberSavings:
    """Of one company, by what its measures say alone."""
    efficiency: Efficiency = whole_of(registry, EFFICIENCY)
    target = next((one for one in efficiency.targets if (one.network, one.company) == (network, company)), None)
    measures = (one for one in efficiency.measures if (one.network, one.company) == (network, company))
    return MemberSavings(company, target, bottom_up(measures, asked.first, asked.end), ())


def member_savings(registry: Registry, company: str, network: str, asked: Asked, ask: Ask) -> MemberSavings:
    """Of one company; `network` '' = of a company as such. Raises what `ask` raises."""
    (found,) = _members(registry, (company,), network, asked, ask)
    return found


def network_savings(registry: Registry, network: EfficiencyNetwork, asked: Asked, ask: Ask) -> tuple[MemberSavings, ...]:
    """Of everybody who was a member in the period. Raises what `ask` raises."""
    efficiency: Efficiency = whole_of(registry, EFFICIENCY)
    members = current_members(efficiency, network.id, asked.first.isoformat(), asked.end.isoformat())
    return _members(registry, members, network.id, asked, ask)


def _members(registry: Registry, companies: tuple[str, ...], network: str, asked: Asked, ask: Ask) -> tuple[MemberSavings, ...]:
    """The store is asked once for all of them."""
    known = [by_measures(registry, company, network, asked) for company in companies]
    spans = {one.company: _span(registry, one, asked) for one in known}
    first = min((span[0] for span in spans.values() if not isinstance(span, Refused)), default=None)
    meters, kg = Meters(asked.first, asked.end, {}), dict[tuple[str, str], Fraction]()
    if first is not None:
        meters = metered_days(registry, companies, first, asked.end, ask)
        kg = stored_intensity(registry, companies, asked.first, asked.end, ask)
    return tuple(replace(one, carriers=_carriers(registry, one.company, spans[one.company], meters, kg, asked)) for one in known)


def _span(registry: Registry, one: MemberSavings, asked: Asked) -> tuple[date, date] | Refused:
    efficiency: Efficiency = whole_of(registry, EFFICIENCY)
    changes = [change for change in efficiency.static_changes if change.company == one.company]
    return baseline_span(one.target.base_year if one.target else asked.base_year, asked.first, asked.end, changes)


def _carriers(
    registry: Registry,
    company: str,
    span: tuple[date, date] | Refused,
    meters: Meters,
    kg: Mapping[tuple[str, str], Fraction],
    asked: Asked,
) -> tuple[CarrierSavings, ...]:
    carriers = sorted(filter(is_energy, facts_of(registry).base_units.get(company, {})))
    if isinstance(span, Refused):
        return tuple(CarrierSavings(carrier, None, None, None, None, span) for carrier in carriers)
    histories = {carrier: company_history(registry, company, carrier, meters, asked.weather) for carrier in carriers}
    return tuple(_of_carrier(carrier, one, kg.get((company, carrier)), span, asked) for carrier, one in histories.items())


def _of_carrier(
    carrier: str, history: History | Refused, kg: Fraction | None, span: tuple[date, date], asked: Asked
) -> CarrierSavings:  # fmt: skip
    if isinstance(history, Refused):
        return CarrierSavings(carrier, None, kg, None, None, history)
    factor = kwh_per_unit(carrier, history.unit)
    model = fit(history.between(*span), asked.by, judge_unverified=asked.judge_unverified)
    if isinstance(model, Refused):
        return CarrierSavings(carrier, factor, kg, history, None, model)
    found = refusal(model) or top_down(model, history.between(asked.first, asked.end))
    return CarrierSavings(carrier, factor, kg, history, model, found)


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
    return {
        "company": one.company,
        "target": None if one.target is None else _target(one.target),
        "measures": _measured(one.measured, one.target),
        "meters": _metered(one.kwh(), one.kg(), sum(one.measured.kwh.values(), Fraction(0)), one.target, asked),
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


def _metered(
    kwh: Saved | None, kg: Saved | None, measures_kwh: Fraction, target: SavingsTarget | None, asked: Asked
) -> dict[str, Any] | None:  # fmt: skip
    """None where the meters have no answer."""
    if kwh is None:
        return None
    return {
        "kwh": kwh.amount,
        "low_kwh": kwh.amount - kwh.half_width,
        "high_kwh": kwh.amount + kwh.half_width,
        "less_measures_kwh": kwh.amount - float(measures_kwh),
        "attained": attained(kwh.amount, target.kwh_a if target else None, asked),
        "kg": kg.amount if kg else None,
        "low_kg": kg.amount - kg.half_width if kg else None,
        "high_kg": kg.amount + kg.half_width if kg else None,
        "attained_kg": attained(kg.amount, target.kg_a if target else None, asked) if kg else None,
    }


def attained(saved: float, target_a: Fraction | float | None, asked: Asked) -> float | None:
    """The part of a yearly target that is due in the period."""
    return saved / (float(target_a) * _years(asked)) if target_a else None


_DAYS_A_YEAR: Final = 365


def _years(asked: Asked) -> float:
    return min(1.0, (asked.end - asked.first).days / _DAYS_A_YEAR)


def carrier_document(one: CarrierSavings, language: str = "en") -> dict[str, Any]:
    """A carrier: the model as it is, the savings, or why there are none."""
    return {
        "carrier": one.carrier,
        "kwh_per_unit": None if one.kwh_per_unit is None else float(one.kwh_per_unit),
        "kg_per_unit": None if one.kg_per_unit is None else float(one.kg_per_unit),
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
    kwh, kg = sum_of([one.kwh() for one in found]), sum_of([one.kg() for one in found])
    whole = SavingsTarget("", "", 0, target, total_kg_target(targets)) if targets else None
    return {
        "members": len(found),
        "members_with_target": len(targets),
        "target_kwh_a": float(target),
        "measures_kwh": float(measured),
        "measures_kwh_a": float(kwh_a),
        "attained": float(kwh_a / target) if target else None,
        "meters": _metered(kwh, kg, measured, whole, asked),
        "members_without_meters": [one.company for one in found if one.kwh() is None],
    }


def sum_of(parts: Sequence[Saved | None]) -> Saved | None:
    """Of members; None where one of them has no answer: no partial sum."""
    known = [one for one in parts if one is not None]
    if not known or len(known) < len(parts):
        return None
    return Saved(sum(one.amount for one in known), sqrt(sum(one.half_width**2 for one in known)))


def total_kg_target(targets: Sequence[SavingsTarget]) -> Fraction | None:
    """kg a year; None where a member has not set it."""
    known = [one.kg_a for one in targets if one.kg_a is not None]
    return sum(known, Fraction(0)) if known and len(known) == len(targets) else None


def days_document(history: History) -> Mapping[str, Any]:
    """The days that a model and its savings are made of."""
    return {
        "unit": history.unit,
        "products": list(history.products),
        "days": [[day.day.isoformat(), day.energy, day.temperature_c, list(day.production)] for day in history.days],
    }
