"""`zonepulse readings`: values that people give where a meter was out, in the log with who, why and evidence."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer

from zonepulse.schemas.messages.commands import AMEND, MAX_TEXT, Command
from zonepulse.schemas.messages.topics import READINGS, REGISTRY
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.values import CONTROLS, instant_text
from zonepulse.streams import servers
from zonepulse.streams.cli.deadletters.command import send
from zonepulse.streams.cli.produce import newest_registry, topic_facts
from zonepulse.streams.cli.readings.amendments import Amendment, Grounds, late_of, read_amendments
from zonepulse.streams.cli.shared.file_options import with_file_form
from zonepulse.streams.cli.shared.zone_files import require_files
from zonepulse.streams.cli.skip import simulated_ms
from zonepulse.streams.control.command_log import read_commands, tell
from zonepulse.streams.control.registry_topic import newest_times
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.screen import BadInput, JsonOption, print_json, print_table, say, show_remark

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_WINDOWS: Final = """\
SELECT countIf(covered_ms > 0 AND quality IN ('measured', 'corrected'))
FROM intervals_final WHERE run = 'live' AND zone = {zone:String} AND meter = {meter:String} AND register = {register:String}
    AND start >= fromUnixTimestamp64Milli({from_ms:Int64}) AND addSeconds(start, length_s) <= fromUnixTimestamp64Milli({to_ms:Int64})"""
_COLUMNS: Final = ("meter", "register", "values", "from", "until", "late", "measured windows")
_LISTED: Final = ("given", "by", "meter", "register", "values", "from", "until", "why")


@app.callback()
def readings() -> None:
    """Give values where a meter was out, and see who gave which, and why."""


@app.command()
@with_file_form
def amend(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A table with meter, register, ts and value; of a counter, what it showed.")
    ],
    by: Annotated[str, typer.Option(help="Who gives them.")],
    why: Annotated[str, typer.Option(help="What happened to the meter.")],
    evidence: Annotated[str, typer.Option(help="Where they can be looked up.")],
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of what the meter itself has sent.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be given, and give nothing.")] = False,
    json: JsonOption = False,
    *,
    form: FileForm,
) -> None:
    """Give the values of an outage: all rows of a file, or none where one is wrong.

    They are readings of quality `manual`: judged by max_power as any other, estimated, and never mistaken for the meter's own, which count
    again as soon as they come. With --replace they count before it. Undo an amendment by another one of the same times.
    """
    grounds = Grounds(*(_text(name, text) for name, text in (("by", by), ("why", why), ("evidence", evidence))))
    require_files([file])
    settings = servers.settings()
    broker, topic = servers.require_broker(settings), READINGS.full_name(settings.topic_prefix)
    partitions, is_stamped = topic_facts(broker, topic)
    registry = newest_registry(broker, REGISTRY.full_name(settings.topic_prefix))
    now_ms = round(time.time() * 1000)
    times = [now_ms] * partitions if is_stamped else [at or 0 for at in newest_times(broker, topic, partitions)]
    found = read_amendments(file, form, registry, topic, grounds, replaces=replace)
    late = late_of(found, registry, partitions, times)
    measured = [_measured(one, registry) for one in found]
    if not replace and any(measured):
        one = found[next(i for i, n in enumerate(measured) if n)]
        raise BadInput(
            f"{file}: {one.meter} {one.register} has measured values then; leave those times out, or pass --replace if they are wrong"
        )
    if not dry_run:
        for one in found:
            tell(broker, settings.topic_prefix, one.command(grounds, now_ms), simulated_ms(settings, broker))
        send(broker, topic, [letter for one in found for letter in one.letters], partitions, times)
    rows = [_row(one, behind, known, registry) for one, behind, known in zip(found, late, measured, strict=True)]
    if json:
        print_json({"dry_run": dry_run, "amendments": rows})
        return
    did = "would be given" if dry_run else "given"
    print_table(
        _COLUMNS, [[row[name] for name in _COLUMNS] for row in rows], title=did, right=("values", "late", "measured windows")
    )
    if any(late):
        days = [
            datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(registry.zone.timezone)).date()
            for one in found
            for ms in one.times_ms
        ]
        show_remark(
            f"{sum(late)} come behind the zone's lateness and become dead letters; book them with `zonepulse replay plan --include-late"
            f" --from {min(days)} --to {max(days) + timedelta(days=1)}`, `replay run` and `replay promote`"
        )


@app.command("list")
def list_all(
    meter: Annotated[str, typer.Option(metavar="ID", help="Of this meter only.")] = "",
    json: JsonOption = False,
) -> None:
    """Show who gave which values, when and why, the newest last."""
    settings = servers.settings()
    broker = servers.require_broker(settings)
    registry = newest_registry(broker, REGISTRY.full_name(settings.topic_prefix))
    told = [one.command for one in read_commands(broker, settings.topic_prefix) if one.command.kind == AMEND]
    rows = [row for row in (_listed(command, registry) for command in told) if meter in ("", row["meter"])]
    if json:
        print_json({"zone": registry.zone.id, "amendments": rows})
    elif rows:
        print_table(_LISTED, [[row[name] for name in _LISTED] for row in rows], title=registry.zone.id, right=("values",))
    else:
        say("nobody has given values in place of a meter's: zonepulse readings amend FILE (docs/ledger.md)")


def _text(name: str, text: str) -> str:
    if not text.strip() or CONTROLS.search(text) or len(text) > MAX_TEXT // 2 - 20:
        raise BadInput(f"--{name} is empty, too long or has control characters: write at most {MAX_TEXT // 2 - 20} plain ones")
    return text


def _measured(one: Amendment, registry: Registry) -> int:
    """Windows that lie in its stretch and hold measured values, as the store has them."""
    kinds = {r.kind: r.period_ms for m in registry.meters if m.id == one.meter for r in m.registers if r.id == one.register}
    span = {"from_ms": one.times_ms[0] - kinds.get("interval", 0), "to_ms": one.times_ms[-1]}
    with servers.store_client(servers.settings()) as client:
        names = {"zone": registry.zone.id, "meter": one.meter, "register": one.register}
        return int(client.query(_WINDOWS, parameters=names | span).result_rows[0][0])


def _row(one: Amendment, late: int, measured: int, registry: Registry) -> dict[str, Any]:
    return {
        "meter": one.meter, "register": one.register, "values": len(one.times_ms), "from": _when(one.times_ms[0], registry),
        "until": _when(one.times_ms[-1], registry), "late": late, "measured windows": measured,
    }  # fmt: skip


def _listed(command: Command, registry: Registry) -> dict[str, Any]:
    meter, register, from_ms, count = command.target.split(" ")
    return {
        "given": _when(command.made_at_ms, registry), "by": command.who, "meter": meter, "register": register, "values": int(count),
        "from": _when(int(from_ms), registry), "until": _when(command.until_ms or 0, registry), "why": command.why,
    }  # fmt: skip


def _when(at_ms: int, registry: Registry) -> str:
    return instant_text(at_ms, ZoneInfo(registry.zone.timezone))
