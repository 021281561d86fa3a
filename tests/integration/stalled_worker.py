"""A worker whose agent hangs at its first batch, or waits for a sink and says so, or works."""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from faust.types import TP, StreamT

from zonepulse.streams.health.watchdog import Pulse, watch
from zonepulse.streams.kafka.app import build_app, run_worker
from zonepulse.streams.kafka.batch_channel import BatchChannel, batch_channel
from zonepulse.streams.settings import Settings


class Handled:
    """What is, by partition: of a worker that hangs, nothing ever."""

    def __init__(self) -> None:
        self.next_offsets: dict[TP, int] = {}

    batches: BatchChannel | None = None
    pulse: Pulse | None = None

    def positions(self) -> dict[TP, int]:
        return dict(self.next_offsets)


def main(options: dict[str, Any]) -> None:
    settings = Settings(broker=options["broker"], topic_prefix="", data_dir=Path(options["data_dir"]), stall_s=3.0)
    app, task = build_app(settings, options["group"]), Handled()
    task.batches = batches = batch_channel(app, [options["topic"]], maxsize=1, max_records=10)
    pulse = watch(app, settings, task)

    async def hang(stream: StreamT[Any]) -> None:
        async for batch in batches.receive(stream):
            if options.get("works"):
                task.next_offsets[TP(batch.topic, batch.partition)] = batch.next_offset
                continue
            while options["beats"]:
                pulse.beat()
                time.sleep(0.5)
            threading.Event().wait()

    app.agent(batches.channel, name="hang")(hang)
    run_worker(app, "WARN")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
