"""A carrier is one declaration, and its twin in the oracle: units, factors, scope, what counts and editors' help follow."""

from pathlib import Path

import pytest
from extended import Extended

DECLARATION = 'Carrier("pressed_air", _M3, activity="compressed_air", scope=2),\n    Carrier("water",'
RUN = """
import json
from small_logs import IMPORT, meter, on_time, reading, rows_of, zone_text
from zonepulse.schemas.documents.zone_schema import zone_schema
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.schemas.problems import RegistryError
register = IMPORT | {"carrier": "pressed_air", "direction": "consumption", "unit": "L"}
factor = {"activity": "compressed_air", "region": "CN-JS", "value": 0.5, "unit": "kgCO2/m3", "source": "s", "valid_from": "2020-01-01"}
factors = [{"id": "air", **factor}]
text = zone_text(meter(register), factors=factors)
rows = rows_of(text, on_time(*(reading(f"10:{m:02}", 4000 * m) for m in (0, 15, 30, 45))), finish=True)
whole = [r for r in rows["totals"] if r["co2e_mg"] and r["basis"] == "location" and r["entity_kind"] == "company"]
mistake = ""
try:
    parse_zone(zone_text(meter(register | {"unit": "kWh"}), factors=factors))
except RegistryError as error:
    mistake = str(error)
print(json.dumps({
    "totals": sorted({(r["carrier"], r["scope"], r["energy_micro"], r["co2e_mg"]) for r in whole}, key=str),
    "mistake": mistake,
    "help": json.dumps(zone_schema()),
}))
"""


@pytest.mark.integration
def test_a_carrier_of_one_file_is_metered_multiplied_and_named(tmp_path: Path) -> None:
    tree = Extended(tmp_path)
    tree.alter("schemas/carriers.py", ('Carrier("water",', DECLARATION))
    tree.alter(
        "oracle/zone/units.py",
        ('"heat": "purchased_heat"}', '"heat": "purchased_heat", "pressed_air": "compressed_air"}'),
        ('("electricity", "heat", "steam") else 1', '("electricity", "heat", "steam", "pressed_air") else 1'),
    )
    found = tree.run(RUN)
    assert found["totals"] == [["", 2, None, 30_000_000], ["pressed_air", 2, 60_000_000, 30_000_000]]
    assert "unit 'kWh' is unknown for pressed_air (cumulative); known units: L, m3" in found["mistake"]
    assert "cooling, pressed_air, water" in found["help"]
