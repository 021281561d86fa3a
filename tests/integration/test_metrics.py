"""What a worker tells Prometheus, judged by Prometheus's own linter."""

import shutil
import socket
import subprocess
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import psutil
import pytest
from prometheus_client import CollectorRegistry

from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.streams.embedded.processes.process import free_port
from zonepulse.streams.metrics import Metrics

pytestmark = pytest.mark.integration


def served() -> str:
    """The answer of a worker that has done a little of everything."""
    metrics = Metrics(CollectorRegistry())
    buffer, one = np.frombuffer(b"key[]", np.uint8), np.ones(1, np.int64)
    metrics.took("readings", RecordSpans("zp.readings", 3, buffer, 0 * one, 3 * one, 3 * one, 5 * one, one, one, 2), 7)
    metrics.readings.inc(12)
    metrics.batch_readings.observe(12)
    metrics.dead_letters.labels("late").inc()
    metrics.kernel_seconds.labels("intervals").observe(0.01)
    metrics.tick_lag.labels("intervals", "3").set(61)
    for counter in (metrics.rows, metrics.inserts, metrics.backpressure):
        counter.labels("intervals").inc()
    metrics.insert_seconds.labels("intervals").observe(0.2)
    port = free_port()
    metrics.serve(port)
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


@pytest.fixture(scope="module")
def page() -> str:
    return served()


def test_promtool_finds_nothing_to_criticise(page: str, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "promtool judges the metrics and is not on PATH: as root, `apt-get install prometheus` (Debian) brings it"
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_batch_is_told_with_its_records_bytes_and_lag(page: str) -> None:
    assert 'zonepulse_records_total{topic="readings"} 1.0' in page
    assert 'zonepulse_record_bytes_total{topic="readings"} 5.0' in page
    assert 'zonepulse_lag_records{partition="3",topic="readings"} 7.0' in page


def test_labels_have_names_whose_values_are_our_own() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    names = {name for one in vars(metrics).values() for name in getattr(one, "_labelnames", ())}
    assert names == {"topic", "partition", "reason", "task", "table", "step"}, (
        "their values: tests/integration/test_hostile_readings.py"
    )


def test_every_metric_says_what_it_means(page: str) -> None:
    told = {line.split()[2] for line in page.splitlines() if line.startswith("# HELP ") and len(line.split()) > 3}
    typed = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE ")}
    assert typed == told and all(name.startswith(("zonepulse_", "process_")) for name in typed)
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes"} <= typed


def test_it_answers_on_loopback_only_and_beside_clients_that_say_nothing() -> None:
    metrics, port = Metrics(CollectorRegistry()), free_port()
    metrics.serve(port)
    listening = [c for c in psutil.Process().net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port == port]
    assert [c.laddr.ip for c in listening] == ["127.0.0.1"]
    silent = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(30)]
    try:
        for connection in silent[::2]:
            connection.sendall(b"GET /metrics HTTP/1.1\r\n")
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            assert b"zonepulse_" in answer.read()
    finally:
        for connection in silent:
            connection.close()
