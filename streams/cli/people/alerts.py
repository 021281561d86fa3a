"""`zonepulse alerts`: what fires, what people say of it, and who was told."""

import getpass
import json as json_text
import socket
import time
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from zonepulse.schemas.messages.commands import BadCommand, Command, parse_command
from zonepulse.schemas.values import BadValue, parse_duration_ms, visible
from zonepulse.streams import servers
from zonepulse.streams.control.command_log import tell
from zonepulse.streams.screen import BadInput, JsonOption, print_facts, print_json, print_table, say, show_remark, time_text

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Alerts, and who was told.")
DELIVERED: Final = (
    "made_at", "subscriber", "channel", "purpose", "said", "rule", "severity", "company", "outcome", "attempts", "error",
)  # fmt: skip
SHOWN: Final = ("at", "subscriber", "channel", "what", "about", "outcome", "tries", "error")
OUTCOMES: Final = {"failed": "tried again", "dead": "given up"}
COLUMNS: Final = (
    "fingerprint", "starts_at", "rule", "severity", "state", "company", "meter", "node", "ends_at", "value", "expected_low",
    "expected_high", "impact_kg", "evidence", "revision",
)  # fmt: skip
EVENTS: Final = ("state", "severity", "value", "impact_kg", "revision")
"""Of each transition; `revision` is the tick that said it."""
LISTED: Final = ("alert", "since", "severity", "rule", "state", "where", "value", "expected", "impact", "said")
_RANK: Final = "indexOf(['info', 'warning', 'critical'], severity)"
Alert = Annotated[
    str, typer.Argument(help="fingerprint/starts_at, as `alerts list` shows it; the fingerprint alone if one is open.")
]
Why = Annotated[str, typer.Option("--why", help="For those who read it later.")]


@app.callback()
def group() -> None:
    """See what fires, say something about it, and see who was told."""


@app.command("list")
def list_alerts(
    over: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    rule: Annotated[str, typer.Option(help="Only of this rule.")] = "",
    company: Annotated[str, typer.Option(help="Only of this company.")] = "",
    meter: Annotated[str, typer.Option(help="Only of this meter.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    json: JsonOption = False,
) -> None:
    """List what fires: the worst and costliest first. What is acknowledged or snoozed stays in the list."""
    where = [] if over else ["state != 'resolved'"]
    named = {"rule": rule, "company": company, "meter": meter}
    where += [f"{name} = {{{name}:String}}" for name, value in named.items() if value]
    found = _alerts(where, {**named, "limit": limit})
    if json:
        print_json({"alerts": found})
    elif found:
        print_table(LISTED, [_line(row) for row in found], right=("value", "expected", "impact"))
    else:
        say("no alert" if over else "nothing fires")


@app.command()
def show(alert: Alert, json: JsonOption = False) -> None:
    """Show one alert: what it is about, what decided it, how it went on, and what people said."""
    row = _one(alert)
    events = _events(row)
    if json:
        print_json({**row, "events": events})
        return
    evidence = row["evidence"]
    comments = evidence.pop("comments", [])
    marks = {name: evidence.pop(name, None) for name in ("acknowledged", "snoozed")}
    facts = {name: row[name] for name in COLUMNS if name not in ("evidence", "revision") and row[name] not in (None, "")}
    print_facts((name, visible(str(value))) for name, value in facts.items())
    print_facts((name, visible(json_text.dumps(value, ensure_ascii=False))) for name, value in sorted(evidence.items()))
    print_table(EVENTS, [tuple("" if one[name] is None else one[name] for name in EVENTS) for one in events], right=EVENTS[2:])
    for what, mark in marks.items():
        if mark:
            say(f"{what} by {visible(mark['by'])} at {time_text(_time(mark['at_ms']))}{_until(mark)}: {visible(mark['why'])}")
    for comment in comments:
        say(f"{time_text(_time(comment['at_ms']))} {visible(comment['by'])}: {visible(comment['why'])}")


@app.command()
def ack(alert: Alert, why: Why = "", json: JsonOption = False) -> None:
    """Acknowledge an alert: it stays visible, and silent until it gets worse or ends."""
    _tell("acknowledge", _one(alert), why, json)


@app.command()
def snooze(
    alert: Alert,
    duration: Annotated[str, typer.Option("--for", help="How long, such as 4h.")] = "4h",
    why: Why = "",
    json: JsonOption = False,
) -> None:
    """Let nobody be told of an alert for a while."""
    _tell("snooze", _one(alert), why, json, duration)


@app.command()
def comment(alert: Alert, text: Annotated[str, typer.Argument(help="What to say.")], json: JsonOption = False) -> None:
    """Say something about an alert; the last 20 comments stay with it."""
    _tell("comment", _one(alert), text, json)


@app.command()
def silence(
    match: Annotated[list[str], typer.Argument(help="rule=, company=, meter=, node=, site=, gateway=, severity=: all must hold.")],
    duration: Annotated[str, typer.Option("--for", help="How long, such as 2h; 0s ends it.")],
    why: Why = "",
    json: JsonOption = False,
) -> None:
    """Announce a maintenance: nobody is told of alerts that match before its end."""
    names = ("rule", "company", "meter", "node", "site", "gateway", "severity")
    for pair in match:
        name, _, value = pair.partition("=")
        if name not in names or not value or any(c.isspace() for c in pair):
            raise BadInput(f"{pair!r} is no match; write one of {'=, '.join(names)}= with an id without blanks")
    _send("maintenance", " ".join(sorted(match)), why, json, duration)


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
            f"SELECT {', '.join(DELIVERED)}, fingerprint, toUnixTimestamp64Milli(starts_at) FROM deliveries_final"
            f" WHERE {' AND '.join(where)} ORDER BY made_at DESC, message LIMIT {{limit:UInt32}}",
            parameters=facts,
        ).result_rows
    if json:
        print_json({"deliveries": [dict(zip((*DELIVERED, "fingerprint", "starts_at_ms"), row, strict=True)) for row in found]})
    elif found:
        print_table(SHOWN, [_delivery(dict(zip(DELIVERED, row, strict=False))) for row in found], right=("tries",))
    else:
        say("nobody was told of anything yet")


def _alerts(where: list[str], facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Alerts of the live run, with their identity and what the evidence says."""
    with servers.store_client(servers.settings()) as client:
        rows = client.query(
            f"SELECT {', '.join(COLUMNS)}, toUnixTimestamp64Milli(starts_at) FROM alerts_final"
            f" WHERE {' AND '.join(['run = {run:String}', *where])}"
            f" ORDER BY state = 'resolved', {_RANK} DESC, impact_kg DESC NULLS LAST, starts_at DESC, fingerprint LIMIT {{limit:UInt32}}",
            parameters={"run": "live", "limit": 2, **facts},
        ).result_rows
    found = [dict(zip((*COLUMNS, "starts_at_ms"), row, strict=True)) for row in rows]
    return [
        {"alert": f"{row['fingerprint']}/{row['starts_at_ms']}", **row, "evidence": json_text.loads(row["evidence"])}
        for row in found
    ]


def _events(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Every transition of an alert, in order."""
    with servers.store_client(servers.settings()) as client:
        rows = client.query(
            f"SELECT {', '.join(EVENTS)} FROM alert_events_final WHERE run = {{run:String}} AND fingerprint = {{fingerprint:String}}"
            " AND toUnixTimestamp64Milli(starts_at) = {at:Int64} ORDER BY revision",
            parameters={"run": "live", "fingerprint": row["fingerprint"], "at": row["starts_at_ms"]},
        ).result_rows
    return [dict(zip(EVENTS, one, strict=True)) for one in rows]


def _one(alert: str) -> dict[str, Any]:
    """The alert that is meant. Raises BadInput."""
    fingerprint, _, starts_at = alert.partition("/")
    where, facts = ["fingerprint = {fingerprint:String}"], {"fingerprint": fingerprint}
    if starts_at:
        where.append("toUnixTimestamp64Milli(starts_at) = toInt64OrZero({at:String})")
        facts["at"] = starts_at
    else:
        where.append("state != 'resolved'")
    found = _alerts(where, facts)
    if not found:
        raise BadInput(f"no alert {alert!r}; `zonepulse alerts list --all` names them")
    if len(found) > 1:
        raise BadInput(f"several alerts of {fingerprint} are open; write one of {', '.join(row['alert'] for row in found)}")
    return found[0]


def _tell(kind: str, row: dict[str, Any], why: str, json: bool, duration: str = "") -> None:
    if row["state"] == "resolved":
        raise BadInput(f"{row['alert']} is over since {time_text(row['ends_at'])}: nothing is left to {kind}")
    _send(kind, row["alert"], why, json, duration)


def _send(kind: str, target: str, why: str, json: bool, duration: str = "") -> None:
    """Writes the command, which holds for `duration` from now on. Raises BadInput."""
    now_ms = round(time.time() * 1000)
    try:
        until_ms = now_ms + parse_duration_ms(duration) if duration else None
    except BadValue as error:
        raise BadInput(f"--for {duration!r}: {error.what}; {error.remedy}") from None
    command = Command(kind, target, f"{getpass.getuser()}@{socket.gethostname()}", why, until_ms, now_ms)
    try:
        parse_command(command.encode())
    except BadCommand as bad:
        raise BadInput(str(bad)) from None
    settings = servers.settings()
    offset = tell(servers.require_broker(settings), settings.topic_prefix, command)
    if json:
        print_json({"kind": command.kind, "target": command.target, "until_ms": command.until_ms, "offset": offset})
    else:
        until = "" if command.until_ms is None else f" until {time_text(_time(command.until_ms))}"
        say(f"{command.kind} {visible(command.target)}{until}")
        show_remark("it counts from the next tick of the ledger on")


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _until(mark: dict[str, Any]) -> str:
    return f" until {time_text(_time(mark['until_ms']))}" if "until_ms" in mark else ""


def _line(row: dict[str, Any]) -> tuple[object, ...]:
    named = (row["meter"], row["evidence"].get("gateway"), row["evidence"].get("site"), row["node"], row["company"])
    where = next(filter(None, named), "")
    evidence = row["evidence"]
    impact = (
        (evidence.get("impact_kwh"), "kWh"),
        (row["impact_kg"], "kg"),
        (evidence.get("impact_cost"), evidence.get("currency")),
    )
    said = [name for name in ("acknowledged", "snoozed") if name in row["evidence"]]
    said += [f"{len(row['evidence']['comments'])} comments"] if "comments" in row["evidence"] else []
    return (
        row["alert"],
        row["starts_at"].strftime("%m-%d %H:%M:%SZ"),
        row["severity"],
        visible(row["rule"]),
        row["state"],
        visible(where),
        _number(row["value"]),
        " to ".join(filter(None, (_number(row["expected_low"]), _number(row["expected_high"])))),
        ", ".join(f"{_number(amount)} {unit}" for amount, unit in impact if amount is not None),
        ", ".join(said),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _delivery(row: dict[str, Any]) -> tuple[object, ...]:
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
