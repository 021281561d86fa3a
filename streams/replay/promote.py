"""Taking a run's stretch for the live rows, and back: one row of `promotions`, which every `_final` view reads. No row is moved.

Only a stretch that no reading in time can revise any more may be promoted: the next revision of the live tasks would be hidden. A run
that follows the log makes these revisions itself (hand_over.py).
"""

import getpass
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from zonepulse.processors.channels.table import utc_offsets
from zonepulse.processors.ledger.horizon import reach_ms
from zonepulse.processors.ledger.periods import day_of_zone
from zonepulse.schemas.registry.model import Registry, ZonePolicy
from zonepulse.streams.clickhouse.cut_periods import cut_sums, with_cut_periods
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.plan import CannotReplay, Plan
from zonepulse.streams.replay.runs import Run, instant

PROMOTED, REVERTED = "promoted", "reverted"
PAUSE_S: Final = 1.0
"""Between rows and what lets them stand (a promotion, how far a run has come): a statement that looks at tables first sees both or none."""
_MS: Final = pa.timestamp("ms", tz="UTC")
_SCHEMA: Final = pa.schema(
    [(name, pa.string()) for name in ("zone", "run", "who", "why")]
    + [(name, _MS) for name in ("from_at", "to_at", "at")]
    + [("is_active", pa.int32()), ("revision", pa.int64()), ("is_open", pa.int32())]
)


@dataclass(frozen=True, slots=True)
class Active:
    """A promotion in force; with `is_open` its end goes on with what the run has followed."""

    run: str
    from_ms: int
    to_ms: int
    is_open: bool


def promote(client: Client, run: Run, registry: Registry, ingest_ms: int, why: str) -> None:
    """The run's rows of its stretch stand as the live ones from the next statement on. `ingest_ms`: how far the live log has come.

    Over what was promoted before, the newer run stands. Raises CannotReplay: the run is not done, is approximate, may still be revised,
    shares a day that an edge cuts with another, overlaps one with an open end, or carries on into what comes.
    """
    plan = run.plan
    if plan is None or run.state not in (runs.DONE, REVERTED):
        raise CannotReplay(f"run {run.name!r} is {run.state}: only a run of the topic that is done, or follows, can be promoted")
    _, whole_ms = with_cut_periods(registry.zone, plan.from_ms, plan.to_ms)
    settled_ms = whole_ms + max(reach_ms(registry.zone), reach_ms(plan.policy(registry.zone)))
    if followed_ms := run.result.get("followed_ms", 0):
        ingest_ms = min(ingest_ms, followed_ms)
    if plan.files:
        ingest_ms = min(ingest_ms, _files_end_ms(client, run, registry.zone))
    require_exact(plan, plan.caveats[:-1] if followed_ms and plan.is_open else plan.caveats)
    if ingest_ms < settled_ms:
        raise CannotReplay(
            f"a reading in time can still revise {instant(plan.from_ms)} to {instant(whole_ms)}; the log has come to"
            f" {instant(ingest_ms)}: promote once it has passed {instant(settled_ms)}, or now with an open end, while"
            f" `zonepulse replay run {run.name} --follow` goes on with the log"
        )
    _check_edge(plan, registry)
    require_no_open_end(client, plan, plan.from_ms, plan.to_ms)
    require_uncut(client, plan, registry.zone, plan.to_ms)
    _write_cut_sums(client, plan, registry.zone)
    decide(client, plan, 1, why, plan.to_ms)
    runs.save(client, plan, PROMOTED, run.result, why)


def revert(client: Client, run: Run, why: str, *, was_handed_over: bool = False) -> None:
    """The live tasks' own rows stand again. `was_handed_over`: they had taken the run's state over. Raises CannotReplay."""
    found = run.plan and next((one for one in active(client, run.plan.zone) if one.run == run.name), None)
    if run.plan is None or found is None:
        raise CannotReplay(f"run {run.name!r} is not promoted")
    decide(client, run.plan, 0, why, found.to_ms, is_open=found.is_open)
    follows = (found.is_open or was_handed_over) and not run.result.get("followed_ms")
    runs.save(client, run.plan, runs.FOLLOWING if follows else REVERTED, run.result, why)


def _files_end_ms(client: Client, run: Run, zone: ZonePolicy) -> int:
    """How far the log is in the files. Raises CannotReplay: they begin behind the zone's first window."""
    first_ms, last_ms = run.result["first_ingest_ms"], run.result["last_ingest_ms"]
    sql = "SELECT toUnixTimestamp64Milli(min(start)), count() FROM intervals WHERE run = 'live' AND zone = {zone:String}"
    ((begins_ms, rows),) = client.query(sql, parameters={"zone": zone.id}).result_rows
    if first_ms is None or (rows and first_ms > begins_ms + zone.window_ms + zone.lateness_ms):
        begin = "hold no reading" if first_ms is None else f"begin at {instant(first_ms)}"
        raise CannotReplay(
            f"run {run.name!r} is approximate and cannot be promoted: its files {begin}, the zone's rows at {instant(begins_ms)}: what"
            " registers showed before is not in them; plan it with files from the beginning on"
        )
    return int(last_ms)


def require_exact(plan: Plan, caveats: Sequence[str]) -> None:
    """Raises CannotReplay: the run's rows may not be those of the whole log."""
    if caveats:
        raise CannotReplay(f"run {plan.run!r} is approximate and cannot be promoted: {caveats[0]}")


def require_whole_day(run: str, zone: ZonePolicy, from_ms: int) -> None:
    """A run that follows the log begins with a day of the zone's calendar. Raises CannotReplay."""
    begin, end = day_of_zone(utc_offsets(zone), from_ms)
    if begin != from_ms:
        raise CannotReplay(
            f"run {run!r} begins at {instant(from_ms)}, within a day of the zone, and follows the log: plan it from {instant(begin)} or"
            f" {instant(end)} on"
        )


def require_alone(client: Client, plan: Plan, from_ms: int, to_ms: int) -> None:
    """No other run is promoted for a part of the stretch. Raises CannotReplay."""
    for other in active(client, plan.zone):
        if other.from_ms < to_ms and (other.is_open or from_ms < other.to_ms) and other.run != plan.run:
            raise CannotReplay(
                f"run {other.run!r} is promoted for a part of the stretch: `zonepulse replay revert {other.run}` first"
            )


def require_no_open_end(client: Client, plan: Plan, from_ms: int, to_ms: int) -> None:
    """No other run stands with an open end in the stretch; over one that ends, the newer one stands. Raises CannotReplay."""
    for other in active(client, plan.zone):
        if other.is_open and other.from_ms < to_ms and other.run != plan.run:
            raise CannotReplay(
                f"run {other.run!r} is promoted with an open end from {instant(other.from_ms)} on: `zonepulse replay revert {other.run}`"
                " first"
            )


def require_uncut(client: Client, plan: Plan, zone: ZonePolicy, to_ms: int) -> None:
    """An hour or a day that an edge cuts is of one run and the live tasks, not of two runs. Raises CannotReplay."""
    first_ms, end_ms = with_cut_periods(zone, plan.from_ms, to_ms)
    for other in active(client, plan.zone):
        if other.is_open or other.run == plan.run:
            continue
        other_first_ms, other_end_ms = with_cut_periods(zone, other.from_ms, other.to_ms)
        is_whole = (first_ms, end_ms, other_first_ms, other_end_ms) == (plan.from_ms, to_ms, other.from_ms, other.to_ms)
        if not is_whole and first_ms < other_end_ms and other_first_ms < end_ms:
            raise CannotReplay(
                f"run {other.run!r} is promoted from {instant(other.from_ms)} to {instant(other.to_ms)}, and one of both begins or ends"
                f" within a day of the zone that the other has a part of: `zonepulse replay revert {other.run}` first, or plan both with"
                " whole days"
            )


def _write_cut_sums(client: Client, plan: Plan, zone: ZonePolicy) -> None:
    """Readers see nothing of them before the promotion."""
    written = 0
    for name, rows in cut_sums(client, plan.run, plan.zone, zone, plan.from_ms, plan.to_ms):
        runs.insert(client, name, rows)
        written += len(rows)
    if written:
        time.sleep(PAUSE_S)


def require_reverted(client: Client, run: Run) -> None:
    """Before a run's rows are written anew or deleted. Raises CannotReplay: they stand as the live ones."""
    if run.plan is not None and run.name in [found.run for found in active(client, run.plan.zone)]:
        raise CannotReplay(
            f"run {run.name!r} is promoted, its rows stand as the live ones: `zonepulse replay revert {run.name}` first, or plan another"
        )


def who() -> str:
    """Whoever runs this, user@host."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _check_edge(plan: Plan, registry: Registry) -> None:
    """Sums that go on behind the stretch's end would no longer follow from what stands before it."""
    carried = [s.id for s in registry.network.sources if s.kind == "storage"]
    carried += [c.id for c in registry.contracts if c.hourly is None and c.valid_from_ms < plan.to_ms < c.valid_to_ms]
    if carried:
        raise CannotReplay(
            f"what {', '.join(carried)} hold at {instant(plan.to_ms)} goes on into the windows behind it, which the live tasks have made"
            " from their own past: end the stretch where the contract ends, or compare and report the run under its own name"
        )


def active(client: Client, zone: str) -> list[Active]:
    """The zone's promotions in force, whole, the newest first."""
    sql = (
        "SELECT run, toUnixTimestamp64Milli(p.from_at), toUnixTimestamp64Milli(if(is_open = 1, greatest(p.to_at, f.to_at), p.to_at)),"
        " is_open FROM promotions AS p FINAL LEFT JOIN followed AS f FINAL ON f.zone = p.zone AND f.run = p.run"
        " WHERE p.zone = {zone:String} AND is_active = 1 ORDER BY p.revision DESC"
    )
    found = client.query(sql, parameters={"zone": zone}).result_rows
    return [Active(str(run), int(from_ms), int(to_ms), bool(is_open)) for run, from_ms, to_ms, is_open in found]


def decide(client: Client, plan: Plan, is_active: int, why: str, to_ms: int, *, is_open: bool = False) -> None:
    """Writes the row that every view reads."""
    now_ms = round(time.time() * 1000)
    row = {
        "zone": plan.zone, "run": plan.run, "from_at": plan.from_ms, "to_at": to_ms, "is_active": is_active,
        "who": who(), "why": why, "at": now_ms, "revision": time.time_ns(), "is_open": int(is_open),
    }  # fmt: skip
    client.insert_arrow("promotions", pa.Table.from_pylist([row], _SCHEMA), settings={"async_insert": 0})
