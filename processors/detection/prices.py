"""What energy costs, by the tariffs of a registry: the one that holds for a company at an instant, or none."""

from fractions import Fraction
from typing import NamedTuple

from zonepulse.processors.detection.working_hours import WorkingHours
from zonepulse.schemas.carriers import carrier
from zonepulse.schemas.registry.calendar import offsets_of
from zonepulse.schemas.registry.calendars import CALENDARS
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.registry.tariffs import TARIFFS, Tariff


class Price(NamedTuple):
    """Of a base unit, in the tariff's currency."""

    of_unit: Fraction
    tariff: Tariff


class Prices:
    """Of one registry version.

    Where a company has tariffs of its own that are valid, they alone count. One with a calendar holds in its hours, one without in all
    others; outside of the hours of all, or in those of two, no price is known.
    """

    def __init__(self, registry: Registry) -> None:
        zone = registry.zone
        offsets = zone.utc_offsets or offsets_of(zone.timezone)
        self._hours = {calendar.id: WorkingHours(calendar, offsets) for calendar in entities_of(registry, CALENDARS)}
        self._prices: dict[tuple[str, str, str], list[Price]] = {}
        for tariff in entities_of(registry, TARIFFS):
            quantity = carrier(tariff.carrier).quantities.get(tariff.unit)
            if quantity is not None:
                key = (tariff.carrier, quantity[0], tariff.company)
                self._prices.setdefault(key, []).append(Price(tariff.price / quantity[1], tariff))

    def at(self, name: str, base_unit: str, company: str, at_ms: int) -> Price | None:
        """What a base unit of a carrier costs a company; None where that is not known."""
        for owner in dict.fromkeys((company, "")):
            valid = [one for one in self._prices.get((name, base_unit, owner), ()) if _is_valid(one.tariff, at_ms)]
            if valid:
                timed = [one for one in valid if one.tariff.calendar and self._hours[one.tariff.calendar].is_open(at_ms)]
                found = timed or [one for one in valid if not one.tariff.calendar]
                return found[0] if len(found) == 1 else None
        return None


def _is_valid(tariff: Tariff, at_ms: int) -> bool:
    return tariff.valid_from_ms <= at_ms and (tariff.valid_to_ms is None or at_ms < tariff.valid_to_ms)
