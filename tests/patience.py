"""How long a test waits before it says that something does not happen: in multiples of what a start takes on this machine, now.

A time-out of 15 s is generous on a quiet machine and wrong on one whose cores are taken. So a worker's imports are timed once a run, and
every time-out is stretched by as much as they took longer than on a quiet machine with two cores.
"""

import subprocess
import sys
import time
from functools import cache
from typing import Final

QUIET_START_S: Final = 1.5
"""A worker's imports, on the machine for which the time-outs in the tests are written."""
MARGIN: Final = 3.0
"""The machine may become busier than it was when it was measured."""


@cache
def slowness() -> float:
    """How many times longer than on a quiet machine a worker's start takes; at least 1. Measured once a process."""
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", "import zonepulse.streams.workers.worker, zonepulse.streams.workers.intervals"], check=True
    )
    return max(1.0, (time.monotonic() - begun) / QUIET_START_S)


def patience_s(seconds: float) -> float:
    """`seconds` of a quiet machine, on this one and with a margin."""
    return MARGIN * seconds * slowness()
