"""Kernels of the ledger: post one tick's interval rows to cells, and read lines from cells. Exact integers throughout.

`acc` has shape (slots, cells, 5): value, estimated, covered_ms, co2e_mg and the number of rows with co2e of one cell in one window.
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
LINE_VALUE: Final = np.dtype(
    [
        ("line", "i8"),
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
"""One row of `emissions`; `changed` = 0 where it says what it said before."""


class Chart(NamedTuple):
    """The arrays of Accounts that kernels read."""

    accounts: Any
    lines: Any
    line_first: Any
    line_cells: Any
    line_signs: Any
    cell_first: Any
    cell_lines: Any
    guard_first: Any
    guard_bounds: Any
    expected_first: Any
    expected: Any
    factor_first: Any
    factors: Any
    zone_factor: int


class Books(NamedTuple):
    """Sums by slot (a window): `acc`, `seen` (a row was posted to the cell), `stamp` (last tick that touched a line), `start` (ms);
    `said`, what lines of other bases last said (series.FIELDS), and `pair`, how a storage's discharge is valued (nodal.py).
    """

    acc: Any
    seen: Any
    stamp: Any
    start: Any
    said: Any
    pair: Any


@kernel
def co2e_mg(value_micro: int, factor_mg: int) -> int:
    """round-half-up(value x factor / 1e6) for value >= 0, factor in mg per base unit."""
    q = value_micro // 1_000_000
    return q * factor_mg + ((value_micro - q * 1_000_000) * factor_mg + 500_000) // 1_000_000


@kernel
def factor_at(chart: Any, line: int, at: int) -> int:
    """Row of the factor time line that answers at `at`."""
    low, high = chart.factor_first[line], chart.factor_first[line + 1]
    while high - low > 1:
        mid = (low + high) // 2
        if chart.factors[mid, 0] <= at:
            low = mid
        else:
            high = mid
    return low


@kernel
def is_within(chart: Any, guard: int, at: int) -> bool:
    """Whether `at` lies in one of the guard's intervals."""
    for k in range(chart.guard_first[guard], chart.guard_first[guard + 1]):
        if chart.guard_bounds[k, 0] <= at < chart.guard_bounds[k, 1]:
            return True
    return False


@kernel
def expected_ms(chart: Any, cell: int, at: int, length: int) -> int:
    """What the counting channels of a cell should cover in the window that starts at `at`."""
    low, high = chart.expected_first[cell], chart.expected_first[cell + 1]
    while high - low > 1:
        mid = (low + high) // 2
        if chart.expected[mid, 0] <= at:
            low = mid
        else:
            high = mid
    return chart.expected[low, 1] * length if chart.expected[low, 0] <= at else 0


@kernel
def touch_lines(chart: Any, books: Any, cell: int, slot: int, tick: int, touched: Any, n: int, length: int) -> int:
    """Remember what the lines of a cell said before this tick; returns the number remembered."""
    for k in range(chart.cell_first[cell], chart.cell_first[cell + 1]):
        line = chart.cell_lines[k]
        if books.stamp[slot, line] != tick:
            books.stamp[slot, line] = tick
            read_line(chart, books, line, slot, length, touched[n])
            n += 1
    return n


@kernel
def remember(chart: Any, books: Any, rows: Any, slots: Any, tick: int, touched: Any, length: int) -> int:
    """First pass over a tick's rows: the old values of every line they touch."""
    n = 0
    for i in range(len(rows)):
        account = chart.accounts[rows[i].version]
        if account.zone_cell < 0 or is_within(chart, account.guard, rows[i].start):
            continue
        n = touch_lines(chart, books, account.zone_cell, slots[i], tick, touched, n, length)
        if account.company_cell >= 0:
            n = touch_lines(chart, books, account.company_cell, slots[i], tick, touched, n, length)
        if account.unmetered >= 0 and not is_within(chart, account.unmetered, rows[i].start):
            n = touch_lines(chart, books, UNMETERED, slots[i], tick, touched, n, length)
    return n


@kernel
def add_to_cell(books: Any, slot: int, cell: int, row: Any, co2e: int, has_co2e: int) -> None:
    """Add the difference that a row makes."""
    acc = books.acc[slot, cell]
    acc[VAL] += row.val - row.was_val
    acc[EST] += row.est - row.was_est
    acc[COV] += row.cov - row.was_cov
    acc[CO2E] += co2e
    acc[HAS_CO2E] += has_co2e
    books.seen[slot, cell] = 1


@kernel
def post(chart: Any, books: Any, rows: Any, slots: Any, emissions: Any) -> int:
    """Second pass: add every row to its cells, and make its emissions row; returns the number of emissions rows."""
    n = 0
    for i in range(len(rows)):
        row = rows[i]
        account = chart.accounts[row.version]
        if account.own_cell >= 0:
            add_to_cell(books, slots[i], account.own_cell, row, 0, 0)
        if account.zone_cell < 0 or is_within(chart, account.guard, row.start):
            continue
        mg, factor, rung = -1, 0, 0
        if account.factor >= 0:
            k = factor_at(chart, account.factor, row.start)
            mg, factor, rung = chart.factors[k, 1], chart.factors[k, 2], chart.factors[k, 3]
        elif account.ef > 0:
            mg = account.ef
        has, had = (1 if mg >= 0 and row.cov > 0 else 0), (1 if mg >= 0 and row.was_cov > 0 else 0)
        now = co2e_mg(row.val, mg) if has else 0
        was = co2e_mg(row.was_val, mg) if had else 0
        add_to_cell(books, slots[i], account.zone_cell, row, now - was, has - had)
        if account.unmetered >= 0 and not is_within(chart, account.unmetered, row.start):
            add_to_cell(books, slots[i], UNMETERED, row, 0, 0)
        if account.company_cell >= 0:
            add_to_cell(books, slots[i], account.company_cell, row, now - was, has - had)
        if account.company_cell >= 0 and account.company > 0 and account.scope > 0:
            e = emissions[n]
            n += 1
            e.version, e.start, e.tick = row.version, row.start, row.revision
            e.val, e.est, e.cov = row.val, row.est, row.cov
            e.co2e, e.has_co2e, e.factor, e.rung, e.scope = now, has, factor, rung, account.scope
            same = row.cov > 0 and row.was_cov > 0 and row.val == row.was_val and row.est == row.was_est
            e.changed = 0 if same else 1
    return n


@kernel
def read_line(chart: Any, books: Any, line: int, slot: int, length: int, out: Any) -> None:
    """What a line says now about the window of `slot`."""
    out.line, out.slot, out.start = line, slot, books.start[slot]
    out.exists, out.energy, out.co2e, out.has_co2e, out.est, out.cov, out.expected = 0, 0, 0, 0, 0, 0, 0
    kind = chart.lines[line].kind
    if kind in (ZONE_USE, ZONE_IMPORT, ZONE_SCOPE_2, UNACCOUNTED, INTENSITY):
        read_zone_line(chart, books, line, slot, length, out)
    else:
        for k in range(chart.line_first[line], chart.line_first[line + 1]):
            add_term(chart, books, chart.line_cells[k], chart.line_signs[k], slot, length, out)
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
def add_term(chart: Any, books: Any, cell: int, sign: int, slot: int, length: int, out: Any) -> None:
    """Add a cell: signed value and estimate, its coverage and co2e."""
    acc = books.acc[slot, cell]
    out.energy += sign * acc[VAL]
    out.est += sign * acc[EST]
    out.cov += acc[COV]
    out.co2e += acc[CO2E]
    out.has_co2e |= 1 if acc[HAS_CO2E] > 0 else 0
    out.exists |= books.seen[slot, cell]
    out.expected += expected_ms(chart, cell, books.start[slot], length)


@kernel
def add_cover(chart: Any, books: Any, cell: int, slot: int, length: int, out: Any) -> None:
    """Add a cell's coverage and existence only."""
    out.cov += books.acc[slot, cell, COV]
    out.exists |= books.seen[slot, cell]
    out.expected += expected_ms(chart, cell, books.start[slot], length)


@kernel
def read_zone_line(chart: Any, books: Any, line: int, slot: int, length: int, out: Any) -> None:
    """The zone's electricity (design: Totals and intensity)."""
    acc, start = books.acc[slot], books.start[slot]
    kind = chart.lines[line].kind
    bounded = expected_ms(chart, B_IMPORT, start, length) + expected_ms(chart, B_EXPORT, start, length) > 0
    drawn = acc[B_IMPORT, VAL] if bounded else max(0, acc[IMPORT, VAL] - acc[EXPORT, VAL])
    drawn_est = acc[B_IMPORT, EST] if bounded else acc[IMPORT, EST] - acc[EXPORT, EST]
    drawn_est = max(0, min(drawn, drawn_est))
    made, made_est = acc[GENERATION, VAL] + acc[UNMETERED, VAL], acc[GENERATION, EST] + acc[UNMETERED, EST]
    if kind == UNACCOUNTED:
        if not bounded:
            return
        out.energy = acc[B_IMPORT, VAL] + acc[EXPORT, VAL] - acc[B_EXPORT, VAL] - acc[IMPORT, VAL]
        out.est = acc[B_IMPORT, EST] + acc[EXPORT, EST] - acc[B_EXPORT, EST] - acc[IMPORT, EST]
        for cell in (B_IMPORT, B_EXPORT, IMPORT, EXPORT):
            add_cover(chart, books, cell, slot, length, out)
        return
    if bounded:
        add_cover(chart, books, B_IMPORT, slot, length, out)
    else:
        add_cover(chart, books, IMPORT, slot, length, out)
        add_cover(chart, books, EXPORT, slot, length, out)
    if kind == ZONE_USE:
        net, net_est = acc[IMPORT, VAL] - acc[EXPORT, VAL], acc[IMPORT, EST] - acc[EXPORT, EST]
        if bounded:
            net, net_est = acc[B_IMPORT, VAL] - acc[B_EXPORT, VAL], acc[B_IMPORT, EST] - acc[B_EXPORT, EST]
            add_cover(chart, books, B_EXPORT, slot, length, out)
            add_cover(chart, books, UNMETERED, slot, length, out)
        out.energy = net + made - acc[CHARGE, VAL] + acc[DISCHARGE, VAL]
        out.est = net_est + made_est - acc[CHARGE, EST] + acc[DISCHARGE, EST]
        for cell in (GENERATION, CHARGE, DISCHARGE):
            add_cover(chart, books, cell, slot, length, out)
        return
    is_drawn_covered, is_drawn_expected = out.cov > 0, out.expected > 0
    k = factor_at(chart, chart.zone_factor, start)
    mg = chart.factors[k, 1]
    if is_drawn_covered and mg >= 0:
        out.co2e, out.has_co2e = co2e_mg(drawn, mg), 1
    out.energy, out.est = drawn, drawn_est
    if kind == ZONE_SCOPE_2:
        for k in range(chart.line_first[line], chart.line_first[line + 1]):
            if chart.line_cells[k] >= 8:
                add_term(chart, books, chart.line_cells[k], 1, slot, length, out)
    elif kind == INTENSITY:
        out.energy += made
        out.est += made_est
        out.co2e += acc[GENERATION, CO2E]
        out.has_co2e = 1 if not is_drawn_expected else out.has_co2e
        add_cover(chart, books, GENERATION, slot, length, out)
        if bounded:
            add_cover(chart, books, UNMETERED, slot, length, out)
        if out.cov == 0:
            out.has_co2e = 0


@kernel
def read_lines(chart: Any, books: Any, lines: Any, slots: Any, length: int, out: Any) -> None:
    """What several lines say now, each about the window of its slot."""
    for i in range(len(lines)):
        read_line(chart, books, lines[i], slots[i], length, out[i])


@kernel
def changed_lines(chart: Any, books: Any, before: Any, n: int, after: Any, length: int, tick: int) -> int:
    """Third pass: the present values of the touched lines that differ from before; returns their number."""
    m = 0
    for i in range(n):
        old, new = before[i], after[m]
        read_line(chart, books, old.line, old.slot, length, new)
        same = old.exists == new.exists and old.has_energy == new.has_energy and old.energy == new.energy
        same &= old.has_co2e == new.has_co2e and old.co2e == new.co2e and old.est == new.est
        same &= old.cov == new.cov and old.expected == new.expected
        if new.exists and not same:
            new.tick = tick
            m += 1
    return m


__all__ = ["BEARING", "Books", "Chart", "changed_lines", "co2e_mg", "post", "read_line", "read_lines", "remember"]
