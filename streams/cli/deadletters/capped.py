"""Letters that only name items of a record -> one letter an item, with the bytes that still lie on the readings topic."""

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from zonepulse.schemas.messages.dead_letters import WHOLE_RECORD
from zonepulse.schemas.messages.readings import CAPPED, MAX_ITEMS, REASONS, ItemBytes
from zonepulse.schemas.messages.records import CONTENT_TYPE
from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.cli.deadletters.letters import Letter
from zonepulse.streams.control.registry_topic import CONNECT_MS

READ_MS: Final = 5_000


def with_originals(broker: str, topic: str, found: Iterable[Letter]) -> Iterator[Letter]:
    """The letters, a capped one of `topic` as the letters that it stands for; as it is where its record is gone or another one."""
    consumer = KafkaConsumer(
        **connection_to(broker),
        bootstrap_timeout_ms=CONNECT_MS,
        enable_auto_commit=False,
        group_id=None,
        max_partition_fetch_bytes=2 * MAX_MESSAGE_BYTES,
        max_poll_records=1,
    )
    with closing(consumer):
        for letter in found:
            if letter.reason != CAPPED or letter.topic != topic:
                yield letter
                continue
            yield from _originals(letter, _record(consumer, letter)) or [letter]


def _record(consumer: KafkaConsumer, letter: Letter) -> Any:
    """The client's record at the letter's place; None: it is deleted."""
    place = TopicPartition(letter.topic, letter.partition)
    if letter.partition not in (consumer.partitions_for_topic(letter.topic) or ()):
        return None
    consumer.assign([place])
    if not consumer.beginning_offsets([place])[place] <= letter.offset < consumer.end_offsets([place])[place]:
        return None
    consumer.seek(place, letter.offset)
    found = consumer.poll(READ_MS, 1).get(place, ())
    return next((record for record in found if record.offset == letter.offset), None)


def _originals(letter: Letter, record: Any) -> list[Letter]:
    if record is None or record.value is None:
        return []
    content_type = next((value for name, value in record.headers or () if name == CONTENT_TYPE), None)
    pieces = ItemBytes(record.value, content_type)
    try:
        return [
            replace(letter, reason=reason, item=item, key=record.key or b"", value=pieces.of(item))
            for item, reason in named_items(letter.value)
        ]
    except (ValueError, LookupError):  # the topic was made anew: another record stands there
        return []


def named_items(value: bytes) -> list[tuple[int, str]]:
    """(item, reason) of a capped letter, {"late": "0-99,107"}; the inverse of decoding.letters.item_ranges. Raises ValueError."""
    told = json.loads(value)
    if not isinstance(told, dict) or not told.keys() <= set(REASONS):
        raise ValueError("a capped letter names its items by reason")
    out: list[tuple[int, str]] = []
    for reason, text in told.items():
        for part in str(text).split(","):
            first, _, last = (part, "", part) if part == str(WHOLE_RECORD) else part.partition("-")
            start, stop = int(first), int(last or first)
            if not WHOLE_RECORD <= start <= stop < MAX_ITEMS:
                raise ValueError(f"items {part[:40]!r} are none of a record")
            out += [(item, reason) for item in range(start, stop + 1)]
    return sorted(out)
