"""`zonepulse backup`: what must outlive Kafka, in a file, and a zone from it on an empty one."""

from pathlib import Path
from typing import Annotated

import typer

from zonepulse.schemas.messages.topics import READINGS
from zonepulse.streams import servers
from zonepulse.streams.archive import backup as backups
from zonepulse.streams.archive.archive import Archive
from zonepulse.streams.archive.restore import restore as refill
from zonepulse.streams.screen import BadInput, JsonOption, print_json, print_table, say, show_remark

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Such as zone.backup.")]


@app.callback()
def backup() -> None:
    """Keep what must outlive Kafka; with the archive's readings, bring a zone back on an empty one (deploy/README.md)."""


@app.command()
def take(file: FileArgument, json: JsonOption = False) -> None:
    """Write registry, published factors, inputs, subscribers, commands, alerts and what notification remembers to a file.

    It holds people's addresses: only its owner may read it.
    """
    settings = servers.settings()
    taken = backups.take(servers.require_broker(settings), settings.topic_prefix)
    backups.write(taken, file)
    _show(file, taken.zone, taken.counts(), json)


@app.command()
def restore(
    file: FileArgument,
    readings: Annotated[
        bool, typer.Option("--readings", help="Also the readings of ZONEPULSE_ARCHIVE, at their old offsets and times.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Fill the empty topics of a zone whose Kafka was lost. Gateways and workers begin afterwards."""
    settings, found = servers.settings(), backups.read(file)
    broker = servers.require_broker(settings)
    if found.partitions != settings.partitions:
        raise BadInput(
            f"{file} is of a zone with {found.partitions} partitions, and ZONEPULSE_PARTITIONS is {settings.partitions}: set it to that"
        )
    if readings and not settings.archive:
        raise BadInput("--readings takes them from the archive: name its folder or URL in ZONEPULSE_ARCHIVE")
    topic = READINGS.full_name(settings.topic_prefix)
    archive = Archive(settings.archive, found.zone, topic, found.topic_id) if readings else None
    counts = refill(broker, settings.topic_prefix, found, archive, is_simulated=settings.is_simulated)
    _show(file, found.zone, counts, json)
    if readings:
        show_remark(f"{topic} keeps all of it: when the workers have caught up, `zonepulse topics apply --shrink`")


def _show(file: Path, zone: str, counts: dict[str, int], json: bool) -> None:
    if json:
        print_json({"file": str(file), "zone": zone, "records": counts})
    else:
        print_table(("topic", "records"), list(counts.items()), right=("records",))
        say(f"{file}: zone {zone}")
