"""How long live rows take while a replay runs at full speed beside the live tasks, on the same machine, broker and store."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from zonepulse.streams.bench import latency
from zonepulse.streams.bench.load import FORMS
from zonepulse.streams.bench.pipeline import Trial
from zonepulse.streams.embedded.stack import Stack
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.plan import Plan


@dataclass(slots=True)
class Replays:
    """How often the run came to its end while it was measured."""

    ended: int = 0


def measure(stack: Stack, replayed: Trial, plan: Plan, rate: float, seconds: float) -> dict[str, Any]:
    """latency.measure at `rate` readings/s of a zone of its own, alone and beside a run of `plan` that is begun again when it ends."""
    found: dict[str, Any] = {}
    for what in ("alone", "beside a replay"):
        load = latency.load_for(what.split()[0], replayed.load.channels, replayed.load.partitions, rate, seconds)
        trial = Trial(load, FORMS["json"])
        if what == "alone":
            found[what] = latency.measure(stack, trial, rate, seconds)
            continue
        with _replays(stack, replayed, plan) as replays:
            found[what] = latency.measure(stack, trial, rate, seconds)
        found[what]["replays"] = replays.ended
    return found


@contextmanager
def _replays(stack: Stack, replayed: Trial, plan: Plan) -> Iterator[Replays]:
    """The run again and again, by its command."""
    with stack.client() as client:
        runs.save(client, plan, runs.PLANNED)
    environment = stack.environment | {
        "ZONEPULSE_TOPIC_PREFIX": replayed.prefix,
        "ZONEPULSE_PARTITIONS": str(replayed.load.partitions),
        "ZONEPULSE_DATA_DIR": str(stack.folder / "beside"),
    }
    argv = [sys.executable, "-m", "zonepulse.streams.cli.main", "replay", "run", plan.run]
    is_over, replays, failed, children = threading.Event(), Replays(), list[str](), list[subprocess.Popen[str]]()

    def work() -> None:
        while not is_over.is_set():
            with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
                children[:] = [child]
                told = child.communicate()[1]
            if child.returncode and not is_over.is_set():
                failed.append(told)
                return
            replays.ended += not child.returncode

    thread = threading.Thread(target=work, name="replays", daemon=True)
    thread.start()
    try:
        yield replays
    finally:
        is_over.set()
        for child in children:
            with suppress(ProcessLookupError):
                child.terminate()
        thread.join()
    if failed:
        raise RuntimeError(f"`{' '.join(argv[3:])}` failed: {failed[0]}")
