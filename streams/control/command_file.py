"""Commands in a file: the records of `zp.commands` as JSON lines, as a Kafka console consumer writes them."""

import logging
from pathlib import Path

from zonepulse.schemas.messages.commands import BadCommand, Place, parse_command
from zonepulse.schemas.messages.records import HEARTBEAT

log = logging.getLogger(__name__)


def skips_in(path: Path) -> frozenset[Place]:
    """The places that its commands step over. What is no command does nothing, as on the topic, with a line in the log. Raises OSError."""
    found = set[Place]()
    with path.open("rb") as lines:
        for number, line in enumerate(map(bytes.strip, lines), 1):
            if line in (b"", HEARTBEAT):
                continue
            try:
                place = parse_command(line).place
            except BadCommand as bad:
                log.error("%s: line %d is no command and does nothing: %s", path, number, bad)
                continue
            if place is not None:
                found.add(place)
    return frozenset(found)
