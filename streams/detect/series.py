"""A series of a CSV or Parquet file, and its verdict row by row."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from zonepulse.processors.detection.channel.calendar import calendar_of
from zonepulse.processors.detection.channel.state import ALL, LIMITS, NAMES, new_channel, settings
from zonepulse.processors.detection.channel.step import JUDGED, judge_windows
from zonepulse.processors.flow import new_rows
from zonepulse.streams.screen import BadInput

DAY_MS = 86_400_000


class Series(NamedTuple):
    """Starts (epoch ms, rising) and values (float64, NaN = not measured) of a file."""

    starts_ms: Any
    values: Any


def read_series(path: Path, value: str, time: str | None, zone: str) -> Series:
    """The columns `value` and `time` (the first column otherwise); times without offset are of `zone`. Raises BadInput."""
    try:
        is_parquet = path.suffix.lower() in (".parquet", ".pq")
        table = pyarrow.parquet.read_table(path) if is_parquet else pyarrow.csv.read_csv(path)
    except pa.ArrowInvalid as error:
        raise BadInput(f"{path}: {error}; a CSV with a header or a Parquet file is read") from error
    time = time or table.column_names[0]
    for name in (value, time):
        if name not in table.column_names:
            raise BadInput(f"{path}: there is no column {name!r}; it has {', '.join(table.column_names)}")
    try:
        values = np.array([np.nan if x is None else float(x) for x in table[value].to_pylist()])
        starts = np.array([_epoch_ms(x, zone) for x in table[time].to_pylist()], np.int64)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{path}: {error}; --column takes numbers, --time ISO times or epoch ms") from error
    if len(starts) < 2:
        raise BadInput(f"{path}: {len(starts)} rows; at least two are needed to know the period")
    order = np.argsort(starts, kind="stable")
    values[~np.isfinite(values)] = np.nan
    return Series(starts[order], values[order])


def _epoch_ms(told: Any, zone: str) -> int:
    if isinstance(told, int):
        return told
    at = told if isinstance(told, datetime) else datetime.fromisoformat(str(told))
    at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
    return round(at.astimezone(UTC).timestamp() * 1000)


def windows_a_day(starts_ms: Any) -> int:
    """By the median step of the first hundred rows; at least 1."""
    step = max(float(np.median(np.diff(starts_ms[:100]))), 1.0)
    return max(1, round(DAY_MS / step))


def judge_series(series: Series, zone: str, strictness: float, holidays: Collection[date] = (), enabled: int = ALL) -> Any:
    """JUDGED, shape (rows,): each row from what came before it alone."""
    slots, days = calendar_of(series.starts_ms, zone, holidays)
    return judge_values(slots, days, series.values, windows_a_day(series.starts_ms), strictness, enabled)


def judge_values(
    slots: Any, days: Any, values: Any, per_day: int, strictness: float, enabled: int = ALL, limits: Sequence[float] = LIMITS
) -> Any:
    """JUDGED, shape (rows,), of a channel without history."""
    out = new_rows(JUDGED, len(values))
    judge_windows(new_channel(), settings(per_day, strictness, enabled, limits=limits), slots, days, values, out)
    return out


def shown(judged: Any) -> Any:
    """Rows at which a channel without alert gets one: what people are shown."""
    before = np.concatenate([[0], judged["firing"][:-1]])
    return (judged["raised"] != 0) & (before == 0)


def verdict(series: Series, judged: Any) -> pa.Table:
    """A row a window: time, value, score, threshold, decision, reason, expected_low, expected_high.

    The score is over its limit, so the threshold is 1: record's, or that of a detector that begins to fire. It is there from the first
    hundred rows on; decisions are made after two weeks. The decision is raised where an alert begins, firing while it lasts, or ok.
    """
    firing = judged["firing"]
    reasons = ["+".join(n for d, n in enumerate(NAMES) if bits >> d & 1) for bits in firing.tolist()]
    decision = np.where(shown(judged), "raised", np.where(firing != 0, "firing", "ok"))
    return pa.table(
        {
            "time": pa.array(series.starts_ms, pa.timestamp("ms", "UTC")),
            "value": series.values,
            "score": judged["score"],
            "threshold": np.ones(len(judged)),
            "decision": decision,
            "reason": reasons,
            "expected_low": judged["low"],
            "expected_high": judged["high"],
        }
    )
