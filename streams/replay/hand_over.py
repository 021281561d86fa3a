"""A run that follows the log stands as the live one from its stretch's begin on: one row of `promotions`, in one of two ways.

*Handed over*: the live tasks go on from the run's state (schemas/messages/hand_overs.py). What they make of windows before the end of the
next day of the zone bears the run's name, and what comes behind is theirs, as ever: the stretch has its end, before the first window of
which the tasks of before have said anything. Its row is written once the store has all that these had made, from the run's state.

*Beside*: the live tasks go on as they are, and the end is open: what the run has `followed`. It moves behind a window when every row of the
run before it is written. So a window is the run's or the live tasks', in every view, and one that the run has not come to is not missing.
The live tasks stand in again for what comes once the run has stopped.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

import msgspec
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from zonepulse.processors.channels.table import utc_offsets
from zonepulse.processors.ledger.horizon import reach_ms, whole_before_ms
from zonepulse.processors.ledger.periods import day_of_zone
from zonepulse.schemas.messages.hand_overs import HandOver
from zonepulse.schemas.registry.model import FOREVER, ZonePolicy
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.streams.checkpoints.handed_states import HandedState
from zonepulse.streams.control.command_log import hand_overs, read_commands
from zonepulse.streams.control.handing_over import HandingOver, NotTakenOver
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.checkpoint import State
from zonepulse.streams.replay.plan import REPLAY, CannotReplay, Plan
from zonepulse.streams.replay.promote import (
    PROMOTED,
    active,
    decide,
    require_alone,
    require_exact,
    require_no_open_end,
    require_uncut,
    require_whole_day,
    revert,
    who,
)
from zonepulse.streams.replay.runs import Run, instant

WAIT_S: Final = 30.0
HAND_OVER_S: Final = 300.0
"""Within which live tasks go on from other states, and the store has what they make."""
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


def _following(run: Run, zone: ZonePolicy) -> Plan:
    """The plan of a run that may stand from its begin on. Raises CannotReplay."""
    plan = run.plan
    if plan is None or run.state != runs.FOLLOWING:
        raise CannotReplay(f"run {run.name!r} is {run.state}: only a run that follows the log has an open end")
    require_exact(plan, plan.caveats[:-1] if plan.is_open else plan.caveats)
    require_whole_day(plan.run, zone, plan.from_ms)
    return plan


@dataclass(frozen=True, slots=True)
class LiveTasks:
    """Those of a zone, to whom states are handed."""

    broker: str
    prefix: str
    replication: int
    wait_s: float = HAND_OVER_S

    def hand_over(self, by: HandOver, partitions: int, states: Mapping[int, HandedState], why: str) -> None:
        """Returns when the store has what they made from the states. One that was begun before is only waited for.

        Raises CannotReplay, KafkaError."""
        handing = HandingOver(self.broker, self.prefix, by, partitions, self.replication)
        if by.order == 0:
            handing.begin(states, who(), why)
        try:
            handing.wait(self.wait_s)
        except NotTakenOver as error:
            raise CannotReplay(f"the live tasks go on from the state of {by.run}, but {error}") from error
        handing.forget_others(self.known())

    def known(self) -> list[HandOver]:
        """Every hand-over up to now, the last one at the end. Raises KafkaError."""
        return hand_overs(read_commands(self.broker, self.prefix))


def hand_state_over(
    client: Client,
    run: Run,
    zone: ZonePolicy,
    state: Callable[[], State],
    tasks: LiveTasks,
    why: str,
    *,
    sends_alerts: bool = False,
) -> None:
    """The live tasks go on from the run's state; then its rows stand as the live ones, up to the end of the next day.

    `state`: what the run has kept of itself. `sends_alerts`: subscribers are told of those that last and that only the run knows. Raises
    CannotReplay, KafkaError.
    """
    plan = _following(run, zone)
    if plan.kind != REPLAY:
        raise CannotReplay(
            f"run {run.name!r} has a registry, factors or a max_gap of its own, and live tasks go on with those that the log names:"
            f" `zonepulse replay promote {run.name} --beside`, and let the run go on until they make the same rows, as with the correction"
            " of windows to come (`zonepulse registry apply zone.yaml`)"
        )
    applied_ms = runs.applied_ms(client, zone, LIVE_RUN)
    if plan.from_ms > (settled_ms := applied_ms - reach_ms(zone)):
        raise CannotReplay(
            f"a reading in time can still revise windows before {instant(plan.from_ms)}, where run {run.name!r} begins: plan it from a day"
            f" before {instant(settled_ms)} on, or promote with --beside"
        )
    require_same_program(plan)
    clock = utc_offsets(zone)
    to_ms = day_of_zone(clock, day_of_zone(clock, applied_ms)[1])[1]
    require_no_open_end(client, plan, plan.from_ms, to_ms)
    require_uncut(client, plan, zone, to_ms)
    last = max(tasks.known(), key=lambda by: by.order, default=None)
    if last is not None and last.run == run.name and last.from_ms == plan.from_ms and not last.state.endswith("-before"):
        by, states = last, dict[int, HandedState]()
    else:
        name = secrets.token_hex(4)
        by, states = HandOver(name, name, run.name, plan.from_ms, to_ms, sends_alerts), _handed(state())
    tasks.hand_over(by, len(plan.offsets), states, why)
    decide(client, plan, 1, why, by.to_ms)
    runs.save(client, plan, PROMOTED, run.result, why)


def _handed(state: State) -> dict[int, HandedState]:
    """Those of the partitions, and the ledger's behind them."""
    if any(part.late for part in state.partitions.values()):
        raise CannotReplay("the run has not taken in all late readings yet: promote it in a while")
    parts = [state.partitions[number] for number in sorted(state.partitions)] + [state.ledger]
    return {
        number: HandedState(msgspec.json.decode(part.facts), [part.chunks[i] for i in range(len(part.chunks))], part.next_offset)
        for number, part in enumerate(parts)
    }


def hand_back(client: Client, run: Run, zone: ZonePolicy, tasks: LiveTasks, why: str) -> None:
    """The live tasks go on from where they stood before the run's state was handed to them; then their rows stand again.

    A promotion whose run goes on beside, or is settled, is taken back in the store alone. Raises CannotReplay, KafkaError.
    """
    known = tasks.known()
    mine = next((i for i, by in reversed([*enumerate(known)]) if by.run == run.name and not by.state.endswith("-before")), None)
    plan, found = run.plan, next((one for one in active(client, zone.id) if one.run == run.name), None)
    if (
        mine is None
        or found is None
        or plan is None
        or found.is_open
        or (found.from_ms, found.to_ms) != (known[mine].from_ms, known[mine].to_ms)
    ):
        revert(client, run, why)
        return
    handed, behind = known[mine], known[mine + 1 :]
    if behind and behind[-1].state != handed.before:
        raise CannotReplay(f"the live tasks have gone on from the state of run {behind[-1].run!r} since: revert that first")
    if not behind:
        if (applied_ms := runs.applied_ms(client, zone, LIVE_RUN)) >= handed.to_ms:
            raise CannotReplay(
                f"the stretch of run {run.name!r} ended at {instant(handed.to_ms)}, and the live tasks have come to {instant(applied_ms)}"
                " from its state: plan a run of what is to be otherwise, and promote that"
            )
        former = known[mine - 1] if mine else msgspec.structs.replace(handed, run=LIVE_RUN)
        behind = [HandOver(secrets.token_hex(4), handed.before, former.run, former.from_ms, former.to_ms)]
    tasks.hand_over(behind[-1], len(plan.offsets), {}, why)
    revert(client, run, why, was_handed_over=True)


def hand_over(client: Client, run: Run, zone: ZonePolicy, why: str, wait_s: float = WAIT_S) -> None:
    """What the run has followed and will follow stands as the live rows from the next statement on.

    Raises CannotReplay: it does not follow, is approximate, begins within a day, overlaps a promoted run, or is not where the live ledger
    is in `wait_s`.
    """
    plan = _following(run, zone)
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
