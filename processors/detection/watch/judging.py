"""Windows in their turn through the detectors of their channels.

Which version of a window is judged: the one that the rules about meters judge, and only where it is measured (fully covered, no part of
it estimated). That is at the first tick from the window's due tick on at which it is covered, in order of time, and never again: what
revises it later teaches nothing and tells nothing. So it hangs on the log alone, wherever batches are cut and whoever goes on.

A channel says one thing at a time. Of detectors that begin to fire at one window the one of most gravity is told; one that joins later
is told only where it is of a graver severity, and then the first is resolved. It is resolved when none fires, and updated when what lies
beyond its band has doubled since it was said last.
"""

from typing import Any, Final

import numpy as np

from zonepulse.processors.channels.version import Versions
from zonepulse.processors.detection.channel.state import DETECTORS, LASTING
from zonepulse.processors.detection.channel.step import judge_window
from zonepulse.processors.detection.watch.calendar import slot_and_day
from zonepulse.processors.detection.watch.state import ALWAYS_ON, GRAVITY, RAISED, RESOLVED, SEVERITY, TOLD, UPDATED
from zonepulse.processors.flow import UNSET, Table
from zonepulse.processors.kernel import kernel

NOBODY: Final = -1
MICRO: Final = 1e6


@kernel
def gravest(bits: int) -> int:
    """The detector of most gravity among `bits`, NOBODY where there are none."""
    found = NOBODY
    for d in range(DETECTORS):
        if bits >> d & 1 and (found < 0 or GRAVITY[d] > GRAVITY[found]):
            found = d
    return found


@kernel
def outside(detector: int, value: float, low: float, high: float) -> float:
    """What a window adds to an alarm: how far its value lies above (+) or below (-) its band; 0 where there is none.

    What lasts within the band, a level that moved or a dead meter, is measured from the band's middle: what the hour usually is.
    """
    if detector in LASTING and not np.isnan(low):
        return value - 0.5 * (low + high)
    if value > high:
        return value - high
    return value - low if value < low else 0.0


@kernel
def tell(found: Any, turn: Any, alarm: Any, state: int, ends_at: int) -> None:
    """Put a transition of an alarm into `found`."""
    found.watch, found.version, found.tick = turn.watch, turn.version, turn.tick
    found.state, found.ends_at = state, ends_at
    found.detector, found.starts_at, found.windows = alarm.detector, alarm.starts_at, alarm.windows
    found.value, found.low, found.high = alarm.value, alarm.low, alarm.high
    found.ratio, found.beyond, found.told = alarm.ratio, alarm.beyond, alarm.told


@kernel
def judge_turns(
    turns: Any,
    versions: Versions,
    clock: Table,
    weekdays: Table,
    channels: Any,
    alarms: Any,
    setting: Any,
    judged: Any,
    bands: Any,
    found: Any,
) -> int:
    """Judge TURNs, those of a channel in order of time; how many of `found` (FOUND, room for two a turn) they made.

    `setting` and `judged` are scratch: SETTINGS, its `enabled` aside, and JUDGED. `bands` (n, 2) takes the expected low and high.
    """
    made, start, slot, day = 0, UNSET, 0, 0
    s, out = setting[0], judged[0]
    for i in range(len(turns)):
        turn = turns[i]
        version, alarm = versions[turn.version], alarms[turn.watch]
        told = TOLD[version.detect]
        if told == 0:
            if alarm.detector >= 0:
                tell(found[made], turn, alarm, RESOLVED, turn.start)
                made += 1
                alarm.detector = NOBODY
            bands[i, 0], bands[i, 1] = np.nan, np.nan
            continue
        if turn.start != start:
            start = turn.start
            slot, day = slot_and_day(clock, weekdays, start)
        s.enabled = told | ALWAYS_ON
        channel = channels[turn.watch]
        value = float(version.sign * turn.val) / MICRO
        judge_window(channel, s, slot, day, value, out)
        bands[i, 0], bands[i, 1] = out.low, out.high
        new = gravest(out.raised & told)
        if alarm.detector >= 0:
            alarm.beyond += outside(alarm.detector, value, out.low, out.high)
            if out.firing & told == 0 or (new >= 0 and SEVERITY[new] > SEVERITY[alarm.detector]):
                tell(found[made], turn, alarm, RESOLVED, turn.start)
                made += 1
                alarm.detector = NOBODY
            elif abs(alarm.beyond) > 0 and abs(alarm.beyond) >= 2 * abs(alarm.told):
                alarm.told = alarm.beyond
                tell(found[made], turn, alarm, UPDATED, UNSET)
                made += 1
        if new >= 0 and alarm.detector < 0:
            alarm.detector, alarm.starts_at, alarm.windows = new, turn.start, channel.windows - 1
            alarm.value, alarm.low, alarm.high = value, out.low, out.high
            alarm.ratio, alarm.beyond = out.ratio[new], outside(new, value, out.low, out.high)
            alarm.told = alarm.beyond
            tell(found[made], turn, alarm, RAISED, UNSET)
            made += 1
    return made
