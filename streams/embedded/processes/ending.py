"""How a run ends: Ctrl-C, SIGTERM and SIGHUP, in any number, end it once and in order.

A shell that starts a command in the background hands it SIGINT as ignored, and Python then installs no handler: such a run could only be
killed, and would leave its servers behind.
"""

import signal
from contextlib import ExitStack
from types import FrameType
from typing import Final

ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def heed_interrupts() -> None:
    """Ctrl-C and `kill -INT` work also where SIGINT was inherited as ignored. Main thread only."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def end_in_order(keep: ExitStack) -> None:
    """The first of ENDINGS raises (KeyboardInterrupt, or SystemExit with 128 + its number), those behind it change nothing, until `keep`
    is closed. Main thread only."""
    for number in ENDINGS:
        keep.callback(signal.signal, number, signal.getsignal(number))
        signal.signal(number, _end)


def hold_endings() -> None:
    """From here on the end is under way: no signal cuts it short."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def _end(number: int, _: FrameType | None) -> None:
    hold_endings()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
