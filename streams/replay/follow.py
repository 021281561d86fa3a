"""A run that goes on behind its end to the head of the log, and stays there: a shadow of the live ledger with tables of its own.

It reads the log a piece at a time, from where it stood to the end that Kafka names then, as `run` does, and writes every row of its stretch
and behind it as soon as it is made. A row that it writes again is the same row.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Final

import msgspec
from clickhouse_connect.driver.client import Client
from faust.types import TP

from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.streams.clickhouse.stored_rows import stored
from zonepulse.streams.kafka.log_facts import admin_of, ends_of
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.checkpoint import Pace, RunFolder
from zonepulse.streams.replay.file import FinalRows, with_run
from zonepulse.streams.replay.hand_over import Followed
from zonepulse.streams.replay.plan import Plan
from zonepulse.streams.replay.promote import PAUSE_S
from zonepulse.streams.replay.shares import let_know_versions, made_on, tell_ledger

POLL_S: Final = 1.0


def follow(
    broker: str, prefix: str, plan: Plan, client: Client, zone: ZoneRun, is_over: threading.Event, folder: RunFolder | None
) -> None:
    """Until `is_over`; `zone` stands at the plan's end. Its state is kept in `folder`, for live tasks to take over.

    Raises as run.run_plan does."""
    at, followed = [end for _, end in plan.offsets], Followed(client, plan)
    for number, partition in enumerate(zone.partitions):
        partition.next_offset = at[number]
    followed.say(zone.registry.zone, zone.ledger.applied)
    pace, kept = Pace(0 if folder is None else folder.every_s), list[int]()
    while not is_over.is_set():
        if folder is not None and kept != at and (not kept or pace.is_due()):
            begun, kept = time.monotonic(), at
            folder.keep_followed(zone)
            pace.took(begun)
        ends = _ends(broker, plan)
        if ends == at:
            is_over.wait(POLL_S)
            continue
        asyncio.run(let_know_versions(broker, prefix, plan, zone))  # what the log switches to is on its topic before
        tell_ledger(broker, prefix, zone)
        rows = asyncio.run(_rows(broker, prefix, _piece(plan, at, ends), zone))
        for name in FINAL_TABLES:
            found = runs.of_stretch(TABLES[name], rows.table(name), plan.from_ms)
            runs.insert(client, name, with_run(stored(TABLES[name], found), plan.run))
        is_over.wait(PAUSE_S)
        followed.say(zone.registry.zone, zone.ledger.applied)
        at = ends
        for number, partition in enumerate(zone.partitions):
            partition.next_offset = at[number]


def _ends(broker: str, plan: Plan) -> list[int]:
    tps = [TP(plan.topic, number) for number in range(len(plan.offsets))]
    with admin_of(broker) as admin:
        found = ends_of(admin, tps)
    return [found[tp].stable for tp in tps]


def _piece(plan: Plan, at: Sequence[int], ends: Sequence[int]) -> Plan:
    offsets = tuple(zip(at, ends, strict=True))
    return msgspec.structs.replace(plan, offsets=offsets, until_ms=0, archive="", archived=(), late_offsets=())


async def _rows(broker: str, prefix: str, piece: Plan, zone: ZoneRun) -> FinalRows:
    rows = FinalRows()
    async for found in made_on(broker, prefix, piece, zone):
        for made in found.pieces:
            rows.add(zone.book(made))
    return rows
