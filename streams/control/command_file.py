"""Commands in a file: the records of `zp.commands` as JSON lines, as a Kafka console consumer writes them.

A command's place in time is its record's timestamp where the line has one (`--property print.timestamp=true`), else its `made_at_ms`.
"""

import logging
import re
from pathlib import Path
from typing import Final

from zonepulse.schemas.messages.commands import BadCommand, Told, parse_command
from zonepulse.schemas.messages.records import HEARTBEAT

_STAMPED: Final = re.compile(rb"(?:CreateTime|LogAppendTime):([0-9]{1,18})\t(.*)")
log = logging.getLogger(__name__)


def commands_in(path: Path) -> list[Told]:
    """Its commands in order, each with its line as offset. What is no command does nothing, as on the topic, with a line in the log.
    Raises OSError."""
    found, ingest_ms = list[Told](), 0
    with path.open("rb") as lines:
        for number, line in enumerate(map(bytes.strip, lines), 1):
            stamped = _STAMPED.fullmatch(line)
            stamp, value = stamped.groups() if stamped else (None, line)
            if value in (b"", HEARTBEAT):
                continue
            try:
                command = parse_command(value)
            except BadCommand as bad:
                log.error("%s: line %d is no command and does nothing: %s", path, number, bad)
                continue
            ingest_ms = max(ingest_ms, int(stamp) if stamp else command.made_at_ms)
            found.append(Told(number, ingest_ms, command))
    return found
