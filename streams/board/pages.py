"""The board's pages: each an address that can be sent to somebody, with language, basis and time in it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote, urlencode

from aiohttp import web
from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from kafka.errors import KafkaError

from zonepulse.schemas.registry.model import Registry
from zonepulse.streams.board import charts, detail_views, zone_view
from zonepulse.streams.board.facts import BASES, FINGERPRINT, RUN, Asked, Facts, Zone
from zonepulse.streams.board.shared import Shared
from zonepulse.streams.board.store import Store, StoreAway
from zonepulse.streams.board.subscribing import Subscribing, TooMany, is_own
from zonepulse.streams.board.words import Words, language_of
from zonepulse.streams.queries.macros import TimeRange
from zonepulse.streams.queries.texts import LANGUAGE_NAMES

_REGISTRY_S: Final = 30.0
"""How old the registry may be before it is read anew."""
_UTC: Final = "UTC"
CYCLE_S: Final = 20
"""How long a big screen shows a page unless its address says otherwise."""


@dataclass(frozen=True, slots=True)
class _Page:
    """What a request chose."""

    request: web.Request
    words: Words
    asked: Asked
    cycle_s: int
    zone: Zone
    facts: Facts


Show = Callable[[_Page], Awaitable[tuple[str, dict[str, Any]]]]


class Pages:
    """The pages of the zone that `load` reads. Answers are at most `refresh_s` old."""

    def __init__(
        self, load: Callable[[], Registry | None], store: Store, refresh_s: float, subscribing: Subscribing | None = None
    ) -> None:
        self._subscribing = subscribing
        self._load, self._store, self._refresh_s = load, store, refresh_s
        self._answers, self._texts, self._registry = Shared(refresh_s), Shared(refresh_s), Shared(_REGISTRY_S)
        self._zone: Zone | None = None
        templates = PackageLoader("zonepulse.streams.board")
        self._jinja = SandboxedEnvironment(
            loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._version = version("zonepulse")

    def routes(self) -> list[web.RouteDef]:
        """Of all pages."""
        return [
            web.get("/", self._page(self._show_zone)),
            web.get("/company/{company}", self._page(self._show_company)),
            web.get("/explain/{company}", self._page(self._show_explanation)),
            web.get("/meter/{meter}", self._page(self._show_meter)),
            web.get("/alerts", self._page(self._show_alerts)),
            web.get("/alert/{fingerprint}", self._page(self._show_alert)),
            web.get("/numbers", self._page(self._show_numbers)),
            *([web.get("/subscribe", self._form), web.post("/subscribe", self._form)] if self._subscribing else []),
        ]

    async def is_ready(self) -> str:
        """Empty when store and registry answer, else what does not."""
        try:
            zone = await self.zone()
            if zone is None:
                return "no registry yet"
            await self._store.ask("SELECT 1", {}, TimeRange(0, 1))
        except StoreAway as away:
            return f"the store does not answer: {away}"
        return ""

    async def zone(self) -> Zone | None:
        """The zone by the newest registry; the last one known while none can be read."""

        async def read() -> Zone | None:
            registry = await asyncio.to_thread(self._load)
            if registry is not None and (self._zone is None or self._zone.registry.version != registry.version):
                self._zone = Zone(registry)
            return self._zone

        if self._zone is None:
            return await read()
        found: Zone | None = await self._registry.get("registry", read)
        return found

    def _page(self, show: Show) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            language = language_of(request.query.get("lang"), request.headers.get("Accept-Language", ""))
            zone = await self.zone()
            if zone is None:
                return self._message(request, Words(language, _UTC), None, "no_registry", 503)
            words = Words(language, zone.limits.timezone)
            try:
                asked, cycle_s = asked_of(request.query), cycle_s_of(request.query)
            except ValueError as bad:
                return self._message(request, words, zone, "bad_address", 400, str(bad))
            page = _Page(request, words, asked, cycle_s, zone, Facts(zone, self._store, self._answers, _now_ms))

            async def render() -> str:
                template, shown = await show(page)
                return await asyncio.to_thread(self._render, template, page, shown)

            try:
                text = await self._texts.get((request.path_qs, language, zone.registry.version), render)
            except StoreAway as away:
                return self._message(request, words, zone, "store_away", 503, str(away))
            except LookupError:
                return self._message(request, words, zone, "nothing_here", 404)
            return _html(text, language)

        return handle

    async def nothing_here(self, request: web.Request) -> web.StreamResponse:
        """What every other address is answered."""
        language, zone = language_of(request.query.get("lang"), request.headers.get("Accept-Language", "")), await self.zone()
        return self._message(request, Words(language, zone.limits.timezone if zone else _UTC), zone, "nothing_here", 404)

    async def _form(self, request: web.Request) -> web.StreamResponse:
        """The form, and what became of it; a GET changes nothing."""
        language, zone = language_of(request.query.get("lang"), request.headers.get("Accept-Language", "")), await self.zone()
        words = Words(language, zone.limits.timezone if zone else _UTC)
        if zone is None:
            return self._message(request, words, None, "no_registry", 503)
        form = {"address": "", "company": "", "language": language, "severity": "warning", "digest": ""}
        asked, wrong, status = "", "", 200
        if request.method == "POST" and self._subscribing is not None:
            if not is_own(request.headers, request.host):
                return self._message(request, words, zone, "bad_address", 403, "this form is not of this page")
            form |= {name: str(value) for name, value in (await request.post()).items() if name in form}
            try:
                await self._subscribing.ask(form)
                asked = form["address"]
            except ValueError:
                wrong, status = words("subscribe_wrong"), 400
            except TooMany:
                wrong, status = words("subscribe_later"), 429
            except KafkaError:
                wrong, status = words("subscribe_away"), 503
        severities = [("info", "severity_info"), ("warning", "severity_warning"), ("critical", "severity_critical")]
        digests = [("", "digest_none"), ("hourly", "digest_hourly"), ("daily", "digest_daily")]
        companies = [("", words("whole_zone")), *((c.id, words.name(c.name, c.id)) for c in zone.companies.values())]
        options = [
            ("company", words("subscribe_company"), companies),
            ("language", words("subscribe_language"), list(LANGUAGE_NAMES.items())),
            ("severity", words("subscribe_severity"), [(name, words(key)) for name, key in severities]),
            ("digest", words("subscribe_digest"), [(name, words(key)) for name, key in digests]),
        ]
        shown = {"asked_address": asked, "wrong": wrong, "form": form, "options": options, "to_ms": _now_ms()}
        text = self._jinja.get_template("subscribe.html.j2").render(self._frame(request, words, zone, Asked()), **shown)
        return _html(text, language, status)

    async def _show_zone(self, page: _Page) -> tuple[str, dict[str, Any]]:
        answer = await page.facts.of_zone(page.asked)
        return "zone.html.j2", zone_view.zone_view(page.zone, answer, page.words) | {"to_ms": answer.to_ms}

    async def _show_company(self, page: _Page) -> tuple[str, dict[str, Any]]:
        company = page.zone.companies[page.request.match_info["company"]].id
        answer = await page.facts.of_company(page.asked, company)
        return "company.html.j2", detail_views.company_view(page.zone, answer, page.words, company) | {"to_ms": answer.to_ms}

    async def _show_explanation(self, page: _Page) -> tuple[str, dict[str, Any]]:
        company = page.zone.companies[page.request.match_info["company"]].id
        answer = await page.facts.of_explanation(page.asked, company)
        return "explain.html.j2", detail_views.explain_view(page.zone, answer, page.words, company) | {"to_ms": answer.to_ms}

    async def _show_meter(self, page: _Page) -> tuple[str, dict[str, Any]]:
        meter = page.request.match_info["meter"]
        if meter not in page.zone.owner:
            raise LookupError(meter)
        answer = await page.facts.of_meter(page.asked, meter)
        return "meter.html.j2", detail_views.meter_view(page.zone, answer, page.words, meter) | {"to_ms": answer.to_ms}

    async def _show_alerts(self, page: _Page) -> tuple[str, dict[str, Any]]:
        answer = await page.facts.of_alerts(page.asked)
        shown = [detail_views.alert(page.zone, row, page.words) for row in answer["alerts"]]
        return "alerts.html.j2", {"alerts": shown, "to_ms": answer.to_ms}

    async def _show_alert(self, page: _Page) -> tuple[str, dict[str, Any]]:
        fingerprint = page.request.match_info["fingerprint"]
        answer = await page.facts.of_alert(page.asked, fingerprint) if FINGERPRINT.fullmatch(fingerprint) else None
        if answer is None or not answer["lives"]:
            raise LookupError(fingerprint)
        return "alert.html.j2", detail_views.alert_view(page.zone, answer, page.words) | {"to_ms": answer.to_ms}

    async def _show_numbers(self, page: _Page) -> tuple[str, dict[str, Any]]:
        answer = await page.facts.of_factors(page.asked)
        return "numbers.html.j2", {"factors": answer["factors"], "to_ms": answer.to_ms}

    def _render(self, template: str, page: _Page, shown: Mapping[str, Any]) -> str:
        frame = self._frame(page.request, page.words, page.zone, page.asked, page.cycle_s)
        return self._jinja.get_template(template).render(frame, **shown)

    def _message(
        self, request: web.Request, words: Words, zone: Zone | None, key: str, status: int, detail: str = ""
    ) -> web.Response:
        why = words(f"{key}_why") if key != "bad_address" else ""
        shown = {"title": words(key), "why": why, "detail": detail, "to_ms": _now_ms()}
        frame = self._frame(request, words, zone, Asked())
        return _html(self._jinja.get_template("message.html.j2").render(frame, **shown), words.language, status)

    def _frame(self, request: web.Request, words: Words, zone: Zone | None, asked: Asked, cycle_s: int = 0) -> dict[str, Any]:
        """What every template has. Addresses keep what this one chose."""
        chosen = {key: request.query[key] for key in ("lang", "basis", "at", "run", "cycle") if key in request.query}

        def link(path: str, **changes: str | None) -> str:
            kept = {key: value for key, value in (chosen | changes).items() if value}
            return path + (f"?{urlencode(kept)}" if kept else "")

        return {
            "say": words, "link": link, "here": request.path, "asked": asked, "bases": BASES, "languages": LANGUAGE_NAMES,
            "zone_name": words.name(zone.limits.zone_name, zone.limits.zone) if zone else "zonepulse", "version": self._version,
            "timezone": zone.limits.timezone if zone else _UTC, "refresh_s": self._refresh_s, "share": charts.share,
            "part": lambda text: quote(str(text), safe=""), "graded": zone_view.graded, "limits": zone.limits if zone else None,
            "may_subscribe": self._subscribing is not None, "cycle_s": cycle_s, "each_s": CYCLE_S,
            "next_page": link(_after(request.path, zone)) if zone and cycle_s else "",
        }  # fmt: skip


def asked_of(query: Mapping[str, str]) -> Asked:
    """What an address chooses. Raises ValueError naming the value and what is expected."""
    basis, run, at = query.get("basis", "location"), query.get("run", "live"), query.get("at")
    if basis not in BASES:
        raise ValueError(f"basis={basis[:80]}: there are {', '.join(BASES)}")
    if not RUN.fullmatch(run):
        raise ValueError(f"run={run[:80]}: not the name of a run")
    return Asked(basis, run, None if at is None else _instant(at))


def cycle_s_of(query: Mapping[str, str]) -> int:
    """How long a big screen shows a page before the next one; 0: it stays. Raises ValueError naming the value and what is expected."""
    text = query.get("cycle", "")
    if text and not (text.isascii() and text.isdigit() and 5 <= int(text[:6]) <= 3_600):
        raise ValueError(f"cycle={text[:80]}: expected whole seconds from 5 to 3600")
    return int(text or 0)


def _after(path: str, zone: Zone) -> str:
    """The page that a big screen shows after this one: the zone, each company, the alerts, and again."""
    around = ["/", *(f"/company/{quote(company, safe='')}" for company in zone.companies), "/alerts"]
    return around[(around.index(path) + 1) % len(around)] if path in around else "/"


def _instant(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign that nobody escaped
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not 1990 <= moment.year < 2200:
        raise ValueError(f"at={text[:80]}: expected a time with its offset, such as 2026-11-01T00:00:00+08:00")
    return int(moment.astimezone(UTC).timestamp()) * 1000


def _html(text: str, language: str, status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-cache", "Content-Language": language, "Vary": "Accept-Language"}
    return web.Response(text=text, content_type="text/html", status=status, headers=headers)


def _now_ms() -> int:
    return round(time.time() * 1000)
