"""No energy is lost or made: the sum of a channel's windows is what its register advanced, counted by plain arithmetic."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

from core_runs import emitted, fetches
from hypothesis import given
from hypothesis import strategies as st
from small_logs import DAY, IMPORT, MINUTE, log, meter, reading, zone_text

from zonepulse.processors.final_rows import final_rows
from zonepulse.schemas.tables.results import INTERVALS

MAX_GAP = 120 * MINUTE
PERIOD = 15 * MINUTE
CONFIRM = 3
MULTIPLIERS = (1, 40, 0.001, 33.333)
Point = tuple[int, int]
"""(ts, micro-units on the register)."""


@st.composite
def series(draw: Any, start: int, size: int) -> list[Point]:
    """Readings of a register that only rises; some pauses are longer than max_gap."""
    at, reg, points = start, draw(st.integers(0, 10**9)), []
    for _ in range(draw(st.integers(1, size))):
        points.append((at, reg))
        at += draw(st.one_of(st.integers(1, 40 * MINUTE), st.sampled_from((15 * MINUTE, MAX_GAP, MAX_GAP + 1))))
        reg += draw(st.integers(0, 10**8))
    return points


def booked(points: list[Point], multiplier: float | int, arrival: list[int], **register: Any) -> int:
    """Sum of the final windows of a channel whose readings arrive in an order of their own, all within lateness."""
    text = zone_text(
        meter({**IMPORT, "multiplier": multiplier, **register}),
        zone={"max_gap": "2h", "lateness": "9d", "future": "9d", "window": "15m"},
    )
    sent = [points[i] for i in arrival]
    records = log(*((DAY + k * MINUTE, reading(ts, float(Fraction(reg, 10**6)))) for k, (ts, reg) in enumerate(sent)))
    rows = final_rows(emitted(text, fetches(records), 1)["intervals"], INTERVALS)
    return sum(value for value in rows["value_micro"].to_pylist() if value is not None)


def energy(reg: int, multiplier: float | int) -> int:
    """floor(register x multiplier) on the exact decimal."""
    exact = Fraction(str(multiplier))
    return reg * exact.numerator // exact.denominator


def advances(points: list[Point], multiplier: float | int) -> int:
    """What is booked of a series: every advance but those over gaps that are too long."""
    return sum(energy(b[1], multiplier) - energy(a[1], multiplier) for a, b in pairwise(points) if b[0] - a[0] <= MAX_GAP)


@given(st.data(), st.sampled_from(MULTIPLIERS))
def test_the_windows_of_a_register_sum_to_its_advance(data: st.DataObject, multiplier: float) -> None:
    points = data.draw(series(DAY, 14))
    arrival = data.draw(st.permutations(range(len(points))))
    assert booked(points, multiplier, arrival) == advances(points, multiplier)


@given(st.data(), st.sampled_from(MULTIPLIERS))
def test_a_swap_that_nobody_told_of_adds_the_gap_at_the_rate_around_it(data: st.DataObject, multiplier: float) -> None:
    old = [(ts, reg + 10**10) for ts, reg in data.draw(series(DAY, 6))]
    pause = data.draw(st.sampled_from((15 * MINUTE, 22 * MINUTE, 37 * MINUTE, MAX_GAP, MAX_GAP + 1)))
    new = [(ts, reg + 10**6 * i) for i, (ts, reg) in enumerate(data.draw(series(old[-1][0] + pause, 8)))]
    if len(new) < CONFIRM:
        return
    arrival = data.draw(st.permutations(range(len(old) + len(new))))
    decided = new[CONFIRM - 1][0]  # the readings before it are a series because of it
    run = [(a, b) for a, b in pairwise(new[:CONFIRM]) if decided - a[0] <= MAX_GAP]
    expected = advances(old, multiplier) + advances(new[CONFIRM - 1 :], multiplier)
    expected += sum(energy(b[1], multiplier) - energy(a[1], multiplier) for a, b in run)
    if len(old) > 1 and 2 * pause <= 3 * PERIOD and decided - old[-1][0] <= MAX_GAP and old[-1][0] - old[-2][0] <= MAX_GAP:
        around = (old[-2], old[-1]), (new[0], new[1])
        rises = sum(energy(b[1], multiplier) - energy(a[1], multiplier) for a, b in around)
        expected += min(rises * pause // sum(b[0] - a[0] for a, b in around), 10**12 * pause // (60 * MINUTE))
    assert booked(old + new, multiplier, arrival) == expected


@given(st.data())
def test_roll_overs_lose_nothing(data: st.DataObject) -> None:
    points = data.draw(series(DAY, 10))
    points = [(ts, reg // 100) for ts, reg in points]
    shown = [(ts, reg % 10**6) for ts, reg in points]
    rises = [b[1] - a[1] for a, b in pairwise(points)]
    if all(rise < 10**6 for rise in rises):
        arrival = data.draw(st.permutations(range(len(points))))
        assert booked(shown, 1, arrival, modulus=1, max_power=10**6) == advances(points, 1)
