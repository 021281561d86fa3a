"""`zonepulse replay diff`: two runs, row by row."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from clickhouse_connect.driver.client import Client

from zonepulse.schemas.messages.topics import REGISTRY
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.streams import servers
from zonepulse.streams.cli.replay.shared import explained, instant_of, last_zone
from zonepulse.streams.control.registry_topic import load_versions
from zonepulse.streams.exit_codes import FAILED
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.causes import Inputs, inputs, made_with
from zonepulse.streams.replay.diff import Side, TableDiff, diff
from zonepulse.streams.replay.plan import CannotReplay
from zonepulse.streams.replay.runs import instant
from zonepulse.streams.screen import JsonOption, count, print_json, print_table, say
from zonepulse.streams.settings import Settings


def diff_(
    a: Annotated[str, typer.Argument(metavar="A", help="A run, or live.")],
    b: Annotated[str, typer.Argument(metavar="B", help="A run, or live.")],
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Default: the stretch of the runs.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Its end, exclusive.")] = None,
    examples: Annotated[int, typer.Option(min=0, max=100, help="Rows to show of each table.")] = 3,
    json: JsonOption = False,
) -> None:
    """Compare two runs row by row, in the store. Exit code 1 when they differ."""
    settings = servers.settings()
    with explained(), servers.store_client(settings) as client:
        side = _side(client, settings, (a, b), from_, to)
        found = diff(client, a, b, side, examples, inputs_of(client, settings, a, b))
    total = sum(table.differences for table in found)
    if json:
        print_json({
            "a": a, "b": b, "from": instant(side.from_ms), "to": instant(side.to_ms), "differences": total,
            "tables": [asdict(table) for table in found],
        })  # fmt: skip
    else:
        show_diff(a, b, side, found)
    if total:
        raise typer.Exit(FAILED)


def _side(client: Client, settings: Settings, names: tuple[str, str], from_: str | None, to: str | None) -> Side:
    """What both runs are about: the stretch asked for, or that of the runs. Raises CannotReplay."""
    plans = [plan for name in names if name != LIVE_RUN and (plan := runs.find(client, name).plan) is not None]
    if not plans and (from_ is None or to is None):
        raise CannotReplay(f"neither {names[0]} nor {names[1]} has a stretch: say --from and --to")
    zone = last_zone(settings)
    from_ms = instant_of("--from", from_, zone) if from_ else max(plan.from_ms for plan in plans)
    to_ms = instant_of("--to", to, zone) if to else min(plan.to_ms for plan in plans)
    if from_ms >= to_ms:
        raise CannotReplay("the two runs have no stretch in common: say --from and --to")
    return Side(zone.id, from_ms, to_ms, plans[0].topic if plans else f"{settings.topic_prefix}readings")


def inputs_of(client: Client, settings: Settings, a: str, b: str) -> Inputs:
    """In what the two runs were made differently. Raises CannotReplay, KafkaError."""
    versions = load_versions(servers.require_broker(settings), REGISTRY.full_name(settings.topic_prefix))
    of_log = [version for _, version in sorted(versions.items())]
    return inputs(*(made_with(None if name == LIVE_RUN else runs.find(client, name), of_log) for name in (a, b)))


def show_diff(a: str, b: str, side: Side, found: list[TableDiff]) -> None:
    """For people."""
    say(f"A = {a}, B = {b}, {instant(side.from_ms)} to {instant(side.to_ms)}")
    columns = ("table", "rows A", "rows B", "only A", "only B", "changed", "revised")
    print_table(
        columns,
        [(t.name, *map(count, (*t.rows, t.only_a, t.only_b, t.changed, t.revised))) for t in found],
        right=columns[1:],
    )
    for table in found:
        for told in table.causes:
            say(f"{table.name}: {_told(told)}")
        for day in table.days[:20]:
            say(f"{table.name}: {day['who']} {day['day']}: {_told(day)}")
        for example in table.first:
            key = " ".join(f"{name}={value}" for name, value in example["key"].items() if value)
            what = ", ".join(f"{name} {v['a']} -> {v['b']}" for name, v in example["differs"].items())
            say(f"  {table.name} {key}: {what} ({' and '.join(example['causes'])})")
    if not any(table.differences for table in found):
        say("no difference")


def _told(group: Mapping[str, Any]) -> str:
    """Rows that differ, why, and by how much."""
    sums = "".join(f", {_amount(name, value)}" for name, value in group.items() if name not in ("who", "day", "rows", "causes"))
    return f"{count(group['rows'])} rows because of {' and '.join(group['causes'])}{sums}"


def _amount(name: str, value: int) -> str:
    unit = "kg CO2e" if name == "co2e_mg" else "units of energy"
    return f"{value / 1e6:+,.6f} {unit}"
