"""The dashboard *zone live*: five questions on top (status, intensity, comparison, pace, trust), then why, who and the evidence.

Grafana can put a variable into a title, but not into descriptions, legends, column names, value mappings or the message of an empty
panel. So the dashboard is generated once a language, with links between the three that keep time and variables.
"""

from typing import Final

from boards import frame, looks, variables
from boards.company import UID as COMPANY
from boards.parts import (
    ACT,
    CORRECTED,
    GRID,
    NOTHING,
    OK,
    OWN,
    REASON_COLOURS,
    TOOLTIP,
    UNKNOWN,
    WATCH,
    Json,
    bars,
    cell,
    fields,
    fixed,
    legend,
    limits,
    override,
    panel,
    pattern_mappings,
    reduced,
    stat,
    table,
    target,
    thresholds,
    value_mappings,
)
from zonepulse.streams.queries.limits import ESTIMATED_WATCH, LATE_ACT, LATE_WATCH, Limits
from zonepulse.streams.queries.park_queries import BUDGET_VERDICTS, BudgetQueries
from zonepulse.streams.queries.texts import Texts
from zonepulse.streams.queries.zone_live_queries import REASONS, ZoneLiveQueries

UID: Final = "zp-zone-live"
_DASHED: Final[Json] = {"fill": "dash", "dash": [6, 4]}


class ZoneLive:
    """The panels in one language, a method each; their order is the reading order, on a phone as well."""

    def __init__(self, zone: Limits, say: Texts) -> None:
        self._zone, self._say, self._sql = zone, say, ZoneLiveQueries(zone, say)
        self._budget_sql, self._full = BudgetQueries(zone, say), looks.FULL

    def dashboard(self) -> Json:
        """All of it."""
        say, zone = self._say, self._zone
        panels = [
            self._status(),
            self._intensity(),
            self._last_hour(),
            self._day_budget(),
            self._trust(),
            self._curve(),
            self._wrong_now(),
            self._sources(),
            self._emitters(),
            self._quality(),
            self._rejected(),
            self._budgets(),
        ]
        chosen = [variables.run(say), variables.zone(zone, say), variables.basis(say), variables.companies(say)]
        return frame.dashboard(UID, "zone_live", zone, say, chosen, panels, (self._sql.alert_marks(), [say("curve")]))

    def _about_limits(self) -> str:
        say, zone = self._say, self._zone
        colours = {"warning": say("amber"), "critical": say("magenta")}
        said = [
            say("limit", colour=colours[rule.severity], value=f"{rule.above:g}", rule=rule.id, zone=zone.zone)
            for rule in zone.intensity_rules
        ]
        return " ".join(said) or say("no_limit", zone=zone.zone)

    # --- the five questions -----------------------------------------------------------------------------------------------------

    def _status(self) -> Json:
        say, minutes = self._say, self._zone.blind_s // 60
        words = {key: say(key) for key in ("blind", "act", "watch")}
        patterns = (
            (f"^({say('blind')}|{say('blind_why', blind_min=minutes)})$", UNKNOWN),
            (f"^({say('act')}|[1-9]\\d* {say('critical')}.*)$", ACT),
            (f"^({say('watch')}|0 {say('critical')}.*)$", WATCH),
            (f"^({say('all_right')}|{say('all_right_why')})$", OK),
        )
        return panel(
            "stat", say("status"), say("status_about", blind_min=minutes, **words), (0, 0, 4, 4),
            [target("A", self._sql.status())],
            fieldConfig=fields(
                mappings=pattern_mappings(patterns), color={"mode": "thresholds"}, thresholds=thresholds((UNKNOWN, None)),
                noValue=say("blind"),
            ),
            options=stat(reduced("lastNotNull", "/.*/"), colour="background_solid", text="value", orientation="horizontal",
                          justify="center", sizes={"valueSize": 19}),
        )  # fmt: skip

    def _intensity(self) -> Json:
        say, zone = self._say, self._zone
        about = say("intensity_now_about", slowest_min=zone.slowest_s // 60, limits=self._about_limits(), **self._full)
        return panel(
            "stat", say("intensity_now"), about, (4, 0, 4, 4), [target("A", self._sql.intensity_now(), series=True)],
            fieldConfig=fields(
                unit="suffix:gCO₂e/kWh", decimals=0, min=0, noValue=say("no_reading"), color={"mode": "thresholds"},
                thresholds=limits(UNKNOWN, OK, zone.watch_g, zone.act_g),
            ),
            options=stat(reduced("last"), graph="area", text="value", justify="center", sizes={"valueSize": 27}),
            timeFrom="24h", hideTimeOverride=True,
        )  # fmt: skip

    def _last_hour(self) -> Json:
        say = self._say
        return panel(
            "stat", say("last_hour"), say("last_hour_about", **self._full), (8, 0, 4, 4), [target("A", self._sql.last_hour())],
            fieldConfig=fields(
                unit="percentunit", decimals=1, color={"mode": "thresholds"}, noValue=NOTHING,
                thresholds=thresholds((UNKNOWN, None), (OK, -9), ("text", -0.02), (WATCH, 0.05), (ACT, 0.2)),
            ),
            options=stat(reduced("lastNotNull", "/.*/"), text="value_and_name", orientation="horizontal", justify="auto",
                          sizes={"titleSize": 13, "valueSize": 24}),
        )  # fmt: skip

    def _day_budget(self) -> Json:
        say = self._say
        return panel(
            "bargauge", say("day_budget"), say("day_budget_about", timezone=self._zone.timezone, **self._full), (12, 0, 4, 4),
            [target("A", self._sql.day_budget())],
            fieldConfig=fields(
                override(say("day_gone"), color=fixed(UNKNOWN)),
                override(say("emitted"), color={"mode": "thresholds"}, thresholds=limits(UNKNOWN, OK, 1, 1.2)),
                unit="percentunit", decimals=0, min=0, max=1, noValue=NOTHING, color=fixed(OK), thresholds=thresholds((OK, None)),
            ),
            options={
                "reduceOptions": reduced("lastNotNull", "/.*/"), "orientation": "horizontal", "displayMode": "basic",
                "valueMode": "text", "namePlacement": "left", "showUnfilled": True, "sizing": "auto", "minVizHeight": 16,
            },
        )  # fmt: skip

    def _trust(self) -> Json:
        say, zone = self._say, self._zone
        return panel(
            "stat", say("trust"), say("trust_about", slowest_min=zone.slowest_s // 60), (16, 0, 8, 4),
            [target("A", self._sql.trust())],
            fieldConfig=fields(
                override(say("complete"), **looks.COMPLETE_TILE),
                override(say("estimated"), **looks.ESTIMATED_TILE),
                override(say("too_late"), unit="short", decimals=0, thresholds=limits(UNKNOWN, OK, LATE_WATCH, LATE_ACT)),
                override(say("newest_value"), **looks.age_tile(zone)),
                decimals=1, color={"mode": "thresholds"}, thresholds=thresholds((UNKNOWN, None)), noValue=NOTHING,
            ),
            options=stat(reduced("lastNotNull", "/.*/"), text="value_and_name", orientation="vertical", justify="center",
                          sizes={"titleSize": 14, "valueSize": 28}),
        )  # fmt: skip

    # --- why --------------------------------------------------------------------------------------------------------------------

    def _curve(self) -> Json:
        say, zone = self._say, self._zone
        about = say("curve_about", estimated=f"{ESTIMATED_WATCH:.0%}", limits=self._about_limits(), **self._full)
        known = [value for value in (zone.watch_g, zone.act_g) if value is not None]
        axis = {"axisSoftMin": round(min(known) * 0.8), "axisSoftMax": round(max(known) * 1.05)} if known else {}
        return panel(
            "timeseries", say("curve"), about, (0, 4, 14, 7),
            [
                target("A", self._sql.curve(), series=True),
                target("B", self._sql.curve_before(1, "yesterday"), series=True),
                target("C", self._sql.curve_before(7, "last_week"), series=True),
            ],
            fieldConfig=fields(
                override(say("provisional"), color=fixed(OK), custom__lineStyle=_DASHED, custom__lineWidth=2),
                override(say("yesterday"), color=fixed(UNKNOWN), custom__lineWidth=1),
                override(say("last_week"), color=fixed(CORRECTED), custom__lineWidth=1),
                unit="suffix:g/kWh", decimals=0, noValue=say("no_window"), color=fixed(OK), displayName="${__field.name}",
                thresholds=limits("transparent", None, zone.watch_g, zone.act_g),
                custom={
                    "drawStyle": "line", "lineWidth": 2, "fillOpacity": 0, "showPoints": "never", "spanNulls": False,
                    "thresholdsStyle": {"mode": "dashed"}, **axis,
                },
            ),
            options={"legend": legend(), "tooltip": TOOLTIP}, interval=f"{zone.window_s}s",
        )  # fmt: skip

    def _wrong_now(self) -> Json:
        say = self._say
        return panel(
            "table", say("wrong_now"), say("wrong_now_about"), (14, 4, 10, 7), [target("A", self._sql.wrong_now())],
            fieldConfig=fields(
                override(say("severity"), **looks.severity_cell(say)),
                override(say("what"), custom__wrapText=True),
                override(say("who"), links=[self._only(say("who"))], **looks.NAME),
                override(say("meters"), **looks.FEW),
                override(say("impact_t"), **looks.TONNES),
                override(say("since"), **looks.AGE),
                override("company_id", **looks.HIDDEN),
                noValue=say("no_open_alert"), thresholds=thresholds(("text", None)), custom={"align": "auto", "filterable": False},
            ),
            options={"showHeader": True, "cellHeight": "sm", "enablePagination": False},
        )  # fmt: skip

    def _only(self, name: str) -> Json:
        """A link that shows this dashboard for the row's company."""
        keep = f"{frame.KEPT}&${{basis:queryparam}}"
        return {
            "title": self._say("only_company") % name,
            "url": f"/d/{frame.uid_of(UID, self._say.language)}?var-company=${{__data.fields.company_id}}&{keep}",
        }

    # --- who --------------------------------------------------------------------------------------------------------------------

    def _sources(self) -> Json:
        say = self._say
        return panel(
            "timeseries", say("sources"), say("sources_about", **self._full), (0, 11, 10, 8),
            [target("A", self._sql.sources(), series=True)],
            fieldConfig=fields(
                override(say("grid"), color=fixed(GRID)),
                override(say("own"), color=fixed(OWN)),
                unit="kwatt", decimals=1, min=0, noValue=say("no_window"), displayName="${__field.labels.source}",
                thresholds=thresholds((OK, None)),
                custom={
                    "drawStyle": "line", "lineWidth": 1, "fillOpacity": 70, "stacking": {"mode": "normal", "group": "A"},
                    "showPoints": "never", "spanNulls": False,
                },
            ),
            options={"legend": legend("table", "right", ["lastNotNull"]), "tooltip": TOOLTIP}, interval=f"{self._zone.window_s}s",
        )  # fmt: skip

    def _emitters(self) -> Json:
        say, timezone = self._say, self._zone.timezone
        company_links = [self._only("company_name"), frame.drill(COMPANY, say, say("open_company"), company="company_id")]
        return panel(
            "table", say("emitters", timezone=timezone), say("emitters_about"), (10, 11, 14, 8),
            [target("A", self._sql.emitters())],
            fieldConfig=fields(
                override("company_name", displayName=say("company"), links=company_links, **looks.NAME),
                override("company_id", **looks.HIDDEN),
                override(say("today"), **looks.MASS_GAUGE),
                override(say("share"), **looks.PART),
                override(say("vs_yesterday"), **looks.AGAINST_CELL),
                override(say("vs_last_week"), **looks.AGAINST_CELL),
                override(say("last_24_h"), unit="masst", color=fixed(OK), **looks.SPARKLINE),
                override(say("estimated"), **{**looks.ESTIMATED_CELL, "decimals": 0}),
                override(say("complete"), **{**looks.COMPLETE_CELL, "decimals": 0}),
                noValue=say("no_window_today"), thresholds=thresholds(("text", None)), custom={"align": "auto"},
            ),
            options={"showHeader": True, "cellHeight": "sm"},
        )  # fmt: skip

    # --- evidence ---------------------------------------------------------------------------------------------------------------

    def _quality(self) -> Json:
        say = self._say
        return panel(
            "state-timeline", say("quality"), say("quality_about"), (0, 19, 14, 7), [target("A", self._sql.quality(), series=True)],
            interval=f"{self._zone.window_s}s", **looks.timeline("channel", looks.quality_states(say)),
        )  # fmt: skip

    def _rejected(self) -> Json:
        say = self._say
        colours = [override(say(key), color=fixed(colour)) for key, colour in zip(REASONS, REASON_COLOURS, strict=True)]
        return bars(
            say("rejected"), say("rejected_about"), (14, 19, 10, 7), self._sql.rejected(), say("no_rejected"), *colours,
            stacked=True, unit="short", decimals=0, min=0, interval="1h",
        )  # fmt: skip

    def _budgets(self) -> Json:
        say = self._say
        rate = {"decimals": 2, "noValue": NOTHING, "custom__width": 110, "custom__cellOptions": cell("color-text")} | {
            "color": {"mode": "thresholds"}, "thresholds": limits(OK, None, 1, None)
        }  # fmt: skip
        words = value_mappings([(word, say(word), colour) for word, colour in zip(BUDGET_VERDICTS, (WATCH, OK), strict=True)])
        return table(
            say("budgets"), say("budgets_about"), (0, 26, 24, 5), self._budget_sql.budgets(), say("no_budget"),
            override(say("who"), **looks.NAME),
            override("company_id", **looks.HIDDEN),
            override(say("spent_share"), **looks.SHARE),
            override(say("elapsed_share"), **looks.SHARE),
            *(override(say(key), **rate) for key in ("fast", "slow")),
            override(say("verdict"), custom__cellOptions=cell("color-text"), mappings=words, custom__width=110),
        )  # fmt: skip


BOARD: Final = frame.Board(UID, ZoneLive)
