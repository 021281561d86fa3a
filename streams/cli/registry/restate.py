"""How the past is restated that `registry apply` does not change: the commands, as they can be pasted."""

import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.exceptions import ClickHouseError

from zonepulse.processors.channels.table import utc_offsets
from zonepulse.processors.ledger.horizon import reach_ms
from zonepulse.processors.ledger.periods import day_of_zone
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.values import instant_text
from zonepulse.streams import servers
from zonepulse.streams.screen import Stop
from zonepulse.streams.settings import Settings

RUN = "restated"


def first_window_ms(settings: Settings, zone: str) -> int | None:
    """Start of the earliest window in the store (epoch ms); None where there is none, or no store."""
    query = "SELECT toUnixTimestamp64Milli(min(start)), count() FROM intervals WHERE run = 'live' AND zone = {zone:String}"
    with suppress(Stop, ClickHouseError), servers.store_client(settings) as client:
        ((first_ms, rows),) = client.query(query, parameters={"zone": zone}).result_rows
        return int(first_ms) if rows else None
    return None


def restatement(file: Path, registry: Registry, first_ms: int, closed_ms: int) -> Iterator[str]:
    """Lines that restate with the file the days of [first, closed) that no reading in time can revise, so that they can be promoted at
    once; all of it where there are none. `registry` is the one in use."""
    zone, local = registry.zone, ZoneInfo(registry.zone.timezone)
    clock = utc_offsets(zone)
    from_ms, settled_ms = day_of_zone(clock, first_ms)[0], day_of_zone(clock, closed_ms - reach_ms(zone))[0]
    to_ms = settled_ms if settled_ms > first_ms else closed_ms
    stretch = f"--from {instant_text(from_ms, local)} --to {instant_text(to_ms, local)}"
    yield "to restate the past with this file, beside the live ledger:"
    yield f"    zonepulse replay plan {stretch} --registry {shlex.quote(str(file))} --run {RUN}"
    yield f"    zonepulse replay run {RUN}"
    yield f"    zonepulse replay diff live {RUN}"
    yield f"    zonepulse replay promote {RUN}"
    if to_ms < closed_ms:
        yield f"readings in time can still revise what lies behind {instant_text(to_ms, local)}: restate that later, up to --to"
        yield f"{instant_text(closed_ms, local)} from {instant_text(closed_ms + reach_ms(zone), local)} on;"
    else:
        settled = instant_text(closed_ms + reach_ms(zone), local)
        yield f"a plan made before {settled} can be compared, not promoted: readings in time can still revise the stretch;"
    yield "an earlier --to settles earlier. --factors-as-of DATE takes the factors as they were known on that day"
