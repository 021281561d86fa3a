"""`zonepulse top`: a running zone in the terminal."""

import time
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from kafka.errors import KafkaError
from rich.live import Live

from zonepulse.schemas.messages.topics import READINGS
from zonepulse.streams import servers
from zonepulse.streams.cli.checkpoints import views
from zonepulse.streams.demo.screen import View
from zonepulse.streams.kafka.log_guard import LogView
from zonepulse.streams.screen import BadInput, Stop, console
from zonepulse.streams.settings import Settings

_ZONES: Final = "SELECT DISTINCT zone FROM intervals WHERE run = 'live' ORDER BY zone"
_STANDS_S: Final = 7_800.0
"""A ledger whose newest window is so old is said to stand: windows of an hour come once an hour, ten minutes late at most."""


def top(
    zone: Annotated[str | None, typer.Option(metavar="ID", help="Where the store holds more zones than one.")] = None,
    every: Annotated[float, typer.Option(min=0.5, max=3600, metavar="SECONDS", help="Between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once and end; so it is where stdout is no terminal.")] = False,
) -> None:
    """Show a running zone until Ctrl-C: readings a second, what waits, intensity, emitters, what fires."""
    settings = servers.settings()
    servers.require_broker(settings)
    screen = console()
    with servers.store_client(settings) as client:
        view = View(name := chosen(client, zone), name)
        rate = Rate()
        look(view, client, settings, rate)
        if once or not screen.is_terminal:
            screen.print(view.render())
            return
        with Live(view.render(), console=screen, auto_refresh=False, screen=True) as live:
            while True:
                time.sleep(every)
                try:
                    look(view, client, settings, rate)
                except (ClickHouseError, KafkaError, OSError) as error:
                    who = "the store" if isinstance(error, ClickHouseError) else "Kafka"
                    view.stage = f"{who} does not answer: {type(error).__name__}"
                live.update(view.render(), refresh=True)


class Rate:
    """Records a second, by the ends of a topic at two looks."""

    def __init__(self) -> None:
        self._before: tuple[float, int] | None = None

    def of(self, end: int, now_s: float) -> float:
        """Since the last look; 0 at the first."""
        before, self._before = self._before, (now_s, end)
        return 0.0 if before is None or now_s <= before[0] else max(0, end - before[1]) / (now_s - before[0])


def chosen(client: Client, zone: str | None) -> str:
    """The zone to show. Raises BadInput where it is not clear which, Stop where there is none."""
    there = [row[0] for row in client.query(_ZONES).result_rows]
    if zone in there:
        return str(zone)
    if zone is not None:
        raise BadInput(f"--zone {zone!r}: the store has no rows of it; it has {', '.join(there) or 'none of any zone'}")
    if not there:
        raise Stop("the store has no rows yet: send readings with `zonepulse produce`, or see `zonepulse doctor`")
    if len(there) > 1:
        raise BadInput(f"the store has the zones {', '.join(there)}: choose one with --zone")
    return str(there[0])


def look(view: View, client: Client, settings: Settings, rate: Rate) -> None:
    """Reads the store and the log again. Raises kafka.errors.KafkaError, ClickHouseError."""
    view.refresh(client)
    logs = views(settings).values()
    view.lag = sum(waiting(log) for log in logs)
    readings = READINGS.full_name(settings.topic_prefix)
    ends = {tp: ends.end for log in logs for tp, ends in log.ends.items() if tp.topic == readings}
    view.rate = rate.of(sum(ends.values()), time.monotonic())
    view.stage = stage(view, datetime.now(UTC), settings.is_simulated)


def waiting(log: LogView) -> int:
    """Records that a task has not handled."""
    return sum(max(0, ends.end - max(ends.start, log.committed.get(tp, 0))) for tp, ends in log.ends.items())


def stage(view: View, now: datetime, is_simulated: bool) -> str:
    """What the title says: whether the numbers are of now."""
    if is_simulated:
        return "simulated time"
    if not view.intensity:
        return "no window yet"
    age_s = (now - view.intensity[-1][0].replace(tzinfo=UTC)).total_seconds()
    return "live" if age_s < _STANDS_S else f"stands: the newest window is {age_s / 3600:,.0f} h old"
