"""`zonepulse` whose replay is killed by SIGKILL behind a checkpoint: killed_replay.py CHECKPOINT "the run"|"a process" ARGUMENT..."""

import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping

import pyarrow as pa

from zonepulse.processors.zone_run import ZoneRun
from zonepulse.streams.replay import checkpoint, log

log.MOST_RECORDS = 100  # type: ignore[misc]  # so that a small log takes many fetches, in child processes too
checkpoint.COST = 0  # type: ignore[misc]
save = checkpoint.RunFolder.save
saved = itertools.count(1)


def save_and_kill(folder: checkpoint.RunFolder, zone: ZoneRun, rows: Mapping[str, pa.Table], records: int) -> None:
    """Saves; behind the chosen checkpoint somebody dies."""
    save(folder, zone, rows, records)
    if next(saved) == int(sys.argv[1]):
        children = sorted(child.pid or 0 for child in multiprocessing.active_children())
        os.kill(os.getpid() if sys.argv[2] == "the run" else children[0], signal.SIGKILL)


if __name__ == "__main__":
    from zonepulse.streams.cli.main import app

    checkpoint.RunFolder.save = save_and_kill  # type: ignore[method-assign]
    app(sys.argv[3:])
