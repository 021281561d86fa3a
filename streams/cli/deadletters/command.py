"""`zonepulse deadletters`: readings that were refused, with their bytes and the reason."""

import time
from base64 import b64encode
from collections import Counter
from contextlib import closing
from typing import Annotated, Any, Final

import typer

from zonepulse.schemas.messages.dead_letters import UNDELIVERED
from zonepulse.schemas.messages.readings import REASONS, is_arrow, read_block
from zonepulse.schemas.messages.topics import READINGS, REGISTRY
from zonepulse.schemas.values import visible
from zonepulse.streams import servers
from zonepulse.streams.cli.deadletters.capped import with_originals
from zonepulse.streams.cli.deadletters.letters import SENT, TOO_OLD, Letter, letters, reasons, target, verdicts
from zonepulse.streams.cli.produce import PENDING, newest_registry, producer, settle, topic_facts
from zonepulse.streams.control.registry_topic import newest_times
from zonepulse.streams.screen import BadInput, JsonOption, count, print_facts, print_json, print_table, say, show_remark, time_text

PREVIEW: Final = 300
ReasonOption = Annotated[list[str] | None, typer.Option("--reason", help="Only these; may be repeated.")]
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def deadletters() -> None:
    """List readings that were refused, and send them again."""


@app.command("list")
def list_letters(
    reason: ReasonOption = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    json: JsonOption = False,
) -> None:
    """List dead letters of the live run, the newest first, with their bytes."""
    check_reasons(reason)
    with servers.store_client(servers.settings()) as client:
        counts = reasons(client)
        found = letters(client, reason or (), limit)
    if json:
        print_json({"reasons": counts, "dead_letters": [_object(letter) for letter in found]})
        return
    if not counts:
        say("no dead letters")
        return
    print_table(("reason", "dead letters"), [(r, count(n)) for r, n in counts.items()], right=("dead letters",))
    for letter in found:
        where = f"{letter.topic}/{letter.partition} offset {letter.offset} item {letter.item}"
        say(f"{time_text(letter.received_at)} {letter.reason}, {where}, key {_text(letter.key) or '-'}\n  {preview(letter.value)}")
    total = sum(n for r, n in counts.items() if not reason or r in reason)
    if total > len(found):
        show_remark(f"{len(found)} of {count(total)} are shown; --limit {total} shows all")


def check_reasons(given: list[str] | None) -> None:
    """Raises BadInput for a reason that does not exist."""
    known = (*REASONS[1:], UNDELIVERED)
    for reason in given or ():
        if reason not in known:
            raise BadInput(f"--reason {reason!r}: no such reason; there are {', '.join(known)}")


def _text(raw: bytes) -> str:
    return visible(raw.decode("utf-8", "backslashreplace"))


def preview(value: bytes) -> str:
    """The bytes of a letter in one line; an Arrow block as its first reading."""
    if is_arrow(value, None):
        try:
            return visible(f"(Arrow) {read_block(value).slice(0, 1).to_pylist()}"[:PREVIEW])
        except Exception:  # what is listed here is what nobody could read
            return f"(Arrow) {value[:40]!r}"
    text = " ".join(_text(value[:PREVIEW]).split())
    return text + (" ..." if len(value) > PREVIEW else "")


def _object(letter: Letter) -> dict[str, Any]:
    found = {name: getattr(letter, name) for name in ("received_at", "reason", "topic", "partition", "offset", "item")}
    found["key"] = letter.key.decode("utf-8", "backslashreplace")
    try:
        return found | {"value": letter.value.decode("utf-8")}
    except UnicodeDecodeError:
        return found | {"value_base64": b64encode(letter.value).decode()}


@app.command()
def redrive(
    reason: ReasonOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Send the original bytes of dead letters back to the readings topic, with their keys: those that are accepted now.

    What is older than the zone's lateness cannot be: a replay books it. What would be refused again is not sent. A letter `capped` only
    names items: their bytes are read from the topic again. Messages that reached nobody (undelivered) are no readings and stay.
    """
    check_reasons(reason)
    settings = servers.settings()
    broker, topic = servers.require_broker(settings), READINGS.full_name(settings.topic_prefix)
    partitions, is_stamped = topic_facts(broker, topic)
    registry = newest_registry(broker, REGISTRY.full_name(settings.topic_prefix))
    with servers.store_client(settings) as client:
        of_readings = [letter for letter in letters(client, reason or (), None) if letter.reason != UNDELIVERED]
        found = distinct(list(with_originals(broker, topic, of_readings)))
    now_ms = round(time.time() * 1000)
    times = [now_ms] * partitions if is_stamped else [at or 0 for at in newest_times(broker, topic, partitions)]
    said = list(verdicts(found, registry, partitions, times))
    accepted = [letter for letter, verdict in zip(found, said, strict=True) if verdict == SENT]
    if not dry_run:
        send(broker, topic, accepted, partitions, times)
    counts = Counter(said)
    refused = {r: n for r, n in sorted(counts.items()) if r not in (SENT, TOO_OLD)}
    summary = {"dry_run": dry_run, "sent": counts[SENT], "too_old": counts[TOO_OLD], "still_refused": refused}
    if json:
        print_json(summary)
    else:
        show_redriven(summary, registry.zone.lateness_ms)


def distinct(found: list[Letter]) -> list[Letter]:
    """Letters of equal key and bytes once: what was redriven before and refused again is here twice."""
    return list({(letter.key, letter.value): letter for letter in found}.values())


def send(broker: str, topic: str, accepted: list[Letter], partitions: int, times: list[int]) -> None:
    """Sends the bytes as they were and waits for every acknowledgement. Raises kafka.errors.KafkaError."""
    with closing(producer(broker)) as client:
        sent: list[Any] = []
        for letter in accepted:
            p = target(letter, partitions)
            sent.append(client.send(topic, letter.value, letter.key or None, list(letter.headers), p, times[p]))
            if len(sent) >= PENDING:
                settle(sent)
        client.flush()
        settle(sent)


def show_redriven(summary: dict[str, Any], lateness_ms: int) -> None:
    """The summary for people."""
    sent = "would be sent" if summary["dry_run"] else "sent"
    too_old = f"{count(summary['too_old'])} (older than the lateness of {lateness_ms // 60_000} min: they need a replay)"
    facts = [(sent, count(summary["sent"])), ("too old", too_old)]
    print_facts([*facts, ("still refused", count(sum(summary["still_refused"].values())))])
    if summary["still_refused"]:
        rows = [(r, count(n), _REMEDIES.get(r, "the sender must be mended")) for r, n in summary["still_refused"].items()]
        print_table(("reason now", "readings", "remedy"), rows, right=("readings",))


_REMEDIES: Final = {
    "unknown_meter": "register it: `zonepulse registry unknown`, zone.yaml, `zonepulse registry apply`",
    "unknown_register": "register it, valid at the reading's time: zone.yaml, `zonepulse registry apply`",
    "wrong_partition": "the sender must use the key that zone.key names, and Kafka's murmur2 partitioner",
    "unit_mismatch": "the unit differs from the registered one: mend the sender or zone.yaml",
    "future": "its time has not come yet: redrive later, and set the sender's clock",
    "off_grid": "the sender's times are off the register's period: mend its clock, or the period in zone.yaml",
}
