"""Faults of processes and disks: workers and servers that are killed, stopped, paused, or without room."""

import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from zonepulse.schemas.messages.tasks import TASKS, WHOLE
from zonepulse.streams.chaos.plan import Fault, Kind
from zonepulse.streams.embedded.clickhouse.process import ClickHouseProcess
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.embedded.processes.process import ChildProcess
from zonepulse.streams.embedded.zone_stack import ZoneStack

if TYPE_CHECKING:
    from zonepulse.streams.chaos.run import Chaos

WORKERS: Final = tuple((task, 2 if TASKS[task].has_snapshots else 1) for task in WHOLE)
"""Task and how many workers it has: a state has somebody to go over to."""
FULL_DISK: Final = ("--keep-free-mb", str(1 << 40))
"""To the store every disk is full then: it refuses what it cannot write."""
_EVERY_WORKER: Final = tuple(f"{task}-{number}" for task, count in WORKERS for number in range(count))
_SERVERS: Final = ("broker", "clickhouse")


def _server(stack: ZoneStack, name: str) -> Broker | ClickHouseProcess:
    """`broker`, `broker-2` of a cluster, or `clickhouse`."""
    kind, _, number = name.partition("-")
    return stack.brokers[int(number or 1) - 1] if kind == "broker" else stack.clickhouse_process


def of_cluster(kind: Kind, brokers: int) -> Kind:
    """The kind of fault where there are so many brokers: it strikes one of them."""
    if brokers == 1:
        return kind
    each = [f"broker-{number}" for number in range(1, brokers + 1)]
    return replace(kind, targets=tuple(name for target in kind.targets for name in (each if target == "broker" else [target])))


def _worker(chaos: "Chaos", name: str) -> ChildProcess:
    worker = chaos.stack.workers[name]
    chaos.wait(lambda: worker.is_running, f"{name} to run")
    return worker


def paused(process: ChildProcess, seconds: float) -> None:
    """Stop a process where it is, and let it go on."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(process.pid, signal.SIGCONT)


def fill_disk(store: ClickHouseProcess, seconds: float) -> None:
    """The store runs, answers questions, and has no room for rows."""
    store.stop()
    store.start(*FULL_DISK)
    time.sleep(seconds)
    store.stop()
    store.start()


def _kill(chaos: "Chaos", fault: Fault) -> None:
    os.kill(_worker(chaos, fault.target).pid, signal.SIGKILL)


def _pause(chaos: "Chaos", fault: Fault) -> None:
    paused(_worker(chaos, fault.target), fault.seconds)


def _restart(chaos: "Chaos", fault: Fault) -> None:
    os.kill(_worker(chaos, fault.target).pid, signal.SIGTERM)


def _kill_server(chaos: "Chaos", fault: Fault) -> None:
    server = _server(chaos.stack, fault.target)
    os.kill(server.pid, signal.SIGKILL)
    time.sleep(fault.seconds)
    server.start()


def _pause_server(chaos: "Chaos", fault: Fault) -> None:
    paused(_server(chaos.stack, fault.target).process, fault.seconds)


def _fill_disk(chaos: "Chaos", fault: Fault) -> None:
    fill_disk(chaos.stack.clickhouse_process, fault.seconds)


def _store_away(chaos: "Chaos", fault: Fault) -> None:
    """The store is gone for minutes while readings come."""
    chaos.stack.clickhouse_process.stop()
    time.sleep(fault.seconds)
    chaos.stack.clickhouse_process.start()


def _fail_write(chaos: "Chaos", fault: Fault) -> None:
    """A write hangs until others wait behind it, and then fails."""
    server = chaos.stack.clickhouse_process
    os.kill(server.pid, signal.SIGSTOP)
    time.sleep(fault.seconds)
    os.kill(server.pid, signal.SIGKILL)
    chaos.wait(lambda: not server.process.is_running, "the store to be gone")
    server.start()


KINDS: Final = (
    Kind("kill", 5, _EVERY_WORKER, _kill, without_end=True),
    Kind("pause", 3, _EVERY_WORKER, _pause),
    Kind("restart", 2, _EVERY_WORKER, _restart, without_end=True),
    Kind("kill_server", 2, _SERVERS, _kill_server),
    Kind("pause_server", 1, _SERVERS, _pause_server),
    Kind("fill_disk", 1, ("clickhouse",), _fill_disk),
    Kind("store_away", 0.5, ("clickhouse",), _store_away, (60.0, 180.0)),
    Kind("fail_write", 1, ("clickhouse",), _fail_write, (4.0, 12.0)),
)
