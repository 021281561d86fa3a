"""What apprise says of a failure. Its answer is yes or no; why stands only in its log, which is read here for one thread at a time."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from zonepulse.streams.notify.messages.words import clean

MOST: Final = 300
_ADDRESS: Final = re.compile(r"[\w.+-]+@[\w.-]+")
_DETAILS: Final = ("Socket Exception", "Response Details")
"""Of lines that are no warnings, those that say why."""


class Errors(logging.Handler):
    """Lines of one thread. `secrets` are hidden in what is told, and so are addresses."""

    def __init__(self, *secrets: str) -> None:
        super().__init__(logging.DEBUG)
        self._thread = threading.get_ident()
        self._secrets = [secret for secret in secrets if len(secret) > 3]
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a line of this thread that says what went wrong."""
        is_telling = record.levelno >= logging.WARNING or str(record.msg).startswith(_DETAILS)
        if record.thread == self._thread and is_telling:
            self._lines.append(record.getMessage())

    @property
    def text(self) -> str:
        """The last lines, without secrets."""
        return self.hide("; ".join(self._lines[-3:]))

    def hide(self, text: str) -> str:
        """A text without secrets and addresses, in one line."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return clean(_ADDRESS.sub("***", text), MOST)


@contextmanager
def errors_of(*secrets: str) -> Iterator[Errors]:
    """Collects what apprise logs in this thread."""
    handler, logger = Errors(*secrets), logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
