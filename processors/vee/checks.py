"""Validation checks of metered values (VEE): pure functions of plain numbers, each with the published rule that it applies.

Limits are inclusive: what lies exactly on a limit passes; 1e-9 (relative) absorbs the rounding of decimal numbers. Quantities are
floats in the unit of the caller, times carry theirs in the name. Defaults are the published thresholds where a rule names one.
Nothing is changed here: a check says what it found; what to do about it is decided elsewhere.

Sources: NAESB Uniform Business Practices (UBP); Elexon BSCP502; MHHS METH002; pvanalytics (stale values).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

UBP_CLOCK_LIMIT_S: Final = 180.0
ELEXON_CLOCK_FROM_S: Final = 20.0
ELEXON_CLOCK_TO_S: Final = 900.0
ELEXON_WEEKLY_SHARE: Final = 0.007
ELEXON_DAILY_SHARE: Final = 0.05
MHHS_SHARE: Final = 0.001
LEVEL_FACTORS: Final = (1000.0, 40.0, 80.0)
"""Level steps that betray a wrong unit (10^3) or a current transformer ratio that was not applied (40, 80 are common)."""


class Outcome(StrEnum):
    """What a check found; `skipped` means not applicable."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"
    SKIPPED = "skipped"
    SUSPECT = "suspect"
    RATIO_SUSPECT = "ratio_suspect"
    STUCK = "stuck"
    NONE = "none"
    CORRECT = "correct"
    INVESTIGATE = "investigate"
    USE_ACTUAL = "use_actual"
    ESTIMATE = "estimate"


@dataclass(frozen=True, slots=True)
class Spike:
    """`ratio` = (highest - third) / third; None where it was not or cannot be formed."""

    outcome: Outcome
    third_highest: float | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class SumDifference:
    """`difference` = |sum of intervals - register advance| and the `limit` it may reach, in the unit of the values."""

    outcome: Outcome
    difference: float
    limit: float


@dataclass(frozen=True, slots=True)
class LevelStep:
    """`log10_ratio` of the new level to the old; `matched` = the factor with the closest logarithm, if within the tolerance."""

    outcome: Outcome
    log10_ratio: float | None
    matched: float | None


def exceeds(value: float, limit: float) -> bool:
    """Whether `value` lies above `limit` by more than decimal rounding."""
    return value > limit + 1e-9 * max(1.0, abs(limit))


def _fails_above(value: float, limit: float) -> Outcome:
    return Outcome.FAIL if exceeds(value, limit) else Outcome.PASS


def clock_check(offset_s: float, fail_above_s: float = UBP_CLOCK_LIMIT_S) -> Outcome:
    """Pass or fail of a meter clock that is `offset_s` fast (+) or slow (-). UBP: fail above 3 minutes."""
    return _fails_above(abs(offset_s), fail_above_s)


def clock_action(offset_s: float, correct_from_s: float = ELEXON_CLOCK_FROM_S, correct_to_s: float = ELEXON_CLOCK_TO_S) -> Outcome:
    """What to do about a clock offset: none below the range, correct inside it, investigate above. Elexon: 20 s to 15 minutes."""
    if exceeds(correct_from_s, abs(offset_s)):
        return Outcome.NONE
    return Outcome.INVESTIGATE if exceeds(abs(offset_s), correct_to_s) else Outcome.CORRECT


def spike_check(
    values: Sequence[float | None], threshold: float = 1.8, skip_up_to: float = 10.0, third_zero: Outcome = Outcome.FAIL
) -> Spike:
    """Whether the highest value of 24 h towers above the third-highest: (highest - third) / third > threshold. UBP.

    So with 1.8 the highest fails above 2.8 x the third. Missing values (None) do not count; fewer than three values, or a highest
    of at most `skip_up_to` (10 pulses, in the unit of the values), are skipped. A third-highest of 0 (or below) allows no division:
    the outcome is then `third_zero`; `fail` is what highest > (1 + threshold) x third says without dividing.
    """
    ranked = sorted((v for v in values if v is not None), reverse=True)
    third = ranked[2] if len(ranked) > 2 else None
    if third is None or not exceeds(ranked[0], skip_up_to):
        return Spike(Outcome.SKIPPED, third, None)
    if third <= 0:
        return Spike(third_zero, third, None)
    ratio = (ranked[0] - third) / third
    return Spike(_fails_above(ratio, threshold), third, ratio)


def sum_check(interval_sum: float, register_advance: float, limit: float) -> SumDifference:
    """Whether the intervals add up to the register's advance, to within `limit`.

    UBP: 2 meter multipliers. Elexon: 0.7 % of the advance weekly, 5 % daily. MHHS: 0.1 %.
    """
    difference = abs(interval_sum - register_advance)
    return SumDifference(_fails_above(difference, limit), difference, limit)


def high_low_check(current: float, reference: float | None, max_deviation: float = 0.25) -> Outcome:
    """Whether average daily use deviates too far from `reference` (same month last year, else last month). UBP: 25 %.

    Skipped without a positive reference.
    """
    if reference is None or reference <= 0:
        return Outcome.SKIPPED
    return _fails_above(abs(current - reference) / reference, max_deviation)


def kvarh_check(kwh: float | None, kvarh_pulses: float, max_pulses: float = 4.0) -> Outcome:
    """Whether reactive energy flows without active energy: more than `max_pulses` at 0 kWh fail; skipped without kWh. UBP."""
    if kwh is None:
        return Outcome.SKIPPED
    return _fails_above(kvarh_pulses, max_pulses) if kwh == 0 else Outcome.PASS


def max_energy_check(interval_kwh: float, capacity_kwh: float, max_over: float = 0.2) -> Outcome:
    """Which value to use for an interval above what the installation can carry. Elexon: actual up to 20 % above, else an estimate.

    Negative energy of one direction is a hard failure (UBP).
    """
    if interval_kwh < 0:
        return Outcome.FAIL
    return Outcome.ESTIMATE if exceeds(interval_kwh, capacity_kwh * (1 + max_over)) else Outcome.USE_ACTUAL


def ratio_check(power_kw: float, rated_kw: float, max_over_rated: float = 1.25) -> Outcome:
    """Whether average power, in either direction, is above 1.25 x rated, as with a wrong transformer ratio."""
    return Outcome.RATIO_SUSPECT if exceeds(abs(power_kw), max_over_rated * rated_kw) else Outcome.PASS


def unit_step_check(
    history: float, new: float, factors: Sequence[float] = LEVEL_FACTORS, log10_tolerance: float = 0.05
) -> LevelStep:
    """Whether the level jumped, up or down, by a factor that betrays a wrong unit or transformer ratio.

    Both levels are averages over equal times; without two positive ones there is no ratio and the check is skipped.
    """
    if history <= 0 or new <= 0:
        return LevelStep(Outcome.SKIPPED, None, None)
    log_ratio = math.log10(new / history)
    nearest = min(factors, key=lambda f: abs(abs(log_ratio) - math.log10(f)))
    if exceeds(abs(abs(log_ratio) - math.log10(nearest)), log10_tolerance):
        return LevelStep(Outcome.PASS, log_ratio, None)
    return LevelStep(Outcome.SUSPECT, log_ratio, nearest)


def stuck_check(samples: Sequence[float], window: int = 6, rtol: float = 1e-5, atol: float = 1e-8) -> Outcome:
    """Whether `window` successive samples of power or interval energy equal the first of them: |x - x0| <= atol + rtol |x0|.

    pvanalytics, stale values. Zeros count like any other value; whoever knows of standstills leaves them out.
    """
    for start in range(len(samples) - window + 1):
        first = samples[start]
        if all(abs(x - first) <= atol + rtol * abs(first) for x in samples[start : start + window]):
            return Outcome.STUCK
    return Outcome.PASS


def stuck_register_check(
    register: Sequence[float], power_kw: Sequence[float] | None, window: int = 6, atol: float = 1e-8
) -> Outcome:
    """Whether a register stands still for `window` successive readings while power flows at each of them.

    No relative tolerance: a counter's size is its history and says nothing about its advance. Standing still at power 0 is legal;
    without knowledge of power the check is skipped.
    """
    if power_kw is None:
        return Outcome.SKIPPED
    for start in range(len(register) - window + 1):
        span = slice(start, start + window)
        if max(register[span]) - min(register[span]) <= atol and all(p > 0 for p in power_kw[span]):
            return Outcome.STUCK
    return Outcome.PASS
