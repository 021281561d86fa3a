"""The dashboard *data quality*: what is missing, late, estimated or refused, and where."""

from typing import Final

from boards import frame, looks, variables
from boards.company import UID as COMPANY
from boards.meter import UID as METER
from boards.parts import NOTHING, OK, TOOLTIP, UNKNOWN, Json, fields, legend, limits, override, panel, table, target, tiles
from zonepulse.streams.queries.limits import LATE_ACT, LATE_WATCH, Limits
from zonepulse.streams.queries.quality_queries import MOST_DAYS, QualityQueries
from zonepulse.streams.queries.texts import Texts

UID: Final = "zp-data-quality"


class DataQuality:
    """The panels in one language, a method each; their order is the reading order."""

    def __init__(self, zone: Limits, say: Texts) -> None:
        self._zone, self._say, self._sql = zone, say, QualityQueries(zone, say)

    def dashboard(self) -> Json:
        """All of it."""
        say, zone = self._say, self._zone
        panels = [self._totals(), self._days(), self._gateways(), self._reasons(), self._worst(), self._methods()]
        chosen = [variables.run(say), variables.zone(zone, say), variables.companies(say)]
        return frame.dashboard(UID, "data_quality", zone, say, chosen, panels) | {"time": {"from": "now-7d", "to": "now"}}

    def _totals(self) -> Json:
        say = self._say
        return tiles(
            say("quality_totals"), say("quality_totals_about", days=MOST_DAYS, **looks.FULL), (0, 0, 24, 4), self._sql.totals(),
            override(say("complete"), **looks.COMPLETE_TILE),
            override(say("estimated"), **looks.ESTIMATED_TILE),
            override(say("without_value"), decimals=0, thresholds=limits(UNKNOWN, OK, 1, None)),
            override(say("too_late"), decimals=0, thresholds=limits(UNKNOWN, OK, LATE_WATCH, LATE_ACT)),
            override(say("refused"), decimals=0, thresholds=limits(UNKNOWN, OK, 1, None)),
        )  # fmt: skip

    def _days(self) -> Json:
        say = self._say
        return panel(
            "status-history", say("quality_days"), say("quality_days_about", timezone=self._zone.timezone), (0, 4, 14, 13),
            [target("A", self._sql.days(), series=True)],
            fieldConfig=fields(
                unit="percentunit", decimals=0, noValue=say("no_window"), displayName="${__field.labels.label}",
                color={"mode": "thresholds"}, thresholds=looks.COMPLETE_STEPS, custom={"fillOpacity": 85, "lineWidth": 0},
            ),
            options={"legend": legend(), "tooltip": TOOLTIP, "rowHeight": 0.9, "colWidth": 0.9, "showValue": "never"}, interval="1d",
        )  # fmt: skip

    def _gateways(self) -> Json:
        say = self._say
        return table(
            say("gateways"), say("gateways_about"), (14, 4, 10, 7), self._sql.gateways(), say("no_window"),
            override(say("gateway"), custom__minWidth=110),
            override(say("meters"), **looks.COUNT),
            override(say("complete"), **looks.COMPLETE_CELL),
            override(say("estimated"), **looks.ESTIMATED_CELL),
            override(say("latest_window"), **looks.MOMENT),
            override(say("refused"), **looks.COUNT),
        )  # fmt: skip

    def _reasons(self) -> Json:
        say = self._say
        return table(
            say("reasons"), say("reasons_about"), (14, 11, 10, 6), self._sql.reasons(), say("no_rejected"),
            override(say("reason"), custom__width=130),
            override(say("refused"), **looks.COUNT),
            override(say("share"), **looks.SHARE),
            override(say("newest_one"), **looks.MOMENT),
            override(say("sent_text"), custom__minWidth=160),
        )  # fmt: skip

    def _worst(self) -> Json:
        say = self._say
        return table(
            say("worst"), say("worst_about"), (0, 17, 14, 9), self._sql.worst(), say("no_window"),
            override(say("meter"), custom__minWidth=130, links=[frame.drill(METER, say, say("open_meter"), meter=say("meter"))]),
            override(say("company"), links=[frame.drill(COMPANY, say, say("open_company"), company=say("company"))]),
            override(say("complete"), **looks.COMPLETE_CELL),
            override(say("estimated"), **looks.ESTIMATED_CELL),
            override(say("missing_windows"), **looks.COUNT),
            override(say("latest_window"), **looks.MOMENT),
        )  # fmt: skip

    def _methods(self) -> Json:
        say = self._say
        return table(
            say("methods"), say("methods_about"), (14, 17, 10, 9), self._sql.methods(), say("no_window"),
            override(say("windows"), **looks.COUNT),
            override(say("share"), **looks.SHARE),
            override(say("energy"), unit="kwatth", decimals=1, noValue=NOTHING),
            override(say("meters"), **looks.COUNT),
        )  # fmt: skip


BOARD: Final = frame.Board(UID, DataQuality)
