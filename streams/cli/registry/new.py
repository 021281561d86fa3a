"""`zonepulse registry new`: a first zone.yaml, written from somebody's readings."""

from pathlib import Path
from typing import Annotated

import typer

from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.convert import end_if_none, require_writable
from zonepulse.streams.cli.shared.file_options import with_file_form
from zonepulse.streams.cli.shared.refused import show_refused
from zonepulse.streams.cli.shared.zone_files import require_files
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.files.refusals import Refusals
from zonepulse.streams.screen import JsonOption, Stop, count, print_json, say, show_remark
from zonepulse.streams.survey.canonical import finite
from zonepulse.streams.survey.profile import profile_of
from zonepulse.streams.survey.readings import readings_of
from zonepulse.streams.survey.survey import time_zone
from zonepulse.streams.survey.zone_stub import zone_yaml


@with_file_form
def new(
    source: Annotated[list[Path], typer.Option("--from", metavar="FILE", help="Readings; may be given several times.")],
    out: Annotated[Path, typer.Option(metavar="ZONE.YAML", help="The file to write.")] = Path("zone.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite --out.")] = False,
    json: JsonOption = False,
    *,
    form: FileForm,
) -> None:
    """Write a zone.yaml for the meters of a file of readings: valid as it is, every guess marked CHECK."""
    require_files(source)
    require_writable(out, force, ())
    refused = Refusals()
    profile = profile_of(finite(readings_of(source, refused, form), refused))
    if not profile.readings:
        show_refused(refused, err=True)
        end_if_none(0, refused, source)
    timezone = time_zone(source[0], form)
    names = [str(path) for path in source]
    text = zone_yaml(
        profile, timezone=timezone or "UTC", sources=names, zone_file=str(out), arrival=not profile.has_arrival,
        has_options=not form.is_plain,
    )  # fmt: skip
    try:
        made = parse_zone(text, file=str(out))
    except RegistryError as bad:
        raise Stop(f"{out} is not written: it would not be valid\n{bad}") from bad
    work = out.with_name(f".{out.name}.part")
    work.write_text(text, "utf-8")
    work.replace(out)
    registers = sum(len(meter.registers) for meter in made.meters)
    if json:
        print_json(
            {
                "out": str(out), "meters": len(made.meters), "registers": registers, "readings": profile.readings, "timezone": timezone,
                "refused": refused.facts(),
            }
        )  # fmt: skip
        return
    say(f"{out}: {count(len(made.meters))} meters with {count(registers)} registers, from {count(profile.readings)} readings")
    show_refused(refused, err=True)
    show_remark(f"check what says CHECK in {out}: kinds, units, max_power, the time zone")
    if profile.order != "rising" and not profile.has_arrival:
        show_remark(f"the times are not in order; first `zonepulse convert {names[0]} --sort --out sorted.jsonl`")
