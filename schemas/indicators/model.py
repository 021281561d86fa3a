"""Indicators, their thresholds and sets. Immutable values; zone_file/indicator_sets.py reads them from files."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from zonepulse.schemas.indicators.formulas import Formula
from zonepulse.schemas.indicators.periods import PeriodKind
from zonepulse.schemas.registry.model import Text

Confidence = Literal["H", "M", "L"]
"""L: unverified. What is L is not judged unless somebody asks for it."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A bound, and whose size (tce a year, half-open) it holds for. Exactly one of `at_most` and `at_least` is given; neither: decided
    case by case."""

    at_most: Fraction | None
    at_least: Fraction | None
    size_from_tce: Fraction | None
    size_below_tce: Fraction | None
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class Indicator:
    """A number to compare by."""

    id: str
    name: Text
    formula: Formula
    formula_text: str
    unit: str
    better: Literal["lower", "higher"]
    of: Literal["zone", "company", "both"]
    period: PeriodKind
    """The shortest that it makes sense for."""
    thresholds: tuple[Threshold, ...]
    confidence: Confidence
    """Of the formula: whether the source defines it so."""
    gap_unit: str = ""
    """Unit of its numerator: what there is too much or too little of."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class IndicatorSet:
    """Indicators of one source."""

    id: str
    name: Text
    source: str
    source_url: str
    indicators: tuple[Indicator, ...]
