"""JSON Schema 2020-12 of the messages that people outside write or read: readings, alerts, dead letters, registry entities."""

from dataclasses import fields
from fractions import Fraction
from typing import Any, Final, get_args, get_type_hints

import msgspec

from zonepulse.schemas.documents.parts import DIALECT, Schema
from zonepulse.schemas.messages.alerts import State
from zonepulse.schemas.messages.commands import KINDS, MAX_TEXT, NEEDS_UNTIL
from zonepulse.schemas.messages.dead_letters import UNDELIVERED, DeadLetter
from zonepulse.schemas.messages.hand_overs import HEADER, HandOver
from zonepulse.schemas.messages.readings import MAX_ITEMS, QUALITIES, REASONS, SEQ_LIMIT
from zonepulse.schemas.registry.model import ALWAYS, FOREVER, Rule, ZonePolicy
from zonepulse.schemas.registry.subscribers import Subscriber, Wish
from zonepulse.schemas.registry.wire import ENTITY_TYPES, EXTRA, ZONE
from zonepulse.schemas.tables.column_notes import COLUMN_NOTES, READING_NOTES
from zonepulse.schemas.tables.results import ALERTS, Column

ISO_8601: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?(Z|[-+][0-9]{2}:?[0-9]{2})$"
_INTEGER_TEXT: Final = {"type": "string", "pattern": "^-?[0-9]+$"}
_COUNT: Final = {"type": "integer", "minimum": 0}


def reading_schema() -> Schema:
    """A record of `zp.readings`: one reading or an array of them. Narrower than the decoder, which also takes other ISO 8601 forms."""
    reading = {"$ref": "#/$defs/reading"}
    return {
        **_head("reading", "One reading (an object) or several (an array). An empty array is a heartbeat: it only carries time."),
        "oneOf": [reading, {"type": "array", "maxItems": MAX_ITEMS, "items": reading}],
        "$defs": {"reading": _reading()},
    }


def _reading() -> Schema:
    ts = {"anyOf": [{"type": "integer", "description": "epoch milliseconds"}, {"type": "string", "pattern": ISO_8601}]}
    properties: dict[str, Schema] = {
        "meter": {"type": "string"},
        "register": {"type": "string"},
        "ts": ts,
        "value": {"type": "number"},
        "unit": {"type": ["string", "null"]},
        "seq": {"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": SEQ_LIMIT},
        "quality": {"enum": [*QUALITIES, None]},
    }
    return {
        "description": "Unknown keys are ignored; a key that stands twice is malformed. Numbers are never written as text.",
        "type": "object",
        "properties": {name: schema | {"description": READING_NOTES[name]} for name, schema in properties.items()},
        "required": ["meter", "register", "ts", "value"],
    }


def alert_schema() -> Schema:
    """A record of `zp.alerts`: one transition of an alert."""
    words = {"state": get_args(State), "severity": get_args(get_type_hints(Rule)["severity"])}
    properties = {c.name: _column(c) for c in ALERTS.stored}
    for name, options in words.items():
        properties[name] = {"enum": list(options), "description": COLUMN_NOTES[name]}
    properties["fingerprint"] |= {"pattern": "^[0-9a-f]{16}$"}
    return {
        **_head("alert", "One transition of an alert. Times are epoch milliseconds."),
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _column(column: Column) -> Schema:
    kind = {"code": "string", "str": "string", "f64": "number"}.get(column.kind, "integer")
    return {"type": [kind, "null"] if column.null else kind, "description": COLUMN_NOTES[column.name]}


def command_schema() -> Schema:
    """A record of `zp.commands`."""
    text = {"type": "string", "maxLength": MAX_TEXT}
    properties: dict[str, Schema] = {
        "kind": {"enum": list(KINDS)},
        "target": text
        | {
            "description": "skip: topic/partition/offset; of an alert: fingerprint/starts_at; maintenance: labels;"
            " amend: METER REGISTER FROM_MS COUNT"
        },
        "who": text,
        "why": text,
        "until_ms": {"type": ["integer", "null"], "minimum": 0, "description": f"needed by {', '.join(NEEDS_UNTIL)}"},
        "made_at_ms": _COUNT | {"description": "the maker's clock; it decides nothing"},
    }
    return {
        **_head("command", "What somebody tells a running zone. It applies at the tick that contains the record's ingest time."),
        "type": "object",
        "properties": properties,
        "required": ["kind", "target", "who", "why"],
        "additionalProperties": False,
    }


def subscriber_record_schema() -> Schema:
    """A record of `zp.subscribers`."""
    references, components = msgspec.json.schema_components((Subscriber, Wish), ref_template="#/$defs/{name}")
    return {
        **_head("subscriber", "A self-registered subscriber under its id, or under id/wish what a subscriber asked for meanwhile."),
        "anyOf": list(references),
        "$defs": components,
    }


def dead_letter_schema() -> Schema:
    """The headers of a record of `zp.deadletters`; its key and value are the original's."""
    notes = {
        "topic": {"type": "string", "description": "where the record came from"},
        "partition": _INTEGER_TEXT,
        "offset": _INTEGER_TEXT,
        "item": _INTEGER_TEXT | {"description": "index inside the record, 0 for a lone object, -1 for the whole record"},
        "reason": {
            "enum": [*REASONS[1:], UNDELIVERED],
            "description": "the first that applies, in this order; undelivered: a message to people that was given up",
        },
        "received_at": _INTEGER_TEXT | {"description": "Kafka timestamp of the record, epoch milliseconds"},
        "expected_partition": _INTEGER_TEXT
        | {"description": "only where the reason is wrong_partition: where the reading belongs"},
        "size": _INTEGER_TEXT | {"description": "only where the value was cut: bytes of the whole"},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "only where the value was cut: of the whole"},
    }
    headers = [f.name.removesuffix("_ms") for f in fields(DeadLetter) if f.name not in ("key", "value")]
    return {
        **_head("dead letter", "Headers of a dead letter; numbers are decimal text. Key and value are the original bytes."),
        "type": "object",
        "properties": {name: notes[name] for name in headers} | {HEADER: handed_over_schema()},
        "required": [name for name in headers if name not in ("expected_partition", "size", "sha256")],
    }


def handed_over_schema() -> Schema:
    """The header of a record that a state made which was handed over (hand_overs.HandOver)."""
    (reference,), components = msgspec.json.schema_components((HandOver,))
    return {
        "type": "string",
        "contentMediaType": "application/json",
        "description": "only of what a state made that was handed over: by which command, which its run's rows name too",
        "contentSchema": components[reference["$ref"].rpartition("/")[2]],
    }


def registry_entity_schema() -> Schema:
    """A record of `zp.registry`, made from the registry's own types. `$defs` has one schema for each kind of entity."""
    types = (ZonePolicy, *ENTITY_TYPES.values())
    references, components = msgspec.json.schema_components(types, schema_hook=_fraction, ref_template="#/$defs/{name}")
    facts = dict(zip((ZONE, *ENTITY_TYPES), references, strict=True))
    kinds: dict[str, Schema] = {kind: _entity(fact) for kind, fact in facts.items()} | {EXTRA: _entity({})}
    kinds[ZONE]["properties"] |= {"version": _COUNT, "sha256": {"type": "string"}, "entities": {"type": "integer", "minimum": 1}}
    kinds[ZONE]["required"] += ["version", "sha256", "entities"]
    return {
        **_head(
            "registry entity",
            "An entity of a registry version, with all its validities. The record's key is version/kind/id and names the kind."
            " The `zone` record comes last and says how many records the version has."
            f" Times are epoch milliseconds; {ALWAYS} is always, {FOREVER} for ever. Fractions are text.",
        ),
        "anyOf": [{"$ref": f"#/$defs/{kind}"} for kind in kinds],
        "$defs": kinds | components,
    }


def _entity(fact: Schema) -> Schema:
    places = {"type": "array", "items": _COUNT, "description": "the facts' places in the registry's order"}
    return {
        "type": "object",
        "properties": {"at": places, "facts": {"type": "array", "items": fact, "minItems": 1}},
        "required": ["at", "facts"],
        "additionalProperties": True,
    }


def _fraction(wanted: type) -> Schema:
    if wanted is not Fraction:
        raise NotImplementedError(f"registry facts hold no {wanted}")
    return {"type": "string", "pattern": "^-?[0-9]+(/[1-9][0-9]*)?$"}


def _head(title: str, about: str) -> dict[str, Any]:
    return {"$schema": DIALECT, "$id": f"urn:zonepulse:schema:{title.replace(' ', '-')}", "title": title, "description": about}
