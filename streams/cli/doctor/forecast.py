"""The check of `doctor` that looks ahead: what a year adds to the store's disk, and how much Kafka keeps at most."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from zonepulse.schemas.messages.topics import TOPICS
from zonepulse.streams.cli.doctor.checks import Check
from zonepulse.streams.settings import Settings

GIB: Final = 1 << 30
LOOKED_AT: Final = 3
"""Whole months."""
_PARTS: Final = "SELECT partition, sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'zonepulse' GROUP BY partition"
_FREE: Final = "SELECT min(free_space) FROM system.disks WHERE free_space > 0"


def disk_to_come(settings: Settings, client: Any) -> Iterator[Check]:
    """Nothing where the store's user may not see its parts."""
    try:
        months = {str(name): int(size) for name, size in client.query(_PARTS).result_rows}
        free = int(client.query(_FREE).first_row[0])
    except ClickHouseError:
        return
    held = f"the store has {sum(months.values()) / GIB:.2f} GiB"
    bound = sum(t.retention_bytes * (t.partitions or settings.partitions) for t in TOPICS if t.retention_bytes > 0)
    kafka = f"Kafka keeps at most {bound / GIB:,.0f} GiB of what it deletes by age"
    year = a_year_of(months)
    if year is None:
        yield Check("years", "ok", f"{held}, and no whole month yet to tell how it grows; {kafka}")
        return
    found = f"{held} and grows by {year / GIB:.2f} GiB a year, as in the last whole months; {free / GIB:.1f} GiB are free; {kafka}"
    remedy = "a larger disk, or `ALTER TABLE zonepulse.NAME MODIFY TTL` for tables that need not be kept for ever"
    yield Check("years", "ok" if free > year else "warn", found, "" if free > year else remedy)


def a_year_of(months: Mapping[str, int]) -> int | None:
    """Bytes that a year adds, by the largest of the last whole months. `months`: bytes by YYYYMM, the first and the last of which may be
    parts of one; other partitions do not grow with time. None: there is no whole month yet.
    """
    whole = sorted(name for name in months if len(name) == 6 and name.isdigit())[1:-1][-LOOKED_AT:]
    return 12 * max(months[name] for name in whole) if whole else None
