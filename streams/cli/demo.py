"""`zonepulse demo`: a real zone's ledger, filled from real meter data by the real parts, on this machine."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from clickhouse_connect.driver.client import Client
from rich.console import Console
from rich.live import Live

from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.shared.board_process import start_board
from zonepulse.streams.cli.shared.grafana_hint import grafana_exports, print_lines
from zonepulse.streams.cli.shared.kernels import tell_if_compiling
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.data import DEFAULT_DAYS, DEFAULT_SEED, demo_sample, demo_zone_yaml
from zonepulse.streams.demo.drain import Drain
from zonepulse.streams.demo.findings import findings, said_since
from zonepulse.streams.demo.going_on import DAYS_ON, GoingOn
from zonepulse.streams.demo.planted import SHOWN_DAYS, Planted, planted
from zonepulse.streams.demo.run import PREFIX, Feed, Progress, oracle_differences, readings_of
from zonepulse.streams.demo.screen import View, save_picture, summary_tables, utc
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.exit_codes import FAILED
from zonepulse.streams.kernels.warm_up import warm_up
from zonepulse.streams.notify.inbox import messages
from zonepulse.streams.screen import SafeConsole, print_json

LONGEST_DAYS: Final = 364
DAY_MS: Final = 86_400_000
_POLL_S: Final = 0.5
_MAIL_WAIT_S: Final = 5
"""How long a group of alerts waits for others."""
_MOST_MAILS: Final = 8
_PATIENCE_S: Final = 300.0
_COMPANIES: Final = """
SELECT entity AS company,
       sumOrNullIf(energy_micro, carrier = 'electricity' AND scope = 0) / 1e6 AS electricity_kwh,
       sumOrNullIf(energy_micro, carrier = 'natural_gas' AND scope = 0) / 1e6 AS gas_nm3,
       sumOrNullIf(co2e_mg, carrier = '' AND basis = 'location') / 1e6 AS co2e_kg,
       sumOrNullIf(co2e_mg, carrier = '' AND scope = 2 AND basis = 'market') / 1e6 AS scope_2_market_kg
FROM totals_final WHERE run = 'live' AND entity_kind = 'company' GROUP BY entity ORDER BY co2e_kg DESC NULLS LAST"""

_REFUSED: Final = "SELECT reason, count() FROM dead_letters_final WHERE run = 'live' GROUP BY reason ORDER BY reason"
_ROWS: Final = """
SELECT (SELECT count() FROM intervals_final WHERE run = 'live'), (SELECT count() FROM alerts_final WHERE run = 'live')"""


class DemoFailed(RuntimeError):
    """The pipeline stopped moving; the message says where."""


def demo(
    until: Annotated[str | None, typer.Option(help="end of the stretch, ISO 8601 with offset; default: the last full hour")] = None,
    days: Annotated[
        int,
        typer.Option(help="length of the stretch; from 42 on, faults are planted in its last 14", min=1, max=LONGEST_DAYS),
    ] = DEFAULT_DAYS,
    seed: Annotated[int, typer.Option(help="seed of the sprinkled and planted faults")] = DEFAULT_SEED,
    speed_up: Annotated[float, typer.Option(help="times real time", min=1.0)] = 100_000.0,
    partitions: Annotated[int, typer.Option(help="partitions of zp.readings", min=1, max=64)] = 4,
    folder: Annotated[Path | None, typer.Option(help="keep the data here; default: a temporary folder")] = None,
    once: Annotated[bool, typer.Option(help="end after the summary (the default)")] = True,
    keep: Annotated[bool, typer.Option(help="then show the zone in a browser, live, until Ctrl-C")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the summary as one JSON object")] = False,
    picture: Annotated[Path | None, typer.Option(help="save the live screen, as it was before sending ended, as SVG")] = None,
) -> None:
    """Run the sample zone through Kafka, Faust and ClickHouse, show it live, and check every row against an independent oracle.

    Exit code 0 only if ledger and oracle agree exactly.
    """
    console = SafeConsole(stderr=as_json)
    until_ms, goes_on = _until(until), keep and until is None and days <= LONGEST_DAYS - DAYS_ON
    more = DAYS_ON if goes_on else 0
    console.print(f"seed {seed}, {days} days until {utc(until_ms)}")
    console.print("loading the kernels")
    tell_if_compiling()
    warm_up()
    console.print("starting Kafka and ClickHouse (the first time Kafka is fetched: 54 MB)")
    with ZoneStack(partitions, folder, is_simulated=True) as stack:
        summary = _run(stack, console, until_ms, days, seed, speed_up, picture, more)
        if as_json:
            print_json(summary)
        else:
            console.print(summary_tables(summary))
            print_lines(console, f"{len(summary['mails'])} mails to the zone's subscribers:", *summary["mails"][:_MOST_MAILS])
        if keep and once:
            following = _following(stack, until_ms, days, seed) if goes_on else None
            _wait(stack, console, following, until_ms)
    if summary["oracle_differences"]:
        for line in summary["first_differences"]:
            console.print(line, markup=False)
        raise typer.Exit(FAILED)


def _until(text: str | None) -> int:
    if text is None:
        return int(datetime.now(UTC).replace(minute=0, second=0, microsecond=0).timestamp() * 1000)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as bad:
        raise typer.BadParameter(f"--until {text!r} is no ISO 8601 time; write 2026-11-01T00:00:00+08:00") from bad
    if at.tzinfo is None:
        raise typer.BadParameter(f"--until {text!r} has no offset; write {text}+08:00")
    return int(at.timestamp() * 1000)


def _run(
    stack: ZoneStack, console: Console, until_ms: int, days: int, seed: int, speed_up: float, picture: Path | None, more: int
) -> dict[str, Any]:
    end_ms, all_days = until_ms + more * DAY_MS, days + more
    faults = planted(until_ms, end_ms, days, seed)
    zone_yaml = demo_zone_yaml(end_ms, all_days, seed, faults)
    registry = parse_zone(zone_yaml)
    sample = demo_sample(end_ms, all_days, seed, arrived=(-1, until_ms), planted=faults)
    publish(stack.kafka, PREFIX, registry, stack.partitions, timestamp_ms=int(sample.arrival_ms[0]))
    stack.start_workers()
    inbox = stack.start_notify({"ZONEPULSE_NOTIFY_WAIT_S": str(_MAIL_WAIT_S)})
    feed = Feed(stack.kafka, sample, stack.partitions, registry.zone, speed_up)
    view = View(registry.zone.name.get("en", registry.zone.id), registry.zone.id, len(sample))
    begun = time.monotonic()
    with stack.client() as client:
        progress = Progress(stack.kafka, stack.partitions)
        try:
            with Live(view.render(), console=console, auto_refresh=False, transient=True) as live:
                _follow(stack, feed, progress, client, view, live, picture)
            seconds = time.monotonic() - begun
            console.print("the ledger is complete; the oracle reads the topic and checks every row")
            found = _found(client, registry, faults, until_ms)
            return _summary(stack, client, zone_yaml, feed, seconds) | found | {"mails": _mails(inbox)}
        finally:
            feed.stop()
            progress.close()


def _found(client: Client, registry: Registry, faults: tuple[Planted, ...], until_ms: int) -> dict[str, Any]:
    """What detection said in the days in which faults were planted, and how often without one."""
    since_ms = until_ms - SHOWN_DAYS * DAY_MS
    said = said_since(client, registry.zone.id, since_ms, registry.zone.tick_ms) if faults else []
    registers = sum(len(meter.registers) for meter in registry.meters)
    return {"planted_days": SHOWN_DAYS, "registers": registers} | findings(faults, said).as_json()


def _mails(inbox: Path | None) -> list[str]:
    """Subjects of what the demo's subscribers were told; they were told while the oracle was at work."""
    if inbox is None:
        return []
    deadline = time.monotonic() + 4 * _MAIL_WAIT_S
    while not (found := messages(inbox)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return [subject for subject, _ in found]


def _follow(stack: ZoneStack, feed: Feed, progress: Progress, client: Client, view: View, live: Live, picture: Path | None) -> None:
    """Keep the screen true until everything sent has come through; raises when something died or nothing moves."""
    last_tick = feed.end_ms // feed.zone.tick_ms
    last_window = feed.end_ms - feed.zone.delay_ms - feed.zone.tick_ms - feed.zone.window_ms
    drain = Drain(stack.kafka, progress, last_tick)
    before, moved_at, is_complete = (0, 0), time.monotonic(), False
    while not is_complete:
        stack.check()
        if feed.failure is not None:
            raise DemoFailed(f"sending failed: {feed.failure}") from feed.failure
        if not (feed.is_sending or feed.is_done) and progress.are_ready():
            feed.start()
        closed, lag = progress.closed_tick(), progress.store_lag()
        view.refresh(client)
        view.rate, view.sent, view.lag = (feed.sent - view.sent) / _POLL_S, feed.sent, lag
        view.stage = "sending" if feed.is_sending else "closing the last windows" if feed.is_done else "workers are starting"
        live.update(view.render(), refresh=True)
        if picture is not None and feed.is_sending:
            save_picture(view, picture)
        has_last = bool(view.intensity) and view.intensity[-1][0].timestamp() * 1000 >= last_window
        is_complete = feed.is_done and drain.is_through() and has_last
        now = (closed, view.counts[0])
        if now != before or feed.is_sending:
            before, moved_at = now, time.monotonic()
        elif time.monotonic() - moved_at > _PATIENCE_S:
            raise DemoFailed(f"nothing moved for {_PATIENCE_S:.0f} s: {drain.waits_for}, store lag {lag}")
        time.sleep(_POLL_S)


def _summary(stack: ZoneStack, client: Client, zone_yaml: str, feed: Feed, seconds: float) -> dict[str, Any]:
    differences = oracle_differences(readings_of(stack.kafka), client, zone_yaml, stack.partitions)
    refused = client.query(_REFUSED).result_rows
    found = client.query(_COMPANIES)
    intervals, alerts = client.query(_ROWS).result_rows[0]
    readings = feed.sample.readings.num_rows + sum(feed.sample.dead_letters.values())
    return {
        "readings": readings,
        "records": feed.sent,
        "intervals": intervals,
        "alerts": alerts,
        "dead_letters": {row[0]: row[1] for row in refused},
        "faults": feed.sample.faults,
        "companies": [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows],
        "seconds": round(seconds, 1),
        "readings_per_s": round(readings / seconds),
        "oracle_differences": sum(map(len, differences.values())),
        "first_differences": [line for lines in differences.values() for line in lines][:20],
    }


def _following(stack: ZoneStack, until_ms: int, days: int, seed: int) -> GoingOn:
    """What the meters send after `until_ms`."""
    end_ms = until_ms + DAYS_ON * DAY_MS
    faults = planted(until_ms, end_ms, days, seed)
    sample = demo_sample(end_ms, days + DAYS_ON, seed, arrived=(until_ms, end_ms), planted=faults)
    return GoingOn(stack.kafka, sample, stack.partitions)


def _wait(stack: ZoneStack, console: Console, following: GoingOn | None, until_ms: int) -> None:
    """Keep everything running; the zone goes on where its stretch ended now."""
    reader, address = stack.dashboard, start_board(stack)
    if following is None:
        address += f"?at={datetime.fromtimestamp(until_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    console.print(f"Kafka {stack.kafka}   ClickHouse http://{reader.host}:{reader.port}, database zonepulse, user {reader.user}")
    print_lines(console, f"passwords: {stack.clickhouse_process.passwords_file}", "for a Grafana (grafana/README.md, step 3):")
    print_lines(console, *grafana_exports(reader, stack.clickhouse_process.passwords_file))
    print_lines(console, "for zonepulse explain and the other commands, besides those:", f"export ZONEPULSE_BROKER={stack.kafka}")
    print_lines(console, f"mail: {stack.folder / 'inbox.mbox'}")
    print_lines(console, "", f"the zone in a browser: {address}", "")
    console.print("Ctrl-C ends it")
    try:
        if following is not None:
            following.start()
        while True:
            stack.check()
            if following is not None and following.failure is not None:
                raise DemoFailed(f"sending failed: {following.failure}") from following.failure
            time.sleep(1)
    except KeyboardInterrupt:
        console.print("stopping")
    finally:
        if following is not None:
            following.stop()
