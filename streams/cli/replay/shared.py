"""What the commands on runs of the topic share."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from aiokafka.errors import KafkaError as AioKafkaError
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from kafka.errors import KafkaError

from zonepulse.processors.zone_run import UnknownVersion
from zonepulse.schemas.messages.topics import REGISTRY
from zonepulse.schemas.registry.model import Registry, ZonePolicy
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.schemas.values import BadValue, parse_instant_ms
from zonepulse.streams import servers
from zonepulse.streams.archive.archive import BadArchive
from zonepulse.streams.control.registry_topic import load_versions
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.plan import CannotReplay
from zonepulse.streams.screen import BadInput, Stop
from zonepulse.streams.settings import Settings

_RUN_ID: Final = re.compile(r"[A-Za-z0-9][\w.:-]{0,63}")
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run of `zonepulse replay list`.")]


@contextmanager
def explained() -> Iterator[None]:
    """Errors of this command's parts as one line. Raises Stop."""
    try:
        yield
    except (CannotReplay, UnknownVersion, BadArchive) as error:
        raise Stop(str(error)) from error
    except (KafkaError, AioKafkaError) as error:
        raise Stop(f"Kafka: {type(error).__name__}: {error}; look with `zonepulse doctor`") from error
    except ClickHouseError as error:
        raise Stop(f"the store: {servers.first_line(error)}; look with `zonepulse doctor`") from error


def last_zone(settings: Settings) -> ZonePolicy:
    """The zone as it was last published. Raises Stop."""
    return last_registry(settings).zone


def last_registry(settings: Settings) -> Registry:
    """The registry as it was last published. Raises Stop."""
    topic = REGISTRY.full_name(settings.topic_prefix)
    versions = load_versions(servers.require_broker(settings), topic)
    if not versions:
        raise Stop(f"no registry is on {topic}: publish one with `zonepulse registry apply zone.yaml`")
    return versions[max(versions)]


def instant_of(option: str, text: str, zone: ZonePolicy) -> int:
    """The value of an option, epoch ms. Raises BadInput."""
    try:
        return parse_instant_ms(text, ZoneInfo(zone.timezone))
    except BadValue as bad:
        raise BadInput(f"{option}: {bad}") from bad


def new_name(client: Client, given: str | None) -> str:
    """The given id, or one made of the time. Raises BadInput: the store has it."""
    name = f"replay-{datetime.now(UTC):%Y%m%dT%H%M%S}" if given is None else run_id(given)
    if any(known.name == name for known in runs.list_runs(client)):
        raise BadInput(f"--run {name!r} is in the store already; choose another id, or none for a new one")
    return name


def run_id(given: str | None) -> str:
    """The given id if it can be one, else one made of the time. Raises BadInput."""
    if given is None:
        return f"file-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"[:-3] + "Z"
    if given == LIVE_RUN or not _RUN_ID.fullmatch(given):
        raise BadInput(f"--run {given!r}: choose another id: letters, digits and _ . : -, at most 64; {LIVE_RUN!r} is the workers'")
    return given
