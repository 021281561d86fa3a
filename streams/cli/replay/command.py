"""`zonepulse replay`: readings through the ledger again, from files here, from the topic in the modules beside it."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from clickhouse_connect.driver.exceptions import ClickHouseError

from zonepulse.schemas.registry.model import Registry
from zonepulse.streams import servers
from zonepulse.streams.cli.replay.archive import archive
from zonepulse.streams.cli.replay.diff import diff_
from zonepulse.streams.cli.replay.keep import keep
from zonepulse.streams.cli.replay.kept import discard, list_
from zonepulse.streams.cli.replay.plan import plan
from zonepulse.streams.cli.replay.promote import promote_, revert_
from zonepulse.streams.cli.replay.run import run as run_
from zonepulse.streams.cli.replay.shared import run_id
from zonepulse.streams.cli.replay.verify import verify
from zonepulse.streams.cli.shared.file_options import with_file_form
from zonepulse.streams.cli.shared.kernels import tell_if_compiling
from zonepulse.streams.cli.shared.refused import show_refused
from zonepulse.streams.cli.shared.zone_files import read_zone, require_files
from zonepulse.streams.control.command_file import commands_in
from zonepulse.streams.exit_codes import NONE_ACCEPTED
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.kernels.cache import mark_compiled
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.file import Replayed, replay_files, write_parquet
from zonepulse.streams.replay.plan import REPLAY
from zonepulse.streams.screen import JsonOption, Stop, count, print_facts, print_json, print_table, show_error, show_remark, stderr
from zonepulse.streams.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def replay() -> None:
    """Run readings through the ledger again, from files or from Kafka."""


@app.command()
@with_file_form
def file(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Tables, workbooks, JSON or Green Button, in order of arrival.")
    ],
    zone: Annotated[Path, typer.Option(metavar="ZONE.YAML", help="The zone's registry.")] = Path("zone.yaml"),
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write DIR/<table>.parquet; otherwise into the store.")] = None,
    partitions: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="N; default 1 + the largest in the files, or 1.")
    ] = None,
    arrival: Annotated[bool, typer.Option("--arrival", help="Without ingest_ms: arrive at the running maximum of ts.")] = False,
    commands: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Records of zp.commands, a line each: what people skip and say of alerts.")
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="ID", help="Name of this run; default file-<time>.")] = None,
    json: JsonOption = False,
    *,
    form: FileForm,
) -> None:
    """Run files of readings through the ledger: no Kafka, and with --out no server at all.

    The columns (keys, in JSON lines) are those of a reading, ingest_ms, and optional partition, offset, item. Exit code 3 when not one
    reading was accepted.
    """
    require_files(files if commands is None else [*files, commands])
    run = run_id(run)
    told = commands_in(commands) if commands else ()
    registry = read_zone(zone)
    settings = None if out else servers.settings()
    if settings:
        require_new_run(settings, run)
    tell_if_compiling()
    with stderr().status("folding readings"):
        replayed = replay_files(registry, files, run, partitions, arrival=arrival, form=form, commands=told)
    mark_compiled(os.environ)
    if out:
        write_parquet(replayed.tables, out)
    elif settings:
        store(settings, replayed, run, registry, files)
    summary = summarize(replayed, run, registry, files, out)
    if json:
        print_json(summary)
    else:
        show(summary)
        show_refused(replayed.refused, err=True)
        if replayed.letters_left_out:
            show_remark(f"{count(replayed.letters_left_out)} of the refused readings are counted and have no row in dead_letters")
    if not replayed.accepted:
        named = ", ".join(map(str, files))
        show_error(f"{named}: not one of {count(replayed.readings)} readings was accepted; nothing could be booked")
        raise typer.Exit(NONE_ACCEPTED)


def require_new_run(settings: Settings, run: str) -> None:
    """Raises Stop if the store has rows of this run: two runs under one id could not be told apart."""
    with servers.store_client(settings) as client:
        found = client.query("SELECT count() FROM runs WHERE run = {run:String}", parameters={"run": run}).result_rows[0][0]
    if found:
        raise Stop(f"--run {run!r} is in the store already; choose another id, or none for a new one")


def store(settings: Settings, replayed: Replayed, run: str, registry: Registry, files: list[Path]) -> None:
    """Writes the run's rows, then its entry in `runs`. Raises Stop where ClickHouse cannot or will not take them."""
    with servers.store_client(settings) as client:
        try:
            for name, rows in replayed.tables.items():
                runs.insert(client, name, rows)
            runs.write_row(client, _run_row(replayed, run, registry, files))
        except ClickHouseError as error:
            why = servers.first_line(error)
            raise Stop(f"run {run} is only partly stored: {why}; mend the store and replay again under another --run") from error


def _run_row(replayed: Replayed, run: str, registry: Registry, files: list[Path]) -> dict[str, Any]:
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    return {
        "run": run, "zone": registry.zone.id, "started_at": now_ms - round(replayed.seconds * 1000), "finished_at": now_ms,
        "state": "finished", "registry_version": registry.version, "registry_hash": registry.sha256, "input_topic": "",
        "input_from": "", "input_to": "", "input_from_at": replayed.first_ingest_ms, "input_to_at": replayed.last_ingest_ms,
        "note": f"replay file {' '.join(map(str, files))}", "revision": now_ms, "plan": "", "result": "",
        "kind": REPLAY,
    }  # fmt: skip


def summarize(replayed: Replayed, run: str, registry: Registry, files: list[Path], out: Path | None) -> dict[str, Any]:
    """What --json prints."""
    return {
        "run": run,
        "zone": registry.zone.id,
        "registry_sha256": registry.sha256,
        "files": [str(path) for path in files],
        "partitions": replayed.partitions,
        "readings": replayed.readings,
        "rows": {name: rows.num_rows for name, rows in replayed.tables.items()},
        "accepted": replayed.accepted,
        "dead_letters": replayed.dead_letters,
        "letters_left_out": replayed.letters_left_out,
        "refused": replayed.refused.facts(),
        "seconds": round(replayed.seconds, 3),
        "readings_per_s": round(replayed.readings / replayed.seconds),
        "out": None if out is None else str(out),
    }


def show(summary: dict[str, Any]) -> None:
    """The summary for people."""
    where = f"{summary['out']}/<table>.parquet" if summary["out"] else "the store"
    print_table(("table", "final rows"), [(n, count(rows)) for n, rows in summary["rows"].items()], right=("final rows",))
    speed = f"{summary['seconds']:.1f} s, {count(summary['readings_per_s'])} readings/s, {summary['partitions']} partitions"
    readings = f"{count(summary['readings'])}, of which {count(summary['accepted'])} were accepted"
    print_facts([("readings", readings), ("took", speed), ("run", summary["run"]), ("written to", where)])


_COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "archive": archive,
    "plan": plan,
    "run": run_,
    "list": list_,
    "diff": diff_,
    "promote": promote_,
    "revert": revert_,
    "discard": discard,
    "keep": keep,
    "verify": verify,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
