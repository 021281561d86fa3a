"""The topics of a zone as an AsyncAPI 3.0 document: who sends what where, with keys, headers, content types and payloads."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import pyarrow as pa

from zonepulse.schemas.documents.message_schemas import handed_over_schema
from zonepulse.schemas.messages.hand_overs import HEADER, KEPT
from zonepulse.schemas.messages.readings import ARROW_SCHEMA
from zonepulse.schemas.messages.records import ARROW, CONTENT_TYPE, JSON, REGISTRY
from zonepulse.schemas.messages.tasks import EVERY_FOLLOWS, EVERY_SENDS, PARTIES, TASKS, Sends
from zonepulse.schemas.messages.topics import DEFAULT_PREFIX, RESULTS, TOPICS, Topic
from zonepulse.schemas.tables.column_notes import COLUMN_NOTES, READING_NOTES
from zonepulse.schemas.tables.interval_block import INTERVAL_BLOCK
from zonepulse.schemas.tables.results import DELIVERIES, INTERVALS, LIVE, TABLES, Table

Node = dict[str, Any]
VERSION: Final = "0.2.0"
"""Of the contracts; rises when a message changes."""
SCHEMA_FORMAT: Final = "application/schema+json;version=2020-12"
_BINDING: Final = "0.5.0"
_INTEGER_TEXT: Final = {"type": "string", "pattern": "^[0-9]+$"}
_HANDED_OVER: Final[Node] = {HEADER: handed_over_schema()}
_KEPT: Final[Node] = {
    KEPT: {
        "type": "string",
        "pattern": "^[0-9a-f]{8}$",
        "description": "only once the partition's state was kept: under which name it was last",
    }
}


def asyncapi() -> Node:
    """The document. References name the JSON Schema files beside it."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "zonepulse",
            "version": VERSION,
            "description": "A live carbon ledger of an industrial zone. One zone is one topic prefix.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": JSON.decode(),
        "servers": {"kafka": {"host": "127.0.0.1:9092", "protocol": "kafka", "description": "where ZONEPULSE_BROKER points"}},
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": dict(_operations()),
        "components": {"messages": _messages()},
    }


def _channel(topic: Topic) -> Node:
    config = {"cleanup.policy": [topic.cleanup], "retention.ms": topic.retention_ms, "max.message.bytes": topic.max_message_bytes}
    kafka = {"partitions": topic.partitions, "topicConfiguration": config, "bindingVersion": _BINDING}
    times = "the broker (LogAppendTime)" if topic.timestamp_type == "LogAppendTime" else "the sender (CreateTime)"
    partitions = "" if topic.partitions else " The number of partitions is chosen once for a zone."
    return {
        "address": "{prefix}" + topic.name,
        "description": f"{topic.value}. Key: {topic.key}. Times are set by {times}.{partitions}",
        "parameters": {"prefix": {"description": "of the zone's topics", "default": DEFAULT_PREFIX}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(topic)},
        "bindings": {"kafka": {key: value for key, value in kafka.items() if value is not None}},
    }


def _names(topic: Topic) -> tuple[str, ...]:
    return topic.messages or (f"{topic.name}Record",)


def _operations() -> Iterator[tuple[str, Node]]:
    """Name and operation of all that somebody reads or sends. What comes from outside is received."""
    for task in TASKS.values():
        for topic in dict.fromkeys((*task.reads, *task.follows, *EVERY_FOLLOWS)):
            about = "Each worker reads it as a whole." if topic not in task.reads else "Its workers share the partitions."
            yield _operation(f"{task.name}Reads", "receive", Sends(topic, about=about))
        for sent in _together((*task.sends, *EVERY_SENDS)):
            yield _operation(f"{task.name}Sends", "send", sent)
    for party in PARTIES:
        for sent in party.sends:
            yield _operation(f"{party.name}Send", "receive" if party.is_outside else "send", sent)


def _together(sends: Iterable[Sends]) -> Iterator[Sends]:
    """One a topic: what is said of it first, with the messages of all."""
    by_topic: dict[str, list[Sends]] = {}
    for one in sends:
        by_topic.setdefault(one.topic.name, []).append(one)
    for first, *others in by_topic.values():
        named = [name for one in (first, *others) for name in one.messages or _names(one.topic)]
        yield Sends(first.topic, tuple(dict.fromkeys(named)), " ".join(one.about for one in (first, *others) if one.about))


def _operation(name: str, action: str, sent: Sends) -> tuple[str, Node]:
    messages = [{"$ref": f"#/channels/{sent.topic.name}/messages/{name}"} for name in sent.messages or _names(sent.topic)]
    node = {"action": action, "channel": {"$ref": f"#/channels/{sent.topic.name}"}, "summary": sent.about, "messages": messages}
    return name + sent.topic.name.capitalize(), node


def _messages() -> Node:
    described = _described()
    return described | {n: _message(t.value, t.key, {}) for t in TOPICS for n in _names(t) if n not in described}


def _described() -> Node:
    return {
        **_reading_messages(),
        "registryEntity": _message("One entity of a registry version", "version / kind / entity id", _file("registry_entity")),
        "publishedFactor": _message("An emission factor for the past", "factor id", _file("registry_entity", "#/$defs/Factor")),
        "input": _message("A quantity given by hand", "input id", _file("registry_entity", "#/$defs/Input")),
        "intervalBlock": _interval_block(),
        "liveSums": _live_sums(),
        **{name: _result(TABLES[name]) for name in RESULTS.messages},
        "alertCandidates": _alert_candidates(),
        "alert": _message("One transition of an alert", "fingerprint/starts_at", _file("alert"), _headers(_HANDED_OVER)),
        "command": _message("What somebody tells the zone", "kind/target", _file("command")),
        "commandTime": _message("Carries time and nothing else", "none", {"type": "array", "maxItems": 0}),
        "subscriber": _message("A subscriber, or a wish", "subscriber id, or id/wish", _file("subscriber")),
        "notifyEntry": _message("What notification remembers", "kind / id", {"type": "object"}),
        "deadLetter": _dead_letter(),
    }


def _reading_messages() -> Node:
    key = "what the zone's `key` names: gateway, site or meter id; decides the partition (murmur2)"
    json = _headers({CONTENT_TYPE: {"type": "string", "const": JSON.decode()}})
    block = _headers({CONTENT_TYPE: {"type": "string", "const": ARROW.decode()}})
    switch = _INTEGER_TEXT | {"description": "from here on the partition uses this registry version"}
    return {
        "reading": _message("One reading", key, _file("reading", "#/$defs/reading"), json),
        "readings": _message("Several readings", key, _file("reading"), json),
        "readingBlock": _message("Readings in columns", key, _arrow("readings", ARROW_SCHEMA, READING_NOTES), block, ARROW),
        "heartbeat": _message(
            "Carries time and nothing else", "none", {"type": "array", "maxItems": 0}, _headers({REGISTRY: switch})
        ),
    }


def _interval_block() -> Node:
    metadata = {
        "partition": "source partition, decimal text",
        "registry": "registry version the rows were made with, decimal text",
        "through": "last tick the partition has closed, decimal text; in the last block of a fetch only",
    }
    notes = COLUMN_NOTES | {
        "meter_version": "of the register, counted in order of time from 0; absent in blocks of earlier programs"
    }
    payload = _arrow(INTERVALS.name, INTERVAL_BLOCK, notes, metadata)
    headers = _headers(_HANDED_OVER | _KEPT)
    return _message("Interval rows, sorted by revision, at most 900 kB", "source partition", payload, headers, ARROW)


def _live_sums() -> Node:
    metadata = {
        "partition": "source partition, decimal text",
        "registry": "registry version, decimal text",
        "kind": "live_partial",
        "at": "ingest time, epoch milliseconds as decimal text",
    }
    payload = {"type": "string", "format": "binary", "x-arrow": {"metadata": metadata}}
    return _message(
        "Sums for the live view",
        "source partition",
        payload,
        content_type=ARROW,
        about="Between zonepulse's own agents; not stored.",
    )


def _alert_candidates() -> Node:
    metadata = {
        "partition": "source partition, decimal text; -1 of alerts about the pipeline",
        "registry": "registry version, decimal text",
        "kind": "candidates",
    }
    payload = {"type": "string", "format": "binary", "x-arrow": {"metadata": metadata}}
    return _message(
        "Transitions of alerts that a task proposes",
        "source partition",
        payload,
        _headers(_HANDED_OVER | _KEPT),
        ARROW,
        about="Between zonepulse's own agents: the ledger writes them to `alerts`, each with the tick that is its revision.",
    )


def _result(table: Table) -> Node:
    payload = _arrow(table.name, table.arrow_schema, COLUMN_NOTES)
    headers = None if table in (LIVE, DELIVERIES) else _headers(_HANDED_OVER)
    return _message(f"Rows of table {table.name}", table.name, payload, headers, ARROW)


def _dead_letter() -> Node:
    payload = {
        "type": "string",
        "format": "binary",
        "description": "the exact JSON slice, a one-row Arrow stream, or the whole record",
    }
    return _message("What could not be booked", "the original key", payload, _file("dead_letter"), b"application/octet-stream")


def _message(title: str, key: str, payload: Node, headers: Node | None = None, content_type: bytes = JSON, about: str = "") -> Node:
    message = {
        "title": title,
        "description": about,
        "contentType": content_type.decode(),
        "headers": headers,
        "payload": payload,
        "bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": _BINDING}},
    }
    return {name: value for name, value in message.items() if value}


def _file(name: str, fragment: str = "") -> Node:
    return {"schemaFormat": SCHEMA_FORMAT, "schema": {"$ref": f"./{name}.schema.json{fragment}"}}


def _headers(properties: Node) -> Node:
    return {"type": "object", "properties": properties}


def _arrow(title: str, schema: pa.Schema, notes: dict[str, str], metadata: Node | None = None) -> Node:
    """An Arrow IPC stream, column by column under `x-arrow`."""
    columns = [{"name": f.name, "type": str(f.type), "nullable": f.nullable, "description": notes[f.name]} for f in schema]
    arrow = {"columns": columns} | ({"metadata": metadata} if metadata else {})
    return {"type": "string", "format": "binary", "title": f"{title}: Arrow IPC stream", "x-arrow": arrow}
