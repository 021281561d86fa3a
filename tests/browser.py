"""A real headless Chromium, and what a page must be in it."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

DESKTOP, PHONE, WALL = ({"width": w, "height": h} for w, h in ((1400, 900), (390, 844), (2560, 1440)))
_AXE = Axe()


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The one that deploy/system-packages.txt names; nothing is downloaded."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        await browser.close()


class Looker:
    """Opens pages in one browser context and keeps what its consoles said: no page may say an error."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self.errors: list[str] = []

    async def open(self, address: str) -> Page:
        page = await self._context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(f"{address}: {error}"))
        await page.goto(address)
        return page

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.location.get('url')}: {message.text}")


@asynccontextmanager
async def looking(browser: Browser, **options: Any) -> AsyncIterator[Looker]:
    """A fresh context; `options` are playwright's: viewport, color_scheme, locale, java_script_enabled."""
    context = await browser.new_context(**options)
    yield Looker(context)
    await context.close()


async def serious(page: Page) -> list[str]:
    """What axe-core finds serious or critical: rule and first place."""
    found = await _AXE.run(page)
    return [
        f"{page.url}: {one['id']}: {one['nodes'][0]['html']}"
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


async def too_wide(page: Page) -> list[str]:
    """What reaches beyond the right edge of the window and is in no box that scrolls."""
    found: list[str] = await page.evaluate(
        """() => [...document.querySelectorAll("body *")]
            .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
            .filter((e) => !e.closest(".scroll, svg, .skip"))
            .map((e) => `${location.pathname} ${e.tagName} ${e.textContent.slice(0, 60)}`)"""
    )
    return found
