"""What a zone must not forget and nothing else has, as one file: what people told it, and what it remembers for ever.

That is every topic that keeps the newest record of each key (registry, published factors, inputs, subscribers, alerts, what notification
remembers), and the commands. Readings are the archive's; everything else is computed. The file is Parquet, a row a record, and holds
people's addresses: only its owner may read it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from zonepulse.schemas.messages.topics import COMMANDS, READINGS, REGISTRY, TOPICS, Topic
from zonepulse.streams.archive.record_table import HEADER
from zonepulse.streams.control.registry_topic import load_versions, read_to_end
from zonepulse.streams.embedded.processes.private_files import write_private
from zonepulse.streams.kafka.log_facts import admin_of, partitions_of, topic_ids

KEPT: Final = (*(topic for topic in TOPICS if topic.cleanup == "compact"), COMMANDS)
SCHEMA: Final = pa.schema(
    [
        pa.field("topic", pa.string(), False),
        pa.field("time", pa.timestamp("ms", tz="UTC"), False),
        pa.field("key", pa.large_binary()),
        pa.field("value", pa.large_binary()),
        pa.field("headers", pa.list_(HEADER), False),
    ]
)
"""One row a record, in the order of each topic; `topic` without prefix."""
_VERSION: Final = "1"
_FACTS: Final = ("version", "zone", "topic_id", "partitions")


class BadBackup(ValueError):
    """A file is no backup, or does not fit; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Backup:
    """Of a zone whose readings stand on the topic with this id of Kafka's (and so in the archive's folder) in so many partitions."""

    zone: str
    topic_id: str
    partitions: int
    records: pa.Table

    def counts(self) -> dict[str, int]:
        """Records by topic."""
        names = self.records["topic"].to_pylist()
        return {topic.name: names.count(topic.name) for topic in KEPT}

    def of(self, topic: Topic) -> list[dict[str, Any]]:
        """A topic's records, in order: time (epoch ms), key, value, headers."""
        rows = self.records.filter(pc.equal(self.records["topic"], topic.name))
        rows = rows.set_column(1, "time", rows["time"].cast(pa.int64()))
        found: list[dict[str, Any]] = rows.to_pylist()
        return found


def take(broker: str, prefix: str) -> Backup:
    """As the topics stand now. Raises BadBackup where no registry is published, kafka.errors.KafkaError."""
    versions = load_versions(broker, REGISTRY.full_name(prefix))
    if not versions:
        raise BadBackup(f"there is nothing to back up: no registry is published on {REGISTRY.full_name(prefix)}")
    readings = READINGS.full_name(prefix)
    with admin_of(broker) as admin:
        partitions, topic_id = len(partitions_of(admin, [readings])), topic_ids(admin, [readings]).get(readings, "")
        there = {topic for topic in KEPT if partitions_of(admin, [topic.full_name(prefix)])}
    rows = [row for topic in KEPT if topic in there for row in _rows(broker, prefix, topic)]
    return Backup(versions[max(versions)].zone.id, topic_id, partitions, pa.Table.from_pylist(rows, SCHEMA))


def _rows(broker: str, prefix: str, topic: Topic) -> Iterator[dict[str, Any]]:
    """Of a compacted topic the newest record of each key, but for what was forgotten."""
    newest: dict[object, Any] = {}
    for number, record in enumerate(read_to_end(broker, topic.full_name(prefix))):
        key = record.key if topic.cleanup == "compact" else number
        newest.pop(key, None)
        if record.value is not None or topic.cleanup != "compact":
            newest[key] = record
    for record in newest.values():
        headers = [{"name": name, "value": value or b""} for name, value in record.headers or ()]
        yield {"topic": topic.name, "time": record.timestamp, "key": record.key, "value": record.value, "headers": headers}


def write(backup: Backup, path: Path) -> None:
    """Replaces the file at once. Raises OSError."""
    facts = dict(zip(_FACTS, (_VERSION, backup.zone, backup.topic_id, str(backup.partitions)), strict=True))
    sink = pa.BufferOutputStream()
    named = {f"zonepulse.{name}": text for name, text in facts.items()}
    pq.write_table(backup.records.replace_schema_metadata(named), sink, compression="zstd", write_page_checksum=True)
    write_private(path, sink.getvalue().to_pybytes())


def read(path: Path) -> Backup:
    """Raises BadBackup."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
        facts = {name: (table.schema.metadata or {})[f"zonepulse.{name}".encode()].decode() for name in _FACTS}
        if facts["version"] != _VERSION:
            raise BadBackup(f"{path} is a backup of version {facts['version'][:20]!r}: restore it with the zonepulse that wrote it")
        return Backup(facts["zone"], facts["topic_id"], int(facts["partitions"]), table.replace_schema_metadata(None).cast(SCHEMA))
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise BadBackup(f"{path} is no file that `zonepulse backup take` wrote, or is damaged: {error}") from error
