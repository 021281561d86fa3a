"""JSON Schema of sections whose fields are declared."""

from typing import Final

from zonepulse.schemas.documents.parts import DAY, Schema, list_of, mapping, number, ref, said, series
from zonepulse.schemas.registry.section import Field, Kind, Section
from zonepulse.schemas.values import duration_text

_CLOCK: Final = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
_STOCK: Final = mapping({"kwh": number("energy"), "g_per_kwh": number("carbon of a kWh")}, "kwh", "g_per_kwh")
_SCHEMAS: Final[dict[Kind, Schema]] = {
    "id": ref("id"), "text": {"type": "string"}, "name": ref("text"), "number": {"type": "number"},
    "part": {"type": "number"}, "float": {"type": "number"}, "truth": {"type": "boolean"}, "duration": ref("duration"),
    "moment": ref("instant"), "start": ref("instant"), "end": ref("instant"), "day": {"type": "string", "pattern": f"^{DAY}$"},
    "timezone": {"type": "string"}, "minute": _CLOCK, "minutes": list_of(_CLOCK) | {"minItems": 2, "maxItems": 2}, "stock": _STOCK,
    "amounts": {"type": "object", "propertyNames": ref("id"), "additionalProperties": {"type": "number"}, "minProperties": 1},
    "series": series("one a step; null: none"),
    "ids": list_of(ref("id")), "texts": list_of({"type": "string"}),
    "days": list_of({"type": "string", "pattern": f"^{DAY}$"}),
    "targets": list_of({"type": "string", "pattern": "^(mailto|channel|webhook):"}) | {"minItems": 1},
}  # fmt: skip
_UNTOLD: Final = ("start", "end", "minutes", "stock", "amounts", "series", "ids", "texts", "words", "days")
"""Kinds whose default is that nothing is written."""


def section_schema(section: Section, entities: dict[str, Schema]) -> Schema:
    """The schema of what zone.yaml has under the section's key; `entities` are those of sections that have a schema of their own."""
    if section.parts:
        return said(mapping({part.key: section_schema(part, entities) for part in section.parts}), section.about.get("", ""))
    return list_of(entities[section.name] if section.name in entities else entity_schema(section))


def entity_schema(section: Section) -> Schema:
    """The schema of one entity."""
    if section.type is str:
        return ref("id")
    own, *inner = dict.fromkeys(["", *(field.inside for field in section.fields)])
    more = {name: said(_mapping(section, name, {}), section.about.get(name, "")) for name in inner}
    schema = _mapping(section, own, more)
    return schema | ({"not": {"properties": {key: {"type": "null"} for key in section.some_of}}} if section.some_of else {})


def _mapping(section: Section, inside: str, more: Schema) -> Schema:
    fields = [field for field in section.fields if field.inside == inside]
    return mapping({field.key: _field(field) for field in fields} | more, *(field.key for field in fields if field.need))


def _field(field: Field) -> Schema:
    words, count = {"enum": list(field.words)}, {"type": "integer", "minimum": field.least}
    of_field = {"word": words, "words": list_of(words), "count": count}
    schema = of_field[field.kind] if field.kind in of_field else _SCHEMAS[field.kind]
    return said(schema, field.about, _default(field))


def _default(field: Field) -> object:
    if field.need or field.default is None or field.default == "" or field.kind in _UNTOLD:
        return None
    if field.kind == "duration":
        return duration_text(field.default)
    if field.kind == "minute":
        return f"{field.default // 60:02}:{field.default % 60:02}"
    if field.kind in ("number", "part"):
        return int(field.default) if field.default.denominator == 1 else float(field.default)
    return field.default
