"""Quantities that formulas of indicators name, each declared once: what the ledger measures, and what is given by hand.

Units stand in the names. Those of `inputs` in zone.yaml are the ones that are not measured.
"""

from dataclasses import dataclass
from typing import Final, Literal

How = Literal["measured", "flow", "stock"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """`measured`: from the ledger's sums; `flow`: given for a period and added up over periods; `stock`: given, holds during its period."""

    id: str
    how: How
    about: str

    @property
    def is_summable(self) -> bool:
        """Whether a zone's is the sum of its companies', where the zone has none of its own."""
        return self.how == "flow"


_DECLARED: Final = (
    Quantity("electricity_use_kwh", "measured", "electricity used, from whatever source"),
    Quantity("grid_electricity_kwh", "measured", "electricity drawn from the grid"),
    Quantity("clean_electricity_kwh", "measured", "own generation without carbon that is used here, and contracts without carbon"),
    Quantity("clean_electricity_tce", "measured", "the same in tce, with the electricity coefficient of energy_tce"),
    Quantity("electricity_equal_tce", "measured", "electricity used, at the equal value"),
    Quantity("reactive_kvarh", "measured", "reactive energy drawn, less what was given back"),
    Quantity("energy_equal_tce", "measured", "energy used, electricity at the equal value"),
    Quantity("energy_tce", "measured", "energy used: once with electricity at the equal value, once at the equivalent value"),
    Quantity("co2e_scope1_t", "measured", "emissions of scope 1"),
    Quantity("co2e_location_t", "measured", "emissions of scope 1 and 2, by location"),
    Quantity("co2e_market_t", "measured", "emissions of scope 1 and 2, by contracts (market)"),
    Quantity("base_load_share", "measured", "electricity that the near-base load takes, of that of all hours"),
    Quantity(
        "carbon_free_share", "measured", "electricity used in an hour in which as much was supplied without carbon, of all used"
    ),
    Quantity("covered_share", "measured", "received / expected: the part of the period that readings cover, of all channels"),
    Quantity("estimated_share", "measured", "estimated part of the energy used, in tce at the equal value"),
    Quantity("product_units", "flow", "products made, in the company's own unit"),
    Quantity("revenue_cny", "flow", "revenue"),
    Quantity("value_added_cny", "flow", "industrial value added"),
    Quantity("rd_spending_cny", "flow", "spending on research and development"),
    Quantity("solid_waste_t", "flow", "industrial solid waste that arose"),
    Quantity("solid_waste_used_t", "flow", "industrial solid waste that was used"),
    Quantity("residual_heat_gj", "flow", "residual heat, cold and pressure that could be used"),
    Quantity("residual_heat_used_gj", "flow", "residual heat, cold and pressure that was used"),
    Quantity("water_use_m3", "flow", "industrial water used, fresh and reused"),
    Quantity("water_reused_m3", "flow", "industrial water reused"),
    Quantity("wastewater_m3", "flow", "wastewater that arose"),
    Quantity("wastewater_treated_m3", "flow", "wastewater that was treated"),
    Quantity("employees", "stock", "people employed"),
    Quantity("annual_energy_tce", "stock", "energy the zone uses in a year: its size in the thresholds"),
    Quantity("products_at_grade_2_percent", "stock", "of its products with a national limit, those at grade 2 or better"),
    Quantity("benchmark_enterprises_percent", "stock", "enterprises at their sector's benchmark"),
    Quantity("green_enterprises_percent", "stock", "green factories and green supply chains"),
    Quantity("audited_enterprises_percent", "stock", "enterprises with a cleaner-production audit"),
    Quantity("diagnosed_enterprises_percent", "stock", "enterprises with a digital diagnosis"),
    Quantity("green_buildings_percent", "stock", "buildings of two green stars or more"),
    Quantity("clean_freight_percent", "stock", "freight by clean transport"),
    Quantity("new_energy_vehicles_percent", "stock", "new-energy vehicles among all"),
    Quantity("verified_enterprises_percent", "stock", "enterprises with a carbon verification"),
    Quantity("footprint_enterprises_percent", "stock", "enterprises with product carbon footprints"),
    Quantity("disclosing_enterprises_percent", "stock", "enterprises above scale that disclose"),
    Quantity("innovation_platforms", "stock", "provincial innovation platforms"),
    Quantity("managed_enterprises_percent", "stock", "large firms with an environmental or energy management system"),
)
QUANTITIES: Final = {quantity.id: quantity for quantity in _DECLARED}
GIVEN: Final = tuple(quantity.id for quantity in _DECLARED if quantity.how != "measured")
"""Those of `inputs` in zone.yaml."""
