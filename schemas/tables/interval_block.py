"""A block of interval rows between the workers."""

from typing import Final

import pyarrow as pa

from zonepulse.schemas.tables.results import INTERVALS

INTERVAL_BLOCK: Final = INTERVALS.arrow_schema.append(pa.field("meter_version", pa.int32(), nullable=False))
"""`meter_version` counts the versions of a meter's register in order of time, from 0. Blocks of earlier programs have no such column."""
