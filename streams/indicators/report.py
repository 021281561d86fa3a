"""Indicators as a document for machines, and as cells for people."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

from zonepulse.processors.indicators.answers import Missing
from zonepulse.processors.indicators.evaluate import Result, Value, bound_of
from zonepulse.schemas.carriers import ELECTRICITY
from zonepulse.schemas.indicators.conversions import Electricity, conversion
from zonepulse.schemas.indicators.model import Threshold
from zonepulse.schemas.indicators.periods import Period
from zonepulse.streams.indicators import words

SIGN: Final = {True: "≤", False: "≥"}


def document(result: Result, period: Period, language: str) -> dict[str, Any]:
    """One indicator of one entity; exact values as `numerator/denominator` beside their nearest decimal."""
    one = result.indicator
    return {
        "entity_kind": result.entity.kind,
        "entity": result.entity.id,
        "indicator": one.id,
        "name": one.name[language],
        "formula": one.formula_text,
        "unit": one.unit,
        "definition_confidence": one.confidence,
        "note": one.note or None,
        "values": [_value(value, one.gap_unit) for value in result.values],
        "missing": [_missing(missing, result, period, language) for missing in result.missing],
    }


def _value(value: Value, gap_unit: str) -> dict[str, Any]:
    return {
        "value": float(value.value),
        "exact": str(value.value),
        "electricity": _coefficient(value.electricity),
        "covered": _decimal(value.covered),
        "estimated": _decimal(value.estimated),
        "provisional": value.is_provisional,
        "verdict": value.verdict,
        "threshold": _threshold(value.threshold),
        "gap": _decimal(value.gap),
        "gap_unit": gap_unit or None,
    }


def _coefficient(electricity: Electricity | None) -> dict[str, Any] | None:
    if electricity is None:
        return None
    found = conversion(ELECTRICITY, "kWh", electricity)
    assert found is not None
    known = {"kgce_per_kwh": float(found.kgce), "year": found.year, "source": found.source, "confidence": found.confidence}
    return {"counts_as": electricity, **known}


def _threshold(threshold: Threshold | None) -> dict[str, Any] | None:
    if threshold is None:
        return None
    return {
        "at_most": _decimal(threshold.at_most),
        "at_least": _decimal(threshold.at_least),
        "size_from_tce": _decimal(threshold.size_from_tce),
        "size_below_tce": _decimal(threshold.size_below_tce),
        "confidence": threshold.confidence,
    }


def _missing(missing: Missing, result: Result, period: Period, language: str) -> dict[str, Any]:
    text = words.reason(missing, result.entity, period.text, language)
    return {"quantity": missing.quantity, "why": missing.why, "about": list(missing.about), "text": text}


def rows(results: Sequence[Result], period: Period, language: str) -> list[list[str]]:
    """A row for each value, and one for each indicator without; cells as words.COLUMNS."""
    out = []
    for result in results:
        name, unit = result.indicator.name[language], result.indicator.unit
        out += [_cells(name, unit, result, value, language) for value in result.values]
        if result.missing:
            reasons = "; ".join(words.reason(one, result.entity, period.text, language) for one in result.missing)
            out.append([name, "-", unit, "", "", "", "", "", words.BECAUSE[language].format(reasons=reasons)])
    return out


def _cells(name: str, unit: str, result: Result, value: Value, language: str) -> list[str]:
    remarks = [words.PROVISIONAL[language]] if value.is_provisional else []
    if value.gap is not None and result.indicator.gap_unit:
        remarks.append(words.GAP[language].format(gap=_shown(value.gap), unit=result.indicator.gap_unit))
    return [
        name,
        _shown(value.value),
        unit,
        words.ELECTRICITY[value.electricity][language] if value.electricity else "",
        bound_text(value.threshold),
        words.VERDICTS[value.verdict][language],
        _percent(value.covered),
        _percent(value.estimated),
        "; ".join(remarks),
    ]


def bound_text(threshold: Threshold | None) -> str:
    """A threshold as it is shown."""
    bound = bound_of(threshold) if threshold else None
    return "" if threshold is None or bound is None else f"{SIGN[threshold.at_most is not None]} {_shown(bound)}"


def _shown(value: Fraction) -> str:
    return f"{float(value):.6g}"


def _percent(share: Fraction | None) -> str:
    return "" if share is None else f"{float(share * 100):.4g} %"


def _decimal(value: Fraction | None) -> float | None:
    return None if value is None else float(value)
