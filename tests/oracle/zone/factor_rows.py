"""Rows of the factor table, of zone.yaml's own factors and of the global warming potentials.

As known at a date (`factors_as_of`), rows published later do not exist. The newest row left of a series (activity, region, basis,
company, base unit) has no end if a later one of it is gone. A row that only names a year or a month was published with its last day.
"""

import csv
import io
from collections.abc import Collection
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from zonepulse.oracle.zone.carbon_sections import read_series
from zonepulse.oracle.zone.registry import ALWAYS, FOREVER, Factor, Series
from zonepulse.oracle.zone.units import carrier_of, kg_per_base_unit
from zonepulse.oracle.zone.yaml_times import instant_ms

_REFRIGERANT = "refrigerant:"


def read_factors(factors_csv: str, own: list[dict[str, Any]], timezone: ZoneInfo, as_of: str | None) -> list[Factor]:
    """The usable factors: the shipped table's, then the zone's own."""
    rows = [*csv.DictReader(io.StringIO(factors_csv)), *own]
    known = [(row, _factor(row, timezone)) for row in rows if not _is_later(row, as_of)]
    unknown = [_factor(row, timezone) for row in rows if _is_later(row, as_of)]
    newest: dict[tuple[str, ...], tuple[int, int]] = {}
    for _, factor in known:
        newest[_series(factor)] = max(newest.get(_series(factor), (ALWAYS, ALWAYS)), (factor.valid_from_ms, factor.valid_to_ms))
    gone = {_series(f): max(g.valid_from_ms for g in unknown if _series(g) == _series(f)) for f in unknown}
    usable = []
    for row, factor in known:
        is_newest = (factor.valid_from_ms, factor.valid_to_ms) == newest[_series(factor)]
        if is_newest and gone.get(_series(factor), ALWAYS) > factor.valid_from_ms:
            factor = replace(factor, valid_to_ms=FOREVER)
        if (row.get("confidence") or "H") != "L":
            usable.append(factor)
    return usable


def read_gwps(carriers: Collection[str], report: str | None) -> list[Factor]:
    """A factor of region GWP for every refrigerant that is entered, from the zone's assessment report."""
    if not any(carrier.startswith(_REFRIGERANT) for carrier in carriers):
        return []
    table = csv.DictReader(io.StringIO(files("zonepulse.schemas").joinpath("factors", "gwp.csv").read_text("utf-8")))
    return [
        Factor(
            id=f"gwp-{report}-{row['gas']}",
            activity=_REFRIGERANT + row["gas"],
            region="GWP",
            company="",
            basis="default",
            value=Fraction(row["gwp100"]),
            unit="kgCO2e/kg",
            valid_from_ms=ALWAYS,
            valid_to_ms=FOREVER,
        )
        for row in table
        if row["assessment_report"] == report and _REFRIGERANT + row["gas"] in carriers
    ]


def _is_later(row: dict[str, Any], as_of: str | None) -> bool:
    """Whether a row was not yet published at a date."""
    published = row.get("published") or ""
    return as_of is not None and published + {4: "-12-31", 7: "-31"}.get(len(published), "") > as_of


def _series(factor: Factor) -> tuple[str, ...]:
    fit = kg_per_base_unit(Fraction(1), factor.unit, carrier_of(factor.activity))
    return factor.activity, factor.region, factor.basis, factor.company, fit[0] if fit else factor.unit


def _factor(row: dict[str, Any], timezone: ZoneInfo) -> Factor:
    return Factor(
        id=row["id"],
        activity=row["activity"],
        region=row.get("region") or "",
        company=row.get("company") or "",
        basis=row.get("basis") or "default",
        value=_value(row, timezone),
        unit=row["unit"],
        valid_from_ms=instant_ms(row.get("valid_from") or None, timezone, ALWAYS),
        valid_to_ms=instant_ms(row.get("valid_to") or None, timezone, FOREVER),
    )


def _value(row: dict[str, Any], timezone: ZoneInfo) -> Fraction | Series:
    """A constant, a series, or what a fuel's components make: kg CO2 per unit."""
    if row.get("series") is not None:
        return read_series(row["series"], timezone)
    if row.get("fuel") is not None:
        fuel = row["fuel"]
        return Fraction(fuel["ncv"]) * Fraction(fuel["carbon"]) * Fraction(fuel["oxidation"]) * Fraction(44, 12) * 1000
    return Fraction(row["value"])
