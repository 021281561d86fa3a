"""A worker as a process of its own: writes what it was handed to a file, one JSON object a line."""

import asyncio
import json
import os
import sys
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
from faust.types import TP

from zonepulse.streams.kafka.app import build_app, run_worker
from zonepulse.streams.kafka.batch_channel import Hooks, batch_channel
from zonepulse.streams.kafka.record_arrays import Fetch
from zonepulse.streams.settings import Settings


def main(options: dict[str, Any]) -> None:
    app = build_app(Settings(broker=options["broker"], topic_prefix="", data_dir=Path(options["data_dir"])), options["group"])
    out = open(options["out"], "a", buffering=1)  # noqa: SIM115 - as long as the process lives

    def say(**fields: Any) -> None:
        out.write(json.dumps({"pid": os.getpid()} | fields) + "\n")

    async def assigned(tps: set[TP]) -> None:
        say(event="assigned", partitions=sorted(tp.partition for tp in tps))

    async def revoked(tps: set[TP]) -> None:
        say(event="revoked", partitions=sorted(tp.partition for tp in tps))

    async def start_offsets(tps: set[TP]) -> dict[TP, int]:
        return {tp: options["start"] for tp in tps} if "start" in options else {}

    hooks = Hooks(assigned, start_offsets, revoked)
    batches = batch_channel(app, [options["topic"]], hooks, max_records=options.get("max_records", 50_000))
    ordinary = app.topic(options["ordinary"], key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    if "table" in options:
        app.Table(options["table"], key_type=bytes, value_type=bytes, partitions=options["partitions"])

    @app.agent(batches.channel, name="hot")
    async def hot(stream: AsyncIterator[Fetch]) -> None:
        async for batch in batches.receive(stream):
            if "fail_at" in options and batch.offset[-1] >= options["fail_at"]:
                raise RuntimeError("asked to fail")
            await asyncio.sleep(options.get("sleep_s", 0))
            tp = TP(batch.topic, batch.partition)
            say(event="batch", lag=batches.lag(tp, batch.next_offset), **summary(batch))
            if tp.partition == 0 and (back_to := options.pop("seek_once", None)) is not None:
                await batches.seek({tp: back_to})
            if options.get("commit"):
                await batches.commit({tp: batch.next_offset})

    @app.agent(ordinary, name="cold")
    async def cold(stream: AsyncIterator[bytes]) -> None:
        async for value in stream:
            say(event="ordinary", value=value.decode())

    run_worker(app, "WARN")


def summary(batch: Fetch) -> dict[str, Any]:
    """What a test needs to know; contents only of small batches."""
    fields: dict[str, Any] = {
        "partition": batch.partition,
        "first": int(batch.offset[0]),
        "last": int(batch.offset[-1]),
        "records": len(batch),
        "in_order": bool((np.diff(batch.offset) == 1).all()),
        "next_offset": batch.next_offset,
        "crc": zlib.crc32(batch.buffer[max(0, int(batch.value_start[0])) :].tobytes()),
    }
    if len(batch) <= 20:
        fields["contents"] = [
            [_text(batch.key(i)), _text(batch.value(i)), headers_of(batch, i), int(batch.timestamp_ms[i])]
            for i in range(len(batch))
        ]
    return fields


def headers_of(batch: Fetch, i: int) -> list[list[str]]:
    return [[name, value.decode()] for name, value in batch.headers.get(i, ())]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
