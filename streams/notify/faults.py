"""Places where a worker can be made to die, for tests and chaos: `ZONEPULSE_NOTIFY_FAULT=place:file` kills it there once, as long as the
file is not there.
"""

import os
import signal
from pathlib import Path
from typing import Final

VARIABLE: Final = "ZONEPULSE_NOTIFY_FAULT"
PLACES: Final = ("taken", "saved", "planned", "marked", "sent", "settled", "logged")
"""A batch in memory; in the log, not committed; parcels in the log; an attempt in the log, not made; made; its end in the log; its row
written, the parcel not yet forgotten."""


def reach(place: str) -> None:
    """Passes a place."""
    wanted, _, file = os.environ.get(VARIABLE, "").partition(":")
    if wanted == place and not Path(file).exists():
        Path(file).touch()
        os.kill(os.getpid(), signal.SIGKILL)
