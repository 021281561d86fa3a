"""What an amendment is made of: rows of a file -> readings of quality `manual` and what is said of them. Pure but for reading the file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from zonepulse.schemas.messages.commands import AMEND, Command
from zonepulse.schemas.messages.reading_columns import ColumnChunk
from zonepulse.schemas.messages.readings import REASONS, SEQ_LIMIT
from zonepulse.schemas.registry.model import Registry
from zonepulse.streams.cli.deadletters.letters import SENT, TOO_OLD, Letter, verdicts
from zonepulse.streams.files.arrival import Arrival
from zonepulse.streams.files.blocks import BadFile
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.files.reading_files import read_files
from zonepulse.streams.kafka.reading_keys import ReadingKeys

MOST_ROWS: Final = 100_000
LAST_SEQ: Final = SEQ_LIMIT - 1
"""Of a value that takes the place of the meter's own: nothing but another amendment comes before it."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """Who gives the values, why, and where they can be looked up."""

    by: str
    why: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Amendment:
    """The values of one register, in order of time."""

    meter: str
    register: str
    times_ms: tuple[int, ...]
    letters: tuple[Letter, ...]
    """Their records, as what was refused is sent again."""

    def command(self, grounds: Grounds, made_at_ms: int) -> Command:
        """What stands in the log of commands about it."""
        target = f"{self.meter} {self.register} {self.times_ms[0]} {len(self.times_ms)}"
        why = f"{grounds.why} (evidence: {grounds.evidence})"
        return Command(AMEND, target, grounds.by, why, self.times_ms[-1], made_at_ms)


def read_amendments(
    path: Path, form: FileForm, registry: Registry, topic: str, grounds: Grounds, *, replaces: bool
) -> list[Amendment]:
    """The values of a file, by register. `replaces`: they take the place of the meter's own. Raises BadFile."""
    keys, found, rows = ReadingKeys(registry), dict[tuple[str, str], dict[int, Letter]](), 0
    for chunk in read_files([path], topic, arrival=Arrival(registry.zone), form=form):
        if not isinstance(chunk, ColumnChunk):
            raise BadFile(
                f"{path}: readings as JSON lines say themselves who made them; write a table with meter, register, ts, value"
            )
        for i in range(len(chunk)):
            rows += 1
            if chunk.reason[i]:
                raise BadFile(f"{path}, row {rows}: {REASONS[chunk.reason[i]]}: write meter, register, ts with offset, and value")
            reading = {
                "meter": chunk.meter[i].as_py(), "register": chunk.register[i].as_py(), "ts": int(chunk.ts_ms[i]),
                "value": float(chunk.value[i]), "unit": chunk.unit[i].as_py(), "seq": LAST_SEQ if replaces else None,
                "quality": "manual", "by": grounds.by, "why": grounds.why, "evidence": grounds.evidence,
            }  # fmt: skip
            name, ts_ms = (reading["meter"], reading["register"]), reading["ts"]
            key = keys.key(*name, ts_ms)
            if key is None:
                raise BadFile(f"{path}, row {rows}: the registry has no meter {name[0]!r}; `zonepulse registry show` lists them")
            if ts_ms in found.setdefault(name, {}):
                raise BadFile(f"{path}, row {rows}: a second value of {' '.join(name)} at this time; leave one of them out")
            value = json.dumps({k: v for k, v in reading.items() if v is not None}, ensure_ascii=False, separators=(",", ":"))
            found[name][ts_ms] = Letter(datetime.now(UTC), "", topic, 0, 0, 0, key.encode(), value.encode())
            if rows > MOST_ROWS:
                raise BadFile(f"{path}: more than {MOST_ROWS} rows; a longer stretch is better measured by another meter")
    if not found:
        raise BadFile(f"{path}: holds no row; write one a value, with the columns meter, register, ts and value")
    return [
        Amendment(*name, tuple(sorted(values)), tuple(values[ts_ms] for ts_ms in sorted(values)))
        for name, values in sorted(found.items())
    ]


def late_of(amendments: Sequence[Amendment], registry: Registry, partitions: int, now_ms: list[int]) -> list[int]:
    """How many values of each come behind the zone's lateness, which only a replay books. Raises BadFile for what no replay takes either.

    `now_ms`: ingest time in each partition.
    """
    letters = [letter for one in amendments for letter in one.letters]
    said = iter(list(verdicts(letters, registry, partitions, now_ms)))
    out = []
    for one in amendments:
        mine = [next(said) for _ in one.letters]
        for ts_ms, verdict in zip(one.times_ms, mine, strict=True):
            if verdict not in (SENT, TOO_OLD):
                raise BadFile(
                    f"{one.meter} {one.register} at {datetime.fromtimestamp(ts_ms / 1000, UTC)}: {verdict}; nothing is sent"
                )
        out.append(mine.count(TOO_OLD))
    return out
