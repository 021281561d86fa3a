"""A ledger costs what its zone and its horizon hold: twice the companies, twice the time to build it; however old, the same size."""

import time
import timeit

import pytest

from zonepulse.processors.accounting.cold_sums import PAGE
from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.ledger.horizon import reach_ms
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.processors.ledger.snapshot import freeze_ledger, restore_ledger
from zonepulse.streams.bench.ledger_load import DELAY_MS, HOUR_MS, START_MS, TICK_MS, WINDOW_MS, CompanyZone

CHANNELS_A_COMPANY = 4
COMPANIES = 1_400


def build_s(companies: int) -> float:
    """CPU seconds of this thread, the best of three; garbage of other tests is not looked for meanwhile."""
    channels = compile_registry(CompanyZone(companies, companies * CHANNELS_A_COMPANY).registry(), 4)
    return min(timeit.repeat(lambda: Ledger(channels), timer=time.thread_time, repeat=3, number=1))


@pytest.mark.large
def test_a_ledger_is_built_in_time_linear_in_its_companies() -> None:
    build_s(10)
    once, twice = build_s(COMPANIES), build_s(2 * COMPANIES)
    assert twice < 2.8 * once, f"{COMPANIES} companies {once:.2f} s, twice as many {twice:.2f} s"


HORIZON_MS = reach_ms(CompanyZone(1, 4).registry().zone)


def aged(windows: int) -> Ledger:
    """A ledger that has booked so many windows, one after the other."""
    zone = CompanyZone(3, 12)
    channels = compile_registry(zone.registry(), 1)
    ledger = Ledger(channels)
    for k in range(windows):
        start = START_MS + k * WINDOW_MS
        tick = -(-(start + WINDOW_MS + DELAY_MS) // TICK_MS)
        ledger.offer(0, zone.rows(channels, start, tick, all_companies=True), tick)
        ledger.advance()
    return ledger


def test_rows_behind_a_tick_that_was_applied_are_counted_one_by_one() -> None:
    zone, far_tick = CompanyZone(3, 12), 10**12
    channels = compile_registry(zone.registry(), 1)
    ledger, rows = Ledger(channels), zone.rows(channels, START_MS, START_MS // TICK_MS, all_companies=True)
    assert ledger.offer(0, rows[:0], far_tick) == 0
    ledger.advance()
    assert ledger.applied == far_tick
    assert ledger.offer(0, rows, far_tick + 1) == len(rows) > 0


def state_of(ledger: Ledger) -> dict[str, int]:
    """How much there is of everything that could grow."""
    pages = ledger.windows.pages
    frozen = freeze_ledger(ledger, 0)
    kept = {f"{name} facts": len(value) for name, value in frozen.facts.items() if isinstance(value, list | dict)}
    return kept | {
        "windows": len(pages),
        "slots": len(pages.sums.start),
        "pages": len([page for page in pages.chunks if page is not None]),
        "chunks": frozen.count,
        "bytes": sum(array.nbytes for number in range(len(pages.chunks)) for array in pages.chunk(number).values()),
    }


@pytest.mark.large
def test_a_ledger_at_the_age_of_six_horizons_is_as_large_as_at_that_of_two() -> None:
    day = 24 * HOUR_MS // WINDOW_MS
    whole_days = -(-HORIZON_MS // (24 * HOUR_MS)) * day
    young, old = (state_of(aged(n * whole_days)) for n in (2, 6))
    assert young == old
    assert young["windows"] <= HORIZON_MS // WINDOW_MS + day + PAGE + 1


def test_a_long_restore_apply_or_catch_up_shows_that_it_gets_on() -> None:
    ledger, beats = aged(4 * PAGE), list[int]()
    pages = len([page for page in ledger.windows.pages.chunks if page is not None])
    frozen = freeze_ledger(ledger, 0)
    zone, first = CompanyZone(3, 12), ledger.channels
    ledger = restore_ledger({1: first}, frozen.facts, [frozen.chunks[n] for n in range(frozen.count)], lambda: beats.append(1))
    assert len(beats) >= pages
    beats.clear()
    ledger.announce(0, compile_registry(zone.registry(2), 1, first.names))
    ledger.advance()
    assert len(beats) >= pages
    beats.clear()
    start = ledger.applied * TICK_MS // WINDOW_MS * WINDOW_MS - WINDOW_MS
    for k in range(9):
        tick = ledger.applied + 1 + k
        ledger.offer(0, zone.rows(first, start, tick, all_companies=False), tick)
    ledger.advance()
    assert len(beats) >= 9


def test_rows_that_wait_are_saved_when_they_change() -> None:
    zone = CompanyZone(3, 12)
    channels = compile_registry(zone.registry(), 2)
    ledger = Ledger(channels)

    def saved() -> tuple[bool, int]:
        chunks = freeze_ledger(ledger, 0).chunks
        return (True, len(chunks[0]["rows"])) if 0 in chunks else (False, 0)

    assert saved() == (True, 0)
    tick = START_MS // TICK_MS + 20
    ledger.offer(0, zone.rows(channels, START_MS, tick, all_companies=True), tick)
    ledger.advance()
    assert saved() == (True, 3)
    ledger.offer(0, zone.rows(channels, START_MS, tick, all_companies=True)[:0], tick + 1)
    ledger.advance()
    assert saved() == (False, 0), "partition 1 stands still, and what waits for it is as before"
    ledger.offer(1, zone.rows(channels, START_MS, tick, all_companies=True)[:0], tick)
    ledger.advance()
    assert saved() == (True, 0)
