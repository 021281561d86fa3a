"""`zonepulse replay plan`: what a run would read, and what it could not know."""

import time
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from zonepulse.schemas.messages.topics import REGISTRY
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.wire import decode_factor
from zonepulse.schemas.values import BadValue, duration_text, parse_duration_ms
from zonepulse.streams import servers
from zonepulse.streams.cli.replay.shared import explained, instant_of, last_zone, new_name
from zonepulse.streams.cli.shared.zone_files import read_text, read_zone, require_files
from zonepulse.streams.control.factor_topic import published_factors
from zonepulse.streams.control.kept_states import kept_before
from zonepulse.streams.control.registry_topic import load_versions
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.files_run import plan_of_files
from zonepulse.streams.replay.hand_over import program
from zonepulse.streams.replay.plan import ARCHIVE, AUTO, FILES, TOPIC, Plan, known_of, make_plan
from zonepulse.streams.replay.promote import who
from zonepulse.streams.replay.runs import instant
from zonepulse.streams.screen import BadInput, JsonOption, count, print_facts, print_json, say
from zonepulse.streams.settings import Settings


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
        str, typer.Option(metavar="WHAT", help="topic, archive, files, or auto: the archive where the topic's beginning is gone.")
    ] = AUTO,
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="FILE", help="With --source files: one, in order of arrival; again for more."),
    ] = None,
    arrival: Annotated[
        bool, typer.Option("--arrival", help="Readings of files without ingest_ms arrive at the running maximum of ts.")
    ] = False,
    include_late: Annotated[
        bool, typer.Option("--include-late", help="Take in the stretch's readings that came behind the zone's lateness.")
    ] = False,
    max_gap: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="How long a silence the run bridges, such as 30d; otherwise as the registry says."),
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="ID", help="Name of the run; default replay-<time>.")] = None,
    json: JsonOption = False,
) -> None:
    """Say what a replay of a stretch would read and what it could not know, and keep it as a run to be."""
    settings = servers.settings()
    if source not in (AUTO, TOPIC, ARCHIVE, FILES):
        raise BadInput(f"--source {source!r}: there are {AUTO}, {TOPIC}, {ARCHIVE} and {FILES}")
    if (source == FILES) != bool(files):
        raise BadInput(f"--source {FILES} and --file belong together: name the files in order of arrival")
    if files:
        require_files(files)
    if files and include_late:
        raise BadInput(
            "--include-late: files have their readings in the order in which they say they came; sort them by ts instead"
        )
    if source == ARCHIVE and not settings.archive:
        raise BadInput("--source archive: set ZONEPULSE_ARCHIVE to the folder or URL of the archive")
    if factors_as_of:
        factors_as_of = _day(factors_as_of)
    own = None if registry is None else read_zone(registry)
    with explained(), servers.store_client(settings) as client:
        zone = last_zone(settings)
        stretch = instant_of("--from", from_, zone), instant_of("--to", to, zone)
        if stretch[0] >= stretch[1]:
            raise BadInput(f"--from {from_} is not before --to {to}")
        gap_ms = _max_gap_ms(settings, max_gap, own) if max_gap else 0
        name, rate = new_name(client, run), runs.measured_rate(runs.list_runs(client))
        text = "" if registry is None else read_text(registry)
        published = published_factors(settings.broker, settings.topic_prefix) if factors_as_of and registry is None else ()
        of_files = Plan(
            name, zone.id, *stretch, "", (), text, factors_as_of or "", known_of(published, factors_as_of),
            made_at_ms=round(time.time() * 1000), max_gap_ms=gap_ms,
        )  # fmt: skip
        made = plan_of_files(settings.broker, settings.topic_prefix, of_files, files, arrival=arrival) if files else make_plan(
            settings.broker, settings.topic_prefix, zone, name, stretch, text, factors_as_of or "", round(time.time() * 1000),
            archive=settings.archive, source=source, include_late=include_late,
            published=published,
            max_gap_ms=gap_ms, kept=None if source != AUTO or include_late or own or factors_as_of or gap_ms else kept_before(
                settings.broker, settings.topic_prefix, stretch[0], zone.tick_ms
            ),
        )  # fmt: skip
        made = msgspec.structs.replace(made, who=who(), program=program())
        made.registry()  # what this day's factors lack shows now
        runs.save(client, made, runs.PLANNED)
    if json:
        print_json(plan_facts(made) | {"seconds": rate and made.records / rate})
    else:
        _show_plan(made, rate)
        say(f"run it: zonepulse replay run {name}")


def _max_gap_ms(settings: Settings, text: str, own: Registry | None) -> int:
    """The option, if the registries of the run can have it. Raises BadInput."""
    try:
        gap_ms = parse_duration_ms(text)
    except BadValue as bad:
        raise BadInput(f"--max-gap: {bad}") from bad
    versions = load_versions(settings.broker, REGISTRY.full_name(settings.topic_prefix)).values() if own is None else [own]
    periods = [(r.period_ms, m.id) for v in versions for m in v.meters for r in m.registers if r.kind == "interval"]
    least_ms, what = max([(zone.zone.window_ms, "the zone's window") for zone in versions] + periods)
    if gap_ms < least_ms:
        raise BadInput(f"--max-gap {text} is shorter than {duration_text(least_ms)}, a period of {what}: write at least that")
    return gap_ms


def plan_facts(plan: Plan) -> dict[str, Any]:
    """What --json prints of a plan."""
    return {
        "run": plan.run, "kind": plan.kind,
        "zone": plan.zone, "from": instant(plan.from_ms), "to": instant(plan.to_ms), "topic": plan.topic,
        "offsets": {str(p): list(at) for p, at in enumerate(plan.offsets)}, "records": plan.records,
        "archive": plan.archive or None, "archived": {str(p): at for p, at in enumerate(plan.archived)},
        "files": [path for path, _ in plan.files], "kept": plan.kept or None, "include_late": bool(plan.late_offsets),
        "registry": "of the log" if not plan.zone_yaml else "its own", "factors_as_of": plan.factors_as_of or None,
        "published": [decode_factor(text).id for text in plan.published],
        "max_gap": duration_text(plan.max_gap_ms) if plan.max_gap_ms else None,
        "is_approximate": bool(plan.caveats), "caveats": list(plan.caveats), "who": plan.who, "program": plan.program,
    }  # fmt: skip


def _show_plan(plan: Plan, rate: float | None) -> None:
    published = f"version {plan.version}" if plan.files else "the versions that the log names"
    registry = "its own zone.yaml" if plan.zone_yaml else published
    offsets = ", ".join(f"{p}: {first} to {end}" for p, (first, end) in enumerate(plan.offsets))
    reads = f"{plan.topic}, up to {count(plan.records)} records ({offsets})"
    print_facts(
        [
            ("run", plan.run),
            ("stretch", f"{instant(plan.from_ms)} to {instant(plan.to_ms)}"),
            ("reads", ", ".join(path for path, _ in plan.files) if plan.files else reads),
            *(
                [("takes", f"about {plan.records / rate:,.0f} s, at the {count(round(rate))} records/s of the last run")]
                if rate and not plan.files
                else []
            ),
            *([("begins with", "the state that the live tasks kept before the stretch")] if plan.kept else []),
            *([("archive", f"{plan.archive}, up to offsets {_places(plan)}")] if plan.archived else []),
            *([("takes in", "the stretch's readings that came behind lateness")] if plan.late_offsets else []),
            ("registry", registry + (f", factors as of {plan.factors_as_of}" if plan.factors_as_of else "")),
            *([("published", ", ".join(decode_factor(text).id for text in plan.published))] if plan.published else []),
            *([("bridges", f"silence of up to {duration_text(plan.max_gap_ms)}")] if plan.max_gap_ms else []),
            *(("approximate", caveat) for caveat in plan.caveats),
        ]
    )


def _places(plan: Plan) -> str:
    return ", ".join(f"{partition}: {at}" for partition, at in enumerate(plan.archived))
