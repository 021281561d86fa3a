"""`zonepulse detect`: judge a series of a file, and measure the detectors on real meters with faults put in."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import typer

from zonepulse.streams.cli.shared.kernels import tell_if_compiling
from zonepulse.streams.detect.measure import run as measure_all
from zonepulse.streams.detect.nab import score_nab
from zonepulse.streams.detect.series import judge_series, read_series, verdict
from zonepulse.streams.screen import BadInput, JsonOption, print_json, print_table, say

app = typer.Typer(
    help="Judge series on their own history.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def _detect() -> None:
    """Judge series on their own history."""


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="CSV with a header, or Parquet", exists=True, dir_okay=False)],
    column: Annotated[str, typer.Option(help="column of the values")],
    time: Annotated[str | None, typer.Option(help="column of the times; the first otherwise")] = None,
    timezone: Annotated[str, typer.Option(help="whose hours and days count, and of times without offset")] = "UTC",
    holidays: Annotated[str, typer.Option(help="days that are like Sundays, 2026-01-01,2026-05-01")] = "",
    strictness: Annotated[float, typer.Option(help="above 1: fewer alerts; below: more", min=0.01)] = 1.0,
    out: Annotated[Path | None, typer.Option(help="a .csv or .parquet; otherwise CSV on stdout")] = None,
) -> None:
    """Score, threshold, decision, reason and expected band of each row, from what came before it alone."""
    try:
        ZoneInfo(timezone)
        off = [date.fromisoformat(day) for day in holidays.split(",") if day]
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadInput(f"{error}; --timezone is such as Europe/Berlin, --holidays such as 2026-01-01,2026-05-01") from error
    series = read_series(file, column, time, timezone)
    tell_if_compiling()
    table = verdict(series, judge_series(series, timezone, strictness, off))
    if out is not None and out.suffix == ".parquet":
        pyarrow.parquet.write_table(table, out)
    elif out is not None:
        pyarrow.csv.write_csv(table, out)
    else:
        pyarrow.csv.write_csv(table, pa.PythonFile(sys.stdout.buffer))
        sys.stdout.buffer.flush()
    raised = table["decision"].to_pylist().count("raised")
    say(f"{table.num_rows} rows, raised {raised} times", err=True)


@app.command()
def bench(
    nab: Annotated[Path | None, typer.Option(help="folder of the Numenta Anomaly Benchmark: data, labels", exists=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """Put faults into 25 real meters and count what is found, and what is said without a fault; about two minutes."""
    tell_if_compiling()
    found: dict[str, Any] = measure_all(lambda text: say(text, err=True))
    found["nab"] = score_nab(nab) if nab else None
    if as_json:
        print_json(found)
        return
    names = list(found["methods"])
    rows: list[tuple[object, ...]] = [("alerts / channel-months", *(_rate(found["methods"][n]) for n in names))]
    for i, one in enumerate(found["injected"]):
        rows.append((f"{one['fault']} (of {one['injected']})", *(_cell(found["methods"][n]["injected"][i]) for n in names)))
    rows.append(("all faults", *(f"{found['methods'][n]['found_share']:.0%}" for n in names)))
    print_table(("found, median delay in hours", *names), rows, title="fit on one half, reported on the other", right=names)
    say(f"{found['ns_window']:.0f} ns a window, {found['bytes_channel']} bytes a channel")
    if found["nab"]:
        say(f"NAB, {found['nab']['files']} files: standard {found['nab']['standard']:.1f}, hold-out {found['nab']['hold_out']:.1f}")


def _rate(one: dict[str, Any]) -> str:
    low, high = one["alerts_channel_month_95"]
    return f"{one['alerts']} / {one['channel_months']:.0f} = {one['alerts_channel_month']:.3f} ({low:.3f}-{high:.3f})"


def _cell(one: dict[str, Any]) -> str:
    return f"{one['found']}" if one["delay_windows"] is None else f"{one['found']}, {one['delay_windows']:.0f}"
