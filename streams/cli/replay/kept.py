"""`zonepulse replay list` and `discard`: the runs that the store keeps."""

import shutil
from typing import Any

from zonepulse.streams import servers
from zonepulse.streams.cli.replay.plan import plan_facts
from zonepulse.streams.cli.replay.shared import RunArgument, explained
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.checkpoint import folder_of
from zonepulse.streams.replay.promote import require_reverted
from zonepulse.streams.replay.runs import instant
from zonepulse.streams.screen import JsonOption, print_json, print_table, say


def list_(json: JsonOption = False) -> None:
    """The runs in the store, the newest first."""
    with explained(), servers.store_client(servers.settings()) as client:
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
    return facts | {"plan": None if run.plan is None else plan_facts(run.plan), "result": run.result}


def discard(run: RunArgument) -> None:
    """Delete a run's rows from the store, for good."""
    settings = servers.settings()
    with explained(), servers.store_client(settings) as client:
        found = runs.find(client, run)
        require_reverted(client, found)
        runs.delete_rows(client, run)
        shutil.rmtree(folder_of(settings.data_dir, run), ignore_errors=True)
        if found.plan is not None:
            runs.save(client, found.plan, runs.DISCARDED)
    say(f"{run}: its rows are deleted")
