"""JSON Schema of entities of sections whose fields are declared."""

from typing import Final

from zonepulse.schemas.documents.parts import DAY, Schema, mapping, ref, said
from zonepulse.schemas.registry.section import Field, Kind, Section
from zonepulse.schemas.values import duration_text

_SCHEMAS: Final[dict[Kind, Schema]] = {
    "id": ref("id"), "text": {"type": "string"}, "name": ref("text"), "count": {"type": "integer", "minimum": 0},
    "number": {"type": "number"}, "float": {"type": "number"}, "truth": {"type": "boolean"}, "duration": ref("duration"),
    "moment": ref("instant"), "day": {"type": "string", "pattern": f"^{DAY}$"},
}  # fmt: skip


def entity_schema(section: Section) -> Schema:
    """The schema of one entity."""
    members = {field.key: _field(field) for field in section.fields}
    return mapping(members, *(field.key for field in section.fields if field.need))


def _field(field: Field) -> Schema:
    schema = {"enum": list(field.words)} if field.kind == "word" else _SCHEMAS[field.kind]
    return said(schema, field.about, _default(field))


def _default(field: Field) -> object:
    if field.default is None or field.default == "":
        return None
    if field.kind == "duration":
        return duration_text(field.default)
    return float(field.default) if field.kind == "number" else field.default
