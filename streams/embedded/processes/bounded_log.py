"""A server's log that others can make it write cannot fill a disk: lines a second are bounded, and the file starts anew when it is long."""

import asyncio
import logging
import os
import stat
import sys
import time
from pathlib import Path
from typing import Any, Final

LINES_A_SECOND: Final = 20
MAX_BYTES: Final = 16 << 20
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


class BoundedLog(logging.StreamHandler[Any]):
    """Writes to stderr. Of one second at most `LINES_A_SECOND` lines are kept and the others counted.

    If stderr is a file of more than `max_bytes`, its content is moved to `before` (an open file, replaced) and it starts anew.
    """

    def __init__(self, before: int | None = None, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter(FORMAT))
        self._before, self._max_bytes = before, max_bytes
        self._second, self._lines, self._left_out = 0, 0, 0

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        second = int(time.monotonic())
        if second != self._second:
            left_out, self._left_out = self._left_out, 0
            self._second, self._lines = second, 0
            self._turn()
            if left_out:
                text = f"{left_out} more lines were left out"
                super().emit(logging.LogRecord(record.name, logging.WARNING, record.pathname, record.lineno, text, None, None))
        self._lines += 1
        if self._lines > LINES_A_SECOND:
            self._left_out += 1
            return
        super().emit(record)

    def _turn(self) -> None:
        file = self.stream.fileno()
        told = os.fstat(file)
        if self._before is None or not stat.S_ISREG(told.st_mode) or told.st_size <= self._max_bytes:
            return
        os.ftruncate(self._before, 0)
        with open(f"/proc/self/fd/{file}", "rb") as full:
            full.seek(-self._max_bytes, os.SEEK_END)
            os.pwrite(self._before, full.read(), 0)
        os.ftruncate(file, 0)


def open_before(folder: Path, name: str) -> int:
    """The file that takes an older log."""
    return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def tell_loop_errors(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception handler for a loop: one line without a traceback for what a client can cause."""
    error = context.get("exception")
    level = logging.WARNING if isinstance(error, OSError) else logging.ERROR
    logging.getLogger("zonepulse.loop").log(
        level, "%s: %r", context.get("message"), error, exc_info=error if level == logging.ERROR else None
    )
