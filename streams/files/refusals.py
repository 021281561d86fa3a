"""Readings that were refused: how many for which reason, one example of each, and what helps."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from zonepulse.schemas.messages.readings import is_arrow, read_block
from zonepulse.schemas.values import shortened

MOST: Final = 160
"""Characters of an example."""
UNKNOWN_METER: Final = "unknown_meter"
REMEDIES: Final = {
    "too_large": "write fewer readings in one line",
    "malformed": "mend the rows, or say how they are written: `zonepulse convert FILE --look`",
    "naive_time": "pass --timezone, or write times with an offset",
    "epoch_seconds": "pass --time-format epoch_s, or write milliseconds since 1970",
    UNKNOWN_METER: "add the meter to zone.yaml; `zonepulse registry new --from FILE` writes one",
    "unknown_register": "add the register to its meter in zone.yaml",
    "not_valid": "mend the meter's valid_from or valid_to in zone.yaml",
    "wrong_partition": "leave partition out of the file, or mend it",
    "unit_mismatch": "write the unit of the file in zone.yaml, or pass --unit",
    "out_of_range": "check kind, unit and max_power of the register in zone.yaml",
    "off_grid": "check period in zone.yaml, and --stamp",
    "future": "check --timezone and the meter's clock",
    "late": "sort the file by time: `zonepulse convert FILE --sort --out sorted.jsonl`",
}


@dataclass(slots=True)
class Refusals:
    """Counts by reason, and the first example of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, example: str, readings: int = 1) -> None:
        """`example` is kept where it is the first."""
        self.counts[reason] += readings
        self.examples.setdefault(reason, example)

    @property
    def total(self) -> int:
        """Of all reasons."""
        return self.counts.total()

    def rows(self) -> list[tuple[str, int, str, str]]:
        """Reason, readings, example, what helps; the most frequent first."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [(reason, n, self.examples[reason], REMEDIES.get(reason, "")) for reason, n in ordered]

    def facts(self) -> dict[str, dict[str, Any]]:
        """For --json."""
        return {reason: {"readings": n, "example": example, "remedy": remedy} for reason, n, example, remedy in self.rows()}


def refused_letters(letters: pa.Table) -> Refusals:
    """Of rows of the table `dead_letters`."""
    found = Refusals()
    reasons = letters["reason"].to_pylist()
    first = {reason: i for i, reason in reversed(list(enumerate(reasons)))}
    for reason, n in Counter(reasons).items():
        found.add(reason, text_of(letters["value"][first[reason]].as_py()), n)
    return found


def text_of(value: bytes | str | None) -> str:
    """A dead letter's bytes for people: JSON as it is, a row of a table as JSON."""
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value or b""
    if is_arrow(data, None):
        try:
            (row,) = read_block(data).to_pylist()
        except (ValueError, pa.ArrowException):
            return f"{len(data)} bytes that are no Arrow block"
        return row_text(row.items())
    return shortened(data[: 2 * MOST].decode("utf-8", "backslashreplace"), MOST)


def row_text(cells: Iterable[tuple[str, Any]]) -> str:
    """What a row has, as JSON."""
    return shortened(json.dumps({k: v for k, v in cells if v is not None}, ensure_ascii=False, default=_plain), MOST)


def _plain(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
