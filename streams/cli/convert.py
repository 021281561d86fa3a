"""`zonepulse convert`: files of readings as people have them to JSON lines or CSV in the canonical form; with --look, what they hold."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from zonepulse.streams.cli.shared.file_options import with_file_form
from zonepulse.streams.cli.shared.refused import show_refused
from zonepulse.streams.cli.shared.zone_files import require_files
from zonepulse.streams.exit_codes import NONE_ACCEPTED
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.files.refusals import Refusals
from zonepulse.streams.screen import (
    BadInput,
    JsonOption,
    count,
    print_facts,
    print_json,
    print_table,
    say,
    show_error,
    show_remark,
    time_text,
)
from zonepulse.streams.survey.canonical import csv_lines, finite, json_lines, sorted_by_time
from zonepulse.streams.survey.guess import Guess, guessed
from zonepulse.streams.survey.profile import Profile, Series, duration
from zonepulse.streams.survey.readings import Readings, readings_of
from zonepulse.streams.survey.survey import Survey, survey

ENDINGS: Final = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
_MOST_SHOWN: Final = 200
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@with_file_form
def convert(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Tables, workbooks, JSON, Parquet or Green Button.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE.jsonl|FILE.csv", help="Default: JSON lines on stdout.")] = None,
    look: Annotated[bool, typer.Option("--look", help="Say what the files hold and which options fit; write nothing.")] = False,
    sort: Annotated[bool, typer.Option("--sort", help="By time, all files together; held in memory.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite --out.")] = False,
    json: JsonOption = False,
    *,
    form: FileForm,
) -> None:
    """Write any file of readings as JSON lines or CSV in the canonical form: meter, register, ts in UTC, value, unit, ...

    Rows that are no readings are left out, counted and shown. Exit code 3 when none is left.
    """
    require_files(files)
    if look:
        guess = guessed(files[0], form)
        if not json:
            show_columns(guess)
        found = survey(files, guess)
        print_json(facts(found, files)) if json else show_survey(found, files)
        end_if_none(found.profile.readings, found.refused, files)
        return
    if json and out is None:
        raise BadInput("--json: the readings go to stdout; name a file with --out, or pass --look")
    if out is not None:
        require_writable(out, force)
    refused = Refusals()
    counted = Counted(sorted_by_time(readings_of(files, refused, form)) if sort else readings_of(files, refused, form), refused)
    write(counted, out)
    summary = {
        "files": [str(path) for path in files], "out": None if out is None else str(out), "readings": counted.readings,
        "refused": refused.facts(),
    }  # fmt: skip
    if json:
        print_json(summary)
    else:
        say(f"{count(counted.readings)} readings" + (f" written to {out}" if out else ""), err=out is None)
        show_refused(refused, err=True)
    end_if_none(counted.readings, refused, files)


def require_writable(out: Path, force: bool, endings: tuple[str, ...] = tuple(ENDINGS)) -> None:
    """Raises BadInput where `out` may not be written."""
    if endings and out.suffix.lower() not in endings:
        raise BadInput(f"--out {out}: the ending says the form; write one of {', '.join(endings)}")
    if out.is_dir():
        raise BadInput(f"--out {out}: is a folder; name a file")
    if out.exists() and not force:
        raise BadInput(f"--out {out}: exists; pass --force to overwrite it, or choose another name")
    if not out.parent.is_dir():
        raise BadInput(f"--out {out}: there is no folder {out.parent}; make it first")


@dataclass(slots=True)
class Counted:
    """Readings that are counted as they go by; finite ones only."""

    source: Iterator[Readings]
    refused: Refusals
    readings: int = 0

    def __iter__(self) -> Iterator[Readings]:
        for found in finite(self.source, self.refused):
            self.readings += found.table.num_rows
            yield found


def write(readings: Counted, out: Path | None) -> None:
    """Whole or not at all: a file appears once it is complete. Raises BadFile."""
    lines = csv_lines if out is not None and ENDINGS[out.suffix.lower()] == "csv" else json_lines
    if out is None:
        try:
            for line in lines(readings):
                sys.stdout.write(line)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever reads has seen enough
        return
    work = out.with_name(f".{out.name}.part")
    try:
        with work.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines(readings))
        work.replace(out)
    finally:
        work.unlink(missing_ok=True)


def end_if_none(readings: int, refused: Refusals, files: list[Path]) -> None:
    """Raises typer.Exit where no reading was accepted."""
    if not readings:
        named = ", ".join(str(path) for path in files)
        why = "; see the reasons above" if refused.total else ": only a header, or nothing, is in it"
        show_error(f"{named}: not one reading was accepted, {count(refused.total)} were refused{why}")
        raise typer.Exit(NONE_ACCEPTED)


def facts(found: Survey, files: list[Path]) -> dict[str, Any]:
    """What --look --json prints."""
    profile = found.profile
    return {
        "files": [str(path) for path in files],
        "columns": dict(zip(found.guess.header, found.guess.examples, strict=True)),
        "options": found.guess.options,
        "checks": found.guess.checks,
        "readings": profile.readings,
        "refused": found.refused.facts(),
        "first": _time(profile.first_ms),
        "last": _time(profile.last_ms),
        "order": profile.order,
        "timezone": found.timezone,
        "series": [_series(s) for s in profile.series],
        "zone_yaml": found.zone_yaml,
    }


def _series(s: Series) -> dict[str, Any]:
    return {
        "meter": s.meter, "register": s.register, "readings": s.readings, "first": _time(s.first_ms), "last": _time(s.last_ms),
        "period_s": s.period_ms / 1000, "gaps": s.gaps, "longest_gap_s": s.longest_gap_ms / 1000,
        "longest_gap_at": _time(s.gap_ms), "doubled": s.doubled, "units": list(s.units), "kind": s.kind, "low": s.low, "high": s.high,
        "largest_per_hour": s.per_hour,
    }  # fmt: skip


def show_columns(guess: Guess) -> None:
    """The columns of a table, and what they are taken for."""
    keys = {name: key for key, name in guess.form.columns.items()}
    taken = [keys.get(name, name if name.lower() in _KEYS else "-") for name in guess.header]
    if guess.header:
        print_table(("column", "is", "for example"), list(zip(guess.header, taken, guess.examples, strict=True))[:_MOST_SHOWN])
    if len(guess.header) > _MOST_SHOWN:
        show_remark(f"{count(len(guess.header) - _MOST_SHOWN)} more columns; --json has all of them")


def show_survey(found: Survey, files: list[Path]) -> None:
    """For people."""
    profile, guess = found.profile, found.guess
    span = "-" if profile.first_ms is None else f"{_shown(profile.first_ms)} to {_shown(profile.last_ms)}"
    order = {"rising": "in order of time", "falling": "newest first: pass --sort"}.get(profile.order, _mixed(profile))
    print_facts(
        [("readings", count(profile.readings)), ("times", span), ("order", order), ("time zone", found.timezone or "not told")]
    )
    columns = (
        "meter",
        "register",
        "kind",
        "unit",
        "readings",
        "period",
        "gaps",
        "longest gap",
        "doubled",
        "from",
        "to",
        "per hour, most",
    )
    if profile.series:
        print_table(columns, [_row(s) for s in profile.series], right=("readings", "gaps", "doubled", "per hour, most"))
    show_refused(found.refused)
    for check in guess.checks:
        show_remark(check)
    named = " ".join(map(_quoted, map(str, files)))
    options = "".join(f" {_quoted(option)}" for option in guess.options)
    sort = "" if profile.order == "rising" or profile.has_arrival else " --sort"
    if found.zone_yaml:
        say("", "these options fit; check them:", f"  zonepulse convert {named}{options}{sort} --out readings.jsonl")
        say("  zonepulse registry new --from readings.jsonl")
        say("  zonepulse replay file readings.jsonl --arrival --out result/")
        say("", "zone.yaml would be:", "", found.zone_yaml)


_KEYS: Final = ("meter", "register", "ts", "value", "unit", "seq", "quality", "ingest_ms", "partition", "offset", "item")


def _mixed(profile: Profile) -> str:
    return f"{count(profile.down)} lines lie below the time before them, {count(profile.up)} above it: --sort puts them in order"


def _row(s: Series) -> tuple[object, ...]:
    gap = "-" if s.gap_ms is None else f"{duration(s.longest_gap_ms)} from {_shown(s.gap_ms)}"
    unit = ", ".join(s.units) or "not told"
    period = duration(s.period_ms) if s.period_ms else "-"
    span = (_shown(s.first_ms), _shown(s.last_ms))
    return (
        s.meter,
        s.register,
        s.kind,
        unit,
        count(s.readings),
        period,
        count(s.gaps),
        gap,
        count(s.doubled),
        *span,
        f"{s.per_hour:.6g}",
    )


def _quoted(text: str) -> str:
    plain = all(c.isalnum() or c in "-_./=,:+" for c in text) and text != ""
    return text if plain else "'" + text.replace("'", "'\\''") + "'"


def _time(ms: int | None) -> datetime | int | None:
    if ms is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return ms


def _shown(ms: int | None) -> str:
    at = _time(ms)
    return time_text(at) if isinstance(at, datetime) else str(at)
