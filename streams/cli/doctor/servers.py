"""The checks of `doctor` that ask the broker and the store."""

import http.client
import os
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from zonepulse.schemas.messages.topics import REGISTRY, TOPICS
from zonepulse.streams import servers
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.cli.doctor.checks import Check, State
from zonepulse.streams.cli.doctor.forecast import disk_to_come
from zonepulse.streams.screen import Stop
from zonepulse.streams.settings import PREFIX, Settings


def broker(settings: Settings) -> Iterator[Check]:
    """Reachable, topics as they must be, a registry published."""
    try:
        address = servers.require_broker(settings)
    except Stop as absent:
        yield Check("broker", "fail" if PREFIX + "BROKER" in os.environ else "warn", str(absent))
        return
    existing = topic_names(address)
    yield Check("broker", "ok", f"{address} answers")
    yield from topics(settings, existing)
    if REGISTRY.full_name(settings.topic_prefix) in existing:
        yield from registry(settings)
        from zonepulse.streams.cli.doctor.workers import workers

        yield from workers(settings)


def topic_names(address: str) -> set[str]:
    """Names of all topics."""
    from kafka.admin import KafkaAdminClient

    with closing(KafkaAdminClient(**connection_to(address), bootstrap_timeout_ms=10_000)) as admin:
        return set(admin.list_topics())


def topics(settings: Settings, existing: set[str]) -> Iterator[Check]:
    """Those that exist have the settings that the ledger relies on."""
    from zonepulse.streams.kafka.topics_admin import WrongTopic, ensure_topics, unbounded

    present = [t for t in TOPICS if t.full_name(settings.topic_prefix) in existing]
    missing = [t.full_name(settings.topic_prefix) for t in TOPICS if t not in present]
    try:
        ensure_topics(
            settings.broker, settings.topic_prefix, settings.partitions, is_simulated=settings.is_simulated, topics=present
        )
        if present:
            yield Check("topics", "ok", f"{len(present)} with the prefix {settings.topic_prefix!r} are as they must be")
    except WrongTopic as wrong:
        yield from (Check("topics", "fail", line) for line in str(wrong).splitlines())
    for name, limit in unbounded(settings.broker, settings.topic_prefix, present, is_simulated=settings.is_simulated):
        remedy = (
            f"kafka-configs --alter --entity-type topics --entity-name {name} --add-config retention.bytes={limit}; "
            "what a partition holds beyond it is deleted at once, oldest first"
        )
        yield Check("topics", "warn", f"topic {name} has no retention.bytes: only its days bound what it takes of the disk", remedy)
    if missing:
        yield Check("topics", "warn", f"missing: {', '.join(missing)}", "`zonepulse registry apply zone.yaml` creates them")


def registry(settings: Settings) -> Iterator[Check]:
    """A version is published, or workers wait."""
    from zonepulse.streams.control.registry_topic import load_versions

    versions = load_versions(settings.broker, REGISTRY.full_name(settings.topic_prefix))
    if versions:
        newest = versions[max(versions)]
        yield Check("registry", "ok", f"zone {newest.zone.id}, version {newest.version}, {len(newest.meters)} meter versions")
    else:
        yield Check("registry", "warn", "none is published: workers wait", "zonepulse registry apply zone.yaml")


def store(settings: Settings) -> Iterator[Check]:
    """Reachable, and every migration applied."""
    where = f"{settings.clickhouse_host}:{settings.clickhouse_port}"
    if not servers.is_reachable(settings.clickhouse_host, settings.clickhouse_port):
        state: State = "fail" if PREFIX + "CLICKHOUSE_HOST" in os.environ else "warn"
        yield Check(
            "store", state, f"no ClickHouse at {where}", "`zonepulse up` starts one, or set ZONEPULSE_CLICKHOUSE_HOST and _PORT"
        )
        return
    if confined := confinement(settings.clickhouse_host, settings.clickhouse_port):
        yield confined
    with servers.store_client(settings) as client:
        yield Check("store", "ok", f"ClickHouse {client.server_version} at {where}")
        yield from migrations(client)
        yield from disk_to_come(settings, client)
        if _has_migrations(client):
            yield from of_ledger(settings, client)


def of_ledger(settings: Settings, client: Any) -> Iterator[Check]:
    """What the ledger wrote is not ahead of time, and alerts about the pipeline that last."""
    from zonepulse.streams.cli.doctor.workers import applied, ops_alerts
    from zonepulse.streams.control.registry_topic import load_versions

    yield from ops_alerts(client)
    if settings.is_simulated or not servers.is_broker_reachable(settings):
        return
    versions = load_versions(settings.broker, REGISTRY.full_name(settings.topic_prefix))
    if versions:
        yield from applied(client, versions[max(versions)].zone, round(time.time() * 1000))


def confinement(host: str, port: int) -> Check | None:
    """Whether the embedded store's process has given up all files but its own; None of a ClickHouse server, which does not say."""
    from zonepulse.streams.embedded.http.protocol import CONFINEMENT

    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", "/ping")
        told = connection.getresponse().getheader(CONFINEMENT)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if told is None:
        return None
    name, _, version = told.partition(" ")
    if name == "landlock":
        return Check("confinement", "ok", f"the store's process is confined to its own files by Landlock {version}")
    return Check(
        "confinement",
        "warn",
        "the store's process is not confined: it may use all files of its user",
        "a kernel with Landlock (5.13 or later)",
    )


def migrations(client: Any) -> Iterator[Check]:
    """Those of this installation against those that the store has."""
    from zonepulse.streams.clickhouse.migrations import deployed_migrations

    deployed = {m.number: m for m in deployed_migrations()}
    rows = client.query("SELECT number, checksum FROM schema_migrations").result_rows if _has_migrations(client) else []
    applied = {int(number): str(checksum) for number, checksum in rows}
    missing = [m.name for number, m in deployed.items() if number not in applied]
    changed = [m.name for number, m in deployed.items() if number in applied and applied[number] != m.checksum]
    newer = sorted(set(applied) - set(deployed))
    if missing:
        yield Check("migrations", "fail", f"not applied: {', '.join(missing)}", "`zonepulse up` applies them")
    if changed:
        yield Check("migrations", "fail", f"changed after they were applied: {', '.join(changed)}", "restore the files")
    if newer:
        yield Check("migrations", "fail", f"the store has {newer}, this installation has not", "install the newer zonepulse")
    if not (missing or changed or newer):
        yield Check("migrations", "ok", f"{len(applied)} applied")


def _has_migrations(client: Any) -> bool:
    return bool(client.query("EXISTS TABLE schema_migrations").result_rows[0][0])
