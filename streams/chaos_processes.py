"""Faults of processes: workers and servers are killed, paused and restarted, the store's disk is full."""

import os
import signal
import time
from typing import Final

from zonepulse.streams.chaos_kinds import SERVERS, WORKER_NAMES, Fault, Kind, Zone
from zonepulse.streams.embedded.broker import Broker
from zonepulse.streams.embedded.clickhouse_process import ClickHouseProcess
from zonepulse.streams.embedded.process import ChildProcess

FULL_DISK: Final = ("--keep-free-mb", str(1 << 40))
"""To the store every disk is full then: it refuses what it cannot write."""


def _server(zone: Zone, fault: Fault) -> Broker | ClickHouseProcess:
    return zone.stack.broker if fault.target == "broker" else zone.stack.clickhouse_process


def _running(zone: Zone, fault: Fault) -> ChildProcess:
    worker = zone.stack.workers[fault.target]
    zone.wait(lambda: worker.is_running, f"{fault.target} to run")
    return worker


def _kill(zone: Zone, fault: Fault) -> None:
    os.kill(_running(zone, fault).pid, signal.SIGKILL)


def _restart(zone: Zone, fault: Fault) -> None:
    os.kill(_running(zone, fault).pid, signal.SIGTERM)


def _pause_worker(zone: Zone, fault: Fault) -> None:
    _pause(_running(zone, fault), fault.seconds)


def _kill_server(zone: Zone, fault: Fault) -> None:
    server = _server(zone, fault)
    os.kill(server.pid, signal.SIGKILL)
    time.sleep(fault.seconds)
    server.start()


def _pause_server(zone: Zone, fault: Fault) -> None:
    _pause(_server(zone, fault).process, fault.seconds)


def _fill_disk(zone: Zone, fault: Fault) -> None:
    """The store runs, answers questions, and has no room for rows."""
    store = zone.stack.clickhouse_process
    store.stop()
    store.start(*FULL_DISK)
    time.sleep(fault.seconds)
    store.stop()
    store.start()


def _pause(process: ChildProcess, seconds: float) -> None:
    os.kill(process.pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(process.pid, signal.SIGCONT)


PROCESS_KINDS: Final = (
    Kind("kill", 5, WORKER_NAMES, _kill, lasts=False),
    Kind("pause", 3, WORKER_NAMES, _pause_worker),
    Kind("restart", 2, WORKER_NAMES, _restart, lasts=False),
    Kind("kill_server", 2, SERVERS, _kill_server),
    Kind("pause_server", 1, SERVERS, _pause_server),
    Kind("fill_disk", 1, ("clickhouse",), _fill_disk),
)
