"""`zonepulse registry`: what a zone consists of, published to its workers."""

import re
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from zonepulse.schemas.checks.changes import RESTATE, check_applicable, check_settings, diff
from zonepulse.schemas.checks.inputs import accepted
from zonepulse.schemas.checks.notices import identifiers, notices
from zonepulse.schemas.messages.topics import INTERVALS, REGISTRY
from zonepulse.schemas.problems import Problem, RegistryError
from zonepulse.schemas.registry.inputs import INPUTS, Input
from zonepulse.schemas.registry.model import FOREVER, Registry
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.streams import servers
from zonepulse.streams.cli.deadletters.letters import unknown_channels
from zonepulse.streams.cli.registry.factors import app as factors_app
from zonepulse.streams.cli.registry.holidays import holidays
from zonepulse.streams.cli.registry.new import new
from zonepulse.streams.cli.registry.restate import first_window_ms, restatement
from zonepulse.streams.cli.shared.zone_files import read_text, read_zone
from zonepulse.streams.control.input_topic import published_inputs
from zonepulse.streams.control.registry_topic import load_versions, mend, plan_mends, publish, read_to_end
from zonepulse.streams.exit_codes import BAD_INPUT
from zonepulse.streams.kafka.topics_admin import ensure_topics
from zonepulse.streams.screen import (
    JsonOption,
    Stop,
    count,
    print_facts,
    print_json,
    print_table,
    say,
    show_error,
    show_remark,
    time_text,
)
from zonepulse.streams.settings import Settings

TAIL: Final = 500
"""Blocks of zp.intervals that are read back for the last tick closed."""
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


app.command()(new)
app.command()(holidays)
app.add_typer(factors_app, name="factors")


@app.callback()
def registry() -> None:
    """Write, publish and show a zone's registry; list the meters that send and are not in it."""


@app.command()
def apply(
    zone: Annotated[Path, typer.Argument(metavar="ZONE.YAML", help="The zone's registry file.")] = Path("zone.yaml"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Check zone.yaml, publish it as the zone's next registry version, and tell every partition where to switch to it.

    A change of what was valid in closed windows is refused: restating the past belongs to replay.
    """
    settings = servers.settings()
    new = read_change(zone, settings)
    for notice in notices(new, file=str(zone)):
        show_remark(str(notice))
    broker = servers.require_broker(settings)
    topic = REGISTRY.full_name(settings.topic_prefix)
    mended = mended_topic(broker, topic, new, dry_run)
    versions = load_versions(broker, topic)
    old = versions[max(versions)] if versions else None
    closed_ms = latest_closed_ms(settings, old) if old else None
    refuse(old, new, closed_ms, zone, settings)
    refuse_inputs(old, new, published_inputs(broker, settings.topic_prefix), zone)
    changes = diff(old, new) if old else []
    if dry_run:
        version = max(versions, default=0) + (1 if old is None or old != replace(new, version=old.version) else 0)
    else:
        ensure_topics(broker, settings.topic_prefix, settings.partitions, is_simulated=settings.is_simulated)
        version = publish(broker, settings.topic_prefix, new, settings.partitions)
    summary = facts(replace(new, version=version)) | {
        "is_new": version not in versions,
        "published": not dry_run,
        "mended": mended,
        "changes": changes,
        "latest_closed": None if closed_ms is None else _time(closed_ms),
    }
    if json:
        print_json(summary)
    else:
        show_applied(summary, old is None)


def mended_topic(broker: str, topic: str, new: Registry, dry_run: bool) -> list[str]:
    """Removes and rewrites what can be mended of the topic, and says so; what was, or with `dry_run` would be, done."""
    planned = plan_mends(broker, topic, new)
    if not dry_run:
        mend(broker, topic, planned)
    for one in planned:
        show_remark(f"{topic}: {one.what}{' (not now: dry run)' if dry_run else ''}")
    return [one.what for one in planned]


def read_change(zone: Path, settings: Settings) -> Registry:
    """The file's registry; identifiers that are published already may have any characters. Raises RegistryError."""
    try:
        return read_zone(zone)
    except RegistryError:
        known = frozenset[str]()
        with suppress(Stop):
            versions = load_versions(servers.require_broker(settings), REGISTRY.full_name(settings.topic_prefix))
            known = identifiers(versions[max(versions)]) if versions else known
        return read_zone(zone, known)


def refuse(old: Registry | None, new: Registry, closed_ms: int | None, zone: Path, settings: Settings) -> None:
    """Ends the command where `new` may not follow `old`, with every reason and the commands that restate the past."""
    if old is not None and old.zone.id != new.zone.id:
        wrong = f"zone {new.zone.id!r} cannot follow zone {old.zone.id!r} on the same topics"
        raise Stop(f"{zone}: {wrong}; set ZONEPULSE_TOPIC_PREFIX to a prefix of its own", BAD_INPUT)
    problems: list[Problem] = []
    if old is not None:
        shown = str(zone)
        problems = check_settings(old, new, file=shown) if closed_ms is None else check_applicable(old, new, closed_ms, file=shown)
    if problems:
        text = read_text(zone)
        for problem in problems:
            show_error(str(replace(problem, line=_line_of(problem.path, text))))
        first_ms = first_window_ms(settings, new.zone.id) if any(RESTATE in str(problem) for problem in problems) else None
        if old is not None and closed_ms is not None and first_ms is not None and first_ms < closed_ms:
            say(*restatement(zone, old, first_ms, closed_ms), err=True)
        raise typer.Exit(BAD_INPUT)


def refuse_inputs(old: Registry | None, new: Registry, published: list[Input], zone: Path) -> None:
    """Ends the command where an input of the file takes the place of one that was given with `inputs apply`."""
    before = {one.id for one, _ in accepted(entities_of(old, INPUTS), published)[1]} if old else set[str]()
    for one, why in accepted(entities_of(new, INPUTS), published)[1]:
        if one.id not in before:
            what = f"input {one.id!r}, given with `zonepulse inputs apply`, would not count any more: {why}"
            raise Stop(f"{zone}: inputs: {what}; leave that one out, and correct with `inputs apply` and a reason", BAD_INPUT)


def _line_of(path: str, text: str) -> int:
    """The line of zone.yaml that a path such as `meters.M1`, `network.edges.e1` or `zone.key` is about; 0 where there is none."""
    section, _, name = path.partition(".")
    name = name.removeprefix("vee.") if section == "zone" else name
    key = {"meter_changes": "meter", "zone": ""}.get(section, "id")
    start = re.search(rf"^{re.escape(section)}:", text, re.MULTILINE)
    at = start.start() if start else -1
    if section == "network" and name:
        part, _, name = name.partition(".")
        at, key = _found(rf"\b{part}:", text, at), "" if part == "nodes" else "id"
        wanted = rf"\b{re.escape(name)}\b" if part == "nodes" else rf"""\b{key}:\s*["']?{re.escape(name)}(?![\w-])"""
    else:
        wanted = rf"""\b{key}:\s*["']?{re.escape(name)}(?![\w-])""" if key else rf"\b{re.escape(name)}:"
    at = _found(wanted, text, at) if name else at
    return text.count("\n", 0, at) + 1 if at >= 0 else 0


def _found(pattern: str, text: str, at: int) -> int:
    """Where it occurs next from `at`; -1 where it does not, or `at` is -1."""
    found = re.compile(pattern).search(text, at) if at >= 0 else None
    return found.start() if found else -1


def latest_closed_ms(settings: Settings, registry: Registry) -> int | None:
    """End of the latest window that the workers have closed (epoch ms): from their newest blocks, else from the store."""
    blocks = read_to_end(settings.broker, INTERVALS.full_name(settings.topic_prefix), last=TAIL)
    ticks = [int(through) for block in blocks if (through := _through(block.value)) is not None]
    if ticks:
        zone = registry.zone
        return (max(ticks) * zone.tick_ms - zone.delay_ms) // zone.window_ms * zone.window_ms
    with suppress(Stop), servers.store_client(settings) as client:
        query = "SELECT toUnixTimestamp64Milli(max(start)) + max(length_s) * 1000, count() FROM intervals WHERE run = 'live'"
        ((end_ms, rows),) = client.query(query).result_rows
        return int(end_ms) if rows else None
    return None


def _through(value: bytes | None) -> bytes | None:
    from zonepulse.schemas.messages.arrow_blocks import BadArrow
    from zonepulse.streams.kafka.interval_codec import THROUGH, block_metadata

    try:
        found = block_metadata(value or b"").get(THROUGH, b"")
    except BadArrow:  # whatever stands on the topic besides
        return None
    return found if found.isdigit() and len(found) < 20 else None


def facts(registry: Registry) -> dict[str, Any]:
    """A version in numbers."""
    return {
        "zone": registry.zone.id,
        "version": registry.version,
        "sha256": registry.sha256,
        "companies": len(registry.companies),
        "sites": len(registry.sites),
        "gateways": len(registry.gateways),
        "meters": len({m.id for m in registry.meters}),
        "channels": len({(m.id, r.id) for m in registry.meters for r in m.registers}),
        "rules": len(registry.rules),
    }


def show_applied(summary: dict[str, Any], is_first: bool) -> None:
    """What `apply` did, for people."""
    did = "is" if summary["published"] else "would be"
    what = "new" if summary["is_new"] else "unchanged; its partitions were told again" if summary["published"] else "unchanged"
    print_facts([("registry", f"zone {summary['zone']} {did} version {summary['version']} ({what})"), *_sizes(summary)])
    if summary["is_new"] and not is_first:
        say(*summary["changes"] or ["nothing changed but the file's text"])


def _sizes(summary: dict[str, Any]) -> list[tuple[str, str]]:
    names = ("companies", "sites", "gateways", "meters", "channels", "rules")
    return [("holds", ", ".join(f"{count(summary[name])} {name}" for name in names))]


@app.command()
def show(version: Annotated[int | None, typer.Option(min=1, help="Default: the newest.")] = None, json: JsonOption = False) -> None:
    """Show a published registry version."""
    settings = servers.settings()
    topic = REGISTRY.full_name(settings.topic_prefix)
    versions = load_versions(servers.require_broker(settings), topic)
    if not versions:
        raise Stop(f"no registry on {topic}: publish one with `zonepulse registry apply zone.yaml`")
    wanted = max(versions) if version is None else version
    if wanted not in versions:
        raise Stop(f"--version {wanted}: not on {topic}; there are {', '.join(map(str, versions))}", BAD_INPUT)
    found = versions[wanted]
    if json:
        print_json(facts(found) | {"versions": list(versions), "registry": msgspec.to_builtins(found, enc_hook=str)})
    else:
        show_registry(found, list(versions))


def show_registry(registry: Registry, versions: list[int]) -> None:
    """A version for people: its numbers, and each company's meters."""
    summary = facts(registry)
    zone = registry.zone
    timing = f"window {zone.window_ms // 60_000} min, lateness {zone.lateness_ms // 60_000} min, key {zone.key}, {zone.timezone}"
    title = f"{zone.id}, version {registry.version} of {', '.join(map(str, versions))}"
    print_facts([("zone", title), ("policy", timing), ("sha256", registry.sha256), *_sizes(summary)])
    company_of = {site.id: site.company for site in registry.sites}
    meters = Counter(company_of[m.site] for m in {m.id: m for m in registry.meters}.values())
    channels = Counter(c for _, _, c in {(m.id, r.id, company_of[m.site]) for m in registry.meters for r in m.registers})
    sites = Counter(company_of.values())
    rows = [(c.id, c.name.get("en", c.id), sites[c.id], meters[c.id], channels[c.id]) for c in registry.companies]
    if sites[""]:
        rows.append(("-", "the zone itself", sites[""], meters[""], channels[""]))
    print_table(("company", "name", "sites", "meters", "channels"), rows, right=("sites", "meters", "channels"))
    for change in registry.meter_changes:
        say(f"meter change: {change.meter} {change.register} at {_time(change.at_ms)}")


@app.command()
def unknown(
    limit: Annotated[int, typer.Option(min=1, help="How many to show, the most frequent first.")] = 50, json: JsonOption = False
) -> None:
    """List the meters and registers that send readings and are not in the registry."""
    with servers.store_client(servers.settings()) as client:
        found = unknown_channels(client)
    shown = found[:limit]
    if json:
        print_json({"unknown": shown, "channels": len(found), "readings": sum(f["readings"] for f in found)})
        return
    if not found:
        say("every meter that sends is registered")
        return
    columns = ("meter", "register", "unknown", "readings", "first_seen", "last_seen")
    print_table(columns, [[row[c] for c in columns] for row in shown], right=("readings",))
    if len(found) > limit:
        show_remark(f"{limit} of {count(len(found))} are shown; --limit {len(found)} shows all")
    show_remark("add them to zone.yaml, `zonepulse registry apply`, then `zonepulse deadletters redrive`")


def _time(ms: int) -> str:
    return "-" if abs(ms) >= FOREVER else time_text(datetime.fromtimestamp(ms / 1000, UTC))
