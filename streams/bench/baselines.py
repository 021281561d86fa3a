"""What the same bytes cost others: bare clients, stock Faust, and our kernels without any client.

`python -m zonepulse.streams.bench.baselines aiokafka|faust BROKER TOPIC RECORDS` prints one JSON object: records, seconds, cpu_s. Looking
up offsets is not measured; stock Faust begins to count at record _FAUST_WARM, when it has joined its group.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import faust
from aiokafka import AIOKafkaConsumer

from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.decoding.fast import decode_fast
from zonepulse.processors.decoding.kafka_format import spans_of_fetch
from zonepulse.processors.metering.partition import Partition
from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.bench.load import WINDOW_MS, Load
from zonepulse.streams.embedded.kafka.jars import find_java, kafka_jars
from zonepulse.streams.settings import cache_folder

TIMEOUT_S: Final = 120
FETCH_BYTES: Final = 8_000_000
_LAST_LINES: Final = 2000
_FAUST_WARM: Final = 1000


class BaselineFailed(RuntimeError):
    """A baseline did not come to its end; the message holds what it printed."""


def java_poll(broker: str, topic: str, records: int) -> dict[str, Any]:
    """A bare Java `KafkaConsumer.poll`; needs a JDK (Debian: openjdk-17-jdk-headless), a runtime has no compiler."""
    jars = kafka_jars(cache_folder())
    with as_file(files("zonepulse.deploy").joinpath("bench", "PollRate.java")) as source:
        return _told([find_java(), "-Xmx512m", "-cp", f"{jars}/*", str(source), broker, topic, str(records)])


def python_client(kind: str, broker: str, topic: str, records: int) -> dict[str, Any]:
    """`aiokafka` (bare getmany) or `faust` (a stock agent) in a process of its own."""
    return _told([sys.executable, "-m", __name__, kind, broker, topic, str(records)])


def _told(argv: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="zonepulse-bench-") as folder:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S, cwd=folder)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        said = (done.stdout + done.stderr)[-_LAST_LINES:]
        raise BaselineFailed(f"{' '.join(argv[:4])} ... failed (exit code {done.returncode}):\n{said}")
    told: dict[str, Any] = json.loads(lines[-1])
    return told


def bare_kernels(load: Load, kafka_data: Path, topic: str) -> dict[str, Any]:
    """Our own decoding and folding of the topic's bytes, read from the broker's files: no client, no broker, no result blocks."""
    channels = compile_registry(load.registry(), load.partitions)
    readings, state_bytes, seconds, cpu_s = 0, 0, 0.0, 0.0
    for number in range(load.partitions):
        pieces = _fetches(kafka_data / f"{topic}-{number}")
        for is_warm in (False, True):  # the first fetch once before, so that loading the kernels is not measured
            partition = Partition(channels, number)
            begun, cpu = time.perf_counter(), time.process_time()
            for piece in pieces if is_warm else pieces[:1]:
                found = _fold(partition, piece, topic)
                readings += found * is_warm
            seconds += (time.perf_counter() - begun) * is_warm
            cpu_s += (time.process_time() - cpu) * is_warm
        state_bytes += sum(array.nbytes for array in partition.state)
    return {"records": readings, "seconds": seconds, "cpu_s": cpu_s, "state_bytes_a_channel": state_bytes / load.channels}


def _fold(partition: Partition, piece: bytes, topic: str) -> int:
    records = spans_of_fetch(piece, topic, partition.partition, partition.next_offset)
    ingest = partition.ingest_times(records.timestamp_ms)
    decoded = decode_fast(records, 0, len(records), ingest, partition.channels)
    partition.apply(decoded.items, int(ingest[-1]))
    partition.next_offset = records.next_offset
    return len(decoded.record)


def _fetches(folder: Path) -> list[bytes]:
    """The record batches of a partition's segments in pieces of about a fetch, whole batches each."""
    pieces = []
    for segment in sorted(folder.glob("*.log")):
        data, start, at = segment.read_bytes(), 0, 0
        while at + 12 <= len(data) and (size := int.from_bytes(data[at + 8 : at + 12], "big")) > 0:
            at += 12 + size
            if at - start >= FETCH_BYTES:
                pieces.append(data[start:at])
                start = at
        if at > start:
            pieces.append(data[start:at])
    return pieces


async def _getmany(broker: str, topic: str, wanted: int) -> dict[str, Any]:
    consumer = AIOKafkaConsumer(
        topic, **connection_to(broker), auto_offset_reset="earliest", enable_auto_commit=False,
        max_partition_fetch_bytes=MAX_MESSAGE_BYTES, fetch_max_bytes=64_000_000,
    )  # fmt: skip
    await consumer.start()
    try:
        for tp in consumer.assignment():
            await consumer.position(tp)
        seen, begun, cpu = 0, time.perf_counter(), time.process_time()
        while seen < wanted:
            found = sum(len(records) for records in (await consumer.getmany(timeout_ms=10_000)).values())
            if found == 0:
                raise BaselineFailed(f"{topic} ends after {seen} of {wanted} records")
            seen += found
        return {"records": seen, "seconds": time.perf_counter() - begun, "cpu_s": time.process_time() - cpu}
    finally:
        await consumer.stop()


def _stock_faust(broker: str, topic: str, wanted: int) -> None:
    """The usual Faust program: one event a message, JSON decoded, an energy a meter and window; without its Tables, which cost more."""
    app = faust.App(
        f"bench-{uuid4().hex[:8]}", broker=f"kafka://{broker}", consumer_auto_offset_reset="earliest", web_enabled=False,
        topic_disable_leader=True, stream_wait_empty=False,
    )  # fmt: skip
    readings = app.topic(topic, value_type=bytes, value_serializer="raw")
    first: dict[tuple[str, int], float] = {}
    energy: dict[tuple[str, int], float] = {}

    async def fold(stream: Any) -> None:
        seen, begun, cpu = 0, time.perf_counter(), time.process_time()
        async for value in stream:
            reading = json.loads(value)
            if not reading:  # a heartbeat
                continue
            key = (reading["meter"], reading["ts"] // WINDOW_MS)
            energy[key] = reading["value"] - first.setdefault(key, reading["value"])
            seen += 1
            if seen == _FAUST_WARM:
                begun, cpu = time.perf_counter(), time.process_time()
            if seen == wanted:
                told = {"records": seen - _FAUST_WARM, "seconds": time.perf_counter() - begun, "cpu_s": time.process_time() - cpu}
                print(json.dumps(told), flush=True)
                os._exit(0)  # leaving a group takes Faust seconds and tells nothing

    app.agent(readings, name="fold")(fold)
    faust.Worker(app, loglevel="ERROR", redirect_stdouts=False).execute_from_commandline()


def _main(kind: str, broker: str, topic: str, wanted: int) -> None:
    if kind == "faust":
        _stock_faust(broker, topic, wanted)
    else:
        print(json.dumps(asyncio.run(_getmany(broker, topic, wanted))), flush=True)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    del sys.argv[1:]
    _main(arguments[0], arguments[1], arguments[2], int(arguments[3]))
