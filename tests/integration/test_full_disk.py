"""A disk that takes no more, and a place where nothing can be written: named, nothing acknowledged is lost, and it goes on."""

import resource
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaError
from live_parts import create_topics, produce_many, wait_until
from patience import patience_s

from zonepulse.streams.demo.run import read_partition
from zonepulse.streams.embedded.kafka.broker import Broker

pytestmark = pytest.mark.integration
NOWHERE = "/sys/zonepulse"
"""Nobody makes a folder there."""


def test_a_broker_whose_log_takes_no_more_says_so_and_has_all_that_it_acknowledged(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    broker.start()
    try:
        create_topics(broker.bootstrap, {"full": 1})
        produce_many(broker.bootstrap, "full", 0, [b"first"])
        psutil.Process(broker.pid).rlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap, delivery_timeout_ms=20_000, request_timeout_ms=5_000)
        acknowledged = 0
        with pytest.raises(KafkaError):
            for acknowledged in range(100):
                producer.send("full", b"%d" % acknowledged * 25_000, partition=0).get(patience_s(30))
        producer.close(0)
        wait_until(lambda: broker.process.exit_code is not None, 60, "the broker to end")
        assert "File too large" in broker.process.log.read_text()
        broker.start()
        produce_many(broker.bootstrap, "full", 0, [b"last"])
        kept = [bytes(record.value or b"") for record in read_partition(broker.bootstrap, "full", 0)]
        expected = [b"first", *(b"%d" % n * 25_000 for n in range(acknowledged))]
        assert kept[: len(expected)] == expected
        assert kept[-1] == b"last" and len(kept) <= len(expected) + 2, "the one that nobody was told of may be there"
    finally:
        broker.stop()


@pytest.mark.parametrize("command", [["up", "--folder", NOWHERE], ["convert", "READINGS", "--out", f"{NOWHERE}.csv"]])
def test_a_place_where_nothing_can_be_written_is_one_line(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("meter,register,ts,value\nM,1.8.0,2026-01-01T00:00:00Z,1\n")
    words = [str(tmp_path / "r.csv") if word == "READINGS" else word for word in command]
    argv = [sys.executable, "-m", "zonepulse.streams.cli.main", *words]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=patience_s(120), check=False)
    assert done.returncode in (1, 2)
    assert str(Path(NOWHERE).parent) in done.stderr and len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr
