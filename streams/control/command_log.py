"""The commands of a zone as every task knows them: read whole before its first batch, followed while it runs.

The ledger applies a tick only when the log of commands is read past its end (`CommandLog.read_past`): where that is silent, a heartbeat
goes there first.
"""

import asyncio
import getpass
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import closing
from typing import Any, Final

import faust
import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from kafka import KafkaProducer

from zonepulse.schemas.messages.commands import ABOUT_ALERTS, HAND_OVER, KEEP, SKIP, BadCommand, Command, Place, Told, parse_command
from zonepulse.schemas.messages.hand_overs import HandOver, order_of, parse_hand_over
from zonepulse.schemas.messages.records import HEARTBEAT, RecordSpans
from zonepulse.schemas.messages.topics import COMMANDS
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.control.registry_topic import CONNECT_MS
from zonepulse.streams.kafka.log_guard import topic_ids_now

POLL_S: Final = 2.0
AGAIN_S: Final = 0.5
"""Between two heartbeats, where the clocks of two brokers differ."""
SEND_TIMEOUT_S: Final = 30
IDS_EVERY_S: Final = 30.0
log = logging.getLogger(__name__)


def tell(broker: str, prefix: str, command: Command, timestamp_ms: int | None = None) -> int:
    """Writes a command; its offset. `timestamp_ms` only on a simulated topic. Raises kafka.errors.KafkaError."""
    producer = KafkaProducer(**connection_to(broker), bootstrap_timeout_ms=CONNECT_MS, acks="all")
    with closing(producer):
        sent = producer.send(
            COMMANDS.full_name(prefix), key=command.key, value=command.encode(), partition=0, timestamp_ms=timestamp_ms
        )
        return int(sent.get(SEND_TIMEOUT_S).offset)


def skip_of(place: Place, why: str, who: str | None = None) -> Command:
    """The command that steps over a record; `who` is this user on this machine unless given."""
    who = who or f"{getpass.getuser()}@{socket.gethostname()}"
    return Command(SKIP, str(place), who, why, made_at_ms=round(time.time() * 1000))


def skips_of(commands: Iterable[Command]) -> frozenset[Place]:
    """The places that commands skip."""
    return frozenset(place for command in commands if (place := command.place) is not None)


class CommandReader:
    """Reads `zp.commands` on, from where it stopped. Each call reads to the log's present end; what is no command does nothing, with a
    line in the log.

    What retention deleted unread is told to `on_lost` (how many records); a topic that was made anew is read from its beginning. The
    commands read before hold.
    """

    def __init__(self, broker: str, prefix: str, on_lost: Callable[[int], object] = lambda _: None) -> None:
        self._broker, self._tp, self._on_lost = broker, TopicPartition(COMMANDS.full_name(prefix), 0), on_lost
        self._consumer: AIOKafkaConsumer | None = None
        self._next = 0
        self._is_there = False
        self._topic_id, self._ids_at_s = "", 0.0
        self.ingest_ms = 0
        """The largest timestamp read."""

    async def read(self) -> list[Told]:
        """The commands since the last call; none where the topic is not there yet. Raises aiokafka.errors.KafkaError."""
        consumer = await self._opened()
        if not self._is_there and self._tp.topic not in await consumer.topics():
            return []
        self._is_there = True
        end, found = (await consumer.end_offsets([self._tp]))[self._tp], list[Told]()
        if self._next and (end < self._next or await self._is_anew()):
            log.error("%s was made anew: it is read from its beginning; the commands read before hold", self._tp.topic)
            self._next, self._topic_id = 0, ""
            await consumer.seek_to_beginning(self._tp)
        if self._next < end:
            consumer.resume(self._tp)
        while self._next < end:
            records = (await consumer.getmany(self._tp, timeout_ms=500)).get(self._tp, ())
            position = await consumer.position(self._tp)
            await self._tell_lost(consumer, records[0].offset if records else position)
            for record in records:
                self.ingest_ms = max(self.ingest_ms, record.timestamp)
                if record.offset >= self._next and record.value not in (None, HEARTBEAT):
                    found += self._told(record)
            self._next = max(self._next, position)
        consumer.pause(self._tp)  # or it would go on asking for records until the next call
        return found

    async def _tell_lost(self, consumer: AIOKafkaConsumer, at: int) -> None:
        """A client whose place in the log is gone goes on at the log's beginning, without a word."""
        if not 0 < self._next < at:
            return
        begin = (await consumer.beginning_offsets([self._tp]))[self._tp]
        if lost := max(0, min(at, begin) - self._next):
            log.error("%s: offsets %d to %d were deleted before they were read; the commands that stood there do nothing here",
                      self._tp.topic, self._next, self._next + lost - 1)  # fmt: skip
            self._on_lost(lost)

    async def _is_anew(self) -> bool:
        """Whether the name stands for another topic than before; asked every IDS_EVERY_S."""
        if time.monotonic() < self._ids_at_s:
            return False
        self._ids_at_s = time.monotonic() + IDS_EVERY_S
        now = (await asyncio.to_thread(topic_ids_now, self._broker, [self._tp.topic])).get(self._tp.topic, "")
        was, self._topic_id = self._topic_id, now or self._topic_id
        return bool(was and now) and was != now

    @property
    def is_there(self) -> bool:
        """Whether the topic was found."""
        return self._is_there

    async def close(self) -> None:
        """The connection; a later `read` opens another one."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _opened(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                **connection_to(self._broker), enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=100
            )
            await consumer.start()
            consumer.assign([self._tp])
            if self._next:
                consumer.seek(self._tp, self._next)
            self._consumer = consumer
        return self._consumer

    def _told(self, record: Any) -> Iterator[Told]:
        try:
            yield Told(record.offset, self.ingest_ms, parse_command(record.value))
        except BadCommand as bad:
            log.error("%s offset %d is no command and does nothing: %s", self._tp.topic, record.offset, bad)


def hand_overs(commands: Iterable[Told]) -> list[HandOver]:
    """With their places in the log, in order; the last one holds."""
    return [
        msgspec.structs.replace(parse_hand_over(told.command.target), order=told.ingest_ms)
        for told in commands
        if told.command.kind == HAND_OVER
    ]


def read_commands(broker: str, prefix: str) -> list[Told]:
    """Every command up to now, for what runs no loop of its own. Raises aiokafka.errors.KafkaError."""

    async def read() -> list[Told]:
        reader = CommandReader(broker, prefix)
        try:
            return await reader.read()
        finally:
            await reader.close()

    return asyncio.run(read())


class CommandLog:
    """The commands of a zone. `is_skipped` is answered from memory; `follow` keeps it true while an app runs."""

    def __init__(self, prefix: str, commands: Iterable[Command] = ()) -> None:
        self._prefix = prefix
        self.skips = skips_of(commands)
        self.reader: CommandReader | None = None
        """What reads on; None: nothing comes any more."""
        self.about_alerts: list[Told] = []
        """Commands about alerts that were read on, from the log's beginning, in order."""
        self.hand_over: HandOver | None = None
        """The last that was read on."""
        self.keep = ""
        """The name under which states are to be kept, of the last such command that was read on."""
        self._reading = asyncio.Lock()

    @classmethod
    def of(cls, broker: str, prefix: str) -> "CommandLog":
        """That of a broker's topic, read to its present end. Raises aiokafka.errors.KafkaError."""
        return cls(prefix, (told.command for told in read_commands(broker, prefix)))

    def is_skipped(self, topic: str, partition: int, offset: int) -> bool:
        """Whether a command says to step over this record; `topic` with or without prefix."""
        return bool(self.skips) and Place(topic.removeprefix(self._prefix), partition, offset) in self.skips

    def skipped_in(self, topic: str, partition: int, first: int, last: int) -> list[int]:
        """The offsets among first..last that are to be stepped over, ascending."""
        name = topic.removeprefix(self._prefix)
        places = (p for p in self.skips if p.topic == name and p.partition == partition)
        return sorted(p.offset for p in places if first <= p.offset <= last)

    def positions(self, records: RecordSpans) -> list[int]:
        """Of the records of a batch that are to be stepped over, ascending."""
        if not self.skips or not len(records):
            return []
        offsets = self.skipped_in(records.topic, records.partition, int(records.offset[0]), int(records.offset[-1]))
        places = np.searchsorted(records.offset, offsets)
        return [int(i) for i, at in zip(places, offsets, strict=True) if records.offset[i] == at]

    def follow(self, app: faust.App, broker: str, on_lost: Callable[[int], object] = lambda _: None) -> None:
        """Reads on every POLL_S while `app` runs; what goes wrong is logged and tried again. `on_lost`: see CommandReader."""
        self.reader = reader = CommandReader(broker, self._prefix, on_lost)

        async def look() -> None:
            try:
                await self._read(reader)
            except Exception as error:  # the broker is away: the skips known so far stay
                log.warning("commands cannot be read: %s; trying again in %g s", error, POLL_S)

        async def close(*_: Any, **__: Any) -> None:
            await reader.close()

        app.timer(POLL_S, name="commands")(look)
        app.on_before_shutdown.connect(close, weak=False)

    async def read_past(
        self, at_ms: int, write: Callable[[], Awaitable[None]], go_on: Callable[[], bool], is_simulated: bool
    ) -> bool:
        """Waits until the log is read past ingest time `at_ms`; whether it is: no as soon as `go_on` says no.

        Where it ends before, `write` puts a heartbeat there, acknowledged when it returns; on a simulated topic one is enough, whatever its
        stamp. Where the topic is not there, there are no commands. Raises what `write` raises.
        """
        reader, is_written = self.reader, False
        while reader is not None and go_on():
            try:
                await self._read(reader)
            except Exception as error:
                log.warning("commands cannot be read, and the ledger waits for them: %s; trying again in %g s", error, AGAIN_S)
                await asyncio.sleep(AGAIN_S)
                continue
            if reader.ingest_ms >= at_ms or not reader.is_there or (is_simulated and is_written):
                return True
            if is_written:
                await asyncio.sleep(AGAIN_S)
            await write()
            is_written = True
        return reader is None

    async def _read(self, reader: CommandReader) -> None:
        async with self._reading:
            try:
                found = await reader.read()
                self.skips |= skips_of(told.command for told in found)
                self.about_alerts += [told for told in found if told.command.kind in ABOUT_ALERTS]
                self.keep = next((told.command.target for told in reversed(found) if told.command.kind == KEEP), self.keep)
                self.hand_over = max([self.hand_over, *hand_overs(found)], key=order_of)
            except Exception:
                await reader.close()
                raise
