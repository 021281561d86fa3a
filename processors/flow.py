"""What flows through the core, from the decoders' readings to the rows and transitions of a partition: dtypes, units, who makes and who
reads each. Times are epoch milliseconds, energies micro-units after the multiplier, windows begin on the UTC grid.

Arrays of these dtypes are `np.recarray`s, so that kernels and plain Python read the same field names.

| what | made by | read by |
|---|---|---|
| ReadingColumns | decoding | metering.intake |
| ROW | metering.windows | metering.interval_rows, and as Arrow blocks the ledger |
| TRANSITION | detection.meter, metering.windows | detection.transitions |
| TURN | metering.windows | detection.watch |
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar, overload

import numpy as np

Rows = Any
"""A numpy record array (np.recarray): fields by attribute, which mypy cannot know."""

R = TypeVar("R")


class Records(Protocol[R]):
    """A one-dimensional array whose elements are R, as kernels see it; of a record array, R names its fields."""

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, at: int, /) -> R: ...

    @overload
    def __getitem__(self, at: slice, /) -> "Records[R]": ...

    def __setitem__(self, at: int, value: R, /) -> None: ...


Ints = Records[int]
Table = Records[Sequence[int]]
"""Rows of a two-dimensional array of integers."""


NEVER: Final = 1 << 62
"""A time or window that does not come."""
UNSET: Final = -(1 << 62)

# --- readings, as the decoders make them ---------------------------------------------------------------------------------------
UNKNOWN_METER, UNKNOWN_REGISTER, FUTURE, LATE, NOT_VALID, WRONG_PARTITION, UNIT_MISMATCH, OUT_OF_RANGE, OFF_GRID = range(5, 14)
"""Reason codes: positions in schemas.readings.REASONS."""
NO_METER, NO_REGISTER = -1, -2
"""Channel numbers of readings whose meter, or register, is not in the registry."""
NO_UNIT = -1


class ReadingColumns(NamedTuple):
    """Readings as columns, shape (n,): channel number, ts (ms), value as transmitted, unit number, seq (-1 absent), quality, ingest (ms);
    `reason` is 0 or a code from decoding, and is filled here."""

    channel: Any
    ts: Any
    value: Any
    unit: Any
    seq: Any
    quality: Any
    ingest: Any
    reason: Any


# --- interval rows, as windows make them ---------------------------------------------------------------------------------------
BIT_ESTIMATED, BIT_CORRECTED = 1 << 8, 1 << 9
"""Bits 1 to 7 of `bits`, and M_MANUAL, say which methods (schemas.results.METHODS) have a part in the window."""
M_REGISTER, M_INTERVAL, M_POWER, M_SENDER, M_INTERPOLATED, M_SWAP_GAP, M_RESET = 2, 4, 8, 16, 32, 64, 128
M_MANUAL = 1 << 10
BIT_BRIDGED = 1 << 11
"""A part of the window is of a segment longer than 1.5 of its register's periods, or of a register that stood still. No row shows it."""
NOT_AS_READ = M_SENDER | M_SWAP_GAP | M_RESET | M_MANUAL | BIT_BRIDGED
"""With none of these a window is as the register measures at its own pace, which may be slower than windows pass."""
MANUAL_METHOD, METHOD_MASK = 8, 15
"""Of `bits` of a row, which name one method by its place."""
ROW: Final = np.dtype(
    [
        ("channel", "i8"),
        ("version", "i8"),
        ("start", "i8"),
        ("val", "i8"),
        ("est", "i8"),
        ("cov", "i8"),  # 0 = missing: value null
        ("revision", "i8"),
        ("was_val", "i8"),
        ("was_est", "i8"),
        ("was_cov", "i8"),
        ("bits", "i8"),
    ]
)

# --- transitions of the meters' rules -------------------------------------------------------------------------------------------
TRANSITION: Final = np.dtype(
    [
        ("channel", "i8"),
        ("rule", "i8"),  # place in detection.meter.rules.RULES
        ("raised", "i8"),  # 1 raised, 0 resolved
        ("starts_at", "i8"),
        ("ends_at", "i8"),  # UNSET = open
        ("value", "i8"),  # UNSET = none
        ("count", "i8"),
        ("tick", "i8"),
        ("before", "i8"),  # old value of a held or restarted register
        ("ms", "i8"),  # and the time between its old and new value
    ]
)


# --- windows whose turn it is, for the detectors ---------------------------------------------------------------------------------
TURN: Final = np.dtype(
    [
        ("watch", "i8"),  # place of the channel among those that are watched
        ("version", "i8"),
        ("start", "i8"),
        ("val", "i8"),  # fully covered, as the register measures
        ("tick", "i8"),
    ]
)


def new_rows(dtype: np.dtype[Any], n: int = 1) -> Rows:
    """`n` zeroed records."""
    return np.zeros(n, dtype).view(np.recarray)
