"""A task with a state and snapshots as a process of its own: it counts the records of each partition, and says what it does."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from faust.types import TP, StreamT

from zonepulse.processors.metering.snapshot import Frozen
from zonepulse.streams.checkpoints.checkpoint import Checkpoints, save
from zonepulse.streams.kafka.app import Outbox, build_app, run_worker
from zonepulse.streams.kafka.batch_channel import Hooks, batch_channel
from zonepulse.streams.settings import Settings


def main(options: dict[str, Any]) -> None:
    settings = Settings(broker=options["broker"], topic_prefix="", data_dir=Path(options["data_dir"]))
    app = build_app(settings, options["group"])
    outbox, turn = Outbox(app), asyncio.Lock()
    checkpoints = Checkpoints(app, options["partitions"], Outbox(app))
    counts: dict[int, tuple[int, int]] = {}
    """Partition -> records counted, next offset."""
    out = open(options["out"], "a", buffering=1)  # noqa: SIM115 - as long as the process lives

    def say(**fields: Any) -> None:
        out.write(json.dumps(fields) + "\n")

    async def assigned(tps: set[TP]) -> None:
        for tp in tps:
            stored = await checkpoints.find(tp.partition)
            counts[tp.partition] = (stored.facts["count"], stored.next_offset) if stored else (0, 0)
            say(event="found", partition=tp.partition, count=counts[tp.partition][0], is_stored=stored is not None)

    async def start_offsets(tps: set[TP]) -> dict[TP, int]:
        return {tp: counts[tp.partition][1] for tp in tps}

    async def frozen(partition: int) -> Frozen:
        count, at = counts[partition]
        return Frozen({"count": count}, {0: {"count": np.array([count])}}, 1, at)

    async def checkpoint() -> None:
        for partition in list(counts):
            await save(checkpoints, batches, TP(options["topic"], partition), turn, outbox, lambda p=partition: frozen(p))
            say(event="saved", partition=partition, count=counts[partition][0])

    batches = batch_channel(
        app, [options["topic"]], Hooks(assigned, start_offsets), maxsize=1, max_records=options.get("max_records", 50_000)
    )
    batches.states = checkpoints

    async def count(stream: StreamT[Any]) -> None:
        async for batch in batches.receive(stream):
            counted, _ = counts[batch.partition]
            counts[batch.partition] = counted + len(batch), batch.next_offset
            await asyncio.sleep(options.get("sleep_s", 0))
            say(event="counted", partition=batch.partition, count=counts[batch.partition][0], next_offset=batch.next_offset)

    app.agent(batches.channel, name="count")(count)
    app.timer(0.3, name="checkpoints")(checkpoint)
    run_worker(app, "WARN")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
