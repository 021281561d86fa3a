"""The compacted topic that keeps what notification remembers: read whole at a start, written before anything is done.

Changes that belong together are one Kafka transaction: after a crash all of them are there or none. The transactional id is the zone's, so
whoever reads the log becomes its only writer: what a worker that slept through a rebalance still wants to write is refused.
"""

import logging
import secrets
from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES, NOTIFY
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.notify.routing.state import BadEntry, State

MARK: Final = "mark/end"
TRANSACTION_MS: Final = 30_000
log = logging.getLogger(__name__)


class StateLog:
    """The log of one zone. `read` first; a later `read` by another worker ends this one's right to write."""

    def __init__(self, broker: str, prefix: str) -> None:
        self._broker, self._prefix = broker, prefix
        self._topic = NOTIFY.full_name(prefix)
        self._producer: AIOKafkaProducer | None = None

    async def read(self) -> State:
        """Everything that was written before. Raises aiokafka.errors.KafkaError."""
        await self.close()
        producer = AIOKafkaProducer(
            **connection_to(self._broker),
            transactional_id=f"{self._prefix}notify",
            transaction_timeout_ms=TRANSACTION_MS,
            max_request_size=MAX_MESSAGE_BYTES,
        )
        await producer.start()
        self._producer = producer
        mark = secrets.token_bytes(8)
        await self._send([(MARK, mark)])
        return await self._read_to(mark)

    async def write(self, changes: Iterable[tuple[str, bytes | None]]) -> None:
        """Returns when all of them are acknowledged. Raises aiokafka.errors.ProducerFenced where another worker has taken over."""
        found = list(changes)
        if found:
            await self._send(found)

    @property
    def is_open(self) -> bool:
        """Whether it was read, and not closed since."""
        return self._producer is not None

    async def close(self) -> None:
        """Ends the connection."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _send(self, records: list[tuple[str, bytes | None]]) -> None:
        assert self._producer is not None, "read the log first"
        async with self._producer.transaction():
            for key, value in records:
                await self._producer.send(self._topic, value, key.encode(), partition=0)

    async def _read_to(self, mark: bytes) -> State:
        state, tp = State(), TopicPartition(self._topic, 0)
        consumer = AIOKafkaConsumer(
            **connection_to(self._broker),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
        )
        await consumer.start()
        try:
            consumer.assign([tp])
            await consumer.seek_to_beginning(tp)
            while True:
                for record in (await consumer.getmany(tp, timeout_ms=500)).get(tp, ()):
                    key = (record.key or b"").decode("utf-8", "replace")
                    if key == MARK:
                        if record.value == mark:
                            return state
                        continue
                    try:
                        state.put(key, record.value or None)
                    except BadEntry as bad:
                        log.error("%s offset %d is none of notification's and is left out: %s", self._topic, record.offset, bad)
        finally:
            await consumer.stop()
