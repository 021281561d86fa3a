"""A store worker as a process of its own."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from zonepulse.schemas.messages.topics import REGISTRY
from zonepulse.streams.clickhouse.known_registers import KnownRegisters
from zonepulse.streams.clickhouse.sink import ClickHouseSink, RowBatch, Sink
from zonepulse.streams.clickhouse.write_queue import Limits
from zonepulse.streams.control.registry_topic import end_offset, load_versions
from zonepulse.streams.kafka.app import build_app, run_worker
from zonepulse.streams.kafka.origin import Origin
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.settings import Settings
from zonepulse.streams.workers.store import add_store_agent

REGISTERS = frozenset(f"meter-{n}/register-{n}" for n in range(7))
"""Of the blocks that the tests make, beside those of the registry."""


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
    app, metrics, registry = build_app(settings, "store"), Metrics(CollectorRegistry()), REGISTRY.full_name(settings.topic_prefix)
    sink: Sink = SlowSink(ClickHouseSink(settings), options.get("slow_s", 0.0))
    known = KnownRegisters(lambda: load_versions(settings.broker, registry), lambda: end_offset(settings.broker, registry))
    origin = Origin(
        options["zone"], 2, 60_000, 300_000, lambda: {*REGISTERS, *known.names()}, is_simulated=options.get("is_simulated", True)
    )
    add_store_agent(app, sink, origin, known, settings.topic_prefix, metrics, Limits(**options.get("limits", {})))
    metrics.serve(options.get("metrics_port", 0))
    run_worker(app)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
