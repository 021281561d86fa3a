"""JSON Schema 2020-12 of zone.yaml, for editors: what a file may hold. What only shows between entities, `registry apply` checks.

A value is as YAML 1.2 reads it: dates stay text, and of `yes`, `on` and the like only `true` and `false` are booleans.
"""

from typing import Any, Final, get_args, get_type_hints

from zonepulse.schemas.factors import BASES, CONFIDENCES
from zonepulse.schemas.gwp import REPORTS
from zonepulse.schemas.registry import Contract, Direction, Kind, Role, Rule, Source, ZonePolicy
from zonepulse.schemas.registry_checks import INDICATORS
from zonepulse.schemas.units import GAS_CARRIERS
from zonepulse.schemas.yaml_values import MAX_ID_BYTES

Schema = dict[str, Any]
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_DAY: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = "[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?"
_OFFSET: Final = "([Zz]|[-+][0-9]{2}(:?[0-9]{2})?)"
_DEFINITIONS: Final[Schema] = {
    "id": {"type": "string", "pattern": r"^\S(.*\S)?$", "maxLength": MAX_ID_BYTES},
    "text": {
        "description": "language (en, de, zh) -> text",
        "type": "object",
        "propertyNames": {"pattern": "^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"},
        "additionalProperties": {"type": "string", "pattern": r"\S"},
    },
    "duration": {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$", "examples": ["90s", "15m", "2h", "7d"]},
    "instant": {
        "description": "a date, which begins in the zone's time zone, or ISO 8601 with offset",
        "type": "string",
        "pattern": f"^{_DAY}([Tt ] *{_TIME} *{_OFFSET})?$",
        "examples": ["2026-01-01", "2026-03-04T10:07:00+08:00"],
    },
}


def zone_schema() -> Schema:
    """The schema document."""
    sections = {
        "companies": _company(),
        "sites": _site(),
        "gateways": _gateway(),
        "meters": _meter(),
        "meter_changes": _meter_change(),
        "factors": _factor(),
        "contracts": _contract(),
        "entries": _entry(),
        "rules": _rule(),
        "subscribers": {"description": "kept as written; read by notification"},
    }
    properties = {name: _list(item) for name, item in sections.items()}
    return {
        "$schema": DIALECT,
        "$id": "urn:zonepulse:schema:zone",
        "title": "zone.yaml",
        "description": "An industrial zone: its companies, meters, factors and rules; published by `zonepulse registry apply`",
        **_object({"zone": _zone(), "network": _network(), **properties}, "zone"),
        "$defs": _DEFINITIONS,
    }


def _ref(name: str, about: str = "", default: object = None) -> Schema:
    return _said({"$ref": f"#/$defs/{name}"}, about, default)


def _said(schema: Schema, about: str, default: object = None) -> Schema:
    said = schema | ({"description": about} if about else {})
    return said | ({"default": default} if default is not None else {})


def _enum(words: tuple[str, ...], about: str = "", default: str | None = None) -> Schema:
    return _said({"enum": list(words)}, about, default)


def _number(about: str, default: float | None = None) -> Schema:
    return _said({"type": "number"}, about, default)


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _optional(schema: Schema) -> Schema:
    """An absent value may also be written as null."""
    if "enum" in schema:
        return schema | {"enum": [*schema["enum"], None]}
    if isinstance(schema.get("type"), str) and "oneOf" not in schema:
        return schema | {"type": [schema["type"], "null"]}
    inner = {key: value for key, value in schema.items() if key not in ("description", "default")}
    return {"anyOf": [inner, {"type": "null"}], **{key: value for key, value in schema.items() if key not in inner}}


def _object(properties: Schema, *required: str) -> Schema:
    """A mapping with these keys only; those that are not required may be null."""
    members = {name: schema if name in required else _optional(schema) for name, schema in properties.items()}
    return {"type": "object", "properties": members, "required": list(required), "additionalProperties": False}


def _words(of: type, name: str) -> tuple[str, ...]:
    return get_args(get_type_hints(of)[name])


def _valid() -> Schema:
    return {
        "valid_from": _ref("instant", "inclusive; absent: always"),
        "valid_to": _ref("instant", "exclusive; absent: for ever"),
    }


def _zone() -> Schema:
    vee = _object(
        {
            "n_confirm": _said({"type": "integer", "minimum": 1}, "held readings that confirm a new series", 3),
            "boundary_tolerance": _ref("duration", "tolerance at window edges", "60s"),
        }
    )
    return _object(
        {
            "id": _ref("id"),
            "name": _ref("text"),
            "factor_regions": _said(
                _list(_ref("id")) | {"uniqueItems": True}, "look-up order; a result records which one answered"
            ),
            "timezone": {"type": "string", "description": "IANA name", "examples": ["Asia/Shanghai", "Europe/Berlin"]},
            "key": _enum(_words(ZonePolicy, "key"), "what partitions zp.readings: gateway (else site), site or meter", "gateway"),
            "window": _ref("duration", "ledger interval, 1m to 60m, divides an hour", "15m"),
            "tick": _ref("duration", "the ledger's clock, divides the window: rows are revised at most once a tick", "1m"),
            "live": _ref("duration", "period of the live view", "5s"),
            "delay": _ref("duration", "a window is first emitted at the first tick at or after its end + delay", "1m"),
            "lateness": _ref("duration", "ingest - ts above this: dead letter `late`", "2h"),
            "future": _ref("duration", "ts - ingest above this: dead letter `future`", "5m"),
            "idle": _ref("duration", "a caught-up partition silent this long gets a heartbeat", "10s"),
            "max_gap": _ref("duration", "a longer gap of a register is not booked live", "7d"),
            "vee": _said(vee, "validation, estimation and editing of readings"),
            "gwp": _enum(REPORTS, "IPCC assessment report of the refrigerants' GWPs; needed where an entry has one"),
            "factors_as_of": _said(
                {"type": "string", "pattern": f"^{_DAY}$"},
                "the factor table as it was known on that day; absent: as it is known now",
            ),
        },
        "id",
        "timezone",
    )


def _company() -> Schema:
    employees = {"type": "integer", "minimum": 0}
    return _object({"id": _ref("id"), "name": _ref("text"), "sector": {"type": "string"}, "employees": employees}, "id")


def _site() -> Schema:
    company = _ref("id", "absent or null: the zone's own, such as its grid point")
    return _object({"id": _ref("id"), "company": company, "node": _ref("id", "node of the network")}, "id")


def _gateway() -> Schema:
    return _object({"id": _ref("id"), "site": _ref("id")}, "id", "site")


def _meter() -> Schema:
    registers = {"type": "object", "minProperties": 1, "propertyNames": {"$ref": "#/$defs/id"}, "additionalProperties": _register()}
    return _object(
        {
            "id": _ref("id", "several validities of a meter are several items with one id"),
            "site": _ref("id"),
            "gateway": _ref("id"),
            "role": _enum(get_args(Role), "boundary: the zone's own import and export"),
            "parent": _ref("id", "of a sub meter: the meter it is part of"),
            "registers": _said(registers, "OBIS code, or any stable name -> register"),
            **_valid(),
        },
        "id",
        "site",
        "role",
        "registers",
    )


def _register() -> Schema:
    steam = _object(
        {
            "pressure_mpa": _number("absolute pressure"),
            "temperature_c": _said({"type": ["number", "null"]}, "null: saturated"),
            "reference_kj_per_kg": _number("enthalpy that counts as no energy, such as 83.74 of water at 20 C"),
        },
        "pressure_mpa",
        "temperature_c",
        "reference_kj_per_kg",
    )
    properties = {
        "carrier": _ref("id", "electricity, reactive, natural_gas, heat, steam, cooling, water, diesel, ... or product:<name>"),
        "direction": _enum(get_args(Direction)),
        "kind": _enum(get_args(Kind), "a counter, the energy of the period that ends at ts, or instantaneous power"),
        "unit": {"type": "string", "description": "of the transmitted value", "examples": ["kWh", "Nm3", "kvarh", "GJ", "kW"]},
        "reference": _enum(("0C", "20C"), "temperature that a gas volume in m3 is corrected to"),
        "multiplier": _number("CT x PT ratio or pulse weight", 1),
        "modulus": _number("first value that the register cannot show, before the multiplier"),
        "max_power": _number("base units per hour after the multiplier: bound for plausibility and roll-over"),
        "period": _ref("duration", "expected reporting period; absent: the zone's window"),
        "ef": _number("kg CO2e per base unit of a generation register", 0),
        "steam": _said(steam, "of carrier steam in t or kg: counts GJ, its enthalpy by IAPWS-IF97; max_power is then GJ per hour"),
    }
    gas_in_m3 = {"carrier": {"enum": sorted(GAS_CARRIERS)}, "unit": {"pattern": "^m3(/h)?$"}}
    return {
        **_object(properties, "carrier", "direction", "kind", "unit"),
        "if": {"properties": gas_in_m3, "required": ["carrier", "unit"]},
        "then": {"properties": {"reference": {"type": "string"}}, "required": ["reference"]},
    }


def _meter_change() -> Schema:
    values = {"old_final": _number("last value of the old register"), "new_initial": _number("first value of the new one")}
    keys = {"meter": _ref("id"), "register": _ref("id"), "at": _ref("instant"), **values}
    return _object(keys, *keys)


def _factor() -> Schema:
    fuel = {
        "ncv": _number("net calorific value, GJ per unit"),
        "carbon": _number("t carbon per GJ"),
        "oxidation": _number("part of the carbon that burns, at most 1"),
    }
    factor = _object(
        {
            "id": _ref("id"),
            "activity": _ref("id", "carrier, or grid_electricity, purchased_heat"),
            "region": _ref("id", "one of factor_regions"),
            "company": _ref("id", "a company's own factor comes before those of regions"),
            "basis": _enum(BASES, "a location look-up takes location, else default", "default"),
            "value": _number("in `unit`; exactly one of `value`, `series` and `fuel`"),
            "series": _said(
                _series("in `unit`, one a step; null: none then, the next rung answers"), "a signal, such as an hourly one"
            ),
            "fuel": _said(_object(fuel, *fuel), "an analysis: ncv x carbon x oxidation x 44/12 x 1000 kgCO2 per unit"),
            "unit": {"type": "string", "examples": ["kgCO2/kWh", "gCO2e/kWh", "kgCO2/Nm3", "tCO2/t"]},
            "data_year": {"type": "integer", "minimum": 0},
            "published": {"anyOf": [{"type": "string"}, {"type": "number"}], "description": "year or date"},
            **_valid(),
            "source": {"type": "string"},
            "source_url": {"type": "string"},
            "confidence": _enum(CONFIDENCES, "L means unverified and is never used"),
        },
        "id",
        "activity",
        "unit",
        "source",
    )
    timed = {"anyOf": [{"required": ["valid_from"]}, {"required": ["series"]}]}
    return factor | {"allOf": [_one_of("value", "series", "fuel"), timed]}


def _series(values: str) -> Schema:
    numbers = {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 1, "description": values}
    step = _ref("duration", "how long each value holds, a multiple of the zone's window")
    return _object(
        {"from": _ref("instant", "where the first step begins"), "step": step, "values": numbers}, "from", "step", "values"
    )


def _contract() -> Schema:
    keys = {
        "id": _ref("id"),
        "company": _ref("id"),
        "kind": _enum(_words(Contract, "kind"), "green certificates, or a power purchase agreement"),
        "mwh": _number("what it covers in all; exactly one of `mwh` and `hourly`"),
        "hourly": _said(_series("kWh of each step; what is not used in the same window lapses"), "a profile instead of a volume"),
        "vintage": {"type": "integer", "minimum": 0, "description": "year of generation"},
        **_valid(),
        "ef": _number("kg CO2e per kWh", 0),
        "evidence": {"type": "string", "description": "certificate numbers or the agreement"},
    }
    keys |= {"valid_from": _ref("instant", "inclusive"), "valid_to": _ref("instant", "exclusive")}
    return _object(keys, "id", "company", "kind", "valid_from", "valid_to") | _one_of("mwh", "hourly")


def _one_of(*names: str) -> Schema:
    """Exactly one of these is given, and not as null."""
    null = {"type": "null"}
    return {"oneOf": [{"required": [n], "properties": {n: {"not": null}, **{o: null for o in names if o != n}}} for n in names]}


def _network() -> Schema:
    meters = {
        "meter_from": _ref(
            "id", "at the sending end; its `import` registers count what flows towards `to`, `export` what flows back"
        ),
        "meter_to": _ref("id", "at the receiving end; a line has at least one of the two"),
    }
    edge = _object({"id": _ref("id"), "from": _ref("id"), "to": _ref("id"), **meters, **_valid()}, "id", "from", "to")
    edge |= {"not": {"properties": {name: {"type": "null"} for name in meters}}}
    initial = _object({"kwh": _number("energy"), "g_per_kwh": _number("carbon of a kWh")}, "kwh", "g_per_kwh")
    source = _object(
        {
            "id": _ref("id", "absent: the meter's"),
            "node": _ref("id"),
            "kind": _enum(
                _words(Source, "kind"), "grid_import: a boundary meter; pv, chp, generation; storage: meters of that role"
            ),
            "meter": _ref("id", "every boundary, generation and storage meter of electricity at a node is one source"),
            "method": _enum(_words(Source, "method"), "how a storage hands out the carbon that it took in", "average"),
            "efficiency": _number("of a storage: energy that comes back of one unit, above 0, at most 1", 1),
            "initial": _said(initial, "what a storage holds when its records begin"),
        },
        "node",
        "kind",
        "meter",
    )
    about = "the electricity network of the zone, for flow tracing"
    return _said(_object({"nodes": _list(_ref("id")), "edges": _list(edge), "sources": _list(source)}), about)


def _entry() -> Schema:
    keys = {
        "id": _ref("id"),
        "company": _ref("id"),
        "carrier": _said(
            {"type": "string", "pattern": "^(refrigerant|process):\\S(.*\\S)?$"}, "a gas, or a process of the same activity"
        ),
        "kg": {"type": "number", "exclusiveMinimum": 0},
        "at": _ref("instant", "the window that holds it takes the entry"),
        "occurred": _ref("instant", "when it happened; absent: at"),
        "by": {"type": "string", "pattern": r"\S", "description": "who entered it"},
        "reason": {"type": "string", "pattern": r"\S", "description": "why, and how it was measured"},
        "evidence": {"type": "string"},
    }
    return _object(keys, "id", "company", "carrier", "kg", "at", "by", "reason")


def _rule() -> Schema:
    bounds = {"above": {"type": "number"}, "below": {"type": "number"}}
    when = {"indicator": _enum(INDICATORS), **bounds}
    return _object(
        {
            "id": _ref("id"),
            "on": _enum(_words(Rule, "on")),
            "when": _one_bound(when, "indicator"),
            "for": _ref("duration", "how long it must hold; absent: one window"),
            "keep_firing": _ref("duration", "how long it must be clear before the alert is resolved"),
            "clear": _said(_one_bound(bounds), "level that ends it; absent: no breach"),
            "severity": _enum(_words(Rule, "severity"), default="warning"),
            "text": _ref("text"),
        },
        "id",
        "on",
        "when",
    )


def _one_bound(properties: Schema, *required: str) -> Schema:
    """`above` or `below`, not both."""
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return schema | {"oneOf": [{"required": ["above"]}, {"required": ["below"]}]}
