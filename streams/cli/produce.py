"""`zonepulse produce`: files of readings to Kafka."""

import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES, READINGS, REGISTRY
from zonepulse.schemas.registry.model import Registry
from zonepulse.streams import servers
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.cli.shared.file_options import with_file_form
from zonepulse.streams.cli.shared.refused import show_refused
from zonepulse.streams.cli.shared.zone_files import read_zone, require_files
from zonepulse.streams.control.registry_topic import CONNECT_MS, load_versions
from zonepulse.streams.exit_codes import NONE_ACCEPTED
from zonepulse.streams.files.arrival import Arrival
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.files.produce import Outgoing, outgoing
from zonepulse.streams.files.refusals import Refusals
from zonepulse.streams.kafka.reading_keys import ReadingKeys
from zonepulse.streams.screen import JsonOption, Stop, count, print_facts, print_json, show_error, show_remark, stderr

PENDING = 20_000
"""Records sent and not yet acknowledged."""
NEEDS = "create the zone's topics first: start its workers with `zonepulse up`, or set ZONEPULSE_TOPIC_PREFIX"


@with_file_form
def produce(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Tables, workbooks, JSON or Green Button, in order of arrival.")
    ],
    topic: Annotated[str | None, typer.Option(help="Default: the zone's readings topic.")] = None,
    zone: Annotated[
        Path | None, typer.Option(metavar="ZONE.YAML", help="Registry that names the keys; default: the newest published.")
    ] = None,
    arrival: Annotated[bool, typer.Option("--arrival", help="Without ingest_ms: arrive at the running maximum of ts.")] = False,
    speed_up: Annotated[float | None, typer.Option(min=0.001, help="Times real time; default: as fast as it goes.")] = None,
    json: JsonOption = False,
    *,
    form: FileForm,
) -> None:
    """Send the readings of files to Kafka, keyed as the zone wants, and wait until the broker has them all.

    The broker stamps them on arrival. A simulated topic takes the times of ingest_ms. Exit code 3 when the registry can accept none.
    """
    require_files(files)
    settings = servers.settings()
    registry = read_zone(zone) if zone else None
    broker = servers.require_broker(settings)
    topic = topic or READINGS.full_name(settings.topic_prefix)
    partitions, is_stamped = topic_facts(broker, topic)
    registry = registry or newest_registry(broker, REGISTRY.full_name(settings.topic_prefix))
    arrives = Arrival(registry.zone) if arrival or (is_stamped and speed_up is None) else None
    refused = Refusals()
    records = outgoing(files, topic, ReadingKeys(registry), arrival=arrives, form=form, refused=refused)
    started = time.monotonic()
    with progress(json, total_rows(files)) as shown, closing(producer(broker)) as client:
        numbers = send(client, topic, partitions, paced(shown.counted(records), speed_up))
    seconds = time.monotonic() - started
    summary = {"topic": topic, "files": [str(f) for f in files], **numbers, "seconds": round(seconds, 3)}
    summary["readings_per_s"] = round(numbers["readings"] / max(seconds, 1e-9))
    summary["refused"] = refused.facts()
    if json:
        print_json(summary)
    else:
        show(summary)
        show_refused(refused, err=True)
    if refused.total >= numbers["readings"]:
        show_error(f"{', '.join(map(str, files))}: not one of {count(numbers['readings'])} readings can be accepted")
        raise typer.Exit(NONE_ACCEPTED)


def topic_facts(broker: str, topic: str) -> tuple[int, bool]:
    """How many partitions the topic has, and whether the broker stamps its records. Raises Stop if there is no such topic."""
    with closing(KafkaAdminClient(**connection_to(broker), bootstrap_timeout_ms=CONNECT_MS)) as admin:
        if topic not in admin.list_topics():
            raise Stop(f"no topic {topic} at {broker}: {NEEDS}")
        (description,) = admin.describe_topics([topic])
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        config = admin.describe_configs([resource], config_filter="all")["topic"][topic]
    return len(description["partitions"]), config["message.timestamp.type"]["value"] == "LogAppendTime"


def newest_registry(broker: str, topic: str) -> Registry:
    """The newest complete version. Raises Stop where none is published."""
    versions = load_versions(broker, topic)
    if not versions:
        raise Stop(f"no registry on {topic}: publish one with `zonepulse registry apply zone.yaml`, or pass --zone zone.yaml")
    return versions[max(versions)]


def producer(broker: str) -> Any:
    """A kafka-python producer for many small records, none lost, none twice, in order."""
    return KafkaProducer(
        **connection_to(broker), bootstrap_timeout_ms=CONNECT_MS, acks="all", linger_ms=20, batch_size=1 << 18,
        max_request_size=MAX_MESSAGE_BYTES,
    )  # fmt: skip


def send(client: Any, topic: str, partitions: int, records: Iterable[Outgoing]) -> dict[str, int]:
    """Sends all and waits for every acknowledgement. Raises kafka.errors.KafkaError."""
    sent: list[Any] = []
    numbers = {"readings": 0, "records": 0, "bytes": 0, "without_key": 0}
    for r in records:
        partition = 0 if r.key is None else partition_of(r.key.decode(), partitions)
        value = b"" if r.value is None else r.value
        sent.append(client.send(topic, value, r.key, list(r.headers), partition, r.ingest_ms))
        if len(sent) >= PENDING:
            settle(sent)
        for name, n in (("readings", r.readings), ("records", 1), ("bytes", len(value)), ("without_key", r.key is None)):
            numbers[name] += n
    client.flush()
    settle(sent)
    return numbers


def settle(sent: list[Any]) -> None:
    """Waits for the acknowledgements and empties the list; raises the first failure."""
    for future in sent:
        future.get(60)
    sent.clear()


def paced(records: Iterable[Outgoing], speed_up: float | None) -> Iterator[Outgoing]:
    """The records at the pace of their ingest times, `speed_up` times as fast; None: at once."""
    first_ms: int | None = None
    started = time.monotonic()
    for record in records:
        if speed_up is not None:
            first_ms = record.ingest_ms if first_ms is None else first_ms
            due_s = (record.ingest_ms - first_ms) / 1000 / speed_up - (time.monotonic() - started)
            if due_s > 0:
                time.sleep(due_s)
        yield record


def total_rows(files: list[Path]) -> int | None:
    """How many rows the files hold, None where counting means reading them, or where one is no such file: reading it says so by name."""
    if not all(path.suffix in (".parquet", ".pq") for path in files):
        return None
    try:
        return sum(int(pq.read_metadata(path).num_rows) for path in files)
    except (OSError, pa.ArrowException, UnicodeError):
        return None


class Shown:
    """A progress bar on stderr."""

    def __init__(self, bar: Progress, total: int | None) -> None:
        self._bar, self._task = bar, bar.add_task("sending", total=total)

    def counted(self, records: Iterable[Outgoing]) -> Iterator[Outgoing]:
        """The records, each moving the bar by its readings."""
        for record in records:
            yield record
            self._bar.advance(self._task, record.readings)


@contextmanager
def progress(quiet: bool, total: int | None) -> Iterator[Shown]:
    """A bar while the block runs; none where `quiet` or where stderr is no terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = stderr()
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        yield Shown(bar, total)


def show(summary: dict[str, Any]) -> None:
    """The summary for people."""
    speed = f"{summary['seconds']:.1f} s, {count(summary['readings_per_s'])} readings/s"
    facts = [("readings", count(summary["readings"])), ("records", f"{count(summary['records'])} to {summary['topic']}")]
    print_facts([*facts, ("took", speed)])
    if summary["without_key"]:
        unknown = f"{count(summary['without_key'])} of the records name no known meter and will be dead letters"
        show_remark(f"{unknown}; see `zonepulse registry unknown` and `zonepulse deadletters list`")
