"""How long the delivery log is kept: the store's table `deliveries` lets rows go after the days that the installation chose."""

import logging
import re
from typing import Final

from zonepulse.schemas.tables.results import DELIVERIES
from zonepulse.streams import servers
from zonepulse.streams.settings import Settings

log = logging.getLogger(__name__)
_DAYS: Final = re.compile(r"INTERVAL (\d+) DAY|toIntervalDay\((\d+)\)")


def keep_deliveries(settings: Settings, days: int) -> bool:
    """Lets the store keep the delivery log for so many days; whether that changed something. Rows that are older go at once.

    A store that is away, or has no table yet, is asked again the next time. Blocks.
    """
    try:
        with servers.store_client(settings) as client:
            told = client.query(
                "SELECT engine_full FROM system.tables WHERE database = 'zonepulse' AND name = {name:String}",
                parameters={"name": DELIVERIES.name},
            ).result_rows
            if not told or _days(str(told[0][0])) == days:
                return False
            client.command(f"ALTER TABLE {DELIVERIES.name} MODIFY TTL toDateTime({DELIVERIES.time}) + INTERVAL {days:d} DAY")
    except Exception as error:  # whatever the store's client says: messages do not wait for it
        log.warning("how long the delivery log is kept cannot be set: %s; trying again in an hour", str(error)[:200])
        return False
    log.info("the delivery log is kept for %d days from now on", days)
    return True


def _days(engine: str) -> int | None:
    found = _DAYS.search(engine)
    return int(found[1] or found[2]) if found else None
