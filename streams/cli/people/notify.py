"""`zonepulse notify`: what a message would look like."""

import base64
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from clickhouse_connect.driver.client import Client

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.streams import servers
from zonepulse.streams.notify.channels.mail import PICTURE
from zonepulse.streams.notify.composing import Composer
from zonepulse.streams.notify.history import history_of
from zonepulse.streams.notify.own_templates import checked, own_templates
from zonepulse.streams.notify.routing.facts import Row, is_visible, is_wanted
from zonepulse.streams.notify.routing.state import Parcel
from zonepulse.streams.notify.settings import NotifySettings
from zonepulse.streams.notify.subscriber_log import read_people
from zonepulse.streams.screen import BadInput, Stop, say, show_remark

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Messages about alerts.")
_COLUMNS = (
    "zone, fingerprint, toUnixTimestamp64Milli(starts_at) AS starts_at, rule, severity, state, company, meter, node,"
    " toUnixTimestamp64Milli(ends_at) AS ends_at, value, expected_low, expected_high, impact_kg, evidence, revision"
)

MOST_LOOKED_AT = 1_000
"""Newest alerts, to find one that a subscriber may see."""


@app.callback()
def group() -> None:
    """Messages about alerts."""


@app.command()
def preview(
    alert: Annotated[
        str,
        typer.Argument(
            help="fingerprint or fingerprint/starts_at, as table alerts has it; `latest`: the newest that the subscriber may see."
        ),
    ] = "latest",
    subscriber: Annotated[str, typer.Option(help="Whose message; absent: of somebody who may see everything.")] = "",
    language: Annotated[str, typer.Option(help="en, de or zh; absent: the subscriber's.")] = "",
    out: Annotated[Path, typer.Option(help="Where the HTML page and picture go.")] = Path("."),
) -> None:
    """Print what would be sent of an alert, and save the HTML page and its picture. Nothing is sent."""
    if language and language not in LANGUAGES:
        raise BadInput(f"--language is {language!r}; there are {', '.join(LANGUAGES)}")
    settings = servers.settings()
    people = read_people(servers.require_broker(settings), settings.topic_prefix)
    everyone = people.everyone()
    if subscriber and subscriber not in everyone:
        raise BadInput(f"no subscriber {subscriber!r}; there are {', '.join(sorted(everyone)) or 'none'}")
    reader = everyone[subscriber] if subscriber else Subscriber("preview", ("channel:preview",))
    if language:
        reader = replace(reader, language=language)
    with servers.store_client(settings) as client:
        found = _alerts(client, alert)
    row = next((one for one in found if is_visible(one, reader, people.known)), found[0])
    if not is_visible(row, reader, people.known):
        raise Stop(f"{reader.id} may not see this alert: it is not of company {reader.company!r}; nothing would be sent")
    if not is_wanted(row, reader, people.known):
        show_remark(f"the filters of {reader.id} leave this alert out; this is how it would look")
    what, now_ms = "resolved" if row.is_over else "raised", round(time.time() * 1000)
    own = NotifySettings.from_env(os.environ)
    composer = Composer(own, lambda row, who, known, at_ms: history_of(row, who, known, settings, at_ms), own_templates(own))
    parcel = Parcel("preview", reader.id, "preview", "alert", now_ms, [(row.identity, what)], [(what, row)])
    message = composer.message(parcel, reader, people.known, now_ms)
    say(f"Subject: {message.subject}", "", message.text)
    out.mkdir(parents=True, exist_ok=True)
    page = out / f"alert-{row.fingerprint}-{reader.language}.html"
    inline = base64.b64encode(message.picture).decode()
    page.write_text(message.html.replace(f"cid:{PICTURE}", f"data:image/png;base64,{inline}"), "utf-8")
    if message.picture:
        page.with_suffix(".png").write_bytes(message.picture)
    say(f"saved {page}{' and its picture' if message.picture else ''}", err=True)


@app.command()
def check(folder: Annotated[Path, typer.Argument(help="With mail.html.j2 and mail.txt.j2.")]) -> None:
    """Check templates of your own: a message of every kind in every language is made with them."""
    checked(folder)
    say(f"{folder} is fine; set ZONEPULSE_TEMPLATES={folder} for the notify worker")


def _alerts(client: Client, name: str) -> list[Row]:
    """The newest of that fingerprint, or the newest of all, one at least. Raises Stop."""
    fingerprint, _, starts_at = name.partition("/")
    where, facts = "", dict[str, Any]()
    if name != "latest":
        where, facts["f"] = "WHERE fingerprint = {f:String}", fingerprint
        if starts_at:
            where, facts["s"] = f"{where} AND toUnixTimestamp64Milli(starts_at) = {{s:Int64}}", int(starts_at)
    most = MOST_LOOKED_AT if name == "latest" else 1
    found = client.query(f"SELECT {_COLUMNS} FROM alerts_final {where} ORDER BY starts_at DESC LIMIT {most}", parameters=facts)
    if not found.result_rows:
        raise Stop(
            f'no alert {name!r}; zonepulse sql "SELECT fingerprint, rule, meter, starts_at, state FROM alerts_final" lists them'
        )
    return [msgspec.convert(dict(zip(found.column_names, row, strict=True)), Row) for row in found.result_rows]
