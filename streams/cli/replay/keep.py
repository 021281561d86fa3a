"""`zonepulse replay keep`: the live tasks keep their states, for later runs to begin with."""

from zonepulse.schemas.messages.topics import READINGS
from zonepulse.streams import servers
from zonepulse.streams.cli.replay.shared import explained
from zonepulse.streams.control.command_log import read_commands
from zonepulse.streams.control.kept_states import keep_states
from zonepulse.streams.kafka.log_facts import admin_of, partitions_of
from zonepulse.streams.replay.promote import who
from zonepulse.streams.screen import Stop, say

WAIT_S = 60.0


def keep() -> None:
    """Let the live tasks keep their states: runs of stretches from now on begin with them, not with the log's beginning."""
    settings = servers.settings()
    broker, prefix = servers.require_broker(settings), settings.topic_prefix
    with explained():
        with admin_of(broker) as admin:
            partitions = len(partitions_of(admin, [READINGS.full_name(prefix)]))
        name = keep_states(broker, prefix, partitions, settings.replication, read_commands(broker, prefix), who(), WAIT_S)
    if not name:
        raise Stop(f"not every task has kept its state in {WAIT_S:g} s; look with `zonepulse doctor`")
    say(f"kept as {name}")
