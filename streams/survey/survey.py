"""A look at files of readings before anything is done with them: what they hold, how they may be read, and a zone.yaml that fits."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from zonepulse.streams.files.blocks import BadFile
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.files.reading_files import blocks_of
from zonepulse.streams.files.refusals import Refusals
from zonepulse.streams.files.sheets import TEXT_FILES, WORKBOOKS, kind_of, rows_of
from zonepulse.streams.survey.canonical import finite
from zonepulse.streams.survey.guess import Guess
from zonepulse.streams.survey.profile import Profile, profile_of
from zonepulse.streams.survey.readings import readings_of
from zonepulse.streams.survey.time_zones import zone_of_offsets
from zonepulse.streams.survey.zone_stub import zone_yaml

SEEN: Final = 200_000


@dataclass(frozen=True, slots=True)
class Survey:
    """`guess` is of the first file. `timezone`: '' where nothing tells it. `zone_yaml`: '' where there is no reading."""

    guess: Guess
    profile: Profile
    refused: Refusals
    timezone: str
    zone_yaml: str


def survey(paths: Sequence[Path], guess: Guess) -> Survey:
    """Reads the files as `guess` says. Raises BadFile."""
    refused = Refusals()
    profile = profile_of(finite(readings_of(paths, refused, guess.form), refused))
    timezone = time_zone(paths[0], guess.form)
    stub = ""
    try:
        stub = zone_yaml(profile, timezone=timezone or "UTC", sources=["readings.jsonl"], arrival=not profile.has_arrival)
    except BadFile as bad:
        if profile.series:
            guess.checks.append(f"no zone.yaml can be written yet: {bad}")
    return Survey(guess, profile, refused, timezone, stub)


def time_zone(path: Path, form: FileForm) -> str:
    """The zone that was told, else one whose clock shows the offsets of the file's times; '' where nothing tells."""
    return form.timezone or zone_of_offsets(_offsets(path, form))


def _offsets(path: Path, form: FileForm) -> list[tuple[int, int]]:
    """(epoch ms, offset in s) of the times that are written with an offset."""
    found = []
    for text in _stamps(path, form):
        try:
            at = text if isinstance(text, datetime) else datetime.fromisoformat(str(text))
        except ValueError:
            continue
        offset = at.utcoffset()
        if offset is not None:
            found.append((round(at.timestamp() * 1000), round(offset.total_seconds())))
    return found


def _stamps(path: Path, form: FileForm) -> list[Any]:
    """The cells of ts as they are written."""
    if kind_of(path) in (*TEXT_FILES, *WORKBOOKS):
        with closing(rows_of(path, form)) as rows:
            header = [str(cell or "").strip() for cell in next(rows, (0, []))[1]]
            name = form.columns.get("ts", next((n for n in header if n.lower() == "ts"), None))
            place = header.index(name) if name in header else len(header)
            return [cells[place] for _, cells in islice(rows, SEEN) if place < len(cells)]
    stamps: list[Any] = []
    for block in blocks_of(path, form):
        if block.form == "json":
            stamps += [_ts(line) for line in block.table["value"].to_pylist()]
        elif block.form == "text":
            stamps += block.table["ts"].to_pylist()
        if len(stamps) > SEEN:
            break
    return stamps


def _ts(line: bytes) -> Any:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found.get("ts") if isinstance(found, dict) else None
