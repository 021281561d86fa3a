"""A wall screen that stays open: an hour at fifty times the rate of updates, and its heap and its document are as large as at first."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from board_parts import demo_zone, running
from browser import WALL, chromium, looking
from playwright.async_api import CDPSession

pytestmark = pytest.mark.integration
SECONDS = float(os.environ.get("ZONEPULSE_SOAK_BOARD_S", "3600"))
RATE = 50


async def size(page: CDPSession) -> tuple[int, int]:
    """Bytes of the heap and nodes of the document, after collecting."""
    await page.send("HeapProfiler.collectGarbage")
    heap, counted = await page.send("Runtime.getHeapUsage"), await page.send("Memory.getDOMCounters")
    return int(heap["usedSize"]), int(counted["nodes"])


def test_a_screen_that_stays_open_for_weeks_stays_as_small_as_it_was(tmp_path: Path) -> None:
    async def run() -> list[tuple[int, int]]:
        with demo_zone(tmp_path) as zone:
            async with (
                running(zone, refresh_s=5 / RATE) as (board, _),
                chromium() as browser,
                looking(browser, viewport=WALL) as looker,
            ):
                page = await looker.open(board.address)
                session = await page.context.new_cdp_session(page)
                sizes, end = [], time.monotonic() + SECONDS
                while time.monotonic() < end:
                    await asyncio.sleep(SECONDS / 100)
                    sizes.append(await size(session))
                assert not looker.errors and not await page.locator("#broken").is_visible()
                return sizes

    sizes = asyncio.run(run())
    quarter = len(sizes) // 4
    for kind in (0, 1):
        first, last = (max(one[kind] for one in part) for part in (sizes[quarter : 2 * quarter], sizes[-quarter:]))
        assert last < 1.1 * first, (kind, first, last)
