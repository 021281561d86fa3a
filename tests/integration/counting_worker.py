"""A task with a state and snapshots as a process of its own: it counts the records of each partition, and says what it does.

Its options can make the state many chunks, which a restore takes long to read, have a watchdog watch it, and let it stand after some
records until a file is there.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from faust.types import TP, StreamT

from zonepulse.processors.metering.snapshot import Frozen
from zonepulse.streams.checkpoints.checkpoint import Checkpoints, save
from zonepulse.streams.health.watchdog import Pulse, watch
from zonepulse.streams.kafka.app import Outbox, build_app, run_worker
from zonepulse.streams.kafka.batch_channel import BatchChannel, Hooks, batch_channel
from zonepulse.streams.settings import Settings


class Counted:
    """What a watchdog asks of it."""

    batches: BatchChannel | None = None
    pulse: Pulse | None = None

    def __init__(self, topic: str, counts: dict[int, tuple[int, int]]) -> None:
        self._topic, self._counts = topic, counts

    def positions(self) -> dict[TP, int]:
        return {TP(self._topic, partition): at for partition, (_, at) in self._counts.copy().items()}


def main(options: dict[str, Any]) -> None:
    begun = time.monotonic()
    stall_s = options.get("stall_s", 60.0)
    settings = Settings(broker=options["broker"], topic_prefix="", data_dir=Path(options["data_dir"]), stall_s=stall_s)
    app = build_app(settings, options["group"])
    outbox, turn = Outbox(app), asyncio.Lock()
    checkpoints = Checkpoints(app, options["partitions"], Outbox(app))
    counts: dict[int, tuple[int, int]] = {}
    """Partition -> records counted, next offset."""
    whole: set[int] = set()
    """Partitions of which a whole snapshot is written."""
    out = open(options["out"], "a", buffering=1)  # noqa: SIM115 - as long as the process lives

    def say(**fields: Any) -> None:
        out.write(json.dumps(fields) + "\n")

    async def assigned(tps: set[TP]) -> None:
        for tp in tps:
            stored = await checkpoints.find(tp.partition)
            counts[tp.partition] = (stored.facts["count"], stored.next_offset) if stored else (0, 0)
            say(event="found", partition=tp.partition, count=counts[tp.partition][0], is_stored=stored is not None)
        say(event="restored", seconds=time.monotonic() - begun)

    async def start_offsets(tps: set[TP]) -> dict[TP, int]:
        return {tp: counts[tp.partition][1] for tp in tps}

    async def frozen(partition: int) -> Frozen:
        count, at = counts[partition]
        changed = range(1 if partition in whole else options.get("chunks", 1))
        whole.add(partition)
        return Frozen({"count": count}, {i: {"count": np.array([count])} for i in changed}, options.get("chunks", 1), at)

    async def checkpoint() -> None:
        for partition in list(counts):
            await save(checkpoints, batches, TP(options["topic"], partition), turn, outbox, lambda p=partition: frozen(p))
            say(event="saved", partition=partition, count=counts[partition][0])

    batches = batch_channel(
        app, [options["topic"]], Hooks(assigned, start_offsets), maxsize=1, max_records=options.get("max_records", 50_000)
    )
    batches.states = checkpoints
    task = Counted(options["topic"], counts)
    task.batches = batches
    watch(app, settings, task)

    async def count(stream: StreamT[Any]) -> None:
        async for batch in batches.receive(stream):
            counted, _ = counts[batch.partition]
            counts[batch.partition] = counted + len(batch), batch.next_offset
            say(event="counted", partition=batch.partition, count=counts[batch.partition][0], next_offset=batch.next_offset)
            while counts[batch.partition][0] >= options.get("gate_at", sys.maxsize) and not Path(options["gate"]).exists():
                await asyncio.sleep(0.05)

    app.agent(batches.channel, name="count")(count)
    app.timer(0.3, name="checkpoints")(checkpoint)
    run_worker(app, "WARN")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
