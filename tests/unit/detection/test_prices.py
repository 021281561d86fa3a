"""What energy costs hour by hour: the tariff that holds, and nothing where none or two do."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from zones import zone

from zonepulse.processors.detection.prices import Prices
from zonepulse.schemas.problems import RegistryError

SHANGHAI = ZoneInfo("Asia/Shanghai")
TARIFFS = """
calendars:
  - {id: morning, days: [mon, tue, wed, thu, fri, sat, sun], hours: ["08:00", "11:00"]}
  - {id: evening, days: [mon, tue, wed, thu, fri, sat, sun], hours: ["17:00", "22:00"]}
  - {id: valley, days: [mon, tue, wed, thu, fri, sat, sun], hours: ["23:00", "07:00"]}
  - {id: early, days: [mon], hours: ["06:00", "09:00"]}
tariffs:
  - {id: peak-1, carrier: electricity, price: 1.2, currency: CNY, unit: kWh, source: invented, valid_from: 2026-01-01, calendar: morning}
  - {id: peak-2, carrier: electricity, price: 1.2, currency: CNY, unit: kWh, source: invented, valid_from: 2026-01-01, calendar: evening}
  - {id: valley, carrier: electricity, price: 300, currency: CNY, unit: MWh, source: invented, valid_from: 2026-01-01, calendar: valley}
  - {id: flat, carrier: electricity, price: 0.7, currency: CNY, unit: kWh, source: invented, valid_from: 2026-01-01, valid_to: 2027-01-01}
  - {id: own, carrier: electricity, company: b, price: 0.5, currency: CNY, unit: kWh, source: invented, valid_from: 2026-01-01,
     calendar: morning}
  - {id: early, carrier: natural_gas, price: 3, currency: CNY, unit: Nm3, source: invented, valid_from: 2026-01-01, calendar: early}
  - {id: late, carrier: natural_gas, price: 4, currency: CNY, unit: Nm3, source: invented, valid_from: 2026-01-01, calendar: morning}
"""


def price(at: str, company: str = "a", carrier: str = "electricity", unit: str = "kWh") -> float | None:
    at_ms = int(datetime.fromisoformat(at).replace(tzinfo=SHANGHAI).timestamp() * 1000)
    found = Prices(zone(more=TARIFFS)).at(carrier, unit, company, at_ms)
    return None if found is None else float(found.of_unit)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-04T07:59", 0.7), ("2026-03-04T08:00", 1.2), ("2026-03-04T10:59", 1.2), ("2026-03-04T11:00", 0.7),
        ("2026-03-04T21:59", 1.2), ("2026-03-04T23:00", 0.3), ("2026-03-05T06:59", 0.3), ("2026-03-05T07:00", 0.7),
        ("2025-12-31T09:00", None), ("2027-01-01T12:00", None), ("2027-01-01T09:00", 1.2),
    ],
)  # fmt: skip
def test_a_tariff_with_hours_holds_in_them_and_the_one_without_in_all_others(at: str, expected: float | None) -> None:
    assert price(at) == expected


def test_a_company_s_own_tariff_is_not_filled_up_with_everybody_s() -> None:
    assert (price("2026-03-04T08:00", "b"), price("2026-03-04T12:00", "b")) == (0.5, None)


def test_where_two_hold_no_price_is_known() -> None:
    monday, tuesday = "2026-03-02T08:30", "2026-03-03T08:30"
    assert (price(monday, carrier="natural_gas", unit="Nm3"), price(tuesday, carrier="natural_gas", unit="Nm3")) == (None, 4)


def test_two_tariffs_of_one_calendar_and_an_unknown_calendar_are_refused() -> None:
    twice = TARIFFS.replace("calendar: evening", "calendar: morning")
    with pytest.raises(RegistryError, match="'peak-1' is valid then as well"):
        zone(more=twice)
    with pytest.raises(RegistryError, match="morning"):
        zone(more=TARIFFS.replace("calendar: evening", "calendar: mornin"))
