"""`zonepulse replay verify`: a past hour again."""

import random
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.streams import servers
from zonepulse.streams.cli.replay.diff import inputs_of, show_diff
from zonepulse.streams.cli.replay.run import run_shown
from zonepulse.streams.cli.replay.shared import explained, instant_of, last_zone, new_name
from zonepulse.streams.control.kept_states import States, kept_before
from zonepulse.streams.exit_codes import FAILED
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.diff import Side, diff
from zonepulse.streams.replay.plan import Plan, make_plan
from zonepulse.streams.replay.runs import instant
from zonepulse.streams.replay.verify import as_it_stands, hour_before
from zonepulse.streams.replay.verify import say as say_alert
from zonepulse.streams.screen import JsonOption, print_json


def verify(
    hour: Annotated[
        str | None, typer.Option(metavar="TIME", help="Begin of the hour; default: one of the last day, at random.")
    ] = None,
    settled: Annotated[
        bool, typer.Option("--settled", help="One of the last day that no reading in time can revise any more.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Compute a past hour again and compare it with the live rows. Exit code 1 when one differs; the run is kept then, and of a settled
    hour the alert ops_replay_differs is raised, until the hour is found equal."""
    settings = servers.settings()
    with explained(), servers.store_client(settings) as client:
        zone = last_zone(settings)
        now_ms = round(time.time() * 1000)
        back = random.randrange(1, 25)
        from_ms = instant_of("--hour", hour, zone) if hour else hour_before(zone, now_ms, back, is_settled=settled)
        from_ms = from_ms // MS_PER_HOUR * MS_PER_HOUR
        name = new_name(client, f"verify-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        stretch = from_ms, from_ms + MS_PER_HOUR
        broker, prefix = settings.broker, settings.topic_prefix

        def planned(kept: tuple[str, States] | None) -> Plan:
            return make_plan(broker, prefix, zone, name, stretch, "", "", now_ms, archive=settings.archive, kept=kept)

        made = planned(kept_before(broker, prefix, from_ms, zone.tick_ms))
        if (stands := as_it_stands(client, made)) != made:  # live tasks' states are not its own
            made = as_it_stands(client, planned(None)) if made.kept else stands
        result = run_shown(settings, made, client)
        side = Side(zone.id, *stretch, made.topic)
        found = diff(client, LIVE_RUN, name, side, made=inputs_of(client, settings, LIVE_RUN, name))
        total = sum(table.differences for table in found)
        if not total:
            runs.delete_rows(client, name)
            runs.save(client, made, runs.DISCARDED, result, "verified")
        evidence = {"run": name, "differences": total, "tables": {t.name: t.differences for t in found if t.differences}}
        alert = ""
        if not made.caveats:
            alert = say_alert(settings.broker, settings.topic_prefix, client, zone.id, from_ms, evidence if total else None)
    if json:
        tables = [asdict(table) for table in found]
        print_json({"hour": instant(from_ms), "run": name, "differences": total, "alert": alert or None, "tables": tables})
    else:
        show_diff(LIVE_RUN, name, side, found)
    if total:
        raise typer.Exit(FAILED)
