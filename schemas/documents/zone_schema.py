"""JSON Schema 2020-12 of zone.yaml, for editors: what a file may hold. What only shows between entities, `registry apply` checks.

A value is as YAML 1.2 reads it: dates stay text, and of `yes`, `on` and the like only `true` and `false` are booleans.
"""

from typing import Final, get_args

from zonepulse.schemas.carriers import CARRIERS, GASES, PRODUCT
from zonepulse.schemas.documents.carbon_schema import contract_schema, entry_schema, factor_schema
from zonepulse.schemas.documents.declared import section_schema
from zonepulse.schemas.documents.parts import (
    DAY,
    DEFINITIONS,
    DIALECT,
    Schema,
    list_of,
    mapping,
    number,
    one_word,
    ref,
    said,
    validity,
    words_of,
)
from zonepulse.schemas.factors.gwp import REPORTS
from zonepulse.schemas.registry.model import ALERT_BUDGET, Detector, Direction, Kind, Role, Rule, ZonePolicy
from zonepulse.schemas.registry.sections import SECTIONS
from zonepulse.schemas.rules.expressions import MOST_CHARACTERS
from zonepulse.schemas.rules.scopes import INDICATORS, SCOPES

_CARRIERS: Final = f"{', '.join(c for c in CARRIERS if not c.endswith(':'))}, a fuel such as diesel, or {PRODUCT}<name>"


def zone_schema() -> Schema:
    """The schema document."""
    own = {
        "meters": _meter(),
        "factors": factor_schema(),
        "rules": _rule(),
        "contracts": contract_schema(),
        "entries": entry_schema(),
    }
    properties = {section.name: section_schema(section, own) for section in SECTIONS}
    return {
        "$schema": DIALECT,
        "$id": "urn:zonepulse:schema:zone",
        "title": "zone.yaml",
        "description": "An industrial zone: its companies, meters, factors and rules; published by `zonepulse registry apply`",
        **mapping({"zone": _zone(), **properties}, "zone"),
        "$defs": DEFINITIONS,
    }


def _zone() -> Schema:
    vee = mapping(
        {
            "n_confirm": said({"type": "integer", "minimum": 1}, "held readings that confirm a new series", 3),
            "boundary_tolerance": ref("duration", "tolerance at window edges", "60s"),
        }
    )
    return mapping(
        {
            "id": ref("id"),
            "name": ref("text"),
            "factor_regions": said(
                list_of(ref("id")) | {"uniqueItems": True}, "look-up order; a result records which one answered"
            ),
            "timezone": {"type": "string", "description": "IANA name", "examples": ["Asia/Shanghai", "Europe/Berlin"]},
            "key": one_word(
                words_of(ZonePolicy, "key"), "what partitions zp.readings: gateway (else site), site or meter", "gateway"
            ),
            "window": ref("duration", "ledger interval, 1m to 60m, divides an hour", "15m"),
            "tick": ref("duration", "the ledger's clock, divides the window: rows are revised at most once a tick", "1m"),
            "live": ref("duration", "period of the live view", "5s"),
            "delay": ref("duration", "a window is first emitted at the first tick at or after its end + delay", "1m"),
            "lateness": ref("duration", "ingest - ts above this: dead letter `late`", "2h"),
            "future": ref("duration", "ts - ingest above this: dead letter `future`", "5m"),
            "idle": ref("duration", "a caught-up partition silent this long gets a heartbeat", "10s"),
            "max_gap": ref("duration", "a longer gap of a register is not booked live", "7d"),
            "vee": said(vee, "validation, estimation and editing of readings"),
            "gwp": one_word(REPORTS, "IPCC assessment report of the refrigerants' GWPs; needed where an entry has one"),
            "factors_as_of": said(
                {"type": "string", "pattern": f"^{DAY}$"},
                "the factor table as it was known on that day; absent: as it is known now",
            ),
            "alert_budget": number("alerts of detectors that people are shown, a channel-month; above 0", float(ALERT_BUDGET)),
            "calendar": ref(
                "id", "of `calendars`: its holidays are like Sundays to detectors, its workdays at a weekend like Fridays"
            ),
            "expected": said({"type": "boolean"}, "true: keeps the band that detectors expect, a row a measured window"),
        },
        "id",
        "timezone",
    )


def _meter() -> Schema:
    registers = {"type": "object", "minProperties": 1, "propertyNames": {"$ref": "#/$defs/id"}, "additionalProperties": _register()}
    return mapping(
        {
            "id": ref("id", "several validities of a meter are several items with one id"),
            "site": ref("id"),
            "gateway": ref("id"),
            "role": one_word(get_args(Role), "boundary: the zone's own import and export"),
            "parent": ref("id", "of a sub meter: the meter it is part of"),
            "registers": said(registers, "OBIS code, or any stable name -> register"),
            "detect": _detect("of its registers that do not say it themselves"),
            "kwp": number("peak power of its panels, kW: what others under the same sky are compared by (pv_low)"),
            **validity(),
        },
        "id",
        "site",
        "role",
        "registers",
    )


def _detect(about: str) -> Schema:
    names = list_of({"enum": list(get_args(Detector))}) | {"uniqueItems": True}
    return said({"anyOf": [{"enum": ["on", "off"]}, names]}, f"detectors that judge windows on their own history: {about}", "on")


def _register() -> Schema:
    steam = mapping(
        {
            "pressure_mpa": number("absolute pressure"),
            "temperature_c": said({"type": ["number", "null"]}, "null: saturated"),
            "reference_kj_per_kg": number("enthalpy that counts as no energy, such as 83.74 of water at 20 C"),
        },
        "pressure_mpa",
        "temperature_c",
        "reference_kj_per_kg",
    )
    properties = {
        "carrier": ref("id", _CARRIERS),
        "direction": one_word(get_args(Direction)),
        "kind": one_word(get_args(Kind), "a counter, the energy of the period that ends at ts, or instantaneous power"),
        "unit": {"type": "string", "description": "of the transmitted value", "examples": ["kWh", "Nm3", "kvarh", "GJ", "kW"]},
        "reference": one_word(("0C", "20C"), "temperature that a gas volume in m3 is corrected to"),
        "multiplier": number("CT x PT ratio or pulse weight", 1),
        "modulus": number("first value that the register cannot show, before the multiplier"),
        "max_power": number(
            "base units per hour after the multiplier: the most that fuse, transformer or pipe lets through; readings are judged by it"
        ),
        "period": ref("duration", "expected reporting period; absent: the zone's window; energy of calendar days: 1d"),
        "offset": ref("duration", "of kind interval: how far its periods begin behind the local hour or day", "0s"),
        "stamp": one_word(("end", "start"), "of kind interval: which end of its period ts names", "end"),
        "on_reset": one_word(("unknown", "zero"), "zero: a counter that may begin anew at 0 (plug, daily yield)", "unknown"),
        "counts": said({"type": "boolean"}, "false: in no total, such as a tariff register beside the total", True),
        "ef": number("kg CO2e per base unit of a generation register", 0),
        "detect": _detect("on, off, or those that may speak; absent: as the meter says"),
        "kwp": number("of a generation register: peak power of its panels, kW; absent: as the meter says"),
        "steam": said(steam, "of carrier steam in t or kg: counts GJ, its enthalpy by IAPWS-IF97; max_power is then GJ per hour"),
    }
    gas_in_m3 = {"carrier": {"enum": list(GASES)}, "unit": {"pattern": "^m3(/h)?$"}}
    return {
        **mapping(properties, "carrier", "direction", "kind", "unit", "max_power"),
        "if": {"properties": gas_in_m3, "required": ["carrier", "unit"]},
        "then": {"properties": {"reference": {"type": "string"}}, "required": ["reference"]},
    }


def _rule() -> Schema:
    bounds = {"above": {"type": "number"}, "below": {"type": "number"}}
    compared = {
        "indicator": one_word(INDICATORS),
        "change": one_word(("absolute", "percent"), "compare its change, not itself"),
        "against": ref("duration", "how long before the value was that it is the change to"),
    }
    expression = {"expr": said({"type": "string", "maxLength": MOST_CHARACTERS}, "of indicators, true or false")}
    unusual = {"unusual": said({"const": True}, "a breach is what its own history does not lead to expect")}
    when = _one_bound(bounds | compared | expression | unusual, "indicator")
    named = {"type": "string", "pattern": f"^({'|'.join(SCOPES)}):.+$"}
    on = {"anyOf": [one_word(SCOPES), list_of(named) | {"minItems": 1}]}
    return mapping(
        {
            "id": ref("id"),
            "on": said(on, "a scope, or some of one: [company:steel, company:auto-*], [register:TC-*/1.8.0]"),
            "when": {**when, "oneOf": [*when["oneOf"], {"required": ["indicator", "unusual"]}]},
            "for": ref("duration", "how long it must hold; absent: one window"),
            "keep_firing": ref("duration", "how long it must be clear before the alert is resolved"),
            "clear": said(_one_bound(bounds | expression), "what ends it; absent: no breach"),
            "calendar": ref("id", "only windows that begin within its hours are judged"),
            "severity": one_word(words_of(Rule, "severity"), default="warning"),
            "text": ref("text"),
            "runbook": said({"type": "string", "pattern": "^https?://"}, "where it is written what to do"),
        },
        "id",
        "on",
        "when",
    )


def _one_bound(properties: Schema, *required: str) -> Schema:
    """`above`, `below` or `expr`, and only one of them; a bound needs `required` beside it."""
    ways = [{"required": [*required, "above"]}, {"required": [*required, "below"]}, {"required": ["expr"]}]
    return {"type": "object", "properties": properties, "required": [], "additionalProperties": False, "oneOf": ways}
