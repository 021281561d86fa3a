"""A run whose readings come from files, as `replay file` reads them: planned, compared and promoted as a run of the topic.

It reads the files that were planned or none, under one registry from their first reading to the last, and steps over what commands skip.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from clickhouse_connect.driver.client import Client

from zonepulse.schemas.messages.topics import READINGS, REGISTRY
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.streams.control.command_log import read_commands
from zonepulse.streams.control.registry_topic import load_versions
from zonepulse.streams.files.blocks import BadFile
from zonepulse.streams.files.json_lines import sidecars
from zonepulse.streams.kafka.log_facts import admin_of, partitions_of
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.file import replay_files
from zonepulse.streams.replay.plan import CannotReplay, Plan


def plan_of_files(broker: str, prefix: str, made: Plan, paths: Sequence[Path], *, arrival: bool) -> Plan:
    """`made`, a plan without offsets, of these files; they go to as many partitions as the topic has. Its registry, where it has none of
    its own, is the newest that is published. Raises CannotReplay, KafkaError, OSError."""
    topic = READINGS.full_name(prefix)
    with admin_of(broker) as admin:
        partitions = len(partitions_of(admin, [topic]))
    versions = load_versions(broker, REGISTRY.full_name(prefix))
    if not partitions or not versions:
        raise CannotReplay(f"topic {topic} or its registry is not there: set ZONEPULSE_TOPIC_PREFIX to that of the zone")
    files = tuple((str(path.resolve()), _digest(path)) for path in paths)
    return msgspec.structs.replace(
        made,
        topic=topic,
        offsets=((0, 0),) * partitions,
        files=files,
        arrival=arrival,
        version=0 if made.zone_yaml else max(versions),
    )


def registry_of(plan: Plan, versions: Iterable[Registry]) -> Registry:
    """What a run of files is computed under; `versions` are those published. Raises CannotReplay, problems.RegistryError."""
    if (own := plan.registry()) is not None:
        return own
    found = next((plan.as_known(version) for version in versions if version.version == plan.version), None)
    if found is None:
        raise CannotReplay(f"registry version {plan.version} is no longer published: plan the run anew, with --registry zone.yaml")
    return found


def run_files(broker: str, prefix: str, plan: Plan, client: Client) -> dict[str, Any]:
    """Runs a plan of files and writes the stretch's final rows under the run's name; what it returns is kept as its result.

    Raises CannotReplay, KafkaError."""
    runs.save(client, plan, runs.RUNNING)
    paths = [_same(Path(path), digest) for path, digest in plan.files]
    registry = registry_of(plan, load_versions(broker, REGISTRY.full_name(prefix)).values())
    commands = read_commands(broker, prefix)
    try:
        made = replay_files(registry, paths, plan.run, len(plan.offsets), arrival=plan.arrival, commands=commands, topic=plan.topic)
    except BadFile as bad:
        raise CannotReplay(str(bad)) from bad
    for name in FINAL_TABLES:
        runs.insert(client, name, runs.of_stretch(TABLES[name], made.tables[name], plan.from_ms, plan.to_ms))
    result = {
        "records": made.readings,
        "accepted": made.accepted,
        "first_ingest_ms": made.first_ingest_ms,
        "last_ingest_ms": made.last_ingest_ms,
        "seconds": round(made.seconds, 3),
        "records_per_s": round(made.readings / max(1e-6, made.seconds)),
        "tables": runs.digests(client, plan.run, plan),
    }
    runs.save(client, plan, runs.DONE, result)
    return result


def _same(path: Path, digest: str) -> Path:
    try:
        found = _digest(path)
    except OSError as error:
        raise CannotReplay(f"{path}: {error.strerror}; plan the run anew with the files where they are") from error
    if found != digest:
        raise CannotReplay(f"{path} is another file than the one that was planned: plan it anew")
    return path


def _digest(path: Path) -> str:
    """SHA-256 of the file and of what says where its lines stood."""
    whole = hashlib.sha256()
    for part in (path, *(sidecar for sidecar in sidecars(path) if sidecar.exists())):
        with part.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
