"""`zonepulse demo` as a stranger runs it: equal to the oracle, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from live_parts import wait_until
from patience import patience_s

from zonepulse.streams.demo.data import DEFAULT_SEED, demo_sample
from zonepulse.streams.embedded.processes.process import is_listening
from zonepulse.streams.kernels.warm_up import warm_up

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
UNTIL = "2026-03-02T00:00:00+08:00"
UNTIL_MS = int(datetime.fromisoformat(UNTIL).timestamp() * 1000)
MARK = "ZONEPULSE_TEST_RUN"
PARTS = 6
"""Processes of a running demo: itself, Kafka, ClickHouse and three workers."""


class Demo:
    """The command as a child, and every process that it starts: they inherit a mark in the environment."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.mark, self.temporary, self.ports = uuid4().hex, folder / "tmp", set[int]()
        self.temporary.mkdir()
        self._errors = (folder / "stderr.txt").open("wb")
        command = [
            sys.executable,
            "-m",
            "zonepulse.streams.cli.main",
            "demo",
            "--days",
            "2",
            "--json",
            "--until",
            UNTIL,
            *arguments,
        ]
        environment = os.environ | {MARK: self.mark, "TMPDIR": str(self.temporary)}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._errors, env=environment, start_new_session=True
        )

    @property
    def errors(self) -> str:
        return Path(self._errors.name).read_text()

    def family(self) -> list[psutil.Process]:
        """Everybody with the mark who is alive, and the ports they listen on."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
                    self.ports |= {c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
            except psutil.Error:
                continue
        return found

    def wait_for_parts(self, number: int) -> None:
        def are_there() -> bool:
            assert self.process.poll() is None, self.errors
            return len(self.family()) >= number

        wait_until(are_there, 300, f"{number} processes of the demo")

    def assert_nothing_left(self) -> None:
        wait_until(lambda: not self.family(), 5, "no process of the demo left")
        assert [port for port in self.ports if is_listening(port)] == []
        assert [path.name for path in self.temporary.iterdir() if path.name.startswith("zonepulse-")] == []

    def end(self) -> None:
        for process in self.family():
            process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._errors.close()


@pytest.fixture
def demo(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Demo]:
    warm_up()
    demo = Demo(tmp_path, *getattr(request, "param", ()))
    yield demo
    demo.end()


def test_the_demo_agrees_with_the_oracle_tells_what_it_did_and_leaves_nothing_running(demo: Demo) -> None:
    demo.wait_for_parts(PARTS)
    output, _ = demo.process.communicate(timeout=patience_s(600))
    assert demo.process.returncode == 0, demo.errors
    demo.assert_nothing_left()
    assert len(demo.ports) >= 2
    summary, sample = json.loads(output), demo_sample(UNTIL_MS, 2, DEFAULT_SEED)
    assert (summary["oracle_differences"], summary["first_differences"]) == (0, [])
    assert (summary["records"], summary["dead_letters"]) == (len(sample), sample.dead_letters)
    assert summary["readings"] >= sample.readings.num_rows > 3_000
    assert summary["intervals"] > 10_000
    assert {row["company"] for row in summary["companies"]} >= {"steelworks", "bakery", "garden-quarter"}
    assert all(row["co2e_kg"] > 0 for row in summary["companies"])


@pytest.mark.parametrize("demo", [("--speed-up", "500")], indirect=True)
def test_ctrl_c_in_the_middle_leaves_nothing_running(demo: Demo) -> None:
    demo.wait_for_parts(PARTS)
    time.sleep(5)
    demo.family()
    demo.process.send_signal(signal.SIGINT)
    demo.process.wait(patience_s(60))
    assert demo.process.returncode not in (0, -signal.SIGKILL)
    assert "Traceback" not in demo.errors
    demo.assert_nothing_left()


@pytest.mark.soak  # in short, of the servers alone: test_stack.py
def test_ctrl_c_while_the_servers_start_leaves_nothing_running(demo: Demo) -> None:
    demo.wait_for_parts(2)
    demo.process.send_signal(signal.SIGINT)
    demo.process.wait(patience_s(90))
    assert demo.process.returncode not in (0, -signal.SIGKILL)
    demo.assert_nothing_left()
