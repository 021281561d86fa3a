"""The topics of a zone as an AsyncAPI 3.0 document: who sends what where, with keys, headers, content types and payloads."""

from typing import Any, Final

import pyarrow as pa

from zonepulse.schemas.messages.readings import ARROW_SCHEMA
from zonepulse.schemas.messages.records import ARROW, CONTENT_TYPE, JSON, REGISTRY
from zonepulse.schemas.messages.topics import DEFAULT_PREFIX, TOPICS, Topic
from zonepulse.schemas.tables.column_notes import COLUMN_NOTES, READING_NOTES
from zonepulse.schemas.tables.results import INTERVALS, TABLES, Table

Node = dict[str, Any]
VERSION: Final = "0.1.0"
"""Of the contracts; rises when a message changes."""
SCHEMA_FORMAT: Final = "application/schema+json;version=2020-12"
_BINDING: Final = "0.5.0"
_RESULT_TABLES: Final = tuple(table.name for table in TABLES.values() if not table.own_topic)
_INTEGER_TEXT: Final = {"type": "string", "pattern": "^[0-9]+$"}
_MESSAGES_OF: Final = {
    "readings": ("reading", "readings", "readingBlock", "heartbeat"),
    "registry": ("registryEntity",),
    "factors": ("publishedFactor",),
    "intervals": ("intervalBlock", "liveSums", "alertCandidates"),
    "results": _RESULT_TABLES,
    "alerts": ("alert",),
    "deadletters": ("deadLetter",),
    "commands": ("command", "commandTime"),
    "subscribers": ("subscriber",),
    "notify": ("notifyEntry",),
}
"""Topic -> its messages."""
_OPERATIONS: Final[tuple[tuple[str, str, str, tuple[str, ...], str], ...]] = (
    ("takeReadings", "receive", "readings", ("reading", "readings", "readingBlock", "heartbeat"), "Gateways send readings."),
    (
        "sendHeartbeats",
        "send",
        "readings",
        ("heartbeat",),
        "Into partitions that are caught up and silent, and at a switch of registry.",
    ),
    ("publishRegistry", "send", "registry", ("registryEntity",), "`zonepulse registry apply` publishes a version."),
    ("publishFactors", "send", "factors", ("publishedFactor",), "`zonepulse registry factors publish`; replays use them."),
    ("sendIntervals", "send", "intervals", ("intervalBlock", "liveSums", "alertCandidates"), "One task a partition of readings."),
    ("sendResults", "send", "results", _RESULT_TABLES, "The ledger, one task a zone."),
    ("sendAlerts", "send", "alerts", ("alert",), "The ledger alone; take them from here to tell people."),
    ("sendCommand", "send", "commands", ("command",), "`zonepulse skip` and whoever acts on alerts."),
    ("keepSubscribers", "send", "subscribers", ("subscriber",), "`zonepulse subscribe` and links in messages."),
    ("rememberDeliveries", "send", "notify", ("notifyEntry",), "The notify worker's own memory; nobody else reads it."),
    ("sendDeadLetters", "send", "deadletters", ("deadLetter",), "Nothing is dropped silently."),
)
"""Name, action of zonepulse, topic, messages, summary."""


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
        "operations": {operation[0]: _operation(*operation[1:]) for operation in _OPERATIONS},
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
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _MESSAGES_OF[topic.name]},
        "bindings": {"kafka": {key: value for key, value in kafka.items() if value is not None}},
    }


def _operation(action: str, topic: str, messages: tuple[str, ...], summary: str) -> Node:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{topic}/messages/{name}"} for name in messages],
    }


def _messages() -> Node:
    return {
        **_reading_messages(),
        "registryEntity": _message("One entity of a registry version", "version / kind / entity id", _file("registry_entity")),
        "publishedFactor": _message("An emission factor for the past", "factor id", _file("registry_entity", "#/$defs/Factor")),
        "intervalBlock": _interval_block(),
        "liveSums": _live_sums(),
        **{name: _result(TABLES[name]) for name in _RESULT_TABLES},
        "alertCandidates": _alert_candidates(),
        "alert": _message("One transition of an alert", "fingerprint/starts_at", _file("alert")),
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
    payload = _arrow(INTERVALS.name, INTERVALS.arrow_schema, COLUMN_NOTES, metadata)
    return _message("Interval rows, sorted by revision, at most 900 kB", "source partition", payload, content_type=ARROW)


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
        content_type=ARROW,
        about="Between zonepulse's own agents: the ledger writes them to `alerts`, each with the tick that is its revision.",
    )


def _result(table: Table) -> Node:
    payload = _arrow(table.name, table.arrow_schema, COLUMN_NOTES)
    return _message(f"Rows of table {table.name}", table.name, payload, content_type=ARROW)


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
