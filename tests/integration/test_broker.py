"""The embedded Kafka broker, as a client sees it."""

import hashlib
import os
import shutil
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from zonepulse.streams.embedded.kafka import jars as kafka_jars
from zonepulse.streams.embedded.kafka.broker import MAX_MESSAGE_BYTES, Broker
from zonepulse.streams.embedded.processes.process import FolderTaken, PortTaken, ProcessDied
from zonepulse.streams.settings import cache_folder

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import NewTopic
    from kafka.errors import KafkaError

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker") / "kafka")
    broker.start()
    yield broker
    broker.stop()


def create(broker: Broker, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        admin.close()


def write(broker: Broker, topic: str, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all", max_request_size=MAX_MESSAGE_BYTES, max_block_ms=3000)
    try:
        for value in values:
            producer.send(topic, value).get(timeout=20)
    finally:
        producer.close(timeout=5)


def read(broker: Broker, topic: str) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=10_000)
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        values = []
        while consumer.position(partition) < end:
            values += [record.value for records in consumer.poll(timeout_ms=500).values() for record in records]
        return values
    finally:
        consumer.close()


def test_messages_of_almost_ten_megabytes_go_through(broker: Broker) -> None:
    create(broker, "large")
    value = os.urandom(MAX_MESSAGE_BYTES - 1024)
    write(broker, "large", [value])
    assert read(broker, "large") == [value]


def test_a_topic_does_not_come_into_being_by_writing_to_it(broker: Broker) -> None:
    with pytest.raises(KafkaError):
        write(broker, "nobody-made-this", [b"x"])


def test_the_log_is_kept_in_a_file(broker: Broker) -> None:
    assert "Kafka Server started" in broker.log_tail(500)


def test_it_listens_on_loopback_only(broker: Broker) -> None:
    listening = {c.laddr for c in psutil.Process(broker.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert {at.port for at in listening} >= {broker.port, broker.controller_port}
    assert {at.ip.removeprefix("::ffff:") for at in listening} == {"127.0.0.1"}


def test_messages_survive_a_stop_and_a_kill_on_the_same_port(broker: Broker) -> None:
    create(broker, "kept")
    write(broker, "kept", [b"1"])
    port, pid = broker.port, broker.pid
    broker.stop()
    broker.start()
    assert (broker.port, broker.pid != pid) == (port, True)
    write(broker, "kept", [b"2"])
    os.kill(broker.pid, signal.SIGKILL)
    with pytest.raises(ProcessDied, match="SIGKILL"):
        broker.process.wait_ready(lambda: False, 10)
    broker.start()
    assert read(broker, "kept") == [b"1", b"2"]


def test_a_stopped_process_still_ends(broker: Broker) -> None:
    os.kill(broker.pid, signal.SIGSTOP)
    started = time.monotonic()
    broker.stop(timeout_s=10)
    assert time.monotonic() - started < 12
    assert not broker.process.is_running
    broker.start()


def test_jars_that_are_not_ours_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "good.jar").write_bytes(b"good")
    known = f"{hashlib.sha256(b'good').hexdigest()}  good.jar\n"
    kafka_jars.require_known(tmp_path, known)
    (tmp_path / "good.jar").write_bytes(b"bad")
    with pytest.raises(kafka_jars.WrongJars, match=r"good\.jar has sha256 [0-9a-f]{64} .*remove .*fetched again"):
        kafka_jars.require_known(tmp_path, known)
    (tmp_path / "good.jar").write_bytes(b"good")
    (tmp_path / "more.jar").write_bytes(b"")
    with pytest.raises(kafka_jars.WrongJars, match=r"more\.jar is not known"):
        kafka_jars.require_known(tmp_path, known)
    with pytest.raises(kafka_jars.WrongJars, match=r"gone\.jar is missing"):
        kafka_jars.require_known(tmp_path, known + f"{'0' * 64}  gone.jar\n")


def test_a_broker_does_not_start_on_jars_that_somebody_changed(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(cache_folder(), cache, ignore=shutil.ignore_patterns("kernels", "fetch-*"))
    (jar,) = cache.glob("kafka-*/kafka_2.13-4.3.1.jar")
    jar.write_bytes(jar.read_bytes() + b"x")
    with pytest.raises(kafka_jars.WrongJars, match=r"kafka_2\.13-4\.3\.1\.jar"):
        Broker(tmp_path / "data", cache=cache).start()


def test_a_second_start_needs_no_maven(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = cache_folder()
    jars = kafka_jars.kafka_jars(cache)
    monkeypatch.setenv("PATH", "/nowhere")
    assert kafka_jars.kafka_jars(cache) == jars
    assert any(jars.glob("kafka_2.13-4.3.1.jar"))


def test_what_is_missing_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(kafka_jars.MissingTool, match="apt-get install maven"):
        kafka_jars.kafka_jars(tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    with pytest.raises(kafka_jars.MissingTool, match="default-jdk-headless"):
        kafka_jars.find_java()


def test_an_old_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(kafka_jars.MissingTool, match=r"Java 17 or newer, .*11\.0\.2"):
        kafka_jars.find_java()


def test_a_port_in_use_is_named(broker: Broker, tmp_path: Path) -> None:
    with pytest.raises(PortTaken, match=f"port {broker.port} "):
        Broker(tmp_path / "second", port=broker.port).start()


def test_a_second_broker_on_the_same_folder_is_refused(broker: Broker) -> None:
    with pytest.raises(FolderTaken, match="another process uses"):
        Broker(broker.folder).start()
    assert broker.process.is_running


def test_a_broker_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    foreign = Broker(tmp_path / "foreign")
    data = tmp_path / "foreign" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\n")
    with pytest.raises(ProcessDied, match=r"Kafka broker ended with exit code 1(.|\n)*node"):
        foreign.start()
    assert not foreign.process.is_running
