"""What the pages show, asked once for all who look: rows of the dashboards' SQL, in no language."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from zonepulse.schemas.registry.model import Company, Registry
from zonepulse.streams.board.shared import Shared
from zonepulse.streams.board.store import Row, Store
from zonepulse.streams.queries import detail_queries
from zonepulse.streams.queries.carbon_queries import CarbonQueries
from zonepulse.streams.queries.limits import Limits, limits_of
from zonepulse.streams.queries.macros import TimeRange, Value
from zonepulse.streams.queries.park_queries import BudgetQueries
from zonepulse.streams.queries.texts import Keys
from zonepulse.streams.queries.zone_live_queries import ZoneLiveQueries

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
BASES: Final = ("location", "market", "nodal")
RUN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
FINGERPRINT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page's address chooses. `at_ms` None = now, and the page moves."""

    basis: str = "location"
    run: str = "live"
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows by question, of the day up to `to_ms`."""

    to_ms: int
    rows: Mapping[str, list[Row]]

    def __getitem__(self, question: str) -> list[Row]:
        return self.rows[question]

    def first(self, question: str) -> Row:
        """The first row; empty without one."""
        return next(iter(self.rows[question]), {})


class Zone:
    """A zone's registry as the pages use it."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.limits: Limits = limits_of(registry)
        self.companies: dict[str, Company] = {company.id: company for company in registry.companies}
        sites = {site.id: site.company for site in registry.sites}
        self.owner: dict[str, str] = {meter.id: sites.get(meter.site, "") for meter in registry.meters}
        """Meter -> its company, '' of the zone's own."""


class Facts:
    """The questions of each page about one zone. `now_ms` is the wall clock."""

    def __init__(self, zone: Zone, store: Store, shared: Shared, now_ms: Callable[[], int]) -> None:
        self.zone, self._store, self._shared, self._now_ms = zone, store, shared, now_ms
        unworded = replace(zone.limits, rule_texts={})  # own rules by their id too
        self._sql, self._carbon = ZoneLiveQueries(unworded, Keys()), CarbonQueries(unworded, Keys())
        self._budgets = BudgetQueries(unworded, Keys())

    async def of_zone(self, asked: Asked) -> Answer:
        """The zone's page."""
        sql = self._sql
        return await self._answer(
            "zone", asked,
            {
                "status": sql.status(), "intensity": sql.intensity_now(), "last_hour": sql.last_hour(), "day": sql.day_budget(),
                "trust": sql.trust(), "curve": sql.curve(), "yesterday": sql.curve_before(1, "yesterday"), "sources": sql.sources(),
                "emitters": sql.emitters(), "wrong": sql.wrong_now(), "letters": detail_queries.LETTERS, "pulse": detail_queries.PULSE,
                "budgets": self._budgets.budgets(),
            },
        )  # fmt: skip

    async def of_company(self, asked: Asked, company: str) -> Answer:
        """A company's page; it must be one of the registry."""
        mine = {
            "hours": detail_queries.company_hours(self.zone.limits), "meters": detail_queries.METERS,
            "alerts": detail_queries.ALERTS, "contracts": self._carbon.contracts(), "explain": self._carbon.explain(),
        }  # fmt: skip
        zone, own = await asyncio.gather(self.of_zone(asked), self._answer(f"company {company}", asked, mine, company=company))
        row = [r for r in zone["emitters"] if r["company_id"] == company]
        return Answer(
            own.to_ms, {**own.rows, "emitters": row, "budgets": [r for r in zone["budgets"] if r["company_id"] == company]}
        )

    async def of_explanation(self, asked: Asked, company: str) -> Answer:
        """What a company's newest kilograms are made of."""
        return await self._answer(f"explain {company}", asked, {"explain": self._carbon.explain()}, company=company)

    async def of_meter(self, asked: Asked, meter: str) -> Answer:
        """A meter's page; it must be one of the registry."""
        return await self._answer(f"meter {meter}", asked, {"windows": detail_queries.METER}, meter=meter)

    async def of_alerts(self, asked: Asked) -> Answer:
        """The alerts that are open or were in the last day."""
        return await self._answer("alerts", asked, {"alerts": detail_queries.ALERTS})

    async def of_alert(self, asked: Asked, fingerprint: str) -> Answer:
        """One alert, its evidence, and its register's windows around its begin and a week before; `fingerprint` matches FINGERPRINT."""
        found = await self._answer(f"alert {fingerprint}", asked, {"lives": detail_queries.ALERT}, fingerprint=fingerprint)
        newest, around = found.first("lives"), dict[str, list[Row]]()
        of = {"meter": newest.get("meter", ""), "register": newest.get("register", "")}
        if all(of.values()):
            for name, before_ms in (("around", 0), ("week_before", 7 * DAY_MS)):
                end_ms = min(newest["starts_ms"] + DAY_MS, found.to_ms) - before_ms
                one = replace(asked, at_ms=end_ms)
                span_ms = end_ms - (newest["starts_ms"] - DAY_MS - before_ms)
                answer = await self._answer(f"{name} {fingerprint}", one, {name: detail_queries.AROUND}, span_ms, **of)
                around[name] = answer[name]
        return Answer(found.to_ms, {"around": [], "week_before": [], **found.rows, **around})

    async def of_factors(self, asked: Asked) -> Answer:
        """The factors that answered in the last day."""
        return await self._answer("factors", asked, {"factors": detail_queries.FACTORS})

    async def _answer(self, page: str, asked: Asked, questions: Mapping[str, str], span_ms: int = DAY_MS, **more: Value) -> Answer:
        async def ask() -> Answer:
            to_ms = asked.at_ms or self._now_ms()
            time = TimeRange(to_ms - span_ms, to_ms, self.zone.limits.window_s)
            variables = self._variables(asked) | more
            found = await asyncio.gather(*(self._store.ask(sql, variables, time) for sql in questions.values()))
            return Answer(to_ms, dict(zip(questions, found, strict=True)))

        answer: Answer = await self._shared.get((page, asked, self.zone.registry.version), ask)
        return answer

    def _variables(self, asked: Asked) -> dict[str, Any]:
        everyone = [*self.zone.companies, "(zone)"]
        return {"run": asked.run, "zone": self.zone.limits.zone, "basis": asked.basis, "company": everyone}
