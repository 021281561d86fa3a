"""`zonepulse subscribers`: who is told of alerts; tests, pauses, forgetting."""

import time
from dataclasses import replace
from typing import Annotated, Final

import typer

from zonepulse.schemas.registry.subscribers import Subscriber, Wish, masked
from zonepulse.schemas.values import BadValue, parse_duration_ms
from zonepulse.streams import servers
from zonepulse.streams.notify import subscriber_log
from zonepulse.streams.notify.routing.people import People
from zonepulse.streams.screen import BadInput, JsonOption, print_json, print_table, say
from zonepulse.streams.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Who is told of alerts.")
Name = Annotated[str, typer.Argument(help="A subscriber's id; `zonepulse subscribers list` shows them.")]
FOREVER_MS: Final = 1 << 52


@app.command("list")
def list_all(json: JsonOption = False) -> None:
    """Everybody who is told. Addresses are shown only in part."""
    people, _ = _people()
    now_ms = round(time.time() * 1000)
    rows = [(s, _state(people, s, now_ms)) for s in sorted(people.everyone().values(), key=lambda s: s.id)]
    if json:
        print_json(
            {
                "subscribers": [
                    {
                        "id": s.id, "to": [masked(t) for t in s.to], "company": s.company, "severity": s.severity,
                        "language": s.language, "digest": s.digest, "from": _origin(people, s), "state": state,
                    }
                    for s, state in rows
                ]
            }
        )  # fmt: skip
        return
    columns = ("id", "to", "sees", "from severity", "language", "when", "from", "state")
    cells = [
        (s.id, ", ".join(masked(t) for t in s.to), s.company or "the zone", s.severity, s.language, s.digest or "at once",
         _origin(people, s), state)
        for s, state in rows
    ]  # fmt: skip
    if rows:
        print_table(columns, cells)
    else:
        say("nobody is told of alerts yet: zonepulse subscribe NAME@COMPANY.EXAMPLE")


@app.command()
def test(name: Name) -> None:
    """Send a test message, which says how to stop further ones."""
    people, settings = _people()
    wish = people.wishes.get(_known(people, name).id, Wish())
    subscriber_log.write_wish(settings.broker, settings.topic_prefix, name, replace(wish, test_at_ms=round(time.time() * 1000)))
    what = "a test message" if _known(people, name).is_confirmed else "the question again, as its owner has not agreed yet,"
    say(f"{name} gets {what} within seconds; see `zonepulse alerts deliveries --subscriber {name}`")


@app.command()
def pause(
    name: Name,
    duration: Annotated[str, typer.Option("--for", help="Such as 8h or 7d; absent: until `resume`.")] = "",
) -> None:
    """Send nothing for a while. What ends or still holds then is told afterwards."""
    people, settings = _people()
    wish, until_ms = people.wishes.get(_known(people, name).id, Wish()), FOREVER_MS
    if duration:
        try:
            until_ms = round(time.time() * 1000) + parse_duration_ms(duration)
        except BadValue as bad:
            raise BadInput(f"--for {duration!r}: {bad.what}; {bad.remedy}") from bad
    subscriber_log.write_wish(settings.broker, settings.topic_prefix, name, replace(wish, paused_until_ms=until_ms, test_at_ms=0))
    say(f"{name} gets nothing {'for ' + duration if duration else 'more'}; `zonepulse subscribers resume {name}` ends the pause")


@app.command()
def resume(name: Name) -> None:
    """End a pause."""
    people, settings = _people()
    subscriber, wish = _known(people, name), people.wishes.get(name, Wish())
    if wish.is_unsubscribed:
        raise BadInput(
            f"{name} has unsubscribed: only the address' owner takes that back; `zonepulse subscribe ADDRESS --ask` asks"
        )
    subscriber_log.write_wish(settings.broker, settings.topic_prefix, name, Wish())
    say(f"{name} is told again" if subscriber.is_confirmed else f"{name} is told once its owner agrees")


@app.command()
def confirm(name: Name) -> None:
    """Say that the address' owner has agreed, where links cannot be followed."""
    people, settings = _people()
    subscriber = _known(people, name)
    if name in people.of_registry:
        raise BadInput(f"{name} is in zone.yaml and needs no agreement")
    subscriber_log.agree(settings.broker, settings.topic_prefix, subscriber)
    say(f"{name} is told from now on")


@app.command()
def forget(name: Name) -> None:
    """Forget a self-registered subscriber: address, wishes, and its lines of the delivery log."""
    people, settings = _people()
    if name in people.of_registry:
        raise BadInput(f"{name} is in zone.yaml: remove it there, and `zonepulse registry apply`")
    _known(people, name)
    subscriber_log.forget(settings.broker, settings.topic_prefix, name)
    zone = people.known.zone
    with servers.store_client(settings) as client:
        client.command(
            "ALTER TABLE deliveries DELETE WHERE zone = {zone:String} AND subscriber = {name:String} SETTINGS mutations_sync = 1",
            parameters={"zone": zone, "name": name},
        )
    say(f"{name} is forgotten; Kafka's compaction removes the address from its files")


def _people() -> tuple[People, Settings]:
    settings = servers.settings()
    return subscriber_log.read_people(servers.require_broker(settings), settings.topic_prefix), settings


def _known(people: People, name: str) -> Subscriber:
    everyone = people.everyone()
    if name not in everyone:
        raise BadInput(f"no subscriber {name!r}; there are {', '.join(sorted(everyone)) or 'none'}")
    return everyone[name]


def _origin(people: People, subscriber: Subscriber) -> str:
    return "zone.yaml" if subscriber.id in people.of_registry else "subscribe"


def _state(people: People, subscriber: Subscriber, now_ms: int) -> str:
    wish = people.wishes.get(subscriber.id, Wish())
    if not subscriber.is_confirmed:
        return "asked"
    if wish.is_unsubscribed:
        return "unsubscribed"
    return "paused" if now_ms < wish.paused_until_ms else "told"
