"""A store worker as a process of its own."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from zonepulse.streams.app import build_app, run_worker
from zonepulse.streams.clickhouse_sink import ClickHouseSink, RowBatch, Sink
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.settings import Settings
from zonepulse.streams.store_agent import add_store_agent


@dataclass
class SlowSink:
    """Takes `seconds` longer for every batch."""

    sink: Sink
    seconds: float

    async def write(self, batch: RowBatch) -> None:
        await asyncio.sleep(self.seconds)
        await self.sink.write(batch)


def main(options: dict[str, Any]) -> None:
    settings = Settings(
        broker=options["broker"],
        topic_prefix=options["prefix"],
        clickhouse_port=options["clickhouse_port"],
        clickhouse_user="worker",
        clickhouse_password="secret",
        data_dir=Path(options["data_dir"]),
    )
    app = build_app(settings, "store")
    sink: Sink = SlowSink(ClickHouseSink(settings), options.get("slow_s", 0.0))
    add_store_agent(app, sink, "TC", settings.topic_prefix, Metrics(CollectorRegistry()))
    run_worker(app)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
