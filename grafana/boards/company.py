"""The dashboard *company*: how a company is and why, its meters, contracts and alerts, and what each kilogram is made of."""

from typing import Any, Final

from boards import frame, looks, variables
from boards.meter import UID as METER
from boards.parts import NOTHING, OK, UNKNOWN, Json, fixed, lines, matching, override, table, target, tiles
from zonepulse.streams.queries.alert_queries import AlertQueries
from zonepulse.streams.queries.carbon_queries import CarbonQueries
from zonepulse.streams.queries.company_queries import CompanyQueries
from zonepulse.streams.queries.limits import Limits
from zonepulse.streams.queries.texts import Texts
from zonepulse.streams.queries.zone_live_queries import ZoneLiveQueries

UID: Final = "zp-company"


class Company:
    """The panels in one language, a method each; their order is the reading order."""

    def __init__(self, zone: Limits, say: Texts) -> None:
        self._zone, self._say, self._sql = zone, say, CompanyQueries(zone, say)
        self._step = f"{zone.window_s}s"

    def dashboard(self) -> Json:
        """All of it."""
        say, zone = self._say, self._zone
        panels = [
            self._today(),
            self._alerts(),
            self._emissions(),
            self._intensity(),
            self._carriers(),
            self._meters(),
            self._contracts(),
            self._explain(),
        ]
        chosen = [variables.run(say), variables.zone(zone, say), variables.basis(say), variables.company(say)]
        marked = (ZoneLiveQueries(zone, say).alert_marks(), [say("company_intensity"), say("company_emissions")])
        return frame.dashboard(UID, "company_board", zone, say, chosen, panels, marked)

    def _today(self) -> Json:
        say = self._say
        change = {"unit": "percentunit", "thresholds": looks.CHANGE_STEPS}
        return tiles(
            say("company_today"), say("company_today_about", timezone=self._zone.timezone, **looks.FULL), (0, 0, 12, 4), self._sql.today(),
            override(say("today"), unit="masst", decimals=2, color=fixed(OK)),
            override(say("vs_yesterday"), **change),
            override(say("vs_last_week"), **change),
            override(say("estimated"), **looks.ESTIMATED_TILE),
            override(say("complete"), **looks.COMPLETE_TILE),
            size=22,
        )  # fmt: skip

    def _alerts(self) -> Json:
        say = self._say
        return table(
            say("company_alerts"), say("company_alerts_about"), (12, 0, 12, 8), AlertQueries(self._zone, say).listed(),
            say("no_alert_in_range"), *alert_columns(say),
        )  # fmt: skip

    def _emissions(self) -> Json:
        say = self._say
        bars = {"drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0, "stacking": {"mode": "normal", "group": "A"}}
        week: dict[str, Any] = {"mode": "none", "group": "B"}
        return lines(
            say("company_emissions"), say("company_emissions_about", **looks.FULL), (0, 8, 12, 8),
            [target("A", self._sql.emissions(), series=True)], say("no_window"),
            matching(f".*\\\\({say('provisional')}\\\\)", custom__fillOpacity=30),
            override(say("last_week"), custom__drawStyle="line", custom__lineWidth=2, custom__fillOpacity=0, custom__stacking=week,
                     color=fixed(UNKNOWN)),
            unit="masst", decimals=3, min=0, displayName="${__field.labels.series}", interval=self._step, custom=bars,
        )  # fmt: skip

    def _intensity(self) -> Json:
        say = self._say
        return lines(
            say("company_intensity"), say("company_intensity_about"), (12, 8, 12, 8), [target("A", self._sql.intensity(), series=True)],
            say("no_window"), unit="suffix:g/kWh", decimals=0, displayName="${__field.labels.series}", interval=self._step,
        )  # fmt: skip

    def _carriers(self) -> Json:
        say = self._say
        return table(
            say("company_carriers"), say("company_carriers_about"), (0, 4, 12, 4), self._sql.carriers(), say("no_window"),
            override(say("amount"), decimals=1, noValue=NOTHING),
            override(say("unit"), custom__width=64),
            override(say("carbon"), **looks.TONNES),
            override(say("share"), **looks.SHARE),
            override(say("estimated"), **looks.ESTIMATED_CELL),
            override(say("complete"), **looks.COMPLETE_CELL),
        )  # fmt: skip

    def _meters(self) -> Json:
        say = self._say
        return table(
            say("company_meters"), say("company_meters_about"), (0, 16, 14, 9), self._sql.meters(), say("no_window"),
            override(say("meter"), custom__minWidth=130, links=[frame.drill(METER, say, say("open_meter"), meter=say("meter"))]),
            override(say("role"), custom__width=90),
            override(say("amount"), decimals=1, noValue=NOTHING),
            override(say("latest_window"), **looks.MOMENT),
            override(say("complete"), **looks.COMPLETE_CELL),
            override(say("estimated"), **looks.ESTIMATED_CELL),
        )  # fmt: skip

    def _contracts(self) -> Json:
        say = self._say
        gauge = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        share = {"unit": "percentunit", "decimals": 1, "noValue": NOTHING, "min": 0, "max": 1, "color": fixed(OK)}
        return table(
            say("contracts"), say("contracts_about"), (14, 16, 10, 9), CarbonQueries(self._zone, say).contracts(), say("no_contract"),
            override(say("company"), custom__width=130),
            override(say("contract"), custom__minWidth=110),
            override(say("kind"), custom__width=72, noValue=NOTHING),
            override(say("matched"), **looks.ENERGY),
            override(say("of_import"), custom__width=110, custom__cellOptions=gauge, **share),
            override(say("score"), custom__width=110, custom__cellOptions=gauge, **share),
        )  # fmt: skip

    def _explain(self) -> Json:
        say = self._say
        widths = {"company": 130, "carrier": 96, "scope": 52, "basis": 76, "unit": 56, "rung": 76, "published": 92, "confidence": 64,
                  "quality_of": 86, "method": 96, "covered": 72, "revision": 92, "factor_id": 130}  # fmt: skip
        numbers: dict[str, Any] = {"noValue": NOTHING, "custom__width": 92}
        return table(
            say("explain"), say("explain_about"), (0, 25, 24, 10), CarbonQueries(self._zone, say).explain(), say("no_window"),
            override("time", displayName=say("window"), custom__width=150),
            override(say("amount"), decimals=4, **numbers),
            override(say("factor"), decimals=6, **numbers),
            override(say("mass"), decimals=6, **numbers),
            override(say("register"), custom__width=150, noValue=NOTHING),
            override(say("source"), custom__minWidth=160),
            *(override(say(key), custom__width=width, **({"unit": "s"} if key == "covered" else {})) for key, width in widths.items()),
        )  # fmt: skip


def alert_columns(say: Texts) -> list[Json]:
    """The columns of a list of alerts."""
    return [
        *looks.alert_cells(say),
        override(say("who"), custom__width=130, links=[frame.drill(UID, say, say("open_company"), company="company_id")]),
        override(say("place"), custom__width=110, links=[frame.drill(METER, say, say("open_meter"), meter="meter_id")]),
    ]


BOARD: Final = frame.Board(UID, Company)
