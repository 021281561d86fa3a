"""`zonepulse up`: a whole installation on this machine, until Ctrl-C."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from zonepulse.streams.cli.shared.board_process import start_board
from zonepulse.streams.cli.shared.grafana_hint import grafana_exports, print_lines
from zonepulse.streams.cli.shared.kernels import tell_if_compiling
from zonepulse.streams.cli.shared.zone_files import read_zone
from zonepulse.streams.control.registry_topic import load_versions, publish
from zonepulse.streams.embedded.zone_stack import RESTART, ZoneStack
from zonepulse.streams.screen import SafeConsole


def up(
    folder: Annotated[Path, typer.Option(help="where servers and workers keep their data")] = Path("data"),
    zone: Annotated[Path | None, typer.Option(help="zone.yaml to publish at the first start")] = None,
    partitions: Annotated[int, typer.Option(help="partitions of zp.readings; chosen once", min=1, max=256)] = 4,
    secure: Annotated[
        bool, typer.Option("--secure", help="Kafka with TLS, a user for each role, and rules; the folder stays so")
    ] = False,
    workers: Annotated[int, typer.Option(help="intervals workers", min=1, max=16)] = 1,
) -> None:
    """Start Kafka, ClickHouse and the workers, apply migrations, and keep everything running; what dies is started again and reported."""
    console = SafeConsole()
    registry = read_zone(zone) if zone else None
    console.print(f"starting Kafka and ClickHouse in {folder}")
    tell_if_compiling()
    with ZoneStack(partitions, folder, restart_servers=RESTART, secured=secure) as stack:
        if registry is not None:
            console.print(f"registry version {publish(stack.kafka, 'zp.', registry, partitions)} of zone {registry.zone.id}")
        elif not load_versions(stack.kafka, "zp.registry"):
            console.print("no registry yet: `zonepulse registry apply zone.yaml`; the workers wait for it")
        stack.start_workers()
        inbox = stack.start_notify()
        for number in range(1, workers):
            stack.start_worker("intervals", str(number))
        _tell(stack, console, start_board(stack))
        if inbox is not None:
            print_lines(console, f"mail        {inbox} (no ZONEPULSE_SMTP_HOST); zonepulse subscribe NAME@COMPANY.EXAMPLE")
        _watch(stack, console)


def _tell(stack: ZoneStack, console: Console, board: str) -> None:
    reader = stack.dashboard
    print_lines(console, f"board       {board}      open it in a browser: the zone, live")
    access = stack.access_to_kafka("operator")
    print_lines(console, f"Kafka       {stack.kafka}", *(f"            export {name}={value}" for name, value in access.items()))
    console.print(
        f"ClickHouse  http://{reader.host}:{reader.port}  database zonepulse, users {stack.clickhouse.user} and {reader.user}"
    )
    print_lines(console, f"passwords   {stack.clickhouse_process.passwords_file}", f"logs        {stack.folder / 'logs'}")
    print_lines(
        console, "Grafana     (grafana/README.md, step 3)", *grafana_exports(reader, stack.clickhouse_process.passwords_file)
    )
    console.print("Ctrl-C stops everything")


def _watch(stack: ZoneStack, console: Console) -> None:
    """Report what dies; the supervisor starts it again."""
    told = 0
    try:
        while True:
            deaths = stack.supervisor.deaths
            for death in deaths[told:]:
                console.print(str(death), markup=False)
            told = len(deaths)
            time.sleep(1)
    except KeyboardInterrupt:
        console.print("stopping")
