"""`zonepulse chaos`: kills and pauses parts of a running zone and proves that nothing is lost and nothing counted twice."""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from zonepulse.streams.chaos.kinds import BY_NAME
from zonepulse.streams.chaos.run import run_chaos
from zonepulse.streams.cli.shared.kernels import tell_if_compiling
from zonepulse.streams.exit_codes import FAILED
from zonepulse.streams.kernels.warm_up import warm_up
from zonepulse.streams.screen import BadInput, JsonOption, print_facts, print_json, print_table, stderr

ALERTS_A_READING: Final = 25_000


def chaos(
    seed: Annotated[int | None, typer.Option(help="repeats a run; default: a new one, which is printed", min=0)] = None,
    faults: Annotated[int, typer.Option(help="how many", min=0)] = 20,
    readings: Annotated[int, typer.Option(help="about how many", min=1)] = 5_000_000,
    longest: Annotated[
        float, typer.Option(help="seconds; no fault lasts longer (the store is away for up to 180)", min=0.5)
    ] = 180.0,
    only: Annotated[list[str] | None, typer.Option(metavar="KIND", help="draw only these kinds; may be repeated")] = None,
    brokers: Annotated[int, typer.Option(help="of Kafka; 3 hold copies for one another, and one at a time dies", min=1, max=5)] = 1,
    notify: Annotated[bool, typer.Option("--notify", help="alerts and their messages instead of readings and rows")] = False,
    as_json: JsonOption = False,
) -> None:
    """Stream readings (late, doubled, shuffled, malformed ones among them) through a zone of its own while its workers, its broker
    and its store are killed, paused, restarted and cut off at random, its registry changes, partitions stand, unread readings are
    deleted, replays run beside it and are killed, hostile records come on every topic, hostile requests to the store and hostile files
    to the commands; then compare every row with an independent oracle, which reads what the workers could read, and each replay's with
    those of the same plan run whole.

    With --notify two notify workers, Kafka and the receivers are broken while --readings / 25,000 alerts come and end; delivered, doubled,
    lost and leaked messages are counted by kind of fault, and what was lost is named.

    Exit code 0 only if every row of every table is as the oracle says.
    """
    console = stderr()
    seed = secrets.randbelow(1 << 31) if seed is None else seed
    if notify:
        if brokers > 1:
            raise BadInput(f"--brokers {brokers} and --notify do not go together: the latter has one broker")
        _notify(seed, faults, max(1, readings // ALERTS_A_READING), as_json)
        return
    for name in only or ():
        if name not in BY_NAME:
            raise BadInput(f"--only {name!r}: no such kind of fault; there are {', '.join(BY_NAME)}")
    kinds = [BY_NAME[name] for name in only or BY_NAME]
    tell_if_compiling()
    warm_up()
    with _quiet_log():
        result = run_chaos(seed, faults, readings, console.print, longest, kinds, brokers)
    if as_json:
        print_json(result)
    else:
        console.print(f"{result['differences']} differences after {result['faults']} faults; seed {result['seed']}")
        if result["first_difference"]:
            console.print(f"the first: {result['first_difference']}", markup=False)
    if result["differences"]:
        raise typer.Exit(FAILED)


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Deaths are meant, and reported."""
    loggers = [logging.getLogger(name) for name in ("zonepulse", "aiokafka", "kafka")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _notify(seed: int, faults: int, alerts: int, as_json: bool) -> None:
    """Prints what was counted. Exit code 0 only if nothing was lost, nothing leaked and nothing waits any more."""
    from zonepulse.streams.chaos.notify_counts import COUNTS
    from zonepulse.streams.chaos.notify_run import run_notify_chaos

    result = run_notify_chaos(seed, faults, alerts, stderr().print)
    if as_json:
        print_json(result)
    else:
        by_fault, log = result.pop("by_fault"), result.pop("log")
        missing = [f"{one['alert']} {one['said']} for {one['subscriber']}" for one in result.pop("missing")]
        print_facts(result.items())
        print_table(("after", *COUNTS), [(kind, *counts.values()) for kind, counts in by_fault.items()], right=COUNTS)
        for line in (*missing, *log):
            stderr().print(line, markup=False)
    if result["lost"] or result["leaked"] or not result["is_settled"]:
        raise typer.Exit(FAILED)
