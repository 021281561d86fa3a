"""A run that follows the log stands as the live one from its stretch's begin on, with an open end: one row of `promotions`.

The end is what the run has `followed`: it moves behind a window when every row of the run before it is written. So a window is the run's
or the live tasks', in every view, and one that the run has not come to is not missing. The live tasks go on, and know nothing of it; they
stand in again for what comes once the run has stopped.
"""

import time
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from zonepulse.processors.ledger.horizon import whole_before_ms
from zonepulse.schemas.registry.model import FOREVER, ZonePolicy
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.plan import CannotReplay, Plan
from zonepulse.streams.replay.promote import PROMOTED, active, decide, require_alone, require_exact, require_whole_days
from zonepulse.streams.replay.runs import Run, instant

WAIT_S: Final = 30.0
POLL_S: Final = 0.2
_MS: Final = pa.timestamp("ms", tz="UTC")
_SCHEMA: Final = pa.schema(
    [(name, pa.string()) for name in ("zone", "run")]
    + [(name, _MS) for name in ("to_at", "applied_at")]
    + [("revision", pa.int64())]
)


@dataclass(slots=True)
class Followed:
    """Says how far a run has come that follows the log. It never says less than before: rows that are written stay."""

    client: Client
    plan: Plan
    said: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.said = _followed(self.client, self.plan) or (0, 0)

    def say(self, zone: ZonePolicy, tick: int) -> None:
        """Every row that ticks up to this one make is in the store."""
        applied_ms = tick * zone.tick_ms
        to_ms = max(self.said[0], whole_before_ms(zone, applied_ms))
        if (to_ms, applied_ms) != self.said and to_ms > 0:
            row = {
                "zone": self.plan.zone,
                "run": self.plan.run,
                "to_at": to_ms,
                "applied_at": applied_ms,
                "revision": time.time_ns(),
            }
            self.client.insert_arrow("followed", pa.Table.from_pylist([row], _SCHEMA), settings={"async_insert": 0})
            self.said = to_ms, applied_ms


def hand_over(client: Client, run: Run, zone: ZonePolicy, why: str, wait_s: float = WAIT_S) -> None:
    """What the run has followed and will follow stands as the live rows from the next statement on.

    Raises CannotReplay: it does not follow, is approximate, begins within a day, overlaps a promoted run, or is not where the live ledger
    is in `wait_s`.
    """
    plan = run.plan
    if plan is None or run.state != runs.FOLLOWING:
        raise CannotReplay(f"run {run.name!r} is {run.state}: only a run that follows the log has an open end")
    require_exact(plan, plan.caveats[:-1] if plan.is_open else plan.caveats)
    require_whole_days(plan.run, zone, plan.from_ms)
    require_alone(client, plan, plan.from_ms, FOREVER)
    to_ms = _at_the_head(client, plan, runs.applied_ms(client, zone, LIVE_RUN), wait_s)
    if to_ms <= plan.from_ms:
        raise CannotReplay(
            f"run {run.name!r} has every row before {instant(to_ms)}: promote it once it has come behind {instant(plan.from_ms)}"
        )
    decide(client, plan, 1, why, to_ms, is_open=True)
    runs.save(client, plan, PROMOTED, run.result, why)


def _at_the_head(client: Client, plan: Plan, live_ms: int, wait_s: float) -> int:
    """What the run has followed, once it is no less than the live ledger. Raises CannotReplay."""
    deadline = time.monotonic() + wait_s
    while (found := _followed(client, plan) or (0, 0))[1] < live_ms:
        if time.monotonic() > deadline:
            raise CannotReplay(
                f"run {plan.run!r} has come to {instant(found[1])}, the live ledger to {instant(live_ms)}: promote it when it has"
                f" caught up; if it runs no more, `zonepulse replay run {plan.run} --follow`"
            )
        time.sleep(POLL_S)
    return found[0]


def _followed(client: Client, plan: Plan) -> tuple[int, int] | None:
    sql = (
        "SELECT toUnixTimestamp64Milli(to_at), toUnixTimestamp64Milli(applied_at) FROM followed_final"
        " WHERE zone = {zone:String} AND run = {run:String}"
    )
    rows = client.query(sql, parameters={"zone": plan.zone, "run": plan.run}).result_rows
    return (int(rows[0][0]), int(rows[0][1])) if rows else None


def stands_open(client: Client, plan: Plan) -> bool:
    """Whether the run stands as the live one with an open end: its rows are not deleted, and it may go on following."""
    return any(found.run == plan.run and found.is_open for found in active(client, plan.zone))


def require_same_program(plan: Plan) -> None:
    """Before a run goes on whose rows stand as the live ones. Raises CannotReplay."""
    if plan.program != (now := program()):
        raise CannotReplay(
            f"run {plan.run!r} is promoted and was made by {plan.program or 'another version'}; this is {now}, whose rows may be others:"
            f" plan another run, and promote that after `zonepulse replay revert {plan.run}`"
        )


def program() -> str:
    """Who makes the rows of a run, as its plan names it."""
    return f"zonepulse {version('zonepulse')}"
