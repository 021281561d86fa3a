"""The checks of `doctor` that ask whether the workers live and every partition moves."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from faust.types import TP
from kafka import KafkaConsumer, TopicPartition

from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.messages.records import REGISTRY as HEADER
from zonepulse.schemas.messages.tasks import TASKS, WHOLE
from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES, READINGS, REGISTRY
from zonepulse.schemas.registry.model import ZonePolicy
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.cli.checkpoints import view_of, views
from zonepulse.streams.cli.doctor.checks import Check
from zonepulse.streams.control.registry_holds import standing_text
from zonepulse.streams.control.registry_topic import CONNECT_MS, load_versions
from zonepulse.streams.health.starts import WINDOW_S, starts_of
from zonepulse.streams.health.watchdog import Standing
from zonepulse.streams.kafka.consumer_groups import are_stable
from zonepulse.streams.kafka.log_facts import admin_of
from zonepulse.streams.kafka.log_guard import LogView
from zonepulse.streams.replay import runs
from zonepulse.streams.settings import Settings

MOST_RESTARTS: Final = 2
"""In WINDOW_S."""
WATCH_S: Final = 20.0
"""A partition with something left whose commit does not move for so long stands: a commit comes every few seconds."""
POLL_S: Final = 1.0
READ_MS: Final = 3_000
AHEAD_MS: Final = 300_000
"""A time of the log may be ahead of this machine's clock by so much."""


def workers(settings: Settings) -> Iterator[Check]:
    """Every task that this zone has has workers, none of them dies again and again, and every partition moves."""
    begun = views(settings)
    asked = [name for name, task in TASKS.items() if name in begun or (task.setting and task.is_set_up(settings))]
    with admin_of(settings.broker) as admin:
        absent = [name for name in asked if not are_stable(admin, [TASKS[name].group(settings.topic_prefix)])]
    dying = [text for task in TASKS for text in _restarts(settings, task)]
    if dying:
        yield Check(
            "workers", "fail", "; ".join(dying), "its log says why; `zonepulse skip` steps over a record that it cannot handle"
        )
    if absent == asked:
        yield Check("workers", "warn", "none runs", f"`zonepulse up`, or `zonepulse worker TASK`, TASK being {', '.join(WHOLE)}")
        return
    missed = [name for name in absent if name in WHOLE]
    spared = [name for name in absent if name not in WHOLE]
    if missed:
        remedy = "start them: `zonepulse up`, or `zonepulse worker TASK`"
        yield Check("workers", "fail", f"none of {', '.join(missed)} holds its partitions now", remedy)
    if spared:
        what = f"{', '.join(spared)}: set up or begun here, and not running"
        yield Check("workers", "warn", what, "`zonepulse worker TASK`, if it is still wanted")
    if not absent and not dying:
        yield Check("workers", "ok", f"{', '.join(asked)} hold their partitions")
    yield from partitions(settings, without=spared)


def _restarts(settings: Settings, task: str) -> Iterator[str]:
    for name, times in sorted(starts_of(settings.broker, settings.topic_prefix, task).items()):
        if len(times) - 1 > MOST_RESTARTS:
            yield f"{name} was started {len(times)} times or more in {WINDOW_S / 60:.0f} minutes"


def partitions(settings: Settings, watch_s: float = WATCH_S, without: Collection[str] = ()) -> Iterator[Check]:
    """Those with something left move within `watch_s`; what stands is named with its place. `without`: tasks not looked at."""
    before = {task: view for task, view in views(settings).items() if task not in without}
    left = {task: _behind(view) for task, view in before.items()}
    deadline = time.monotonic() + watch_s
    while any(left.values()) and time.monotonic() < deadline:
        time.sleep(POLL_S)
        for task in [task for task, tps in left.items() if tps]:
            now = view_of(settings, task)
            left[task] &= {tp for tp in _behind(now) if _at(now, tp) == _at(before[task], tp)}
    standing = [
        text for task in before for tp in sorted(left[task]) for text in _standing(settings, task, tp, before[task], watch_s)
    ]
    for text, remedy in standing:
        yield Check("partitions", "fail", text, remedy)
    yield from _far_ahead(before)
    if not standing:
        yield Check(
            "partitions", "ok", f"all {sum(len(view.ends) for view in before.values())} that tasks read are at their end or move"
        )
    if not settings.is_simulated:
        yield from _ahead(before)


def _far_ahead(views: Mapping[str, LogView]) -> Iterator[Check]:
    for tp, note in sorted(views["ledger"].notes.items()):
        if note.read_to is not None:
            yield Check(
                "partitions", "warn", f"{tp.topic}/{tp.partition}: rows of partitions far ahead stay there from offset"
                f" {views['ledger'].committed[tp]} until the slowest partition has come nearer",
                "if one stands, see there; else it passes. They must not stay longer than the topic's retention",
            )  # fmt: skip


def _at(view: LogView, tp: TP) -> int:
    note = view.notes.get(tp)
    read_to = 0 if note is None or note.read_to is None else note.read_to
    return max(view.committed.get(tp, 0), read_to, view.ends[tp].start)


def _behind(view: LogView) -> set[TP]:
    return {tp for tp, ends in view.ends.items() if _at(view, tp) < ends.end}


def _standing(settings: Settings, task: str, tp: TP, view: LogView, watch_s: float) -> Iterator[tuple[str, str]]:
    """(what, remedy); nothing where all that is left are records that nobody is handed."""
    at, ends = _at(view, tp), view.ends[tp]
    if ends.stable <= at:
        yield str(Standing(tp, watch_s, at, ends)), ""
        return
    record = _next_record(settings.broker, tp, at)
    if record is None:
        return
    version = _switch_of(tp, settings, record)
    if version is not None and version not in load_versions(settings.broker, REGISTRY.full_name(settings.topic_prefix)):
        yield standing_text(tp.topic, tp.partition, record.offset, version), ""
        return
    what = f"{tp.topic}/{tp.partition} stands at offset {at} for {task}: {ends.stable - at} records wait there"
    yield what, f"the log of {task} says why; to step over a record: zonepulse skip {tp.topic} {tp.partition} OFFSET --why TEXT"


def _next_record(broker: str, tp: TP, at: int) -> Any:
    place = TopicPartition(tp.topic, tp.partition)
    consumer = KafkaConsumer(
        **connection_to(broker),
        bootstrap_timeout_ms=CONNECT_MS,
        enable_auto_commit=False,
        group_id=None,
        isolation_level="read_committed",
        max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
        check_crcs=False,
    )
    with closing(consumer):
        consumer.assign([place])
        consumer.seek(place, at)
        return next(iter(consumer.poll(READ_MS, 1).get(place, ())), None)


def _switch_of(tp: TP, settings: Settings, record: Any) -> int | None:
    """The registry version that a record switches to."""
    named = [value for name, value in record.headers or () if name == HEADER]
    is_switch = tp.topic == READINGS.full_name(settings.topic_prefix) and record.value == HEARTBEAT and named
    return int(named[-1]) if is_switch and named[-1].isdigit() and len(named[-1]) < 10 else None


def _ahead(views: Mapping[str, LogView]) -> Iterator[Check]:
    """The time of a log's last record, which is the time of a partition, is not ahead of the clock."""
    now_ms = round(time.time() * 1000)
    for view in (view for task, view in views.items() if TASKS[task].has_snapshots):
        for tp, note in sorted(view.notes.items()):
            if note.at_ms is not None and note.at_ms > now_ms + AHEAD_MS:
                hours = (note.at_ms - now_ms) / 3_600_000
                yield Check(
                    "time", "fail", f"{tp.topic}/{tp.partition} is {hours:.1f} h ahead of this machine's clock: what is sent now is late",
                    "set the clocks of this machine and the broker; the partition goes on when the time has come",
                )  # fmt: skip


def applied(client: Client, zone: ZonePolicy, now_ms: int) -> Iterator[Check]:
    """The last tick that the ledger has applied, by the rows that it wrote, is not in the future."""
    applied_ms = runs.applied_ms(client, zone, LIVE_RUN)
    ahead_ms = applied_ms - now_ms
    if ahead_ms > zone.future_ms + AHEAD_MS:
        yield Check(
            "ledger", "fail", f"it has applied ticks {ahead_ms / 3_600_000:.1f} h ahead of this machine's clock: later rows are dropped",
            "set the clocks of this machine and the broker; a replay restates what was dropped",
        )  # fmt: skip
    elif applied_ms:
        yield Check("ledger", "ok", f"it has applied tick {applied_ms // zone.tick_ms}")


def ops_alerts(client: Client) -> Iterator[Check]:
    """Alerts about the pipeline that last."""
    lasting = "run = 'live' AND startsWith(rule, 'ops_') AND ends_at IS NULL"
    query = f"SELECT rule, count() FROM alerts_final WHERE {lasting} GROUP BY 1 ORDER BY 1"
    rows = client.query(query).result_rows
    if rows:
        found = ", ".join(f"{count} {rule}" for rule, count in rows)
        remedy = "zonepulse sql \"SELECT rule, starts_at, evidence FROM alerts_final WHERE startsWith(rule, 'ops_')\""
        yield Check("ops alerts", "warn", f"{found} raised and not resolved", remedy)
