"""Runs in the store: their rows in `runs`, the result rows they wrote, and digests of these."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import msgspec
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from zonepulse.schemas.registry.model import FOREVER, ZonePolicy
from zonepulse.schemas.tables.ddl import EDGES, FOLLOWED, LIVE_RUN
from zonepulse.schemas.tables.results import DEAD_LETTERS, FINAL_TABLES, TABLES, Table
from zonepulse.streams.clickhouse.stored_rows import lies_within
from zonepulse.streams.replay.plan import CannotReplay, Plan

INSERT_ROWS: Final = 200_000
PLANNED, RUNNING, FOLLOWING, DONE, DISCARDED = "planned", "running", "following", "done", "discarded"
_MS: Final = pa.timestamp("ms", tz="UTC")
NEWEST: Final = (
    "SELECT max(revision) AS tick FROM totals WHERE zone = {zone:String} AND (run = {run:String} OR {run:String} = 'live' AND run IN"
    " (SELECT run FROM promotions_final WHERE is_active = 1 AND is_open = 0))"
)
"""The newest tick of a run; what live tasks made since they took a run's state over bears its name."""
_SCHEMA: Final = pa.schema(
    [pa.field(n, pa.string()) for n in ("run", "zone")]
    + [pa.field(n, _MS) for n in ("started_at", "finished_at", "input_from_at", "input_to_at", "from_at", "to_at")]
    + [pa.field(n, pa.int64()) for n in ("registry_version", "revision")]
    + [
        pa.field(n, pa.string())
        for n in ("state", "registry_hash", "input_topic", "input_from", "input_to", "note", "plan", "result", "kind")
    ]
)


@dataclass(frozen=True, slots=True)
class Run:
    """One row of `runs`. `plan` is None for a run of files."""

    name: str
    state: str
    plan: Plan | None
    result: Mapping[str, Any]
    started_ms: int
    note: str


def save(client: Client, plan: Plan, state: str, result: Mapping[str, Any] | None = None, note: str = "") -> None:
    """The newest word on a run; states only follow one another through here."""
    now_ms = round(time.time() * 1000)
    is_over = state in (DONE, DISCARDED)
    row = {
        "run": plan.run, "zone": plan.zone, "started_at": plan.made_at_ms, "finished_at": now_ms if is_over else None, "state": state,
        "registry_version": 0, "registry_hash": hashlib.sha256(plan.zone_yaml.encode()).hexdigest() if plan.zone_yaml else "",
        "input_topic": plan.topic, "input_from": _by_partition(first for first, _ in plan.offsets),
        "input_to": _by_partition(end for _, end in plan.offsets), "input_from_at": None, "input_to_at": None, "from_at": plan.from_ms,
        "to_at": plan.to_ms, "note": note, "plan": msgspec.json.encode(plan).decode(), "result": json.dumps(result or {}),
        "revision": now_ms, "kind": plan.kind,
    }  # fmt: skip
    write_row(client, row)


def write_row(client: Client, row: Mapping[str, Any]) -> None:
    """A row of `runs`, whole: every column but those that may be null."""
    client.insert_arrow("runs", pa.Table.from_pylist([dict(row)], _SCHEMA), settings={"async_insert": 0})


def _by_partition(offsets: Any) -> str:
    return json.dumps({str(number): offset for number, offset in enumerate(offsets)})


def list_runs(client: Client) -> list[Run]:
    """Every run, discarded ones too, the newest first; the live one has no row."""
    rows = client.query(
        "SELECT run, state, plan, result, toUnixTimestamp64Milli(started_at), note FROM runs_final ORDER BY started_at DESC"
    ).result_rows
    return [
        Run(run, state, msgspec.json.decode(plan, type=Plan) if plan else None, json.loads(result or "{}"), started, note)
        for run, state, plan, result, started, note in rows
    ]


def find(client: Client, name: str) -> Run:
    """A run of the topic. Raises CannotReplay."""
    known = list_runs(client)
    for run in known:
        if run.name == name:
            return run
    names = ", ".join(run.name for run in known[:10]) or "none"
    raise CannotReplay(f"run {name!r} is not in the store; known: {names}. Make one with `zonepulse replay plan`")


def measured_rate(known: Iterable[Run]) -> float | None:
    """Records/s of the newest run that measured it, if one did."""
    return next((float(rate) for run in known if (rate := run.result.get("records_per_s"))), None)


def insert(client: Client, name: str, rows: pa.Table) -> None:
    """Result rows of a run, in order of time. The store is not to take them for a repeat: rows that were deleted are written again."""
    rows = rows.sort_by(TABLES[name].time)
    for start in range(0, rows.num_rows, INSERT_ROWS):
        settings = {"async_insert": 0, "insert_deduplication_token": uuid4().hex}
        client.insert_arrow(name, rows.slice(start, INSERT_ROWS), settings=settings)


def of_stretch(table: Table, rows: pa.Table, from_ms: int, to_ms: int = FOREVER) -> pa.Table:
    """Those of [`from_ms`, `to_ms`)."""
    return rows.filter(lies_within(table, rows, from_ms, to_ms))


def delete_rows(client: Client, run: str) -> None:
    """All result rows of a run that is not the live one, for good, and how far it has followed. Raises CannotReplay."""
    if run == LIVE_RUN:
        raise CannotReplay(f"run {run!r} is the workers': it cannot be discarded")
    for name in (*FINAL_TABLES, FOLLOWED.name):
        sql = f"ALTER TABLE {name} DELETE WHERE run IN ({{run:String}}, {{edges:String}}) SETTINGS mutations_sync = 1"
        client.command(sql, {"run": run, "edges": run + EDGES})


def applied_ms(client: Client, zone: ZonePolicy, run: str) -> int:
    """How far a run's ledger has come, at the least: the tick of its newest row in the store."""
    return int(client.query(NEWEST, parameters={"run": run, "zone": zone.id}).result_rows[0][0]) * zone.tick_ms


def where(table: Table, topic: str) -> str:
    """Which rows of a table are a stretch's: `{run}`, `{zone}`, `{from_at}` and `{to_at}` are parameters.

    Alerts about the pipeline itself and letters of other topics are what happened to live tasks, no results.
    """
    own = f" AND NOT {table.live_only}" if table.live_only else ""
    if table is DEAD_LETTERS:
        own = f" AND topic = '{topic}'"
    stretch = table.within("fromUnixTimestamp64Milli({from_ms:Int64})", "fromUnixTimestamp64Milli({to_ms:Int64})")
    return f"zone = {{zone:String}} AND {stretch}{own}"


def digest_column(table: Table, without: frozenset[str] = frozenset()) -> str:
    """128 bits of a row's stored columns, as SQL."""
    columns = ", ".join(f"`{c.name}`" for c in table.stored if c.name not in without)
    return f"reinterpretAsUInt128(sipHash128(toString(tuple({columns}))))"


def digest_sql(table: Table, topic: str) -> str:
    """One row: how many rows a run has of a stretch, and their digest, which does not depend on their order."""
    return (
        f"SELECT count() AS rows, lower(hex(sumWithOverflow({digest_column(table)}))) AS digest"
        f" FROM {table.name}_final WHERE run = {{run:String}} AND {where(table, topic)}"
    )


def digests(client: Client, run: str, plan: Plan) -> dict[str, dict[str, Any]]:
    """Rows and digest of every table in the plan's stretch."""
    parameters = {"run": run, "zone": plan.zone, "from_ms": plan.from_ms, "to_ms": plan.to_ms}
    out = {}
    for name in FINAL_TABLES:
        table = TABLES[name]
        rows, digest = client.query(digest_sql(table, plan.topic), parameters=parameters).result_rows[0]
        out[name] = {"rows": int(rows), "digest": digest}
    return out


def instant(at_ms: int) -> str:
    """UTC, for messages."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
