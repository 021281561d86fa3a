"""The rules about meters, and what follows from them all; schemas/messages/alerts.py is their contract.

A new rule is a file beside this one, its place in RULES with a number, and its call in `judge_window`.
"""

from itertools import chain
from typing import Any, Final

import numpy as np

from zonepulse.processors.detection.meter import gap, held, impossible, restarted, silent, stuck
from zonepulse.processors.detection.meter.impossible import judge_impossible
from zonepulse.processors.detection.meter.rule import MeterRule, Seen
from zonepulse.processors.detection.meter.silent import judge_silence
from zonepulse.processors.detection.meter.stuck import judge_stuck
from zonepulse.processors.flow import UNSET, Rows, new_rows
from zonepulse.processors.kernel import kernel

RULES: Final[tuple[MeterRule, ...]] = (silent.RULE, stuck.RULE, impossible.RULE, held.RULE, restarted.RULE, gap.RULE)
"""A rule's number is its place."""
SILENT, STUCK, IMPOSSIBLE, HELD, RESTARTED, GAP = range(6)

ROWS_PER_WINDOW: Final = sum(rule.room for rule in RULES)
"""Room for transitions per judged window."""
DETECTOR: Final = np.dtype(
    [
        ("next_win", "i8"),  # next window to judge
        ("tick", "i8"),  # tick of the last judgement
        ("judged", "i8"),
        *chain.from_iterable(rule.state for rule in RULES),
    ]
)
"""What is remembered of a channel."""


@kernel
def judge_window(det: Any, seen: Seen, out: Any) -> None:
    """Judge one window of a channel; each is judged once, in order of time."""
    det.judged += 1
    det.tick = seen.tick
    judge_silence(det, seen, SILENT, out)
    judge_stuck(det, seen, STUCK, out)
    judge_impossible(det, seen, IMPOSSIBLE, out)


def empty_detectors(n: int) -> Rows:
    """Detectors that have judged nothing."""
    detectors = new_rows(DETECTOR, n)
    detectors.next_win = detectors.tick = UNSET
    for name, value in chain.from_iterable(rule.unset.items() for rule in RULES):
        detectors[name] = value
    return detectors
