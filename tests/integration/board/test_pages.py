"""The board on the real engine with the demo's rows: every shown number is the ledger's, and many pages cost the store no more than one."""

import asyncio
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from board_parts import AT, Zone, addresses, running
from demo_store import UNTIL_MS
from patience import patience_s

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.registry.model import Registry
from zonepulse.streams.board.server import HEADERS
from zonepulse.streams.board.words import Words
from zonepulse.streams.embedded.clickhouse.process import ClickHouseProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel


class Page(NamedTuple):
    status: int
    headers: Any
    text: str

    @property
    def words(self) -> str:
        """What a reader sees, tags left out."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.text)).split())


def get(zone: Zone, *paths: str, language: str = "en", registry: Registry | None = None) -> list[Page]:
    async def ask() -> list[Page]:
        async with running(zone, registry) as (board, _), aiohttp.ClientSession(board.address) as session:
            return [await page(session, path, language) for path in paths]

    return asyncio.run(ask())


async def page(session: aiohttp.ClientSession, path: str, language: str = "en") -> Page:
    async with session.get(path, headers={"Accept-Language": language}) as answer:
        return Page(answer.status, answer.headers, await answer.text())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_answers_in_the_readers_language_and_is_safe(zone: Zone, language: str) -> None:
    for shown in get(zone, *addresses(zone).values(), language=language):
        assert shown.status == 200, shown.words
        assert re.search(r'<html lang="(\w\w)', shown.text)[1] == language  # type: ignore[index]
        assert all(shown.headers[name] == value for name, value in HEADERS.items())
        assert not re.search(r"<script(?! src=)| on\w+=| style=|https?://(?!www\.w3\.org)", shown.text)
        assert "None" not in shown.words and "nan" not in shown.words.split()
        assert zone.registry.zone.name[language] in shown.words


def curve_cells(shown: Page) -> list[tuple[str, str, str]]:
    table = shown.text.partition('id="curve-table"')[2].partition("</table>")[0]
    return re.findall(r'<tr><td>([^<]*)</td><td class="n">([^<]*)</td><td class="n">([^<]*)</td></tr>', table)


def test_the_curve_is_the_ledger_and_what_is_provisional_says_so(zone: Zone) -> None:
    (shown,) = get(zone, f"/?at={AT}")
    words = Words("en", zone.registry.zone.timezone)
    end = datetime.fromtimestamp(UNTIL_MS / 1000, UTC)
    known = [
        row for row in zone.list("intensity")
        if (row["node"], row["basis"]) == ("", "location") and row["g_per_kwh"] is not None
        and end - timedelta(days=1) <= row["start"] <= end
    ]  # fmt: skip
    expected = [
        (
            words.clock(row["start"].timestamp() * 1000),
            words.number(row["g_per_kwh"], 1),
            "provisional" if row["covered_ms"] < 0.9 * row["expected_ms"] or row["estimated_share"] >= 0.1 else "measured",
        )
        for row in sorted(known, key=lambda row: row["start"], reverse=True)
    ]
    assert len(expected) > 80 and curve_cells(shown) == expected
    assert {kind for _, _, kind in expected} == {"measured", "provisional"}


@pytest.mark.parametrize("basis", ["location", "market", "nodal"])
def test_the_companies_of_today_are_their_totals_on_every_basis(zone: Zone, basis: str) -> None:
    (shown,) = get(zone, f"/?at={AT}&basis={basis}")
    midnight = datetime.fromtimestamp(UNTIL_MS / 1000, UTC) - timedelta(hours=8)
    words = Words("en", zone.registry.zone.timezone)
    emitters = shown.text.partition("Scope 1 and 2 since midnight")[2]
    for company in zone.registry.companies:
        mine = [
            row["co2e_mg"] for row in zone.list("totals")
            if (row["entity_kind"], row["entity"], row["carrier"]) == ("company", company.id, "") and row["start"] >= midnight
            and (row["scope"], row["basis"]) in ((1, "location"), (2, basis)) and row["co2e_mg"] is not None
        ]  # fmt: skip
        expected = words.number(sum(mine) / 1e9, 3) if mine else "–"
        line = re.search(rf'/company/{company.id}\?[^"]*">[^<]*</a></td><td class="n[^"]*">([^<]*)', emitters)
        assert line is not None and line[1].strip() == expected, company.id


def test_the_hours_of_a_company_are_the_ledgers_and_what_is_missing_is_no_zero(zone: Zone) -> None:
    company = "bakery"
    (shown,) = get(zone, f"/company/{company}?at={AT}")
    table = shown.text.partition('id="hour-table"')[2].partition("</table>")[0]
    drawn = re.findall(r'<tr><td>([^<]*)</td><td class="n">([^<]*)</td><td class="n">([^<]*)</td>', table)
    words, end = Words("en", zone.registry.zone.timezone), datetime.fromtimestamp(UNTIL_MS / 1000, UTC)
    sums: dict[tuple[datetime, int], list[int]] = {}
    for row in zone.list("totals"):
        is_part = row["scope"] > 0 and row["carrier"] != "" and row["basis"] == "location"
        is_mine = (row["entity_kind"], row["entity"]) == ("company", company) and end - timedelta(days=1) <= row["start"] <= end
        if is_part and is_mine:
            hour = row["start"].replace(minute=0)
            sums.setdefault((hour, row["scope"]), []).extend([] if row["co2e_mg"] is None else [row["co2e_mg"]])
    hours = sorted({hour for hour, _ in sums}, reverse=True)
    expected = [
        (
            words.clock(hour.timestamp() * 1000),
            *(words.kilograms(sum(found) if (found := sums.get((hour, n))) else None) for n in (1, 2)),
        )
        for hour in hours
    ]
    assert len(expected) > 20 and drawn == expected
    assert any("–" in row for row in drawn), "the last hours wait for their meters"


def test_the_chain_behind_a_companys_kilograms_is_the_ledgers_rows(zone: Zone) -> None:
    company, words = "steelworks", Words("en", zone.registry.zone.timezone)
    (shown,) = get(zone, f"/explain/{company}?at={AT}")
    sums = re.findall(r'<span class="sum">([^<]*)</span>', shown.text)
    rows = [r for r in zone.list("emissions") if r["company"] == company and r["basis"] == "location"]
    newest = max(r["start"] for r in rows)
    of_newest = [r for r in rows if r["start"] == newest]
    assert len(sums) > len(of_newest) > 0
    masses = [re.search(r"= (.*) kg$", one)[1] for one in sums[: len(of_newest)]]  # type: ignore[index]
    known = ["–" if r["co2e_mg"] is None else words.number(r["co2e_mg"] / 1e6, 4) for r in of_newest]
    assert sorted(masses) == sorted(known)


def test_a_meters_windows_are_its_intervals(zone: Zone) -> None:
    meter = zone.registry.meters[0].id
    (shown,) = get(zone, f"/meter/{meter}?at={AT}")
    words, end = Words("en", zone.registry.zone.timezone), datetime.fromtimestamp(UNTIL_MS / 1000, UTC)

    def amount(micro: int | None) -> str:
        return "–" if micro is None else words.number(micro / 1e6, 2)

    rows = [r for r in zone.list("intervals") if r["meter"] == meter and end - timedelta(days=1) <= r["start"] <= end]
    drawn = re.findall(r'<tr><td>(\d\d:\d\d)</td><td class="n">([^<]*)</td><td><span class="pill \w+">([^<]*)</span>', shown.text)
    expected = [
        (
            words.clock(r["start"].timestamp() * 1000),
            "–" if r["value_micro"] is None else words.number(r["value_micro"] / 1e6, 2),
            r["quality"],
        )
        for r in rows
    ]
    assert rows and sorted(drawn) == sorted(expected)


def test_the_alerts_that_were_open_then_are_listed_and_each_has_a_page(zone: Zone) -> None:
    (shown,) = get(zone, f"/alerts?at={AT}")
    end = datetime.fromtimestamp(UNTIL_MS / 1000, UTC)
    known = {
        a["fingerprint"] for a in zone.list("alerts")
        if a["starts_at"] <= end and (a["state"] != "resolved" or a["ends_at"] >= end - timedelta(days=1))
    }  # fmt: skip
    listed = re.findall(r'href="/alert/([^"?]+)', shown.text)
    assert known and set(listed) == known
    alert = next(row for row in zone.list("alerts") if row["fingerprint"] == listed[0])
    (detail,) = get(zone, f"/alert/{listed[0]}?at={AT}")
    assert detail.status == 200 and alert["rule"] in detail.words
    assert all(key in detail.words for key in json.loads(alert["evidence"]))


def test_a_zone_whose_values_stopped_says_so_and_shows_no_number_as_current(zone: Zone) -> None:
    (shown,) = get(zone, "/")
    assert "BLIND" in shown.words and "No value in the last 24 hours" in shown.words
    assert 'class="is-old"' in shown.text and re.search(r'id="intensity-now">–<', shown.text)


def test_two_hundred_pages_ask_the_store_no_more_than_one(zone: Zone) -> None:
    async def questions(pages: int) -> int:
        async with running(zone) as (board, store):
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(board.address, connector=connector) as session:
                shown = await asyncio.gather(*(page(session, "/", LANGUAGES[i % 3]) for i in range(pages)))
                assert {one.status for one in shown} == {200}
            return store.questions

    one = asyncio.run(questions(1))
    assert one > 5 and asyncio.run(questions(200)) == one


def test_a_beat_reaches_every_stream_and_one_too_many_is_told_to_come_back(zone: Zone, caplog: pytest.LogCaptureFixture) -> None:
    async def listen() -> None:
        async with running(zone, refresh_s=0.2, streams=10) as (board, _), aiohttp.ClientSession(board.address) as session:
            streams = [await session.get("/events") for _ in range(10)]
            for stream in streams:
                assert stream.headers["Content-Type"].startswith("text/event-stream")
                async with asyncio.timeout(patience_s(20)):
                    while b"event: beat" not in await stream.content.readline():
                        pass
            async with session.get("/events") as refused:
                assert refused.status == 503 and int(refused.headers["Retry-After"]) > 0
            streams[0].close()
            async with asyncio.timeout(patience_s(20)):
                while (again := await session.get("/events")).status != 200:
                    again.close()
                    await asyncio.sleep(0.05)
            for stream in [again, *streams]:
                stream.close()
            async with asyncio.timeout(patience_s(20)):
                while board.streams:
                    await asyncio.sleep(0.05)

    asyncio.run(listen())
    assert "Traceback" not in caplog.text, "a reader who leaves is no fault"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/company/nobody", 404), ("/meter/%27%20OR%201=1", 404), ("/alert/%5C%27", 404), ("/alert/0000", 404), ("/nothing", 404),
        ("/?basis=x", 400), ("/?cycle=1", 400), ("/?at=yesterday", 400), ("/?at=2026-01-01T00:00:00", 400), ("/?run=a%27b", 400),
    ],
)  # fmt: skip
def test_an_address_that_names_nothing_is_answered_in_plain_words(zone: Zone, path: str, status: int) -> None:
    (shown,) = get(zone, path)
    assert shown.status == status and "Traceback" not in shown.text
    assert "There is no such page" in shown.words or status == 400
    assert all(shown.headers[name] == value for name, value in HEADERS.items())


def test_names_of_others_are_text_and_never_markup(zone: Zone) -> None:
    evil = "<img src=x onerror=alert(1)>"
    first, *others = zone.registry.companies
    registry = replace(zone.registry, companies=(replace(first, name={"en": evil}), *others))
    shown = get(zone, f"/?at={AT}", f"/company/{first.id}?at={AT}", registry=registry)
    assert all(evil not in one.text and evil in one.words for one in shown)


def test_health_is_alive_without_a_store_and_ready_only_with_one(zone: Zone, tmp_path: Path) -> None:
    async def ask() -> None:
        async with running(zone) as (board, _), aiohttp.ClientSession(board.address) as session:
            assert [(await page(session, path)).status for path in ("/healthz", "/readyz")] == [200, 200]
            async with session.get("/runbook/ops_no_data") as found, session.get("/runbook/../README") as missing:
                assert (found.status, found.content_type, missing.status) == (200, "text/plain", 404)
                assert "## Do" in await found.text()
        stopped = ClickHouseProcess(tmp_path / "clickhouse")
        stopped.start()
        stopped.stop()
        away = zone._replace(server=stopped)
        async with running(away) as (board, _), aiohttp.ClientSession(board.address) as session:
            assert [(await page(session, path)).status for path in ("/healthz", "/readyz", "/")] == [200, 503, 503]
            assert "The store does not answer" in (await page(session, "/")).words
        async with running(zone, refresh_s=0.1) as (board, _), aiohttp.ClientSession(board.address) as session:
            assert (await page(session, f"/?at={AT}")).status == 200

    asyncio.run(ask())
