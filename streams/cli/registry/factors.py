"""`zonepulse registry factors`: which emission factor answers, and factors that are published for the past."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from zonepulse.schemas.factors.knowledge import published_day, with_published
from zonepulse.schemas.messages.topics import REGISTRY
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.values import BadValue, instant_text, parse_instant_ms
from zonepulse.schemas.zone_file.publication import parse_publication
from zonepulse.streams import servers
from zonepulse.streams.cli.registry.factor_answers import factor_answers
from zonepulse.streams.cli.shared.zone_files import read_text, read_zone
from zonepulse.streams.control.factor_topic import publish_factors, published_factors
from zonepulse.streams.control.registry_topic import load_versions
from zonepulse.streams.kafka.topics_admin import ensure_topics
from zonepulse.streams.screen import BadInput, JsonOption, Stop, print_json, print_table, say

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def factors(
    context: typer.Context,
    carrier: Annotated[str, typer.Option(help="Default: every carrier that the zone's meters and entries look up.")] = "",
    company: Annotated[str, typer.Option(metavar="ID", help="As this company's look-up finds it.")] = "",
    at: Annotated[str, typer.Option(metavar="INSTANT", help="ISO 8601, or a date of the zone. Default: now.")] = "",
    as_of: Annotated[str, typer.Option("--as-of", metavar="DATE", help="As it was known on that day.")] = "",
    zone: Annotated[Path | None, typer.Option(metavar="ZONE.YAML", help="A file instead of the published registry.")] = None,
    json: JsonOption = False,
) -> None:
    """Show which emission factor answers, on which rung, and where it comes from."""
    if context.invoked_subcommand is not None:
        return
    found = read_zone(zone) if zone else newest_version()
    local = ZoneInfo(found.zone.timezone)
    try:
        at_ms = parse_instant_ms(at, local) if at else int(datetime.now(UTC).timestamp() * 1000)
        day = date.fromisoformat(as_of).isoformat() if as_of else ""
    except ValueError as error:
        raise BadInput(f"--at {at!r}: {error}" if isinstance(error, BadValue) else f"--as-of {as_of!r}: write a date") from error
    if day and zone is None:
        settings = servers.settings()
        found = replace(
            found, factors=with_published(found.factors, published_factors(settings.broker, settings.topic_prefix), day)
        )
    rows = factor_answers(found, at_ms, as_of=day, carrier=carrier, company=company)
    if json:
        print_json({"zone": found.zone.id, "version": found.version, "at_ms": at_ms, "as_of": day or None, "factors": rows})
        return
    columns = ("carrier", "company", "basis", "factor", "rung", "value", "unit", "published", "confidence", "source")
    cells = [[row["factor_id"] or "none" if c == "factor" else shown_value(row, c) for c in columns] for row in rows]
    print_table(columns, cells, title=f"{found.zone.id} at {instant_text(at_ms, local)}", right=("value",))


@app.command()
def publish(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML: `factors:` as in zone.yaml, each with `published`.")],
    json: JsonOption = False,
) -> None:
    """Publish factors for the past: replays use them as of their day of publication, the live ledger's rows stay.

    Each takes the place of the factors of its activity, region, basis, company and unit while it is valid.
    """
    settings = servers.settings()
    broker, prefix, registry = servers.require_broker(settings), settings.topic_prefix, newest_version()
    earlier = published_factors(broker, prefix)
    found = parse_publication(read_text(file), registry, earlier, file=str(file))
    new = [factor for factor in found if factor not in earlier]
    if new:
        ensure_topics(broker, prefix, settings.partitions, is_simulated=settings.is_simulated)
        publish_factors(broker, prefix, new)
    day = max(published_day(factor.published) for factor in found)
    if json:
        print_json({"published": [f.id for f in new], "unchanged": [f.id for f in found if f in earlier], "factors_as_of": day})
        return
    say(f"{len(new)} published, {len(found) - len(new)} unchanged: {', '.join(factor.id for factor in found)}")
    say(f"restate the past: zonepulse replay plan --from TIME --to TIME --factors-as-of {day}")


def shown_value(row: dict[str, Any], column: str) -> str:
    """A cell of the factors' table."""
    value = row.get(column, "")
    return f"{value:.10g}" if isinstance(value, float) else str(value) or "-"


def newest_version() -> Registry:
    """The newest published registry. Raises Stop: there is none."""
    settings = servers.settings()
    topic = REGISTRY.full_name(settings.topic_prefix)
    versions = load_versions(servers.require_broker(settings), topic)
    if not versions:
        raise Stop(f"no registry on {topic}: publish one with `zonepulse registry apply zone.yaml`, or name a file with --zone")
    return versions[max(versions)]
