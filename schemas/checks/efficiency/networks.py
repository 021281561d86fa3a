"""What must hold of energy-efficiency networks: terms, memberships, targets, measures with evidence."""

from collections.abc import Iterable
from typing import Final

from zonepulse.schemas.indicators.conversions import is_energy
from zonepulse.schemas.indicators.periods import parse_period
from zonepulse.schemas.problems import Report
from zonepulse.schemas.registry.efficiency.networks import EFFICIENCY, Efficiency, Measure, NetworkMember
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import whole_of
from zonepulse.schemas.values import BadValue, rounded

_PATH: Final = EFFICIENCY.name


def check_efficiency(registry: Registry, report: Report) -> None:
    """Report every mistake of the section `efficiency_networks`."""
    found: Efficiency = whole_of(registry, EFFICIENCY)
    for i, network in enumerate(found.networks):
        if network.begins and network.ends and network.ends < network.begins:
            report.add(f"{_PATH}.networks[{i}].ends", f"{network.ends} is before it begins", "write its last day")
    _check_members(found.members, report)
    _check_targets(found, report)
    for i, measure in enumerate(found.measures):
        _check_measure(measure, found.members, f"{_PATH}.measures[{i}]", report)
    for i, snapshot in enumerate(found.snapshots):
        try:
            parse_period(snapshot.period)
        except BadValue as error:
            report.add(f"{_PATH}.snapshots[{i}].period", error.what, error.remedy)


def _check_members(members: tuple[NetworkMember, ...], report: Report) -> None:
    for i, one in enumerate(members):
        path = f"{_PATH}.members[{i}]"
        if one.left and one.left <= one.joined:
            report.add(f"{path}.left", f"{one.left} is not after it joined", "write the first day on which it is no member")
        before = (m for m in members[:i] if (m.network, m.company) == (one.network, one.company))
        if any((not m.left or one.joined < m.left) and (not one.left or m.joined < one.left) for m in before):
            what = f"{one.company!r} is a member of {one.network!r} then already"
            report.add(f"{path}.joined", what, "let the earlier membership end first: give it a `left`")


def _check_targets(found: Efficiency, report: Report) -> None:
    seen = set[tuple[str, str]]()
    for i, one in enumerate(found.targets):
        path = f"{_PATH}.targets[{i}]"
        _check_member(one.network, one.company, found.members, path, report)
        if (one.network, one.company) in seen:
            report.add(path, f"{one.company!r} has a target in {one.network!r} already", "keep one of the two")
        seen.add((one.network, one.company))
        for name, value in (("kwh_a", one.kwh_a), ("kg_a", one.kg_a)):
            if value is not None and value <= 0:
                report.add(f"{path}.{name}", f"{rounded(value)} is no target", "write an amount above zero")


def _check_measure(one: Measure, members: Iterable[NetworkMember], path: str, report: Report) -> None:
    _check_member(one.network, one.company, members, path, report)
    for carrier, _ in one.kwh_a:
        if carrier and not is_energy(carrier):
            remedy = "write savings of energy carriers, such as electricity, natural_gas, heat"
            report.add(f"{path}.kwh_a.{carrier}", "is no energy", remedy)
    if one.status == "implemented" and not one.starts:
        report.add(path, "is implemented, but not since when", "add `starts: 2026-01-31`, the first day on which it saves")
    if one.status == "implemented" and not one.evidence:
        report.add(path, "is implemented without evidence", "add `evidence: where it can be looked up`")
    if one.kg_a is not None and not one.factor_version:
        report.add(
            f"{path}.kg_a", "does not say with which factor", "add `factor_version: the factor's id and when it was published`"
        )
    if one.investment_cny is not None and one.investment_cny < 0:
        report.add(f"{path}.investment_cny", f"{rounded(one.investment_cny)} is negative", "write what it costs, 0 or more")


def _check_member(network: str, company: str, members: Iterable[NetworkMember], path: str, report: Report) -> None:
    if network and company and not any((m.network, m.company) == (network, company) for m in members):
        report.add(f"{path}.company", f"{company!r} is no member of {network!r}", f"add it to {_PATH}.members")
