"""After the demo's check: the zone goes on sending, as its meters would, by the clock on the wall."""

import asyncio
import threading
import time
from typing import Final

from aiokafka import AIOKafkaProducer

from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.demo.run import Batches
from zonepulse.streams.demo.sample import Sample

DAYS_ON: Final = 7
"""How long the sample goes on."""
_STEP_S: Final = 1.0


class GoingOn:
    """Sends each record when it is due, and a heartbeat a second to every partition: producers tell simulated topics the time."""

    def __init__(self, broker: str, sample: Sample, partitions: int) -> None:
        self._broker, self._sample, self._partitions = broker, sample, partitions
        self.sent = 0
        self.failure: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="going-on", daemon=True)

    def start(self) -> None:
        """Begin; what was due before is sent at once."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        try:
            asyncio.run(self._send())
        except BaseException as error:
            self.failure = error

    async def _send(self) -> None:
        producer = AIOKafkaProducer(**connection_to(self._broker), max_request_size=MAX_MESSAGE_BYTES)
        await producer.start()
        try:
            batches = Batches(producer)
            while not self._stop.is_set():
                now_ms = round(time.time() * 1000)
                await self._send_due(batches, now_ms)
                for number in range(self._partitions):
                    await batches.add(number, now_ms, None, HEARTBEAT)
                await batches.ship()
                await asyncio.sleep(_STEP_S)
        finally:
            await producer.stop()

    async def _send_due(self, batches: Batches, now_ms: int) -> None:
        sample = self._sample
        while self.sent < len(sample) and sample.arrival_ms[self.sent] <= now_ms:
            i = self.sent
            key = sample.key[i]
            partition = partition_of(key.decode(), self._partitions)
            await batches.add(partition, int(sample.arrival_ms[i]), key, sample.value[i], sample.headers.get(i, ()))
            self.sent += 1
