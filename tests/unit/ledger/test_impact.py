"""What alerts cost: of a rule about what is unusual, either side of its band; of a gap that nobody books, what is in it."""

import json
import random
from typing import Any

import pytest
from small_logs import DAY, IMPORT, MINUTE, alerts, meter, on_time, reading, rows_of, zone_text

HOUR = 60 * MINUTE
HOURLY = IMPORT | {"kind": "interval", "period": "60m"}
TARIFF = {
    "id": "t", "carrier": "electricity", "price": 0.7, "currency": "CNY", "unit": "kWh", "source": "contract", "valid_from": "2026-01-01",
}  # fmt: skip
TAUGHT = 21 * 24


def said(indicator: str, used: float) -> dict[str, Any]:
    """The alert of a rule about one hour that is unusual, behind three weeks that are alike."""
    chance = random.Random(7)
    usual = ((10.0 if 7 <= h % 24 < 19 else 2.0) * chance.choice((0.98, 1.0, 1.0, 1.02, 1.3)) for h in range(TAUGHT))
    values = [*(round(value, 3) for value in usual), used]
    rule = {"id": "odd", "on": "meter", "when": {"indicator": indicator, "unusual": True}}
    text = zone_text(
        meter(HOURLY, detect="off"), zone={"window": "60m", "lateness": "2h", "alert_budget": 20}, rules=[rule], tariffs=[TARIFF]
    )
    rows = rows_of(text, on_time(*(reading(DAY + (h + 1) * HOUR, value) for h, value in enumerate(values))))
    return next(row for row in alerts(rows, "odd") if row["starts_at"].timestamp() * 1000 == DAY + TAUGHT * HOUR)


@pytest.mark.parametrize("used", [20.0, 0.0], ids=["above", "below"])
def test_what_is_unusual_costs_what_lies_outside_of_its_band(used: float) -> None:
    row = said("energy_kwh", used)
    evidence = json.loads(row["evidence"])
    edge = row["expected_high"] if used > 10 else row["expected_low"]
    assert evidence["impact_kwh"] == pytest.approx(abs(used - edge), abs=1e-5) and evidence["impact_kwh"] > 0.1
    assert (evidence["impact_cost"], evidence["currency"]) == (pytest.approx(0.7 * evidence["impact_kwh"]), "CNY")


def test_what_emits_unusually_much_costs_kilograms() -> None:
    row = said("co2e_kg", 20.0)
    assert row["impact_kg"] == pytest.approx(row["value"] - row["expected_high"], abs=1e-5)
    assert "impact_kwh" not in json.loads(row["evidence"])


def test_a_gap_that_nobody_books_costs_what_is_in_it() -> None:
    text = zone_text(meter(IMPORT), zone={"max_gap": "1h"}, tariffs=[TARIFF])
    (row,) = alerts(rows_of(text, on_time(reading("10:00", 100), reading("11:00:00.001", 108))), "gap_too_long")
    evidence = json.loads(row["evidence"])
    assert (evidence["impact_kwh"], evidence["impact_cost"]) == (8.0, 5.6)
    assert row["impact_kg"] is not None and row["impact_kg"] > 0
