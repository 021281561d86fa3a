"""How many lines a log gets does not depend on how many records are wrong: each place in the code has so many in a while, and says how many
it left out."""

import logging
import time
from typing import Final

MOST: Final = 20
"""Lines of one place in the code, such as one warning, in `EVERY_S`."""
EVERY_S: Final = 10.0


class FewLines(logging.Filter):
    """Of a handler. What a place left out is told with its next line."""

    def __init__(self, most: int = MOST, every_s: float = EVERY_S) -> None:
        super().__init__()
        self._most, self._every_s = most, every_s
        self._places: dict[tuple[str, int], tuple[float, int]] = {}
        """Place -> when its while began, and lines since."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging.Filter."""
        place, now = (record.pathname, record.lineno), time.monotonic()
        begun, lines = self._places.get(place, (now, 0))
        if now - begun >= self._every_s:
            if (left_out := lines - self._most) > 0:
                record.msg, record.args = f"{record.getMessage()} (and {left_out} like it before, not told)", ()
            begun, lines = now, 0
        self._places[place] = begun, lines + 1
        return lines < self._most


def bound_lines(*loggers: logging.Logger) -> None:
    """Of what these loggers write, or, without any, of what is written where nobody set up logging."""
    handlers = [handler for logger in loggers for handler in logger.handlers]
    for handler in handlers if loggers else [logging.lastResort]:
        if handler is not None and not any(isinstance(found, FewLines) for found in handler.filters):
            handler.addFilter(FewLines())
