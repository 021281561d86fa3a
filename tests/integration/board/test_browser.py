"""The board in a real headless Chromium: every page in three languages, live, frozen, without JavaScript, and ten at once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from board_parts import Zone, addresses, running
from browser import DESKTOP, PHONE, WALL, Looker, chromium, looking, serious, too_wide
from demo_store import connect
from patience import patience_s
from playwright.async_api import Browser, Page

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.streams.board.server import Board
from zonepulse.streams.board.settings import BoardSettings
from zonepulse.streams.board.store import Store, StoreAway
from zonepulse.streams.board.words import BOARD_TEXTS
from zonepulse.streams.embedded.clickhouse.process import WRITER

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel
LIVE_COLUMNS = ["run", "zone", "entity_kind", "entity", "at", "power_kw", "g_per_kwh", "co2e_kg_per_h", "reporting", "expected"]
WAIT_MS = 1000 * patience_s(30)


def in_a_browser(zone: Zone, use: Callable[[Browser, str], Awaitable[None]]) -> None:
    async def run() -> None:
        async with running(zone) as (board, _), chromium() as browser:
            await use(browser, board.address.rstrip("/"))

    asyncio.run(run())


def test_every_page_in_every_language_fits_and_says_no_error_and_axe_finds_nothing_serious(zone: Zone) -> None:
    async def use(browser: Browser, board: str) -> None:
        faults: list[str] = []
        for language, viewport, scheme in zip(LANGUAGES, (DESKTOP, PHONE, WALL), ("light", "dark", "light"), strict=True):
            async with looking(browser, locale=language, viewport=viewport, color_scheme=scheme) as looker:
                for path in addresses(zone).values():
                    page = await looker.open(board + path)
                    assert (await page.get_attribute("html", "lang") or "").startswith(language)
                    await page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
                    faults += await too_wide(page)
                    if viewport is not WALL:  # the same page as on a desktop, larger
                        faults += await serious(page)
                    await page.close()
                faults += looker.errors
        assert not faults

    in_a_browser(zone, use)


def test_a_browser_may_send_the_form_and_it_stays_as_it_was_typed(zone: Zone) -> None:
    asked: list[Mapping[str, str]] = []

    def away() -> Any:
        raise StoreAway("this page needs none")

    async def run() -> None:
        board = Board(lambda: zone.registry, Store(away), replace(BoardSettings(), port=0), asked.append)
        await board.start()
        async with chromium() as browser, looking(browser, viewport=PHONE, color_scheme="dark") as looker:
            page = await looker.open(f"{board.address}subscribe?lang=de")
            assert await page.get_attribute("html", "data-live") == "no", "a beat would load the form anew"
            faults = await too_wide(page) + await serious(page)
            await page.fill("#address", "li.wei@steel.example")
            await page.click("form.fields button")
            await page.get_by_role("status").get_by_text("li.wei@steel.example").wait_for(timeout=WAIT_MS)
            assert not faults + await too_wide(page) + await serious(page) + looker.errors
        await board.stop()

    asyncio.run(run())
    assert [form["address"] for form in asked] == ["li.wei@steel.example"]


def test_without_javascript_a_page_has_its_numbers_and_its_charts(zone: Zone) -> None:
    async def use(browser: Browser, board: str) -> None:
        async with looking(browser, java_script_enabled=False) as looker:
            page = await looker.open(board + addresses(zone)["zone"])
            assert await page.locator("svg.chart").count() == 2 and await page.locator("#broken").is_hidden()
            await page.locator("details summary").first.click()
            assert await page.locator("#curve-table tbody tr").count() > 80
            await page.get_by_role("link", name="Deutsch").click()
            assert await page.get_attribute("html", "lang") == "de"

    in_a_browser(zone, use)


def shown_at(page: Page) -> Awaitable[str]:
    return page.inner_text(".moment")


async def has_moved(page: Page, before: str) -> None:
    await page.wait_for_function("(before) => document.querySelector('.moment').innerText !== before", arg=before, timeout=WAIT_MS)


def test_ten_open_pages_share_one_stream_and_all_of_them_move(zone: Zone) -> None:
    async def run() -> None:
        async with running(zone, refresh_s=2.0) as (board, _), chromium() as browser, looking(browser) as looker:
            pages = [await looker.open(f"{board.address}alerts") for _ in range(10)]
            for _ in range(2):
                moments = [await shown_at(page) for page in pages]
                await asyncio.gather(*(has_moved(page, at) for page, at in zip(pages, moments, strict=True)))
            assert board.streams == 1
            for page in pages:
                await page.close()
            async with asyncio.timeout(patience_s(30)):
                while board.streams:
                    await asyncio.sleep(0.05)
            assert not looker.errors

    asyncio.run(run())


async def intensity_is(page: Page, text: str) -> None:
    await page.wait_for_function("(t) => document.querySelector('#intensity-now').innerText === t", arg=text, timeout=WAIT_MS)


def say(zone: Zone, g_per_kwh: float) -> None:
    with connect(zone.server, WRITER) as writer:
        name = zone.registry.zone.id
        row = ["seen-live", name, "zone", name, datetime.now(UTC), 900.0, g_per_kwh, 441.0, 3, 3]
        writer.insert("live", [row], column_names=LIVE_COLUMNS)


def test_a_new_value_arrives_by_itself_a_dead_stream_greys_the_page_and_it_comes_back(zone: Zone) -> None:
    async def run() -> None:
        async with chromium() as browser, looking(browser) as looker:
            async with running(zone, refresh_s=0.5) as (board, _):
                page = await looker.open(f"{board.address}?run=seen-live")
                assert await page.inner_text("#intensity-now") == "–"
                await asyncio.to_thread(say, zone, 481.0)
                await intensity_is(page, "481")
                assert await is_grey(page) is False
                port = board.port
            await page.locator("#broken").wait_for(timeout=WAIT_MS)
            assert await page.inner_text("#broken") == BOARD_TEXTS["broken"]["en"] and await is_grey(page)
            async with running(zone, refresh_s=0.5, port=port):
                await asyncio.to_thread(say, zone, 502.0)
                await intensity_is(page, "502")
                assert await page.locator("#broken").is_hidden() and not await is_grey(page)

    asyncio.run(run())


async def is_grey(page: Page) -> bool:
    return "grayscale" in await page.evaluate("getComputedStyle(document.querySelector('.fades')).filter")


def test_a_browser_without_shared_workers_has_a_stream_of_the_page_that_is_seen(zone: Zone) -> None:
    async def run() -> None:
        async with running(zone, refresh_s=1.0) as (board, _), chromium() as browser:
            context = await browser.new_context()
            await context.add_init_script("delete window.SharedWorker")
            page = await Looker(context).open(f"{board.address}alerts")
            await has_moved(page, await shown_at(page))
            assert board.streams == 1
            await page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
            await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            async with asyncio.timeout(patience_s(30)):
                while board.streams:
                    await asyncio.sleep(0.05)
            await context.close()

    asyncio.run(run())


def test_a_big_screen_goes_around_the_zone_its_companies_and_the_alerts(zone: Zone) -> None:
    async def use(browser: Browser, board: str) -> None:
        async with looking(browser, viewport=WALL) as looker:
            page = await looker.open(board)
            await page.get_by_role("link", name="Big screen").click()
            assert not await page.get_by_role("navigation").count()
            around = [await page.get_attribute("html", "data-next") or ""]
            while not around[-1].startswith("/alerts"):
                await page.goto(board + around[-1])
                around.append(await page.get_attribute("html", "data-next") or "")
            assert around == [*(f"/company/{company.id}?cycle=20" for company in zone.registry.companies), "/alerts?cycle=20"]
            await page.goto(f"{board}/alerts?cycle=5")
            await page.wait_for_url(f"{board}/?cycle=5", timeout=WAIT_MS)
            assert not looker.errors

    in_a_browser(zone, use)
