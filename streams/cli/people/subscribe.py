"""`zonepulse subscribe`: a first subscriber in one command, and no YAML."""

import secrets
from typing import Annotated

import typer

from zonepulse.schemas.problems import nearest
from zonepulse.schemas.registry.subscribers import DEFAULT_RATE, BadSubscriber, Subscriber, Wish, checked, masked
from zonepulse.schemas.values import clock_minute
from zonepulse.streams import servers
from zonepulse.streams.notify.subscriber_log import read_people, write_subscriber
from zonepulse.streams.screen import BadInput, JsonOption, print_json, say


def subscribe(
    to: Annotated[str, typer.Argument(help="An e-mail address; or channel:NAME, webhook:NAME of this installation.")],
    company: Annotated[str, typer.Option(help="Told facts of this company alone; absent: of the whole zone.")] = "",
    language: Annotated[str, typer.Option(help="en, de or zh.")] = "en",
    severity: Annotated[str, typer.Option(help="The least: info, warning or critical.")] = "warning",
    rules: Annotated[list[str] | None, typer.Option("--rule", help="Only these rules; may end with *.")] = None,
    sites: Annotated[list[str] | None, typer.Option("--site", help="Only these sites.")] = None,
    impact_kg: Annotated[
        float | None, typer.Option(help="The least impact, kg CO2e; where it is not known, it is told.", min=0)
    ] = None,
    digest: Annotated[str, typer.Option(help="hourly or daily; absent: at once.")] = "",
    digest_at: Annotated[str, typer.Option(help="When a daily digest comes, on the subscriber's clock.")] = "08:00",
    quiet: Annotated[str, typer.Option(help="Only what is critical meanwhile, such as 22:00-07:00.")] = "",
    rate: Annotated[int, typer.Option(help="Messages an hour, beyond which only what is critical comes.", min=1)] = DEFAULT_RATE,
    resolved: Annotated[bool, typer.Option("--resolved/--no-resolved", help="Say when an alert ends.")] = True,
    timezone: Annotated[str, typer.Option(help="Such as Europe/Berlin; absent: the zone's.")] = "",
    name: Annotated[str, typer.Option("--id", help="Absent: drawn by chance, so that it tells nobody who it is.")] = "",
    ask: Annotated[bool, typer.Option("--ask", help="Ask the address first; nothing is sent before its owner agrees.")] = False,
    json: JsonOption = False,
) -> None:
    """Send alerts to an address. A test message follows at once, and says how to stop.

    Needs a worker: `zonepulse worker notify`. With --ask the address gets a question instead.
    """
    target = f"mailto:{to}" if "@" in to and not to.startswith("mailto:") else to
    settings = servers.settings()
    people = read_people(servers.require_broker(settings), settings.topic_prefix)
    if company and people.known.companies and company not in people.known.companies:
        raise BadInput(f"no company {company!r} in the registry; {nearest(company, people.known.companies, 'name one of it')}")
    same = next((s.id for s in people.registered.values() if s.to == (target,) and s.company == company), "")
    if name in people.of_registry:
        raise BadInput(f"--id {name}: zone.yaml has that subscriber; change it there, or choose another id")
    quiet_from_min, quiet_to_min = _quiet(quiet)
    try:
        subscriber = checked(
            Subscriber(
                id=name or same or f"s-{secrets.token_hex(3)}",
                to=(target,),
                company=company,
                language=_word("--language", language, ("en", "de", "zh")),  # type: ignore[arg-type]
                severity=_word("--severity", severity, ("info", "warning", "critical")),  # type: ignore[arg-type]
                rules=tuple(rules or ()),
                sites=tuple(sites or ()),
                impact_kg=impact_kg,
                quiet_from_min=quiet_from_min,
                quiet_to_min=quiet_to_min,
                digest_at_min=_minute("--digest-at", digest_at),
                rate_per_hour=rate,
                digest=_word("--digest", digest, ("", "hourly", "daily")),  # type: ignore[arg-type]
                timezone=timezone,
                send_resolved=resolved,
                is_confirmed=not ask,
            )
        )
    except BadSubscriber as bad:
        raise BadInput(str(bad).partition(": ")[2]) from bad
    if people.wishes.get(subscriber.id, Wish()).is_unsubscribed and not ask:
        raise BadInput(f"{subscriber.id} has unsubscribed: add --ask, so that the address' owner can agree again")
    write_subscriber(settings.broker, settings.topic_prefix, subscriber)
    if json:
        print_json({"id": subscriber.id, "to": masked(target), "is_confirmed": subscriber.is_confirmed})
        return
    what = "is asked first; nothing else is sent before its owner agrees" if ask else "gets a test message now, then alerts"
    is_known = "; it was registered already, and is now as written here" if subscriber.id in people.registered else ""
    say(f"{subscriber.id}: {target} {what}{is_known}", f"to stop: zonepulse subscribers pause {subscriber.id}")
    if not target.startswith("mailto:"):
        say(f"{target} is a setting of the notify worker; whether it is there shows `zonepulse alerts deliveries`")


def _quiet(text: str) -> tuple[int, int]:
    if not text:
        return 0, 0
    begin, _, end = text.partition("-")
    found = _minute("--quiet", begin.strip()), _minute("--quiet", end.strip())
    if found[0] == found[1]:
        raise BadInput(f"--quiet {text!r}: write two different times, such as 22:00-07:00")
    return found


def _minute(option: str, text: str) -> int:
    minute = clock_minute(text)
    if minute is None:
        raise BadInput(f"{option}: {text!r} is no time of day; write one such as 22:00")
    return minute


def _word(option: str, word: str, words: tuple[str, ...]) -> str:
    if word not in words:
        raise BadInput(f"{option} is {word!r}; there are {', '.join(w for w in words if w)}")
    return word
