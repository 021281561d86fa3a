"""Windows in their turn through the detectors of their channels.

Which version of a window is judged: the one that the rules about meters judge, and only where it is measured (fully covered, no part of
it estimated). That is at the first tick from the window's due tick on at which it is covered, in order of time, and never again: what
revises it later teaches nothing and tells nothing. So it hangs on the log alone, wherever batches are cut and whoever goes on.

Of a register that reads more slowly than windows pass, a stretch of windows is judged as one, with its last window: on the zone's clock,
from the register's `offset`, the shortest part of a day that is no shorter than its period. Each of its windows must be covered, and no
segment of it be longer than 1.5 periods, estimated, made up for a swap or a reset, or of a register that stood still; they may come when
they are covered, in order of time. A stretch that the clock makes longer or shorter, or in which another version begins, is not judged.
Where the length changes with the version, the channel's history begins anew.

A channel says one thing at a time. Of detectors that begin to fire at one window the one of most gravity is told; one that joins later
is told only where it is of a graver severity, and then the first is resolved. It is resolved when none fires, and updated when what lies
beyond its band has doubled since it was said last.
"""

from typing import Any, Final

import numpy as np

from zonepulse.processors.channels.periods import DAY_MS
from zonepulse.processors.channels.version import Version, Versions
from zonepulse.processors.detection.channel.state import DETECTORS, LASTING, keep_pace
from zonepulse.processors.detection.channel.step import judge_window
from zonepulse.processors.detection.watch.calendar import slot_and_day, stretch_at
from zonepulse.processors.detection.watch.state import ALWAYS_ON, GRAVITY, RAISED, RESOLVED, SEVERITY, TOLD, UPDATED
from zonepulse.processors.flow import UNSET, Table
from zonepulse.processors.kernel import kernel

NOBODY: Final = -1
MICRO: Final = 1e6
MS_PER_MINUTE: Final = 60_000


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
def gathered(alarm: Any, turn: Any, version: Version, clock: Table, length: int) -> bool:
    """Put a window to its stretch; whether that is whole with it."""
    at = stretch_at(clock, turn.start, version.offset, version.stretch)
    if at != alarm.stretch or alarm.gathered == 0:
        alarm.stretch, alarm.gathered, alarm.total = at, 0, 0
    alarm.gathered += 1
    alarm.total += turn.val
    if stretch_at(clock, turn.start + length, version.offset, version.stretch) == at:
        return False
    is_whole = int(alarm.gathered) * length == version.stretch and turn.start + length - version.stretch >= version.valid_from
    alarm.gathered = 0
    return is_whole


@kernel
def judge_turns(
    turns: Any,
    versions: Versions,
    clock: Table,
    weekdays: Table,
    channels: Any,
    alarms: Any,
    setting: Any,
    budget: float,
    length: int,
    fresh: Any,
    judged: Any,
    bands: Any,
    found: Any,
) -> int:
    """Judge TURNs, those of a channel in order of time; how many of `found` (FOUND, room for two a turn) they made.

    `setting` and `judged` are scratch: SETTINGS, whose `enabled` and pace are set here, and JUDGED. `bands` (n, 2) takes the expected low
    and high. `length`: of a window, ms. `fresh`: a channel without history.
    """
    made, seen, slot, day = 0, UNSET, 0, 0
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
        amount = turn.val
        if version.stretch != length:
            bands[i, 0], bands[i, 1] = np.nan, np.nan
            if not gathered(alarm, turn, version, clock, length):
                continue
            amount = alarm.total
        start = turn.start + length - version.stretch
        if alarm.taught_min != version.stretch // MS_PER_MINUTE:
            if alarm.taught_min != 0:
                channels[turn.watch] = fresh[0]
                if alarm.detector >= 0:
                    tell(found[made], turn, alarm, RESOLVED, start)
                    made += 1
                    alarm.detector = NOBODY
            alarm.taught_min = version.stretch // MS_PER_MINUTE
        if start != seen:
            seen = start
            slot, day = slot_and_day(clock, weekdays, start)
        s.enabled = told | ALWAYS_ON
        keep_pace(s, DAY_MS // version.stretch, budget)
        channel = channels[turn.watch]
        value = float(version.sign * amount) / MICRO
        judge_window(channel, s, slot, day, value, out)
        bands[i, 0], bands[i, 1] = out.low, out.high
        new = gravest(out.raised & told)
        if alarm.detector >= 0:
            alarm.beyond += outside(alarm.detector, value, out.low, out.high)
            if out.firing & told == 0 or (new >= 0 and SEVERITY[new] > SEVERITY[alarm.detector]):
                tell(found[made], turn, alarm, RESOLVED, start)
                made += 1
                alarm.detector = NOBODY
            elif abs(alarm.beyond) > 0 and abs(alarm.beyond) >= 2 * abs(alarm.told):
                alarm.told = alarm.beyond
                tell(found[made], turn, alarm, UPDATED, UNSET)
                made += 1
        if new >= 0 and alarm.detector < 0:
            alarm.detector, alarm.starts_at, alarm.windows = new, start, channel.windows - 1
            alarm.value, alarm.low, alarm.high = value, out.low, out.high
            alarm.ratio, alarm.beyond = out.ratio[new], outside(new, value, out.low, out.high)
            alarm.told = alarm.beyond
            tell(found[made], turn, alarm, RAISED, UNSET)
            made += 1
    return made
