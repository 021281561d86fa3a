"""`zonepulse alerts`: who was told of what."""

from typing import Annotated, Any

import typer

from zonepulse.streams import servers
from zonepulse.streams.screen import JsonOption, print_json, print_table, say

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Alerts and who was told.")
COLUMNS = ("made_at", "subscriber", "channel", "purpose", "said", "rule", "severity", "company", "outcome", "attempts", "error")

SHOWN = ("at", "subscriber", "channel", "what", "about", "outcome", "tries", "error")
OUTCOMES = {"failed": "tried again", "dead": "given up"}


@app.callback()
def group() -> None:
    """Alerts and who was told."""


@app.command()
def deliveries(
    subscriber: Annotated[str, typer.Option(help="Only of this one.")] = "",
    failed: Annotated[bool, typer.Option("--failed", help="Only what did not arrive.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    json: JsonOption = False,
) -> None:
    """The delivery log: who was told of which alert, when, and what went wrong; the newest first."""
    where = ["1"] + (["subscriber = {subscriber:String}"] if subscriber else []) + (["outcome != 'sent'"] if failed else [])
    facts: dict[str, Any] = {"subscriber": subscriber, "limit": limit}
    with servers.store_client(servers.settings()) as client:
        found = client.query(
            f"SELECT {', '.join(COLUMNS)}, fingerprint, toUnixTimestamp64Milli(starts_at) FROM deliveries_final"
            f" WHERE {' AND '.join(where)} ORDER BY made_at DESC, message LIMIT {{limit:UInt32}}",
            parameters=facts,
        ).result_rows
    if json:
        print_json({"deliveries": [dict(zip((*COLUMNS, "fingerprint", "starts_at_ms"), row, strict=True)) for row in found]})
    elif found:
        print_table(SHOWN, [_line(dict(zip(COLUMNS, row, strict=False))) for row in found], right=("tries",))
    else:
        say("nobody was told of anything yet")


def _line(row: dict[str, Any]) -> tuple[object, ...]:
    what = " ".join(part for part in (row["purpose"], row["said"]) if part)
    about = " ".join(part for part in (row["severity"], row["rule"]) if part)
    outcome = OUTCOMES.get(row["outcome"], row["outcome"])
    return (
        row["made_at"].strftime("%m-%d %H:%M:%SZ"),
        row["subscriber"],
        row["channel"],
        what,
        about,
        outcome,
        row["attempts"],
        row["error"],
    )
