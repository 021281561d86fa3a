"""`zonepulse skip`: step over one record that a task cannot handle."""

from contextlib import closing
from typing import Annotated

import typer
from kafka import KafkaConsumer, TopicPartition

from zonepulse.schemas.messages.commands import BadCommand, Place, Told, parse_place
from zonepulse.schemas.messages.topics import DEFAULT_PREFIX, TOPICS
from zonepulse.streams import servers
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.control.command_log import POLL_S, read_commands, skip_of, tell
from zonepulse.streams.control.registry_topic import CONNECT_MS
from zonepulse.streams.screen import BadInput, JsonOption, Stop, print_json, print_table, say
from zonepulse.streams.settings import Settings


def skip(
    topic: Annotated[str | None, typer.Argument(help="Such as readings; with or without the prefix.")] = None,
    partition: Annotated[int | None, typer.Argument(min=0)] = None,
    offset: Annotated[int | None, typer.Argument(min=0)] = None,
    why: Annotated[str, typer.Option(help="For those who read the log later.")] = "",
    show: Annotated[bool, typer.Option("--list", help="List what is skipped, and skip nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Tell every task to step over one record: it is quarantined (a dead letter with reason `poison`), and the flow goes on behind it.

    The command is a record on zp.commands, so a replay obeys it as well. Name the place that the log or `zonepulse doctor` named.
    """
    settings = servers.settings()
    broker, prefix = servers.require_broker(settings), settings.topic_prefix
    if show:
        list_skips([told for told in read_commands(broker, prefix) if told.command.place], json)
        return
    if topic is None or partition is None or offset is None:
        raise BadInput("name the record: zonepulse skip TOPIC PARTITION OFFSET --why TEXT, such as zonepulse skip readings 3 217")
    if not why:
        raise BadInput("--why is missing: say what is wrong with the record")
    place = checked(settings, broker, topic, partition, offset)
    at = tell(broker, prefix, skip_of(place, why), simulated_ms(settings, broker))
    if json:
        print_json({"topic": place.topic, "partition": partition, "offset": offset, "command_offset": at})
    else:
        say(
            f"{place} is skipped by every task within {2 * POLL_S:g} s, and by those that start later; its bytes become a dead letter"
        )


def checked(settings: Settings, broker: str, topic: str, partition: int, offset: int) -> Place:
    """The place, which must exist. Raises BadInput, Stop."""
    name = topic.removeprefix(settings.topic_prefix).removeprefix(DEFAULT_PREFIX)
    try:
        place = parse_place(f"{name}/{partition}/{offset}")
    except BadCommand as bad:
        raise BadInput(f"{topic}: no topic of a zone; there are {', '.join(t.name for t in TOPICS)}") from bad
    tp = TopicPartition(settings.topic_prefix + name, partition)
    consumer = KafkaConsumer(**connection_to(broker), bootstrap_timeout_ms=CONNECT_MS, enable_auto_commit=False)
    with closing(consumer):
        known = consumer.partitions_for_topic(tp.topic)
        if not known:
            raise Stop(f"no topic {tp.topic} at {broker}; set ZONEPULSE_TOPIC_PREFIX")
        if partition not in known:
            raise BadInput(f"{tp.topic} has partitions 0 to {max(known)}, not {partition}")
        begin, end = consumer.beginning_offsets([tp])[tp], consumer.end_offsets([tp])[tp]
    if not begin <= offset < end:
        raise BadInput(f"{tp.topic}/{partition} holds offsets {begin} to {end - 1}, not {offset}")
    return place


def simulated_ms(settings: Settings, broker: str) -> int | None:
    """On a simulated zone the newest time of its readings; None where the broker stamps."""
    if not settings.is_simulated:
        return None
    from zonepulse.schemas.messages.topics import READINGS
    from zonepulse.streams.control.registry_topic import newest_times

    times = newest_times(broker, READINGS.full_name(settings.topic_prefix), settings.partitions)
    return max((at for at in times if at is not None), default=0)


def list_skips(found: list[Told], json: bool) -> None:
    """What is skipped, in the order of the log."""
    rows = [(told.command.target, told.command.who, told.command.why) for told in found]
    if json:
        print_json({"skips": [dict(zip(("place", "who", "why"), row, strict=True)) for row in rows]})
    elif rows:
        print_table(("place", "who", "why"), rows)
    else:
        say("nothing is skipped")
