"""Kernels of the ledger: post one tick's interval rows to accumulators, and read series from accumulators. Exact integers throughout.

`acc` has shape (slots, accumulators, 5): value, estimated, covered_ms, co2e_mg and the number of rows with co2e of one accumulator in one
window.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from zonepulse.processors.accounting.plan import (
    B_EXPORT,
    B_IMPORT,
    BEARING,
    CHARGE,
    DISCHARGE,
    EXPORT,
    GENERATION,
    IMPORT,
    INTENSITY,
    SCOPE,
    UNACCOUNTED,
    UNMETERED,
    USE,
    ZONE_IMPORT,
    ZONE_SCOPE_2,
    ZONE_USE,
)
from zonepulse.processors.kernel import kernel

VAL, EST, COV, CO2E, HAS_CO2E = 0, 1, 2, 3, 4
SERIES_VALUE: Final = np.dtype(
    [
        ("series", "i8"),
        ("slot", "i8"),
        ("start", "i8"),
        ("tick", "i8"),
        ("exists", "i8"),
        ("energy", "i8"),
        ("has_energy", "i8"),
        ("co2e", "i8"),
        ("has_co2e", "i8"),
        ("est", "i8"),
        ("cov", "i8"),
        ("expected", "i8"),
    ]
)
EMISSION: Final = np.dtype(
    [
        ("version", "i8"),
        ("start", "i8"),
        ("tick", "i8"),
        ("val", "i8"),
        ("est", "i8"),
        ("cov", "i8"),
        ("co2e", "i8"),
        ("has_co2e", "i8"),
        ("factor", "i8"),
        ("rung", "i8"),
        ("scope", "i8"),
        ("changed", "i8"),
    ]
)
"""One row of `emissions`; `changed` = 0 where it says what it emitted before."""


class PlanArrays(NamedTuple):
    """The arrays of AggregationPlan that kernels read."""

    postings: Any
    series: Any
    series_first: Any
    series_accumulators: Any
    series_signs: Any
    accumulator_first: Any
    accumulator_series: Any
    guard_first: Any
    guard_bounds: Any
    expected_first: Any
    expected: Any
    factor_first: Any
    factors: Any
    zone_factor: int


class Sums(NamedTuple):
    """Sums by slot (a window): `acc`, `seen` (a row was posted to the accumulator), `stamp` (last tick that touched a series), `start`
    (ms), `emitted` (what series of other bases last said, series.FIELDS), `storage_valuation` (how a discharge is valued, nodal.py).
    """

    acc: Any
    seen: Any
    stamp: Any
    start: Any
    emitted: Any
    storage_valuation: Any


@kernel
def co2e_mg(value_micro: int, factor_mg: int) -> int:
    """round-half-up(value x factor / 1e6) for value >= 0, factor in mg per base unit."""
    q = value_micro // 1_000_000
    return q * factor_mg + ((value_micro - q * 1_000_000) * factor_mg + 500_000) // 1_000_000


@kernel
def factor_at(plan: PlanArrays, series: int, at: int) -> int:
    """Row of the factor timeline that answers at `at`."""
    low, high = plan.factor_first[series], plan.factor_first[series + 1]
    while high - low > 1:
        mid = (low + high) // 2
        if plan.factors[mid, 0] <= at:
            low = mid
        else:
            high = mid
    return low


@kernel
def is_within(plan: PlanArrays, guard: int, at: int) -> bool:
    """Whether `at` lies in one of the guard's intervals."""
    for k in range(plan.guard_first[guard], plan.guard_first[guard + 1]):
        if plan.guard_bounds[k, 0] <= at < plan.guard_bounds[k, 1]:
            return True
    return False


@kernel
def expected_ms(plan: PlanArrays, accumulator: int, at: int, length: int) -> int:
    """What the counting channels of an accumulator should cover in the window that starts at `at`."""
    low, high = plan.expected_first[accumulator], plan.expected_first[accumulator + 1]
    while high - low > 1:
        mid = (low + high) // 2
        if plan.expected[mid, 0] <= at:
            low = mid
        else:
            high = mid
    return plan.expected[low, 1] * length if plan.expected[low, 0] <= at else 0


@kernel
def touch_series(plan: PlanArrays, sums: Sums, accumulator: int, slot: int, tick: int, touched: Any, n: int, length: int) -> int:
    """Remember what the series of an accumulator emitted before this tick; returns the number remembered."""
    for k in range(plan.accumulator_first[accumulator], plan.accumulator_first[accumulator + 1]):
        series = plan.accumulator_series[k]
        if sums.stamp[slot, series] != tick:
            sums.stamp[slot, series] = tick
            read_one(plan, sums, series, slot, length, touched[n])
            n += 1
    return n


@kernel
def remember(plan: PlanArrays, sums: Sums, rows: Any, slots: Any, tick: int, touched: Any, length: int) -> int:
    """First pass over a tick's rows: the old values of every series they touch."""
    n = 0
    for i in range(len(rows)):
        posting = plan.postings[rows[i].version]
        if posting.zone_accumulator < 0 or is_within(plan, posting.guard, rows[i].start):
            continue
        n = touch_series(plan, sums, posting.zone_accumulator, slots[i], tick, touched, n, length)
        if posting.company_accumulator >= 0:
            n = touch_series(plan, sums, posting.company_accumulator, slots[i], tick, touched, n, length)
        if posting.unmetered >= 0 and not is_within(plan, posting.unmetered, rows[i].start):
            n = touch_series(plan, sums, UNMETERED, slots[i], tick, touched, n, length)
    return n


@kernel
def add_to_accumulator(sums: Sums, slot: int, accumulator: int, row: Any, co2e: int, has_co2e: int) -> None:
    """Add the difference that a row makes."""
    acc = sums.acc[slot, accumulator]
    acc[VAL] += row.val - row.was_val
    acc[EST] += row.est - row.was_est
    acc[COV] += row.cov - row.was_cov
    acc[CO2E] += co2e
    acc[HAS_CO2E] += has_co2e
    sums.seen[slot, accumulator] = 1


@kernel
def post(plan: PlanArrays, sums: Sums, rows: Any, slots: Any, emissions: Any) -> int:
    """Second pass: add every row to its accumulators, and make its emissions row; returns the number of emissions rows."""
    n = 0
    for i in range(len(rows)):
        row = rows[i]
        posting = plan.postings[row.version]
        if posting.own_accumulator >= 0:
            add_to_accumulator(sums, slots[i], posting.own_accumulator, row, 0, 0)
        if posting.zone_accumulator < 0 or is_within(plan, posting.guard, row.start):
            continue
        mg, factor, rung = -1, 0, 0
        if posting.factor >= 0:
            k = factor_at(plan, posting.factor, row.start)
            mg, factor, rung = plan.factors[k, 1], plan.factors[k, 2], plan.factors[k, 3]
        elif posting.ef > 0:
            mg = posting.ef
        has, had = (1 if mg >= 0 and row.cov > 0 else 0), (1 if mg >= 0 and row.was_cov > 0 else 0)
        now = co2e_mg(row.val, mg) if has else 0
        was = co2e_mg(row.was_val, mg) if had else 0
        add_to_accumulator(sums, slots[i], posting.zone_accumulator, row, now - was, has - had)
        if posting.unmetered >= 0 and not is_within(plan, posting.unmetered, row.start):
            add_to_accumulator(sums, slots[i], UNMETERED, row, 0, 0)
        if posting.company_accumulator >= 0:
            add_to_accumulator(sums, slots[i], posting.company_accumulator, row, now - was, has - had)
        if posting.company_accumulator >= 0 and posting.company > 0 and posting.scope > 0:
            e = emissions[n]
            n += 1
            e.version, e.start, e.tick = row.version, row.start, row.revision
            e.val, e.est, e.cov = row.val, row.est, row.cov
            e.co2e, e.has_co2e, e.factor, e.rung, e.scope = now, has, factor, rung, posting.scope
            same = row.cov > 0 and row.was_cov > 0 and row.val == row.was_val and row.est == row.was_est
            e.changed = 0 if same else 1
    return n


@kernel
def read_one(plan: PlanArrays, sums: Sums, series: int, slot: int, length: int, out: Any) -> None:
    """What a series says now about the window of `slot`."""
    out.series, out.slot, out.start = series, slot, sums.start[slot]
    out.exists, out.energy, out.co2e, out.has_co2e, out.est, out.cov, out.expected = 0, 0, 0, 0, 0, 0, 0
    kind = plan.series[series].kind
    if kind in (ZONE_USE, ZONE_IMPORT, ZONE_SCOPE_2, UNACCOUNTED, INTENSITY):
        read_zone_series(plan, sums, series, slot, length, out)
    else:
        for k in range(plan.series_first[series], plan.series_first[series + 1]):
            add_term(plan, sums, plan.series_accumulators[k], plan.series_signs[k], slot, length, out)
    if kind == USE:
        out.co2e, out.has_co2e = 0, 0
    out.has_energy = 1 if out.cov > 0 else 0
    if kind in (SCOPE, ZONE_SCOPE_2):
        out.energy, out.est, out.has_energy = 0, 0, 0
    if not out.has_energy:
        out.energy, out.est = 0, 0
    if not out.has_co2e:
        out.co2e = 0


@kernel
def add_term(plan: PlanArrays, sums: Sums, accumulator: int, sign: int, slot: int, length: int, out: Any) -> None:
    """Add an accumulator: signed value and estimate, its coverage and co2e."""
    acc = sums.acc[slot, accumulator]
    out.energy += sign * acc[VAL]
    out.est += sign * acc[EST]
    out.cov += acc[COV]
    out.co2e += acc[CO2E]
    out.has_co2e |= 1 if acc[HAS_CO2E] > 0 else 0
    out.exists |= sums.seen[slot, accumulator]
    out.expected += expected_ms(plan, accumulator, sums.start[slot], length)


@kernel
def add_cover(plan: PlanArrays, sums: Sums, accumulator: int, slot: int, length: int, out: Any) -> None:
    """Add an accumulator's coverage and existence only."""
    out.cov += sums.acc[slot, accumulator, COV]
    out.exists |= sums.seen[slot, accumulator]
    out.expected += expected_ms(plan, accumulator, sums.start[slot], length)


@kernel
def read_zone_series(plan: PlanArrays, sums: Sums, series: int, slot: int, length: int, out: Any) -> None:
    """The zone's electricity (design: Totals and intensity)."""
    acc, start = sums.acc[slot], sums.start[slot]
    kind = plan.series[series].kind
    bounded = expected_ms(plan, B_IMPORT, start, length) + expected_ms(plan, B_EXPORT, start, length) > 0
    drawn = acc[B_IMPORT, VAL] if bounded else max(0, acc[IMPORT, VAL] - acc[EXPORT, VAL])
    drawn_est = acc[B_IMPORT, EST] if bounded else acc[IMPORT, EST] - acc[EXPORT, EST]
    drawn_est = max(0, min(drawn, drawn_est))
    made, made_est = acc[GENERATION, VAL] + acc[UNMETERED, VAL], acc[GENERATION, EST] + acc[UNMETERED, EST]
    if kind == UNACCOUNTED:
        if not bounded:
            return
        out.energy = acc[B_IMPORT, VAL] + acc[EXPORT, VAL] - acc[B_EXPORT, VAL] - acc[IMPORT, VAL]
        out.est = acc[B_IMPORT, EST] + acc[EXPORT, EST] - acc[B_EXPORT, EST] - acc[IMPORT, EST]
        for accumulator in (B_IMPORT, B_EXPORT, IMPORT, EXPORT):
            add_cover(plan, sums, accumulator, slot, length, out)
        return
    if bounded:
        add_cover(plan, sums, B_IMPORT, slot, length, out)
    else:
        add_cover(plan, sums, IMPORT, slot, length, out)
        add_cover(plan, sums, EXPORT, slot, length, out)
    if kind == ZONE_USE:
        net, net_est = acc[IMPORT, VAL] - acc[EXPORT, VAL], acc[IMPORT, EST] - acc[EXPORT, EST]
        if bounded:
            net, net_est = acc[B_IMPORT, VAL] - acc[B_EXPORT, VAL], acc[B_IMPORT, EST] - acc[B_EXPORT, EST]
            add_cover(plan, sums, B_EXPORT, slot, length, out)
            add_cover(plan, sums, UNMETERED, slot, length, out)
        out.energy = net + made - acc[CHARGE, VAL] + acc[DISCHARGE, VAL]
        out.est = net_est + made_est - acc[CHARGE, EST] + acc[DISCHARGE, EST]
        for accumulator in (GENERATION, CHARGE, DISCHARGE):
            add_cover(plan, sums, accumulator, slot, length, out)
        return
    is_drawn_covered, is_drawn_expected = out.cov > 0, out.expected > 0
    k = factor_at(plan, plan.zone_factor, start)
    mg = plan.factors[k, 1]
    if is_drawn_covered and mg >= 0:
        out.co2e, out.has_co2e = co2e_mg(drawn, mg), 1
    out.energy, out.est = drawn, drawn_est
    if kind == ZONE_SCOPE_2:
        for k in range(plan.series_first[series], plan.series_first[series + 1]):
            if plan.series_accumulators[k] >= 8:
                add_term(plan, sums, plan.series_accumulators[k], 1, slot, length, out)
    elif kind == INTENSITY:
        out.energy += made
        out.est += made_est
        out.co2e += acc[GENERATION, CO2E]
        out.has_co2e = 1 if not is_drawn_expected else out.has_co2e
        add_cover(plan, sums, GENERATION, slot, length, out)
        if bounded:
            add_cover(plan, sums, UNMETERED, slot, length, out)
        if out.cov == 0:
            out.has_co2e = 0


@kernel
def read_series(plan: PlanArrays, sums: Sums, series: Any, slots: Any, length: int, out: Any) -> None:
    """What several series say now, each about the window of its slot."""
    for i in range(len(series)):
        read_one(plan, sums, series[i], slots[i], length, out[i])


@kernel
def changed_series(plan: PlanArrays, sums: Sums, before: Any, n: int, after: Any, length: int, tick: int) -> int:
    """Third pass: the present values of the touched series that differ from before; returns their number."""
    m = 0
    for i in range(n):
        old, new = before[i], after[m]
        read_one(plan, sums, old.series, old.slot, length, new)
        same = old.exists == new.exists and old.has_energy == new.has_energy and old.energy == new.energy
        same &= old.has_co2e == new.has_co2e and old.co2e == new.co2e and old.est == new.est
        same &= old.cov == new.cov and old.expected == new.expected
        if new.exists and not same:
            new.tick = tick
            m += 1
    return m


__all__ = ["BEARING", "PlanArrays", "Sums", "changed_series", "co2e_mg", "post", "read_one", "read_series", "remember"]
