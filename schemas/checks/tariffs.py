"""What must hold of tariffs."""

from zonepulse.schemas.carriers import carrier
from zonepulse.schemas.problems import Report
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.registry.tariffs import TARIFFS, Tariff
from zonepulse.schemas.values import rounded


def check_tariffs(registry: Registry, report: Report) -> None:
    """Report every mistake of the section `tariffs`."""
    tariffs: tuple[Tariff, ...] = entities_of(registry, TARIFFS)
    for i, one in enumerate(tariffs):
        path, units = f"tariffs[{i}]", carrier(one.carrier).quantities
        if one.price <= 0:
            report.add(f"{path}.price", f"{rounded(one.price)} is no price", "write an amount above zero")
        if one.unit not in units:
            report.add(f"{path}.unit", f"{one.carrier} is not counted in {one.unit!r}", f"write one of {', '.join(units)}")
        if one.valid_to_ms is not None and one.valid_to_ms <= one.valid_from_ms:
            report.add(f"{path}.valid_to", "is not behind `valid_from`", "write a later one, or leave it out")
        same = (other for other in tariffs[:i] if _price_of(other) == _price_of(one) and _overlap(other, one))
        if (other := next(same, None)) is not None:
            report.add(f"{path}.valid_from", f"{other.id!r} is valid then as well", "end that one first: give it a `valid_to`")


def _price_of(one: Tariff) -> tuple[str, str, str, str]:
    """What at most one may say at a time; where hours of calendars overlap, no price is known in them."""
    base, _ = carrier(one.carrier).quantities.get(one.unit, (one.unit, None))
    return one.carrier, one.company, base, one.calendar


def _overlap(first: Tariff, second: Tariff) -> bool:
    ends = [float("inf") if one.valid_to_ms is None else one.valid_to_ms for one in (first, second)]
    return first.valid_from_ms < ends[1] and second.valid_from_ms < ends[0]
