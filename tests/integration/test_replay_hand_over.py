"""Live workers go on from a run's state, and back: readers see each window once, of one side, and never less than before, while the log
goes on; what they make then is what a run of the whole log makes."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from live_parts import produce, wait_until
from typer.testing import CliRunner

from zonepulse.schemas.messages.commands import HAND_OVER, Command
from zonepulse.schemas.messages.hand_overs import HandOver
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.main import app
from zonepulse.streams.control.command_log import tell
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kafka.log_facts import admin_of
from zonepulse.streams.kernels.warm_up import warm_up

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
PARTITIONS, WINDOW_MS = 2, 900_000
ROUNDS = int(os.environ.get("ZONEPULSE_SOAK_HAND_OVERS", "1"))
"""Hand-overs and ways back before the last hand-over; `make soak` does many."""
READERS = 3 if ROUNDS == 1 else 10
START_MS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
METERS = "M-1", "M-2", "M-3"
CUT_OFF, DELIVERED = range(8, 20), 30
"""Quarters of an hour that M-1 delivers too late, and when."""
REGISTERS = '{"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000}}'
ZONE = """\
zone: {id: z, timezone: Etc/GMT-12, factor_regions: [CN-JS, CN], key: meter, max_gap: 1h, lateness: 10m}
companies: [{id: a}]
sites: [{id: s-a, company: a}]
meters:
""" + "".join(f"  - {{id: {m}, site: s-a, role: main, registers: {REGISTERS}}}\n" for m in METERS)
BEGUN, STEP_S = 4 * 14, 2.0
"""Steps that the log has at first; then one more every so often."""
INSIDE = (
    f"start >= fromUnixTimestamp64Milli(toInt64({START_MS + 10 * WINDOW_MS})) AND"
    f" start < fromUnixTimestamp64Milli(toInt64({START_MS + 18 * WINDOW_MS}))"
)
TOTAL = "FROM totals_final WHERE run = 'live' AND entity_kind = 'company' AND carrier = 'electricity' AND scope = 0"
SEEN = f"""SELECT
  (SELECT arraySort(groupArray(toUnixTimestamp64Milli(start))) FROM intervals_final WHERE run = 'live' AND meter = 'M-2'),
  (SELECT arraySort(groupArray(toUnixTimestamp64Milli(start))) {TOTAL}),
  (SELECT countIf(covered_ms > 0) FROM intervals_final WHERE run = 'live' AND meter = 'M-1' AND {INSIDE}),
  (SELECT countIf(covered_ms = expected_ms) {TOTAL} AND {INSIDE}),
  (SELECT count() = uniqExact(meter, start, scope, basis) FROM emissions_final WHERE run = 'live')"""
"""Windows of two tables; and of those that M-1 delivered too late, how many are covered, by two tables."""


def records_of(step: int) -> list[Any]:
    """A step's readings, and a heartbeat behind them."""
    at_ms = START_MS + step * WINDOW_MS + 300_000
    late = CUT_OFF if step == DELIVERED else ()
    sent = [(number, meter, step) for number, meter in enumerate(METERS, 1) if meter != "M-1" or step not in CUT_OFF]
    sent += [(1, "M-1", missed) for missed in late]
    made: list[Any] = []
    for number, meter, of in sent:
        reading = {"meter": meter, "register": "1.8.0", "ts": START_MS + of * WINDOW_MS + 300_000, "value": 100.0 + of * number}
        made.append((partition_of(meter, PARTITIONS), meter.encode(), json.dumps(reading).encode(), [], at_ms))
    return made + [(p, None, b"[]", [], START_MS + (step + 1) * WINDOW_MS) for p in range(PARTITIONS)]


DIFFERENCES = "only_a", "only_b", "changed", "revised"


class Log:
    """The log goes on, a step at a time, until `stop`."""

    def __init__(self, stack: ZoneStack) -> None:
        self._stack, self._is_over, self.steps = stack, threading.Event(), BEGUN
        produce(stack.kafka, "zp.readings", [record for step in range(BEGUN) for record in records_of(step)])
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()

    def _go_on(self) -> None:
        while not self._is_over.wait(STEP_S):
            produce(self._stack.kafka, "zp.readings", records_of(self.steps))
            self.steps += 1

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()


@pytest.fixture
def stack() -> Iterator[ZoneStack]:
    warm_up()
    with ZoneStack(PARTITIONS, is_simulated=True) as made:
        publish(made.kafka, "zp.", parse_zone(ZONE), PARTITIONS, timestamp_ms=START_MS)
        for task in ("intervals", "ledger", "store"):
            made.start_worker(task)
        yield made


def zonepulse(stack: ZoneStack, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["replay", *arguments], env={**stack.worker_environment, "COLUMNS": "400"})
    assert done.exit_code == code, done.output
    return done.output


@contextmanager
def following(stack: ZoneStack, client: Client) -> Iterator[None]:
    """Run `repaired` takes in what came late, and follows the log."""
    zonepulse(stack, "plan", "--from", "2026-03-01T12:00Z", "--to", "2026-03-02T12:00Z", "--run", "repaired", "--include-late")
    command = [sys.executable, "-m", "zonepulse.streams.cli.main", "replay", "run", "repaired"]
    command += ["--follow", "--json", "--checkpoint-s", "1"]
    with subprocess.Popen(command, env=stack.worker_environment, stdout=subprocess.PIPE, text=True) as shadow:
        try:
            state = "SELECT state FROM runs_final WHERE run = 'repaired'"
            wait_until(lambda: client.query(state).first_row[0] == "following", 120, "it follows")
            yield
            shadow.send_signal(signal.SIGTERM)
            assert shadow.wait(60) == 0
        finally:
            shadow.kill()


class Readers:
    """Query in a loop, until `stop`."""

    def __init__(self, stack: ZoneStack) -> None:
        self._stack, self._is_over = stack, threading.Event()
        self.wrong: list[object] = []
        self.sides: set[bool] = set()
        self.most = 0
        self._pool = ThreadPoolExecutor(READERS)
        self._reading = [self._pool.submit(self._read) for _ in range(READERS)]

    def _read(self) -> None:
        most = 0
        with self._stack.client() as reader:
            while not self._is_over.is_set():
                intervals, totals, covered, whole, is_once = reader.query(SEEN).first_row
                windows = [list(range(found[0], found[0] + len(found) * WINDOW_MS, WINDOW_MS)) for found in (intervals, totals)]
                if (
                    [intervals, totals] != windows
                    or len(intervals) < most
                    or (covered, whole) not in ((0, 0), (8, 8))
                    or not is_once
                ):
                    self.wrong.append((intervals[-3:], totals[-3:], len(intervals), most, covered, whole, is_once))
                most = len(intervals)
                self.sides.add(covered > 0)
                self.most = max(self.most, most)

    def stop(self) -> None:
        self._is_over.set()
        for one in self._reading:
            one.result()
        self._pool.shutdown()


def test_live_workers_go_on_from_the_state_of_a_run_and_back_and_readers_see_each_window_once(stack: ZoneStack) -> None:
    with stack.client() as client:
        log = Log(stack)
        try:
            live = f"SELECT count() {TOTAL}"
            wait_until(lambda: client.query(live).first_row[0] > BEGUN - 8, 120, "live has come to the head")
            zonepulse(stack, "keep")
            kept_before = log.steps + 2
            with following(stack, client):
                readers = Readers(stack)
                try:
                    for _ in range(ROUNDS):
                        zonepulse(stack, "promote", "repaired", "--beside")
                        zonepulse(stack, "revert", "repaired")
                        zonepulse(stack, "promote", "repaired", "--why", "a night that came late")
                        zonepulse(stack, "revert", "repaired")
                    seen = readers.most
                    zonepulse(stack, "promote", "repaired")
                    wait_until(lambda: readers.most > seen + 1, 60, "live goes on from there")
                finally:
                    readers.stop()
                assert readers.wrong == []
                assert readers.sides == {True, False}
                assert len(handed(stack)) == 2, "what others were handed is deleted"
            newest = "SELECT max(start) FROM totals WHERE run = 'repaired'"
            last = client.query(newest).first_row[0]
            wait_until(lambda: client.query(newest).first_row[0] > last, 60, "the live tasks make the run's rows, which has ended")
        finally:
            log.stop()
        end = START_MS + log.steps * WINDOW_MS
        wait_until(lambda: client.query(live).first_row[0] >= log.steps - 2, 60, "live has come to the end")
        zonepulse(stack, "plan", "--from", "2026-03-01T12:00Z", "--to", "2026-03-08T00:00Z", "--run", "whole", "--include-late")
        zonepulse(stack, "run", "whole")
        whole = datetime.fromtimestamp((end - 6 * WINDOW_MS) / 1000, UTC).isoformat()
        zonepulse(stack, "diff", "live", "whole", "--from", "2026-03-01T12:00Z", "--to", whole)
        refused = refuses_a_state_that_is_not_there(stack)
        begins_with_what_live_tasks_kept(stack, START_MS + kept_before * WINDOW_MS)
        assert refused() == PARTITIONS, "said once, and not asked for again and again"


def test_the_ledger_does_not_wait_in_silence_for_a_partition_that_cannot_go_on_from_what_it_was_handed(stack: ZoneStack) -> None:
    """The snapshots of the partitions are gone, and so is what they were handed: they begin with the log, as ordered."""
    with stack.client() as client:
        log = Log(stack)
        try:
            live = f"SELECT count() {TOTAL}"
            wait_until(lambda: client.query(live).first_row[0] > BEGUN - 8, 120, "live has come to the head")
            with following(stack, client):
                zonepulse(stack, "promote", "repaired")
            stack.workers["intervals-0"].stop()
            snapshots = TASKS["intervals"].snapshots("zp.")
            (states,) = (name for name in handed(stack) if not name.endswith("-before"))
            with admin_of(stack.kafka) as admin:
                admin.delete_topics([snapshots, states])
            wait_until(lambda: not {snapshots, states} & topics(stack), 30, "the topics are gone")
            environment = {**stack.worker_environment, "COLUMNS": "400"}
            assert CliRunner().invoke(app, ["checkpoints", "begin", "intervals"], env=environment).exit_code == 0
            stack.start_worker("intervals")
            said = stack.workers["ledger-0"].log
            lost = "the ledger goes on from the state of run 'repaired'"
            wait_until(lambda: lost in said.read_text(), 120, "the ledger says what it misses")
            (line, *_) = (line for line in said.read_text().splitlines() if lost in line)
            assert re.search("partitions (0|1|0, 1) of the readings cannot", line)
            assert "`zonepulse replay revert repaired`" in line and "`zonepulse replay promote RUN`" in line
            zonepulse(stack, "revert", "repaired")
        finally:
            log.stop()
        wait_until(lambda: client.query(live).first_row[0] >= log.steps - 2, 120, "live has come to the end")
        zonepulse(stack, "plan", "--from", "2026-03-01T12:00Z", "--to", "2026-03-08T00:00Z", "--run", "whole")
        zonepulse(stack, "run", "whole")
        whole = datetime.fromtimestamp((START_MS + (log.steps - 6) * WINDOW_MS) / 1000, UTC).isoformat()
        found = CliRunner().invoke(
            app, ["replay", "diff", "live", "whole", "--from", "2026-03-01T12:00Z", "--to", whole, "--json"], env=environment
        )
        differ = {table["name"] for table in json.loads(found.stdout)["tables"] if any(table[what] for what in DIFFERENCES)}
        assert differ <= {"alerts", "alert_events"}, "of those the hand-over has ended what its run did not know"


def topics(stack: ZoneStack) -> set[str]:
    with admin_of(stack.kafka) as admin:
        return set(admin.list_topics())


def handed(stack: ZoneStack) -> list[str]:
    """The topics of states that were handed over."""
    return [name for name in topics(stack) if re.fullmatch(r"zp\.hand-over-[0-9a-f]{8}(-before)?", name)]


def refuses_a_state_that_is_not_there(stack: ZoneStack) -> Callable[[], int]:
    """How many partitions have said so."""
    nothing = HandOver("0" * 8, "0" * 8, "lost", START_MS, START_MS + WINDOW_MS)
    tell(stack.kafka, "zp.", Command(HAND_OVER, nothing.encode().decode(), "test", "", made_at_ms=1))

    def said() -> int:
        return stack.workers["intervals-0"].log.read_text().count("goes on as it is, not by hand-over 00000000")

    wait_until(lambda: said() == PARTITIONS, 30, "each partition refuses it")
    return said


def begins_with_what_live_tasks_kept(stack: ZoneStack, from_ms: int) -> None:
    """A run of a stretch behind that has the rows of one that reads the log from its beginning."""
    stretch = [datetime.fromtimestamp(at / 1000, UTC).isoformat() for at in (from_ms, from_ms + 8 * WINDOW_MS)]
    made = {}
    for run, more in (("kept", ()), ("read", ("--source", "topic"))):
        plan = json.loads(zonepulse(stack, "plan", "--from", stretch[0], "--to", stretch[1], "--run", run, "--json", *more))
        made[run] = plan, json.loads(zonepulse(stack, "run", run, "--json"))
    (kept, by_kept), (read, by_read) = made["kept"], made["read"]
    assert kept["kept"] and read["kept"] is None
    assert all(first > 0 for first, _ in kept["offsets"].values()) and all(first == 0 for first, _ in read["offsets"].values())
    assert by_kept["tables"] == by_read["tables"] and by_read["tables"]["intervals"]["rows"] == 24
    assert by_kept["records"] < by_read["records"]
