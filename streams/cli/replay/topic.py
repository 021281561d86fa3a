"""`zonepulse replay plan | run | list | diff | promote | revert | discard | verify`: runs of the topic beside the live one."""

import os
import random
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec
import typer
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from kafka.errors import KafkaError

from zonepulse.processors.zone_run import UnknownVersion
from zonepulse.schemas.messages.topics import REGISTRY
from zonepulse.schemas.registry.model import Registry, ZonePolicy
from zonepulse.schemas.registry.wire import decode_factor
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.schemas.values import BadValue, parse_instant_ms
from zonepulse.streams import servers
from zonepulse.streams.archive.archive import BadArchive
from zonepulse.streams.cli.shared.kernels import tell_if_compiling
from zonepulse.streams.cli.shared.zone_files import read_text, read_zone
from zonepulse.streams.control.factor_topic import published_factors
from zonepulse.streams.control.registry_topic import load_versions
from zonepulse.streams.exit_codes import FAILED
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.checkpoint import EVERY_S, RunFolder, folder_of
from zonepulse.streams.replay.diff import Side, TableDiff, diff
from zonepulse.streams.replay.plan import ARCHIVE, AUTO, TOPIC, CannotReplay, Plan, make_plan
from zonepulse.streams.replay.promote import promote, require_reverted, revert, who
from zonepulse.streams.replay.run import Progress, run_plan
from zonepulse.streams.replay.runs import instant
from zonepulse.streams.screen import BadInput, JsonOption, Stop, count, print_facts, print_json, print_table, say, stderr
from zonepulse.streams.settings import Settings
from zonepulse.streams.workers.kernel_cache import mark_compiled

MS_PER_HOUR: Final = 3_600_000
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][\w.:-]{0,63}")
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run of `zonepulse replay list`.")]


@contextmanager
def _explained() -> Iterator[None]:
    """Errors of this command's parts as one line. Raises Stop."""
    try:
        yield
    except (CannotReplay, UnknownVersion, BadArchive) as error:
        raise Stop(str(error)) from error
    except KafkaError as error:
        raise Stop(f"Kafka: {type(error).__name__}: {error}; look with `zonepulse doctor`") from error
    except ClickHouseError as error:
        raise Stop(f"the store: {servers.first_line(error)}; look with `zonepulse doctor`") from error


def _zone(settings: Settings) -> ZonePolicy:
    """The zone as it was last published. Raises Stop."""
    return _registry(settings).zone


def _registry(settings: Settings) -> Registry:
    """The registry as it was last published. Raises Stop."""
    topic = REGISTRY.full_name(settings.topic_prefix)
    versions = load_versions(servers.require_broker(settings), topic)
    if not versions:
        raise Stop(f"no registry is on {topic}: publish one with `zonepulse registry apply zone.yaml`")
    return versions[max(versions)]


def _instant(option: str, text: str, zone: ZonePolicy) -> int:
    try:
        return parse_instant_ms(text, ZoneInfo(zone.timezone))
    except BadValue as bad:
        raise BadInput(f"{option}: {bad}") from bad


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise BadInput(f"--factors-as-of {text!r}: write a date, such as 2026-06-30") from error


def plan(
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help="Begin of the stretch: a date of the zone, or an instant.")],
    to: Annotated[str, typer.Option("--to", metavar="TIME", help="Its end, exclusive.")],
    registry: Annotated[
        Path | None, typer.Option(metavar="ZONE.YAML", help="Run under this registry; otherwise under those of the log.")
    ] = None,
    factors_as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="Factors as known on this day, those of `registry factors publish` too.")
    ] = None,
    source: Annotated[
        str, typer.Option(metavar="WHAT", help="topic, archive, or auto: the archive where the topic's beginning is gone.")
    ] = AUTO,
    include_late: Annotated[
        bool, typer.Option("--include-late", help="Take in the stretch's readings that came behind the zone's lateness.")
    ] = False,
    run: Annotated[str | None, typer.Option(metavar="ID", help="Name of the run; default replay-<time>.")] = None,
    json: JsonOption = False,
) -> None:
    """Say what a replay of a stretch would read and what it could not know, and keep it as a run to be."""
    settings = servers.settings()
    if source not in (AUTO, TOPIC, ARCHIVE):
        raise BadInput(f"--source {source!r}: there are {AUTO}, {TOPIC} and {ARCHIVE}")
    if source == ARCHIVE and not settings.archive:
        raise BadInput("--source archive: set ZONEPULSE_ARCHIVE to the folder or URL of the archive")
    if factors_as_of:
        factors_as_of = _day(factors_as_of)
    if registry is not None:
        read_zone(registry)
    with _explained(), servers.store_client(settings) as client:
        zone = _zone(settings)
        stretch = _instant("--from", from_, zone), _instant("--to", to, zone)
        if stretch[0] >= stretch[1]:
            raise BadInput(f"--from {from_} is not before --to {to}")
        name, rate = _new_name(client, run), runs.measured_rate(runs.list_runs(client))
        text = "" if registry is None else read_text(registry)
        made = make_plan(
            settings.broker, settings.topic_prefix, zone, name, stretch, text, factors_as_of or "", round(time.time() * 1000),
            archive=settings.archive, source=source, include_late=include_late,
            published=published_factors(settings.broker, settings.topic_prefix) if factors_as_of and registry is None else (),
        )  # fmt: skip
        made = msgspec.structs.replace(made, who=who(), program=f"zonepulse {version('zonepulse')}")
        made.registry()  # what this day's factors lack shows now
        runs.save(client, made, runs.PLANNED)
    if json:
        print_json(_plan_facts(made) | {"seconds": rate and made.records / rate})
    else:
        _show_plan(made, rate)
        say(f"run it: zonepulse replay run {name}")


def _new_name(client: Client, given: str | None) -> str:
    name = f"replay-{datetime.now(UTC):%Y%m%dT%H%M%S}" if given is None else run_id(given)
    if any(known.name == name for known in runs.list_runs(client)):
        raise BadInput(f"--run {name!r} is in the store already; choose another id, or none for a new one")
    return name


def run_id(given: str | None) -> str:
    """The given id if it can be one, else one made of the time. Raises BadInput."""
    if given is None:
        return f"file-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"[:-3] + "Z"
    if given == LIVE_RUN or not _RUN_ID.fullmatch(given):
        raise BadInput(f"--run {given!r}: choose another id: letters, digits and _ . : -, at most 64; {LIVE_RUN!r} is the workers'")
    return given


def _plan_facts(plan: Plan) -> dict[str, Any]:
    return {
        "run": plan.run, "zone": plan.zone, "from": instant(plan.from_ms), "to": instant(plan.to_ms), "topic": plan.topic,
        "offsets": {str(p): list(at) for p, at in enumerate(plan.offsets)}, "records": plan.records,
        "archive": plan.archive or None, "archived": {str(p): at for p, at in enumerate(plan.archived)},
        "include_late": bool(plan.late_offsets),
        "registry": "of the log" if not plan.zone_yaml else "its own", "factors_as_of": plan.factors_as_of or None,
        "published": [decode_factor(text).id for text in plan.published],
        "is_approximate": bool(plan.caveats), "caveats": list(plan.caveats), "who": plan.who, "program": plan.program,
    }  # fmt: skip


def _show_plan(plan: Plan, rate: float | None) -> None:
    registry = "its own zone.yaml" if plan.zone_yaml else "the versions that the log names"
    offsets = ", ".join(f"{p}: {first} to {end}" for p, (first, end) in enumerate(plan.offsets))
    print_facts(
        [
            ("run", plan.run),
            ("stretch", f"{instant(plan.from_ms)} to {instant(plan.to_ms)}"),
            ("reads", f"{plan.topic}, up to {count(plan.records)} records ({offsets})"),
            *(
                [("takes", f"about {plan.records / rate:,.0f} s, at the {count(round(rate))} records/s of the last run")]
                if rate
                else []
            ),
            *([("archive", f"{plan.archive}, up to offsets {_places(plan)}")] if plan.archived else []),
            *([("takes in", "the stretch's readings that came behind lateness")] if plan.late_offsets else []),
            ("registry", registry + (f", factors as of {plan.factors_as_of}" if plan.factors_as_of else "")),
            *([("published", ", ".join(decode_factor(text).id for text in plan.published))] if plan.published else []),
            *(("approximate", caveat) for caveat in plan.caveats),
        ]
    )


def _places(plan: Plan) -> str:
    return ", ".join(f"{partition}: {at}" for partition, at in enumerate(plan.archived))


def run(
    run: RunArgument,
    processes: Annotated[
        int, typer.Option(min=1, max=1000, help="Share the partitions out to so many; the rows are the same.")
    ] = 1,
    checkpoint_s: Annotated[
        float, typer.Option(min=0, metavar="S", help="Seconds between checkpoints, from which a run that is cut off goes on.")
    ] = EVERY_S,
    most_per_s: Annotated[
        float, typer.Option("--rate", min=0, metavar="N", help="At most N records/s; 0 = as fast as it can.")
    ] = 0,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with the log as a shadow of the live ledger, until Ctrl+C or SIGTERM.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Run a plan: the topic's readings through the whole core, beside the live tasks; one that was cut off goes on."""
    settings = servers.settings()
    servers.require_broker(settings)
    if follow and processes > 1:
        raise BadInput("--follow: one process follows the log; leave --processes out")
    with _explained(), servers.store_client(settings) as client:
        found = runs.find(client, run)
        if found.plan is None:
            raise CannotReplay(f"run {run!r} is a run of files: `zonepulse replay file` makes it")
        require_reverted(client, found)
        if found.state != runs.PLANNED:
            runs.delete_rows(client, run)
        folder = RunFolder(folder_of(settings.data_dir, run), found.plan, checkpoint_s)
        result = _run(settings, found.plan, client, processes, folder, _stopped() if follow else None, most_per_s)
    if json:
        print_json({"run": run} | result)
        return
    print_table(
        ("table", "rows", "digest"), [(n, count(t["rows"]), t["digest"]) for n, t in result["tables"].items()], right=("rows",)
    )
    speed = f"{result['seconds']:.1f} s, {count(result['records_per_s'])} records/s"
    print_facts([("records", count(result["records"])), ("took", speed), ("compare", f"zonepulse replay diff live {run}")])


def _stopped() -> threading.Event:
    """Set by Ctrl+C and SIGTERM from now on."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def _run(
    settings: Settings,
    plan: Plan,
    client: Client,
    processes: int = 1,
    folder: RunFolder | None = None,
    follow_until: threading.Event | None = None,
    most_per_s: float = 0,
) -> dict[str, Any]:
    tell_if_compiling()
    with stderr().status(f"{plan.run}: reading") as status:

        def show(progress: Progress) -> None:
            done = progress.records / max(1, plan.records)
            rate = count(round(progress.records_per_s))
            status.update(
                f"{plan.run}: {done:.0%}, {rate} records/s, {progress.left_s:.0f} s left, at {instant(progress.ingest_ms)}"
            )

        result = run_plan(settings.broker, settings.topic_prefix, plan, client, show, processes, folder, follow_until, most_per_s)
    mark_compiled(os.environ)
    return result


def list_(json: JsonOption = False) -> None:
    """The runs in the store, the newest first."""
    with _explained(), servers.store_client(servers.settings()) as client:
        known = runs.list_runs(client)
    if json:
        print_json([_run_facts(run) for run in known])
        return
    if not known:
        say("no runs yet: zonepulse replay plan --from TIME --to TIME")
        return
    rows = [
        (r.name, r.state, instant(r.started_ms), "" if r.plan is None else f"{instant(r.plan.from_ms)} to {instant(r.plan.to_ms)}")
        for r in known
    ]
    print_table(("run", "state", "made", "stretch"), rows)


def _run_facts(run: runs.Run) -> dict[str, Any]:
    facts: dict[str, Any] = {"run": run.name, "state": run.state, "made": instant(run.started_ms), "note": run.note}
    return facts | {"plan": None if run.plan is None else _plan_facts(run.plan), "result": run.result}


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
    with _explained(), servers.store_client(settings) as client:
        side = _side(client, settings, (a, b), from_, to)
        found = diff(client, a, b, side, examples)
    total = sum(table.differences for table in found)
    if json:
        print_json({
            "a": a, "b": b, "from": instant(side.from_ms), "to": instant(side.to_ms), "differences": total,
            "tables": [asdict(table) for table in found],
        })  # fmt: skip
    else:
        _show_diff(a, b, side, found)
    if total:
        raise typer.Exit(FAILED)


def _side(client: Client, settings: Settings, names: tuple[str, str], from_: str | None, to: str | None) -> Side:
    """What both runs are about: the stretch asked for, or that of the runs. Raises CannotReplay."""
    plans = [plan for name in names if name != LIVE_RUN and (plan := runs.find(client, name).plan) is not None]
    if not plans and (from_ is None or to is None):
        raise CannotReplay(f"neither {names[0]} nor {names[1]} has a stretch: say --from and --to")
    zone = _zone(settings)
    from_ms = _instant("--from", from_, zone) if from_ else max(plan.from_ms for plan in plans)
    to_ms = _instant("--to", to, zone) if to else min(plan.to_ms for plan in plans)
    if from_ms >= to_ms:
        raise CannotReplay("the two runs have no stretch in common: say --from and --to")
    return Side(zone.id, from_ms, to_ms, plans[0].topic if plans else f"{settings.topic_prefix}readings")


def _show_diff(a: str, b: str, side: Side, found: list[TableDiff]) -> None:
    say(f"A = {a}, B = {b}, {instant(side.from_ms)} to {instant(side.to_ms)}")
    columns = ("table", "rows A", "rows B", "only A", "only B", "changed", "revised")
    print_table(
        columns,
        [(t.name, *map(count, (*t.rows, t.only_a, t.only_b, t.changed, t.revised))) for t in found],
        right=columns[1:],
    )
    for table in found:
        for day in table.days[:20]:
            sums = "".join(f", {_amount(name, value)}" for name, value in day.items() if name not in ("who", "day", "rows"))
            say(f"{table.name}: {day['who']} {day['day']}: {count(day['rows'])} rows{sums}")
        for example in table.first:
            key = " ".join(f"{name}={value}" for name, value in example["key"].items() if value)
            what = ", ".join(f"{name} {v['a']} -> {v['b']}" for name, v in example["differs"].items())
            say(f"  {table.name} {key}: {what}")
    if not any(table.differences for table in found):
        say("no difference")


def _amount(name: str, value: int) -> str:
    unit = "kg CO2e" if name == "co2e_mg" else "units of energy"
    return f"{value / 1e6:+,.6f} {unit}"


def discard(run: RunArgument) -> None:
    """Delete a run's rows from the store, for good."""
    settings = servers.settings()
    with _explained(), servers.store_client(settings) as client:
        found = runs.find(client, run)
        require_reverted(client, found)
        runs.delete_rows(client, run)
        shutil.rmtree(folder_of(settings.data_dir, run), ignore_errors=True)
        if found.plan is not None:
            runs.save(client, found.plan, runs.DISCARDED)
    say(f"{run}: its rows are deleted")


def promote_(
    run: RunArgument,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Kept with the decision.")] = "",
) -> None:
    """Let a run's rows of its stretch stand as the live ones, in every view at once; `revert` takes it back."""
    settings = servers.settings()
    with _explained(), servers.store_client(settings) as client:
        registry = _registry(settings)
        found = runs.find(client, run)
        followed_ms = _applied_ms(client, registry.zone, run) if found.state == runs.FOLLOWING else 0
        promote(client, found, registry, _applied_ms(client, registry.zone, LIVE_RUN), why, followed_ms)
        say(f"{run}: its rows stand as the live ones; take it back: zonepulse replay revert {run}")


def _applied_ms(client: Client, zone: ZonePolicy, run: str) -> int:
    """How far a run's ledger has come, at the least: the tick of its newest row in the store."""
    sql = "SELECT max(revision) FROM totals WHERE run = {run:String} AND zone = {zone:String}"
    return int(client.query(sql, parameters={"run": run, "zone": zone.id}).result_rows[0][0]) * zone.tick_ms


def revert_(
    run: RunArgument,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Kept with the decision.")] = "",
) -> None:
    """Let the live tasks' own rows stand again where a run was promoted."""
    with _explained(), servers.store_client(servers.settings()) as client:
        revert(client, runs.find(client, run), why)
    say(f"{run}: the live tasks' own rows stand again")


def verify(
    hour: Annotated[
        str | None, typer.Option(metavar="TIME", help="Begin of the hour; default: one of the last day, at random.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compute a past hour again and compare it with the live rows. Exit code 1 when one differs; the run is kept then."""
    settings = servers.settings()
    with _explained(), servers.store_client(settings) as client:
        zone = _zone(settings)
        now_ms = round(time.time() * 1000)
        settled_ms = now_ms - zone.window_ms - max(zone.lateness_ms, zone.delay_ms) - 2 * zone.tick_ms
        from_ms = _instant("--hour", hour, zone) if hour else settled_ms - random.randrange(1, 25) * MS_PER_HOUR
        from_ms = from_ms // MS_PER_HOUR * MS_PER_HOUR
        name = _new_name(client, f"verify-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        stretch = from_ms, from_ms + MS_PER_HOUR
        made = make_plan(settings.broker, settings.topic_prefix, zone, name, stretch, "", "", now_ms, archive=settings.archive)
        result = _run(settings, made, client)
        side = Side(zone.id, *stretch, made.topic)
        found = diff(client, LIVE_RUN, name, side)
        total = sum(table.differences for table in found)
        if not total:
            runs.delete_rows(client, name)
            runs.save(client, made, runs.DISCARDED, result, "verified")
    if json:
        print_json({"hour": instant(from_ms), "run": name, "differences": total, "tables": [asdict(t) for t in found]})
    else:
        _show_diff(LIVE_RUN, name, side, found)
    if total:
        raise typer.Exit(FAILED)


COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "plan": plan,
    "run": run,
    "list": list_,
    "diff": diff_,
    "promote": promote_,
    "revert": revert_,
    "discard": discard,
    "verify": verify,
}
