"""A network's figures: sums over its members, whole for its moderator, and for everybody else those that tell of no member.

A figure is disclosed of members who add something to it, at least five of them and none with more than half of it: benchmarks' policy.
Those who joined since an earlier report are left out of it until they are as many; else both reports together would tell what they add.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from zonepulse.processors.indicators.disclosure import POLICY, Member, Policy, Report, report, report_of
from zonepulse.schemas.registry.efficiency.networks import Measure
from zonepulse.streams.efficiency import records
from zonepulse.streams.efficiency.network import MemberSavings, Saved

_KIND: Final = "network"


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that members add up to."""

    id: str
    unit: str
    parts: Mapping[str, Saved]
    """Company -> what it adds, with half of its 90 % interval; who adds nothing is left out."""
    missing: tuple[str, ...] = ()
    """Members of whom it is not known: there is no sum then."""
    decimals: int = 0

    def total(self) -> Saved | None:
        """Of all members; None where it is not known of one."""
        return None if self.missing or not self.parts else self._sum(self.parts)

    def of(self, companies: Iterable[str]) -> Saved:
        """Of some members."""
        return self._sum({company: self.parts[company] for company in companies})

    @staticmethod
    def _sum(parts: Mapping[str, Saved]) -> Saved:
        return Saved(sum(one.amount for one in parts.values()), sqrt(sum(one.half_width**2 for one in parts.values())))


class Disclosed(NamedTuple):
    """A figure as everybody may see it."""

    saved: Saved
    companies: frozenset[str]
    is_whole: bool
    """Whether all members are in it."""


def figures(found: Sequence[MemberSavings], measures: Sequence[Measure]) -> tuple[Figure, ...]:
    """What a network counts: targets, measures, meters."""
    measured = {one.company: one.measured for one in found}
    kwh, kg = {one.company: one.kwh() for one in found}, {one.company: one.kg() for one in found}
    targets = [one.target for one in found if one.target is not None]
    mine = [one for one in measures if one.company in measured]
    done, planned = ([one for one in mine if one.status == status] for status in ("implemented", "planned"))
    return (
        _figure("target_kwh_a", "kWh/a", {one.company: one.kwh_a for one in targets}),
        _figure("measures_kwh_a", "kWh/a", {company: one.kwh_a for company, one in measured.items()}),
        _figure("measures_kwh", "kWh", {company: sum(one.kwh.values(), Fraction(0)) for company, one in measured.items()}),
        _figure("meters_kwh", "kWh", kwh),
        _figure("meters_kg", "kg CO2e", kg),
        _figure("target_kg_a", "kg CO2e/a", {one.company: one.kg_a for one in targets} if any(one.kg_a for one in targets) else {}),
        _figure("measures_kg_a", "kg CO2e/a", {c: None if one.without_kg else one.kg_a for c, one in measured.items()}),
        _figure("planned_kwh_a", "kWh/a", _by_company((one.company, sum(v for _, v in one.kwh_a)) for one in planned)),
        _figure("investment_cny", "CNY", _by_company((one.company, one.investment_cny) for one in done)),
        _figure("measures_count", "", _by_company((one.company, Fraction(1)) for one in mine)),
    )


def _figure(name: str, unit: str, amounts: Mapping[str, Fraction | None] | Mapping[str, Saved | None]) -> Figure:
    parts = {c: one if isinstance(one, Saved) else Saved(float(one), 0.0) for c, one in amounts.items() if one is not None}
    missing = tuple(company for company, one in amounts.items() if one is None)
    return Figure(name, unit, {company: one for company, one in parts.items() if one.amount}, missing)


def _by_company(amounts: Iterable[tuple[str, Fraction | int | None]]) -> dict[str, Fraction | None]:
    """Sums; None where one of a company's amounts is not given."""
    found: dict[str, Fraction | None] = {}
    for company, amount in amounts:
        before = found.get(company, Fraction(0))
        found[company] = None if before is None or amount is None else before + amount
    return found


def disclosed(figure: Figure, earlier: Sequence[Report], policy: Policy = POLICY) -> Disclosed | None:
    """A figure that tells of no member, not even together with earlier ones; None where there is none."""
    if figure.total() is None:
        return None
    before = frozenset(member.company for one in earlier for block in one.blocks for member in block)
    for companies in (frozenset(figure.parts), frozenset(figure.parts) & before):
        if _may_stand(figure, companies, earlier, policy):
            return Disclosed(figure.of(companies), companies, len(companies) == len(figure.parts))
    return None


def _may_stand(figure: Figure, companies: frozenset[str], earlier: Sequence[Report], policy: Policy) -> bool:
    size = {company: abs(Fraction(figure.parts[company].amount)) for company in companies}
    members = [Member(company, "", "", one, one) for company, one in size.items()]
    return any(len(block) == len(companies) for block in report(members, policy, earlier).blocks)


# --- what is kept -------------------------------------------------------------------------------------------------------------------


class _Record(msgspec.Struct):
    """What a later report needs of a record."""

    network: str
    figures: dict[str, list[str]]


def earlier_figures(folder: Path, network: str) -> dict[str, list[Report]]:
    """Figure -> who was in it in each earlier report. Raises BadInput: a record cannot be read."""
    found: dict[str, list[Report]] = {}
    for one in records.kept(folder, _KIND, _Record):
        if one.network == network:
            for figure, companies in one.figures.items():
                found.setdefault(figure, []).append(report_of([companies]))
    return found


def keep_figures(folder: Path, network: str, period: str, named_to: str, shown: Mapping[str, Disclosed]) -> Path:
    """Writes down who was in the figures that everybody may see. Raises BadInput: the folder cannot be written to."""
    of = {figure: sorted(one.companies) for figure, one in shown.items()}
    return records.keep(
        folder, _KIND, secrets.token_hex(8), {"network": network, "period": period, "names_shown_to": named_to, "figures": of}
    )
