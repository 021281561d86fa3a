"""`zonepulse bench`: throughput and latency of this machine, next to what others make of the same bytes."""

from pathlib import Path
from typing import Annotated

import typer

from zonepulse.streams.bench import ledger as ledgers
from zonepulse.streams.bench import network as networks
from zonepulse.streams.bench import recovery as recoveries
from zonepulse.streams.bench import replay as replays
from zonepulse.streams.bench.ingest import Options, run
from zonepulse.streams.bench.load import FORMS
from zonepulse.streams.bench.panels import measure as panels_
from zonepulse.streams.bench.recovery_load import REGISTERS
from zonepulse.streams.bench.report import print_report
from zonepulse.streams.cli.shared.kernels import tell_if_compiling
from zonepulse.streams.screen import BadInput, JsonOption, print_json, stderr

bench = typer.Typer(
    help="Measure throughput and latency.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@bench.callback()
def _bench() -> None:
    """Measure throughput and latency."""


@bench.command()
def ingest(
    readings: Annotated[int, typer.Option(help="readings in JSON; Arrow gets five times as many", min=2_000)] = 4_000_000,
    channels: Annotated[int, typer.Option(help="channels of the main measurement", min=4)] = 2_000,
    many_channels: Annotated[int, typer.Option(help="also measure this many, to blocks only; 0 = no", min=0)] = 200_000,
    partitions: Annotated[int, typer.Option(help="partitions of the readings topic", min=1, max=64)] = 4,
    forms: Annotated[str, typer.Option(help=f"of {','.join(FORMS)}, separated by commas")] = ",".join(FORMS),
    latency_s: Annotated[float, typer.Option(help="how long latency is measured; 0 = not", min=0)] = 60.0,
    baselines: Annotated[bool, typer.Option(help="also measure bare clients, stock Faust and the bare kernels")] = True,
    detectors: Annotated[int, typer.Option(help="rounds of detectors on against off, in place of all else; 0 = not", min=0)] = 0,
    quick: Annotated[bool, typer.Option(help="a tenth of the readings, 15 s of latency, 2,000 channels only")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure readings/s from topic to interval blocks and to stored rows, on a broker and a store of its own; ends by itself."""
    chosen = tuple(forms.split(","))
    if unknown := [name for name in chosen if name not in FORMS]:
        raise BadInput(f"--forms: there is no form {unknown[0]!r}; choose from {', '.join(FORMS)}")
    if channels % partitions or many_channels % partitions:
        raise BadInput(f"--channels {channels} and --many-channels {many_channels} must be multiples of --partitions {partitions}")
    options = Options(readings, channels, many_channels, partitions, chosen, latency_s, baselines, detectors)
    console = stderr()
    tell_if_compiling()
    found = run(options.shortened() if quick else options, lambda text: console.print(text, markup=False, highlight=False))
    if as_json:
        print_json(found)
    else:
        print_report(found)


@bench.command()
def network(
    nodes: Annotated[int, typer.Option(help="nodes of each network", min=10)] = 5_000,
    windows: Annotated[int, typer.Option(help="different windows of each network", min=1)] = 8,
    rounds: Annotated[int, typer.Option(help="how often each window is traced", min=1)] = 10,
    as_json: JsonOption = False,
) -> None:
    """Measure what flow tracing costs a window: radial and meshed networks, with and without loops; needs no server."""
    console = stderr()
    tell_if_compiling()
    options = networks.Options(nodes, windows, rounds)
    found = networks.run(options, lambda text: console.print(text, markup=False, highlight=False))
    if as_json:
        print_json(found)
    else:
        networks.print_report(found)


@bench.command()
def ledger(
    companies: Annotated[str, typer.Option(help="numbers of companies, separated by commas")] = "500,2000",
    days: Annotated[str, typer.Option(help="ages in days, ascending, separated by commas")] = "1,30,365",
    channels_a_company: Annotated[int, typer.Option(help="channels of each company", min=3)] = ledgers.CHANNELS_A_COMPANY,
    as_json: JsonOption = False,
) -> None:
    """Measure what a zone's ledger costs to build, to hold, to save and to apply a registry to, at several (simulated) ages."""
    options = ledgers.Options(_numbers("--companies", companies), _numbers("--days", days), channels_a_company)
    if list(options.days) != sorted(options.days):
        raise BadInput(f"--days {days}: write them in ascending order")
    console = stderr()
    found = ledgers.run(options, lambda text: console.print(text, markup=False, highlight=False))
    if as_json:
        print_json(found)
    else:
        ledgers.print_report(found)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    """Whole numbers from 1, separated by commas. Raises BadInput."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise BadInput(f"{option} {text!r}: expected whole numbers from 1, separated by commas")
    return tuple(map(int, parts))


@bench.command()
def replay(
    readings: Annotated[int, typer.Option(help="readings in JSON; Arrow gets five times as many", min=2_000)] = 4_000_000,
    channels: Annotated[int, typer.Option(help="channels that send them", min=4)] = 2_000,
    partitions: Annotated[int, typer.Option(help="partitions of the readings topic", min=1, max=64)] = 4,
    processes: Annotated[int, typer.Option(help="of the run that shares its partitions out", min=1)] = 2,
    live_rate: Annotated[int, typer.Option(help="live readings/s beside a replay; 0 = not", min=0)] = 100_000,
    as_json: JsonOption = False,
) -> None:
    """Measure a replay's readings/s from topic and archive, beside polars that only groups them; needs no server."""
    if channels % partitions:
        raise BadInput(f"--channels {channels} must be a multiple of --partitions {partitions}")
    console = stderr()
    tell_if_compiling()
    options = replays.Options(readings, channels, partitions, processes, live_rate)
    found = replays.run(options, lambda text: console.print(text, markup=False, highlight=False))
    if as_json:
        print_json(found)
    else:
        replays.print_report(found)


@bench.command()
def recovery(
    channels: Annotated[int, typer.Option(help="channels of state", min=100)] = 500_000,
    partitions: Annotated[int, typer.Option(help="partitions of the readings topic", min=1, max=64)] = 4,
    rounds: Annotated[int, typer.Option(help="readings of each channel, 15 min apart, that fill the state", min=1)] = 10,
    rate: Annotated[int, typer.Option(help="readings/s that flow meanwhile", min=100)] = 8_000,
    soak: Annotated[float, typer.Option(help="then watch the workers' memory for so many minutes; 0 = not", min=0)] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Measure how long an intervals worker takes from `kill -9` to zero lag, step by step, on a broker and a store of its own."""
    if channels % (REGISTERS * partitions):
        raise BadInput(f"--channels {channels} must be a multiple of {REGISTERS} registers x {partitions} partitions")
    console = stderr()
    tell_if_compiling()
    options = recoveries.Options(channels, partitions, rounds, rate, soak)
    found = recoveries.run(options, lambda text: console.print(text, markup=False, highlight=False))
    if as_json:
        print_json(found)
    else:
        recoveries.print_report(found)


@bench.command()
def panels(
    dashboards: Annotated[
        Path, typer.Option(help="folder of the dashboards' files", envvar="ZONEPULSE_DASHBOARDS", exists=True, file_okay=False)
    ] = Path("grafana/dashboards"),
    channels: Annotated[int, typer.Option(help="channels of the generated zone; a full one has 2,000", min=12)] = 200,
    days: Annotated[int, typer.Option(help="days of the generated zone; a full one has 365", min=9)] = 60,
    rounds: Annotated[int, typer.Option(help="how often each panel is asked in each range", min=1)] = 10,
    ranges: Annotated[str, typer.Option(help=f"of {','.join(panels_.RANGES)}, separated by commas")] = ",".join(panels_.RANGES),
    as_json: JsonOption = False,
) -> None:
    """Measure how long every panel of the dashboards takes, on a store of its own that holds a generated zone with a promoted run."""
    chosen = tuple(ranges.split(","))
    if unknown := [name for name in chosen if name not in panels_.RANGES]:
        raise BadInput(f"--ranges: there is no range {unknown[0]!r}; choose from {', '.join(panels_.RANGES)}")
    console = stderr()
    options = panels_.Options(dashboards, channels, days, rounds, chosen)
    found = panels_.run(options, lambda text: console.print(text, markup=False, highlight=False))
    if as_json:
        print_json(found)
    else:
        panels_.print_report(found)
