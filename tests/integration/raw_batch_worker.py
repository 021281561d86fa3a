"""A worker that reads its batch topic raw (or not) and writes every record down, one JSON object a line."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parents[1]))
from fetches import contents

from zonepulse.streams.kafka.app import build_app, run_worker
from zonepulse.streams.kafka.batch_channel import batch_channel
from zonepulse.streams.kafka.batches import BatchTransport
from zonepulse.streams.kafka.record_arrays import Fetch
from zonepulse.streams.settings import Settings


def main(options: dict[str, Any]) -> None:
    app = build_app(Settings(broker=options["broker"], topic_prefix="", data_dir=Path(options["data_dir"])), options["group"])
    cast(BatchTransport, app.transport).is_raw = options["is_raw"]
    batches = batch_channel(app, [options["topic"]])
    out = open(options["out"], "a", buffering=1)  # noqa: SIM115 - as long as the process lives

    @app.agent(batches.channel, name="hot")
    async def hot(stream: AsyncIterator[Fetch]) -> None:
        async for batch in batches.receive(stream):
            lines = [json.dumps([*map(_text, row), batch.next_offset]) for row in contents(batch)]
            out.write("".join(line + "\n" for line in lines))

    run_worker(app, "WARN")


def _text(cell: Any) -> Any:
    if isinstance(cell, tuple):
        return [[name, value.decode()] for name, value in cell]
    return cell.decode(errors="replace") if isinstance(cell, bytes) else cell


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main(json.loads(sys.argv[1]))
