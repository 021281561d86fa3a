"""States that live tasks have kept (command `keep`): what a run may begin with in the place of the log's beginning.

Each partition keeps its state as soon as it reads the command, the ledger its own when it has taken what all partitions had made by then:
so a partition that goes on from its state makes nothing that the ledger lacks, and what it makes twice vanishes there.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from zonepulse.processors.metering.snapshot import BadSnapshot
from zonepulse.schemas.messages.commands import KEEP, Command, Told
from zonepulse.schemas.messages.hand_overs import hand_over_in, kept_topic
from zonepulse.schemas.messages.topics import READINGS
from zonepulse.streams.checkpoints.handed_states import PROGRAM, HandedState, HandedStates, forget_states
from zonepulse.streams.control.command_log import read_commands, tell
from zonepulse.streams.kafka.log_facts import admin_of, partitions_of

MOST: Final = 8
"""So many are left when new ones are kept."""
POLL_S: Final = 0.5
States = Mapping[int, HandedState]
"""Of the partitions, and the ledger's behind them."""
log = logging.getLogger(__name__)


def keep_states(broker: str, prefix: str, partitions: int, replication: int, known: Sequence[Told], who: str, wait_s: float) -> str:
    """Lets the live tasks keep their states, forgets the oldest, and returns the name; '' = not all had done so in time.

    Raises KafkaError."""
    name = secrets.token_hex(4)
    states = HandedStates(broker, prefix, kept_topic(name))
    states.create(partitions + 1, replication)
    tell(broker, prefix, Command(KEEP, name, who, "", made_at_ms=round(time.time() * 1000)))
    forget_states(broker, prefix, map(kept_topic, names_of(known)[: -(MOST - 1)]))
    deadline, missing = time.monotonic() + wait_s, set(range(partitions + 1))
    while missing := missing - asyncio.run(states.read(missing)).keys():
        if time.monotonic() > deadline:
            return ""
        time.sleep(POLL_S)
    return name


def names_of(known: Sequence[Told]) -> list[str]:
    """Under which states were to be kept, the last at the end."""
    return [told.command.target for told in known if told.command.kind == KEEP]


def read_kept(broker: str, prefix: str, name: str, partitions: int) -> States:
    """Those of this name that are there whole. Raises KafkaError, BadSnapshot."""
    return asyncio.run(HandedStates(broker, prefix, kept_topic(name)).read(range(partitions + 1)))


def kept_before(broker: str, prefix: str, at_ms: int, tick_ms: int) -> tuple[str, States] | None:
    """The newest states that fit: nothing of `at_ms` or later is in them. Raises KafkaError."""
    names = names_of(read_commands(broker, prefix))[-MOST:]
    with admin_of(broker) as admin:
        partitions = len(partitions_of(admin, [READINGS.full_name(prefix)]))
    for name in reversed(names):
        try:
            states = read_kept(broker, prefix, name, partitions)
        except BadSnapshot as bad:
            log.info("states kept as %s do not fit: %s", name, bad)
            continue
        if len(states) == partitions + 1 and do_fit([states[number].facts for number in range(partitions + 1)], at_ms, tick_ms):
            return name, states
    return None


def do_fit(facts: Sequence[Mapping[str, Any]], at_ms: int, tick_ms: int) -> bool:
    """Whether states, by their facts, are of this program and of the log alone, of before `at_ms`, and the ledger's behind all others."""
    *partitions, ledger = facts
    are_ours = all(one.get(PROGRAM) == version("zonepulse") and hand_over_in(one) is None for one in facts)
    are_before = ledger["applied"] * tick_ms <= at_ms and all(one["ingest"] < at_ms for one in partitions)
    return (
        are_ours and are_before and all(one["tick"] <= through for one, through in zip(partitions, ledger["through"], strict=True))
    )
