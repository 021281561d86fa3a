"""`zonepulse replay archive`: what the archive holds, and whether it still is what was written."""

from itertools import pairwise
from typing import Annotated, Any

import typer
from kafka.errors import KafkaError

from zonepulse.schemas.messages.topics import READINGS
from zonepulse.streams import servers
from zonepulse.streams.archive.archive import Archive, BadArchive, Kept, stretches
from zonepulse.streams.exit_codes import FAILED
from zonepulse.streams.kafka.log_facts import admin_of, topic_ids
from zonepulse.streams.screen import JsonOption, Stop, count, print_json, print_table, say


def archive(
    zone: Annotated[str, typer.Argument(metavar="ZONE", help="The zone's id.")],
    check: Annotated[bool, typer.Option("--check", help="Read every file whole and compare its digest.")] = False,
    json: JsonOption = False,
) -> None:
    """List the archive's files: partition, offsets, day, rows, digest. Exit code 1 where offsets are missing or a file is damaged."""
    settings = servers.settings()
    if not settings.archive:
        raise Stop("ZONEPULSE_ARCHIVE is not set: name the folder or URL of the archive")
    topic = READINGS.full_name(settings.topic_prefix)
    try:
        with admin_of(servers.require_broker(settings)) as admin:
            topic_id = topic_ids(admin, [topic]).get(topic, "")
    except KafkaError as error:
        raise Stop(f"Kafka: {type(error).__name__}: {error}; look with `zonepulse doctor`") from error
    try:
        store = Archive(settings.archive, zone, topic, topic_id)
        files = store.files()
        rows = [_facts(store, kept, check) for partition in files.values() for kept in partition]
    except BadArchive as bad:
        raise Stop(str(bad)) from bad
    gaps = [gap for partition in files.values() for gap in _gaps(partition)]
    if json:
        print_json({"archive": settings.archive, "files": rows, "gaps": gaps})
    else:
        columns = ("partition", "first", "next", "day", "rows", "bytes", "digest")
        print_table(columns, [[str(row[c])[:16] for c in columns] for row in rows], right=columns[:3])
        say(f"{count(len(rows))} files, {count(sum(row['rows'] for row in rows))} records{', as written' if check else ''}")
        for gap in gaps:
            say(f"partition {gap['partition']}: offsets {gap['first']} to {gap['next'] - 1} are missing")
    if gaps:
        raise typer.Exit(FAILED)


def _facts(store: Archive, kept: Kept, check: bool) -> dict[str, Any]:
    return kept._asdict() | (store.check(kept) if check else store.facts(kept))


def _gaps(files: list[Kept]) -> list[dict[str, int]]:
    return [
        {"partition": files[0].partition, "first": before[1], "next": behind[0]} for before, behind in pairwise(stretches(files))
    ]
