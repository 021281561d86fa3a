"""`zonepulse bench ledger`: what the ledger of a zone costs at the age of a day, a month and a year.

Age is simulated. Of a past day one company has rows in every window, half a day of windows in one tick, under a registry without rules;
the last day before a measurement is real: every company has a row in every window, tick by tick. What a year leaves is then what it would
leave anyway, since books have a place for every cell of a window whether rows came or not, and each window was opened, settled, packed and
forgotten. Only what contracts have used is smaller. The zone's `max_gap` is 12 h, so that a day fills the horizon.

One process a number of companies, no servers. `memory_mb` is what the process has more than before it had a ledger, `snapshot_mb` a whole
snapshot as it is sent, `apply_s` the step from one registry version to the next with all windows. Seconds are CPU time of one thread, the
best of three, which other work on the machine hardly moves.
"""

import ctypes
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any, Final

import msgspec
import numpy as np
import psutil

from zonepulse.processors.channels.table import Channels, compile_registry
from zonepulse.processors.flow import Rows, new_rows
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.processors.ledger.snapshot import freeze_ledger
from zonepulse.processors.metering.snapshot import encode
from zonepulse.streams.bench.ledger_load import DELAY_MS, HOUR_MS, START_MS, TICK_MS, WINDOW_MS, CompanyZone
from zonepulse.streams.kernels.warm_up import warm_up
from zonepulse.streams.screen import count, print_table

DAY_MS: Final = 24 * HOUR_MS
CHANNELS_A_COMPANY: Final = 50
ROUNDS: Final = 3
Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """Each number of companies is measured at each age (days, ascending)."""

    companies: tuple[int, ...]
    days: tuple[int, ...]
    channels_a_company: int = CHANNELS_A_COMPANY


def run(options: Options, tell: Callable[[str], None]) -> list[Found]:
    """One object a number of companies and age; `tell` hears what is being done."""
    found: list[Found] = []
    for companies in options.companies:
        tell(f"{companies:,} companies, until they are {options.days[-1]:,} days old")
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as one:
            found += one.submit(measured, companies, companies * options.channels_a_company, options.days).result()
    return found


def measured(companies: int, channels: int, days: Sequence[int]) -> list[Found]:
    """One zone, measured whenever it has one of these ages."""
    warm_up()
    zone = CompanyZone(companies, channels)
    ruled = compile_registry(zone.registry(), 1)
    plain = replace(ruled, registry=replace(ruled.registry, rules=()))
    before = _memory_mb()
    ages = Ages(zone, plain)
    found = []
    for age in days:
        ages.grow_to(age)
        build_s = min(_seconds(lambda: Ledger(ruled)) for _ in range(ROUNDS))
        apply_s = min(_seconds(lambda: ages.use(ruled)) for _ in range(ROUNDS))
        snapshot_mb, memory_mb = ages.snapshot_mb(), _memory_mb() - before
        ages.use(plain)
        found.append(
            {
                "companies": companies, "channels": channels, "age_days": age, "build_s": build_s, "memory_mb": memory_mb,
                "snapshot_mb": snapshot_mb, "apply_s": apply_s,
            }
        )  # fmt: skip
    return found


class Ages:
    """A ledger that grows older."""

    def __init__(self, zone: CompanyZone, channels: Channels) -> None:
        self._zone, self._channels = zone, channels
        self.ledger = Ledger(channels)
        self._versions = channels.registry.version
        self._end_ms = START_MS
        """Of the newest window."""

    def grow_to(self, days: int) -> None:
        """To this age; the last day is real."""
        target = START_MS + days * DAY_MS
        while self._end_ms + DAY_MS < target:
            self._book(DAY_MS // 2, all_companies=False)
        while self._end_ms < target:
            self._book(WINDOW_MS, all_companies=True)

    def _book(self, span_ms: int, *, all_companies: bool) -> None:
        """The next windows, all in one tick."""
        starts = range(self._end_ms, self._end_ms + span_ms, WINDOW_MS)
        self._end_ms += span_ms
        tick = -(-(self._end_ms + DELAY_MS) // TICK_MS)
        self.ledger.offer(0, self._rows(starts, tick, all_companies=all_companies), tick)
        self.ledger.advance()

    def _rows(self, starts: Sequence[int], tick: int, *, all_companies: bool) -> Rows:
        found = [self._zone.rows(self._channels, start, tick, all_companies=all_companies) for start in starts]
        return np.concatenate([new_rows(found[0].dtype, 0), *found]).view(np.recarray)

    def use(self, channels: Channels) -> None:
        """Go on under these channels as the next registry version."""
        self._versions += 1
        version = replace(channels, registry=replace(channels.registry, version=self._versions))
        self.ledger.announce(0, version)
        self.ledger.advance()

    def snapshot_mb(self) -> float:
        """Of a whole snapshot: after a registry version has come every chunk is written anew."""
        frozen = freeze_ledger(self.ledger, 0)
        chunks: Iterator[bytes] = (encode(arrays) for arrays in frozen.chunks.values())
        return (sum(map(len, chunks)) + len(msgspec.json.encode(frozen.facts))) / 1e6


def _seconds(work: Callable[[], object]) -> float:
    """CPU time of this thread."""
    gc.collect()
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def _memory_mb() -> float:
    """What this process holds, freed memory given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss) / 1e6


def print_report(found: Sequence[Found]) -> None:
    """What `--json` holds, for people."""
    columns = ("companies", "channels", "age, days", "build s", "memory MB", "snapshot MB", "apply s")
    rows = [
        (count(one["companies"]), count(one["channels"]), count(one["age_days"]), f"{one['build_s']:.2f}",
         f"{one['memory_mb']:,.0f}", f"{one['snapshot_mb']:.1f}", f"{one['apply_s']:.2f}")
        for one in found
    ]  # fmt: skip
    print_table(columns, rows, title="the ledger of a zone", right=columns)
