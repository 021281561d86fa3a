"""Global warming potentials (100 years) as emission factors of refrigerants: the shipped table, gwp.csv.

Sources: IPCC AR4 WG1 table 2.14, AR5 WG1 table 8.A.1, AR6 WG1 table 7.SM.7; blends by mass of their components.
"""

import csv
import io
from collections.abc import Iterable
from fractions import Fraction
from importlib import resources
from typing import Final

from zonepulse.schemas.carriers import REFRIGERANT
from zonepulse.schemas.registry.model import ALWAYS, FOREVER, Factor

GWP_RUNG: Final = "GWP"
"""The region of these factors: the climate is everywhere the same."""
_REPORTS: Final = {
    "AR4": (2007, "IPCC AR4 WG1 (2007), table 2.14"),
    "AR5": (2013, "IPCC AR5 WG1 (2013), table 8.A.1"),
    "AR6": (2021, "IPCC AR6 WG1 (2021), table 7.SM.7"),
}
REPORTS: Final = tuple(_REPORTS)


def shipped_gwp_csv() -> str:
    """The text of the GWP table that comes with the package."""
    return resources.files("zonepulse.schemas").joinpath("factors", "gwp.csv").read_text(encoding="utf-8")


def load_gwp(csv_text: str) -> dict[tuple[str, str], tuple[Fraction, str]]:
    """(gas, assessment report) -> kg CO2e per kg, and its confidence."""
    rows = csv.DictReader(io.StringIO(csv_text, newline=""), strict=True)
    return {(row["gas"], row["assessment_report"]): (Fraction(row["gwp100"]), row["confidence"]) for row in rows}


def gases(report: str) -> list[str]:
    """The gases that an assessment report has a GWP of."""
    return [gas for gas, named in load_gwp(shipped_gwp_csv()) if named == report]


def gwp_factors(carriers: Iterable[str], report: str) -> tuple[Factor, ...]:
    """The factors of those carriers that are refrigerants which `report` knows; each once, in the order of the first mention."""
    table = load_gwp(shipped_gwp_csv())
    used = dict.fromkeys(c.removeprefix(REFRIGERANT) for c in carriers if c.startswith(REFRIGERANT))
    return tuple(_factor(gas, report, *table[gas, report]) for gas in used if (gas, report) in table)


def _factor(gas: str, report: str, gwp: Fraction, confidence: str) -> Factor:
    year, source = _REPORTS[report]
    return Factor(
        f"gwp-{report}-{gas}", f"{REFRIGERANT}{gas}", GWP_RUNG, "", "default", gwp, "kgCO2e/kg", "kg", gwp, year, str(year), ALWAYS,
        FOREVER, source, "", confidence,
    )  # fmt: skip
