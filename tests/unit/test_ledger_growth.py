"""Building a ledger costs what its zone holds: twice the companies, twice the time."""

import gc
import time

from zonepulse.processors.channels import compile_registry
from zonepulse.processors.ledger import Ledger
from zonepulse.streams.bench.ledger_load import CompanyZone

CHANNELS_A_COMPANY = 4
COMPANIES = 700


def build_s(companies: int) -> float:
    """CPU seconds of this thread, the best of three."""
    channels = compile_registry(CompanyZone(companies, companies * CHANNELS_A_COMPANY).registry(), 4)
    found = []
    for _ in range(3):
        gc.collect()
        begun = time.thread_time()
        Ledger(channels)
        found.append(time.thread_time() - begun)
    return min(found)


def test_a_ledger_is_built_in_time_linear_in_its_companies() -> None:
    build_s(10)
    once, twice = build_s(COMPANIES), build_s(2 * COMPANIES)
    assert twice < 2.8 * once, f"{COMPANIES} companies {once:.2f} s, twice as many {twice:.2f} s"
