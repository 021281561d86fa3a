"""JSON Schema of the sections of zone.yaml that carbon accounting uses: factors, contracts, entries."""

from zonepulse.schemas.documents.parts import Schema, exactly_one, mapping, number, one_word, ref, said, series, validity, words_of
from zonepulse.schemas.factors.shipped import BASES, CONFIDENCES
from zonepulse.schemas.registry.model import Contract


def factor_schema() -> Schema:
    """A factor: one value, a series, or a fuel's analysis."""
    fuel = {
        "ncv": number("net calorific value, GJ per unit"),
        "carbon": number("t carbon per GJ"),
        "oxidation": number("part of the carbon that burns, at most 1"),
    }
    factor = mapping(
        {
            "id": ref("id"),
            "activity": ref("id", "carrier, or grid_electricity, purchased_heat"),
            "region": ref("id", "one of factor_regions"),
            "company": ref("id", "a company's own factor comes before those of regions"),
            "basis": one_word(BASES, "a location look-up takes location, else default", "default"),
            "value": number("in `unit`; exactly one of `value`, `series` and `fuel`"),
            "series": said(
                series("in `unit`, one a step; null: none then, the next rung answers"), "a signal, such as an hourly one"
            ),
            "fuel": said(mapping(fuel, *fuel), "an analysis: ncv x carbon x oxidation x 44/12 x 1000 kgCO2 per unit"),
            "unit": {"type": "string", "examples": ["kgCO2/kWh", "gCO2e/kWh", "kgCO2/Nm3", "tCO2/t"]},
            "data_year": {"type": "integer", "minimum": 0},
            "published": {"anyOf": [{"type": "string"}, {"type": "number"}], "description": "year or date"},
            **validity(),
            "source": {"type": "string"},
            "source_url": {"type": "string"},
            "confidence": one_word(CONFIDENCES, "L means unverified and is never used"),
        },
        "id",
        "activity",
        "unit",
        "source",
    )
    timed = {"anyOf": [{"required": ["valid_from"]}, {"required": ["series"]}]}
    return factor | {"allOf": [exactly_one("value", "series", "fuel"), timed]}


def contract_schema() -> Schema:
    """A contract: a volume or a profile."""
    keys = {
        "id": ref("id"),
        "company": ref("id"),
        "kind": one_word(words_of(Contract, "kind"), "green certificates, or a power purchase agreement"),
        "mwh": number("what it covers in all; exactly one of `mwh` and `hourly`"),
        "hourly": said(series("kWh of each step; what is not used in the same window lapses"), "a profile instead of a volume"),
        "vintage": {"type": "integer", "minimum": 0, "description": "year of generation"},
        **validity(),
        "ef": number("kg CO2e per kWh", 0),
        "evidence": {"type": "string", "description": "certificate numbers or the agreement"},
    }
    keys |= {"valid_from": ref("instant", "inclusive"), "valid_to": ref("instant", "exclusive")}
    return mapping(keys, "id", "company", "kind", "valid_from", "valid_to") | exactly_one("mwh", "hourly")


def entry_schema() -> Schema:
    """A manual entry."""
    keys = {
        "id": ref("id"),
        "company": ref("id"),
        "carrier": said(
            {"type": "string", "pattern": "^(refrigerant|process):\\S(.*\\S)?$"}, "a gas, or a process of the same activity"
        ),
        "kg": {"type": "number", "exclusiveMinimum": 0},
        "at": ref("instant", "the window that holds it takes the entry"),
        "occurred": ref("instant", "when it happened; absent: at"),
        "by": {"type": "string", "pattern": r"\S", "description": "who entered it"},
        "reason": {"type": "string", "pattern": r"\S", "description": "why, and how it was measured"},
        "evidence": {"type": "string"},
    }
    return mapping(keys, "id", "company", "carrier", "kg", "at", "by", "reason")
