"""The alert `ops_replay_differs`: a settled hour computed again has not the live rows. It starts at the hour, so whoever computes that hour
again and finds it equal ends it."""

import time
from contextlib import closing
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client
from kafka import KafkaProducer

from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.ledger.horizon import reach_ms
from zonepulse.schemas.messages.topics import INTERVALS
from zonepulse.schemas.registry.model import ZonePolicy
from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.control.registry_topic import CONNECT_MS
from zonepulse.streams.kafka.interval_codec import NO_PARTITION, candidate_blocks
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.plan import CannotReplay, Plan
from zonepulse.streams.replay.promote import active
from zonepulse.streams.replay.runs import instant

RULE: Final = "ops_replay_differs"
SEND_TIMEOUT_S: Final = 30


def hour_before(zone: ZonePolicy, now_ms: int, back: int, *, is_settled: bool) -> int:
    """Begin of the `back`th hour (from 1 on) before the last that is whole; with `is_settled`, that no reading in time can revise."""
    reach = reach_ms(zone) if is_settled else zone.window_ms + max(zone.lateness_ms, zone.delay_ms)
    return (now_ms - reach - 2 * zone.tick_ms - back * MS_PER_HOUR) // MS_PER_HOUR * MS_PER_HOUR


def as_it_stands(client: Client, made: Plan) -> Plan:
    """The plan with what the rows that stand there were made with: a promoted run's own. Raises CannotReplay: it stands for a part."""
    for one in active(client, made.zone):
        if one.from_ms < made.to_ms and made.from_ms < one.to_ms:
            if made.from_ms < one.from_ms or one.to_ms < made.to_ms:
                raise CannotReplay(f"run {one.run!r} is promoted for a part of {instant(made.from_ms)}'s hour: verify another one")
            own = runs.find(client, one.run).plan
            if own is not None and own.files:
                raise CannotReplay(f"run {one.run!r}, which stands there, was made of files: verify another hour")
            if own is not None:
                same = {
                    name: getattr(own, name) for name in ("zone_yaml", "factors_as_of", "published", "late_offsets", "max_gap_ms")
                }
                return msgspec.structs.replace(made, **same)
    return made


def say(broker: str, prefix: str, client: Client, zone: str, hour_ms: int, evidence: dict[str, Any] | None) -> str:
    """Raises the alert of an hour with this evidence, or ends it with None where it lasts; what was done. The ledger writes it.

    Raises KafkaError and clickhouse_connect's errors."""
    if evidence is None and not _lasts(client, zone, hour_ms):
        return ""
    now_ms = round(time.time() * 1000)
    state, ends_at = ("raised", None) if evidence is not None else ("resolved", now_ms)
    row = Alert(zone, RULE, {"hour": instant(hour_ms)}, "critical", state, hour_ms, now_ms, evidence or {}, ends_at).row()
    with closing(KafkaProducer(**connection_to(broker), bootstrap_timeout_ms=CONNECT_MS, acks="all")) as producer:
        for block in candidate_blocks([row], NO_PARTITION, 0):
            producer.send(INTERVALS.full_name(prefix), key=b"ops", value=block).get(SEND_TIMEOUT_S)
    return state


def _lasts(client: Client, zone: str, hour_ms: int) -> bool:
    sql = (
        "SELECT count() FROM alerts_final WHERE run = 'live' AND zone = {zone:String} AND rule = {rule:String} AND ends_at IS NULL"
        " AND starts_at = fromUnixTimestamp64Milli({hour:Int64})"
    )
    return bool(client.query(sql, parameters={"zone": zone, "rule": RULE, "hour": hour_ms}).result_rows[0][0])
