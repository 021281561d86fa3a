"""The readings around an alert, for its picture, from the store. A store that is away costs the picture only."""

import logging
from typing import Any, Final

from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.streams.notify.messages.picture import DAY_MS, History
from zonepulse.streams.notify.routing.facts import Directory, Row, held, is_visible
from zonepulse.streams.settings import Settings

TIMEOUT_S: Final = 5
MICRO: Final = 1_000_000
HOUR_MS: Final = 3_600_000
_QUERY: Final = """
SELECT toUnixTimestamp64Milli(start), length_s, value_micro FROM intervals_final
WHERE run = 'live' AND zone = {zone:String} AND meter = {meter:String} AND register = {register:String}
AND start >= fromUnixTimestamp64Milli({first:Int64}) AND start < fromUnixTimestamp64Milli({last:Int64})
ORDER BY start LIMIT 2000"""
log = logging.getLogger(__name__)


def history_of(row: Row, reader: Subscriber, known: Directory, settings: Settings, now_ms: int) -> History | None:
    """A day of the meter's register up to now, or to an hour behind the alert's end; where nothing is known of it, the day of its begin.

    Only what lies in the time in which the meter belonged to the alert's company. Blocks.
    """
    owner = held(row.meter, row.starts_at, known)
    if not row.meter or owner is None or not is_visible(row, reader, known):
        return None
    meter, register = known.meters.get(row.meter), row.facts().get("register")
    if meter is None or not isinstance(register, str) or register not in meter.registers:
        return None
    asked = {"zone": row.zone, "meter": row.meter, "register": register}
    try:
        found: list[tuple[int, int, int | None]] = []
        for last in (min(now_ms, (row.ends_at or now_ms) + HOUR_MS), row.starts_at + 4 * HOUR_MS):
            end = min(last, owner[1])
            found = found or _ask(settings, {**asked, "first": max(end - DAY_MS, owner[0]), "last": end})
    except Exception as error:  # whatever the store's client says: the message goes out without a picture
        log.warning("no picture of %s: %s", row.identity, str(error)[:200])
        return None
    if not found:
        return None
    starts, lengths, values = zip(*found, strict=True)
    per_window = lengths[0] / length_s if isinstance(length_s := row.facts().get("length_s"), int) else 1.0
    return History(
        starts,
        [None if value is None else value / MICRO for value in values],
        lengths[0] * 1000,
        meter.registers[register][0],
        row.expected_low and row.expected_low * per_window,
        row.expected_high and row.expected_high * per_window,
    )


def _ask(settings: Settings, facts: dict[str, Any]) -> list[tuple[int, int, int | None]]:
    import clickhouse_connect

    with clickhouse_connect.get_client(
        **settings.store, database="zonepulse", connect_timeout=TIMEOUT_S, send_receive_timeout=TIMEOUT_S
    ) as client:
        return [tuple(r) for r in client.query(_QUERY, parameters=facts).result_rows]
