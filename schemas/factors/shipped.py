"""Emission factors: the shipped table, exact units, and which carriers need one. Which factor answers: choices.py."""

import csv
import io
import re
from fractions import Fraction
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

from zonepulse.schemas.carriers import ELECTRICITY, GASES, carrier_of, scope_of
from zonepulse.schemas.registry.model import ALWAYS, FOREVER, Factor
from zonepulse.schemas.units import MICRO, UnknownUnit, to_micro
from zonepulse.schemas.values import BadValue, parse_decimal, parse_instant_ms

COLUMNS: Final = (
    "id", "activity", "region", "basis", "value", "unit", "data_year", "published", "valid_from", "valid_to", "source",
    "source_url", "confidence",
)  # fmt: skip
BASES: Final = ("location", "default", "market", "market_residual", "fossil_only", "footprint", "ets")
LOOKUP_BASES: Final = ("location", "default")
"""Bases that a location look-up takes, the preferred first."""
RESIDUAL_BASES: Final = ("market_residual",)
"""Basis of the electricity that no contract covers, for the market basis."""
CONFIDENCES: Final = ("H", "M", "L")
UNVERIFIED: Final = "L"
OWN_RUNG: Final = "company"
"""The rung of a company's own factors; the others are called like their region."""

_KG_IN: Final = {"g": Fraction(1, 1000), "kg": Fraction(1), "t": Fraction(1000)}
_UNIT: Final = re.compile(r"(g|kg|t)CO2e?/(\w+)")


class FactorTableError(ValueError):
    """The factor table cannot be used; the message names line, column, value and remedy."""


def shipped_factors_csv() -> str:
    """The text of the factor table that comes with the package."""
    return resources.files("zonepulse.schemas").joinpath("factors", "emission_factors.csv").read_text(encoding="utf-8")


def channel_bears(role: str, carrier: str, direction: str) -> bool:
    """Whether a channel's energy is multiplied by a factor: what main and sub meters draw, and the zone's electricity import."""
    if not scope_of(carrier) or direction not in ("import", "consumption"):
        return False
    return role in ("main", "sub") or (role == "boundary" and carrier == ELECTRICITY)


def factor_unit(unit: str, activity: str) -> tuple[str, Fraction]:
    """Base unit of the activity's carrier, and kg CO2e per base unit in one `unit` (kgCO2/kWh, tCO2/GJ, kgCO2e/Nm3, ...).

    Raises BadValue: the unit is unknown, or its denominator measures nothing of this activity.
    """
    match = _UNIT.fullmatch(unit)
    if not match:
        raise BadValue(
            f"unit {unit!r} is no emission factor's", "write mass/quantity such as kgCO2/kWh, tCO2/GJ, tCO2/t, kgCO2e/Nm3"
        )
    if match[2] == "m3" and activity in GASES:
        raise BadValue(f"unit {unit!r} says no reference temperature", "write kgCO2/Nm3; 1 m3 at 20 C is 0.931776 Nm3")
    try:
        base, micro = to_micro(match[2], carrier_of(activity), "interval")
    except UnknownUnit as error:
        raise BadValue(f"unit {unit!r} does not measure {activity}", str(error).rpartition("; ")[2]) from None
    return base, _KG_IN[match[1]] * MICRO / micro


def load_factors(csv_text: str, timezone: str) -> tuple[Factor, ...]:
    """The factors of a table with the columns `COLUMNS`; dates begin in `timezone`, validity is half-open.

    Raises FactorTableError, which lists every bad line.
    """
    rows = csv.DictReader(io.StringIO(csv_text, newline=""), strict=True)
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise FactorTableError(f"factor table: columns are {rows.fieldnames}; they must be {', '.join(COLUMNS)}")
    zone, factors, errors = ZoneInfo(timezone), {}, []
    for row in rows:
        try:
            factor = _from_row(row, zone)
            if factor.id in factors:
                raise BadValue(f"id {factor.id!r} stands twice", "give each factor its own id")
            factors[factor.id] = factor
        except BadValue as error:
            errors.append(f"factor table, line {rows.line_num}: {error}")
    if errors:
        raise FactorTableError("\n".join(errors))
    return tuple(factors.values())


def _from_row(row: dict[str, str], zone: ZoneInfo) -> Factor:
    if None in row or None in row.values():
        raise BadValue("the line has another number of columns than the first", "quote a text that holds a comma")
    if not row["id"] or not row["region"] or row["basis"] not in BASES or row["confidence"] not in CONFIDENCES:
        raise BadValue(
            f"{row['id']!r}: id, region, basis or confidence is bad", f"bases: {', '.join(BASES)}; confidence: H, M or L"
        )
    value = parse_decimal(row["value"])
    base_unit, kg = factor_unit(row["unit"], row["activity"])
    start = parse_instant_ms(row["valid_from"], zone) if row["valid_from"] else ALWAYS
    end = parse_instant_ms(row["valid_to"], zone) if row["valid_to"] else FOREVER
    if value < 0 or start >= end:
        raise BadValue(f"{row['id']!r}: negative value or empty validity", "mend value, valid_from and valid_to")
    year = int(parse_decimal(row["data_year"])) if row["data_year"] else None
    return Factor(
        row["id"], row["activity"], row["region"], "", row["basis"], value, row["unit"], base_unit, value * kg, year,
        row["published"], start, end, row["source"], row["source_url"], row["confidence"],
    )  # fmt: skip
