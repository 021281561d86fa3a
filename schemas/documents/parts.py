"""Parts of the JSON Schema of zone.yaml: known keys only, references to its definitions, values that may be null."""

from typing import Any, Final, get_args, get_type_hints

from zonepulse.schemas.values import MAX_ID_BYTES

Schema = dict[str, Any]
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

DAY: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = "[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?"
_OFFSET: Final = "([Zz]|[-+][0-9]{2}(:?[0-9]{2})?)"
DEFINITIONS: Final[Schema] = {
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
        "pattern": f"^{DAY}([Tt ] *{_TIME} *{_OFFSET})?$",
        "examples": ["2026-01-01", "2026-03-04T10:07:00+08:00"],
    },
}


def ref(name: str, about: str = "", default: object = None) -> Schema:
    """A definition, perhaps with a description and a default of its own."""
    return said({"$ref": f"#/$defs/{name}"}, about, default)


def said(schema: Schema, about: str, default: object = None) -> Schema:
    """The schema with a description and a default."""
    said = schema | ({"description": about} if about else {})
    return said | ({"default": default} if default is not None else {})


def one_word(words: tuple[str, ...], about: str = "", default: str | None = None) -> Schema:
    """One of these words."""
    return said({"enum": list(words)}, about, default)


def number(about: str, default: float | None = None) -> Schema:
    """A number."""
    return said({"type": "number"}, about, default)


def list_of(item: Schema) -> Schema:
    """A list of such items."""
    return {"type": "array", "items": item}


def nullable(schema: Schema) -> Schema:
    """An absent value may also be written as null."""
    if "enum" in schema:
        return schema | {"enum": [*schema["enum"], None]}
    if isinstance(schema.get("type"), str) and "oneOf" not in schema:
        return schema | {"type": [schema["type"], "null"]}
    inner = {key: value for key, value in schema.items() if key not in ("description", "default")}
    return {"anyOf": [inner, {"type": "null"}], **{key: value for key, value in schema.items() if key not in inner}}


def mapping(properties: Schema, *required: str) -> Schema:
    """A mapping with these keys only; those that are not required may be null."""
    members = {name: schema if name in required else nullable(schema) for name, schema in properties.items()}
    return {"type": "object", "properties": members, "required": list(required), "additionalProperties": False}


def words_of(of: type, name: str) -> tuple[str, ...]:
    """The words that a field of a type allows."""
    return get_args(get_type_hints(of)[name])


def series(values: str) -> Schema:
    """A time series; `values` says what they are."""
    numbers = {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 1, "description": values}
    step = ref("duration", "how long each value holds, a multiple of the zone's window")
    return mapping(
        {"from": ref("instant", "where the first step begins"), "step": step, "values": numbers}, "from", "step", "values"
    )


def validity() -> Schema:
    """The two keys of a validity."""
    return {
        "valid_from": ref("instant", "inclusive; absent: always"),
        "valid_to": ref("instant", "exclusive; absent: for ever"),
    }


def exactly_one(*names: str) -> Schema:
    """Exactly one of these is given, and not as null."""
    null = {"type": "null"}
    return {"oneOf": [{"required": [n], "properties": {n: {"not": null}, **{o: null for o in names if o != n}}} for n in names]}
