"""Reads a set of indicators from its file, as strictly as zone.yaml: every mistake with its line, value and remedy."""

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Final, Literal

from zonepulse.schemas.indicators.formulas import Formula, Number, names_in, parse_formula
from zonepulse.schemas.indicators.model import Confidence, Indicator, IndicatorSet, Threshold
from zonepulse.schemas.indicators.periods import KINDS
from zonepulse.schemas.indicators.quantities import QUANTITIES
from zonepulse.schemas.problems import Report, nearest
from zonepulse.schemas.values import BadValue
from zonepulse.schemas.zone_file.positions import Fields, Place, Reader, compose
from zonepulse.schemas.zone_file.values import IDENTIFIER, LOCALISED, NUMBER, TEXT, one_of, optional

SHIPPED: Final = ("national-zero-carbon-park", "jiangsu-zero-carbon-park", "eip-framework", "company", "data-quality")
_KEYS: Final = ("id", "name", "formula", "unit", "gap_unit", "better", "of", "period", "confidence", "note", "thresholds")
_THRESHOLD_KEYS: Final = ("at_most", "at_least", "size_from_tce", "size_below_tce", "confidence")
_BETTER: Final[Reader[Literal["lower", "higher"]]] = one_of("lower", "higher")
_CONFIDENCE: Final[Reader[Confidence]] = one_of("H", "M", "L")


@cache
def shipped_sets() -> Mapping[str, IndicatorSet]:
    """The sets that come with zonepulse, by id."""
    folder = resources.files("zonepulse.schemas").joinpath("indicators")
    files = [f"{name}.yaml" for name in SHIPPED]
    return {one.id: one for one in (parse_set(folder.joinpath(f).read_text(encoding="utf-8"), file=f) for f in files)}


def parse_set(text: str, *, file: str) -> IndicatorSet:
    """The set that a file describes. Raises RegistryError with every mistake."""
    report = Report(file)
    f = Fields(compose(text, report), ("id", "name", "source", "url", "indicators"))
    indicators = tuple(map(_indicator, f.items("indicators")))
    found = IndicatorSet(
        f.need("id", IDENTIFIER), f.need("name", LOCALISED), f.need("source", TEXT), f.read("url", TEXT, ""), indicators
    )
    _check(found, report)
    report.raise_if_any()
    return found


def _check(found: IndicatorSet, report: Report) -> None:
    if not found.indicators:
        report.add("indicators", "holds none", "write one `- {id: ..., formula: ...}` an indicator")
    first: dict[str, int] = {}
    for i, indicator in enumerate(found.indicators):
        if first.setdefault(indicator.id, i) != i:
            what = f"{indicator.id!r} stands twice, first on line {report.line(f'indicators[{first[indicator.id]}]')}"
            report.add(f"indicators[{i}].id", what, "keep one, or give it another id")


def _indicator(place: Place) -> Indicator:
    f = Fields(place, _KEYS)
    better = f.need("better", _BETTER)
    formula = f.need("formula", _FORMULA)
    return Indicator(
        id=f.need("id", IDENTIFIER),
        name=f.need("name", LOCALISED),
        formula=formula[0],
        formula_text=formula[1],
        unit=f.need("unit", TEXT),
        better=better,
        of=f.need("of", one_of("zone", "company", "both")),
        period=f.read("period", one_of(*KINDS), "month"),
        thresholds=tuple(_threshold(one, better) for one in f.items("thresholds")),
        confidence=f.need("confidence", _CONFIDENCE),
        gap_unit=f.read("gap_unit", TEXT, ""),
        note=f.read("note", TEXT, ""),
    )


def _threshold(place: Place, better: str) -> Threshold:
    f = Fields(place, _THRESHOLD_KEYS)

    def number(key: str) -> Fraction | None:
        return f.read(key, optional(NUMBER), None)

    found = Threshold(
        number("at_most"), number("at_least"), number("size_from_tce"), number("size_below_tce"), f.need("confidence", _CONFIDENCE)
    )
    wrong = "at_least" if better == "lower" else "at_most"
    if getattr(found, wrong) is not None:
        place.fail(f"`{wrong}` of an indicator where {better} is better", "write the other bound, or turn `better` round")
    low, high = found.size_from_tce, found.size_below_tce
    if low is not None and high is not None and low >= high:
        place.fail("no size lies between its sizes", "let size_from_tce be less than size_below_tce")
    if found.at_most is None and found.at_least is None and low is None and high is None:
        place.fail("says no bound", "write `at_most` or `at_least`, or the sizes that are decided case by case")
    return found


def _formula(place: Place) -> tuple[Formula, str]:
    try:
        formula = parse_formula(place.text)
    except BadValue as error:
        place.fail(error.what, error.remedy)
        return _NO_FORMULA
    for name in dict.fromkeys(names_in(formula)):
        if name not in QUANTITIES:
            place.fail(f"unknown quantity {name!r}", nearest(name, QUANTITIES, f"known: {', '.join(QUANTITIES)}"))
    return formula, place.text


_NO_FORMULA: Final[tuple[Formula, str]] = (Number(Fraction(0)), "0")
_FORMULA: Final = Reader(_formula, _NO_FORMULA, "solid_waste_used_t / solid_waste_t * 100")
