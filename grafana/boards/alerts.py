"""The dashboard *alerts*: which are open and what they cost, and whether alerts are any good (EEMUA 191)."""

from typing import Final

from boards import frame, looks, variables
from boards.company import alert_columns
from boards.parts import (
    ACT,
    OK,
    UNKNOWN,
    WATCH,
    Json,
    bars,
    fixed,
    limits,
    override,
    panel,
    table,
    target,
    tiles,
    value_mappings,
)
from zonepulse.streams.queries.alert_queries import AlertQueries
from zonepulse.streams.queries.limits import Limits
from zonepulse.streams.queries.texts import Texts
from zonepulse.streams.queries.zone_live_queries import SEVERITIES

UID: Final = "zp-alerts"
MANAGEABLE, OVERLOAD = 144, 300
"""Alerts a day that one operator manages (one in ten minutes), and the most (EEMUA 191, third edition, 2013)."""
IN_FLOOD: Final = 0.01
"""Share of ten-minute slots in flood that is too many (ISA-18.2, IEC 62682)."""


class Alerts:
    """The panels in one language, a method each; their order is the reading order."""

    def __init__(self, zone: Limits, say: Texts) -> None:
        self._zone, self._say, self._sql = zone, say, AlertQueries(zone, say)

    def dashboard(self) -> Json:
        """All of it."""
        say, zone = self._say, self._zone
        panels = [self._counts(), self._listed(), self._states(), self._raised(), self._talkers(), self._told()]
        chosen = [variables.run(say), variables.zone(zone, say), variables.companies(say)]
        return frame.dashboard(UID, "alerts_board", zone, say, chosen, panels)

    def _counts(self) -> Json:
        say = self._say
        about = say("alert_counts_about", manageable=MANAGEABLE, overload=OVERLOAD, flood=f"{IN_FLOOD:.0%}")
        return tiles(
            say("alert_counts"), about, (0, 0, 24, 4), self._sql.counts(),
            override(say("critical"), decimals=0, thresholds=limits(UNKNOWN, OK, None, 1)),
            override(say("warning"), decimals=0, thresholds=limits(UNKNOWN, OK, 1, None)),
            override(say("raised_a_day"), decimals=1, thresholds=limits(UNKNOWN, OK, MANAGEABLE, OVERLOAD)),
            override(say("in_flood"), unit="percentunit", decimals=2, thresholds=limits(UNKNOWN, OK, IN_FLOOD / 2, IN_FLOOD)),
            override(say("acknowledged_share"), unit="percentunit", decimals=0, thresholds=limits(UNKNOWN, "text", None, None)),
            override(say("to_acknowledge"), unit="s", decimals=0, thresholds=limits(UNKNOWN, "text", None, None)),
        )  # fmt: skip

    def _listed(self) -> Json:
        say = self._say
        return table(
            say("alert_list"),
            say("alert_list_about"),
            (0, 4, 24, 9),
            self._sql.listed(),
            say("no_alert_in_range"),
            *alert_columns(say),
        )

    def _states(self) -> Json:
        say = self._say
        words = [
            (str(3 - i), say(key), colour) for i, (key, colour) in enumerate(zip(SEVERITIES, looks.SEVERITY_COLOURS, strict=True))
        ]
        return panel(
            "state-timeline", say("alert_states"), say("alert_states_about"), (0, 13, 14, 9),
            [target("A", self._sql.states(), series=True)],
            interval=f"{self._zone.window_s}s", **looks.timeline("label", value_mappings(words)),
        )  # fmt: skip

    def _raised(self) -> Json:
        say = self._say
        colours = [override(say(key), color=fixed(colour)) for key, colour in zip(SEVERITIES, (ACT, WATCH, OK), strict=True)]
        return bars(
            say("alerts_raised"), say("alerts_raised_about"), (14, 13, 10, 9), self._sql.raised(), say("no_alert_in_range"), *colours,
            stacked=True, unit="short", decimals=0, min=0, interval="1h",
        )  # fmt: skip

    def _talkers(self) -> Json:
        say = self._say
        return table(
            say("talkers"), say("talkers_about"), (0, 22, 14, 8), self._sql.talkers(), say("no_alert_in_range"),
            override(say("what"), custom__minWidth=140),
            override(say("raised_count"), **looks.COUNT),
            override(say("share"), **looks.SHARE),
            override(say("stood"), unit="s", decimals=0, custom__width=96),
            override(say("impact_t"), **looks.TONNES),
        )  # fmt: skip

    def _told(self) -> Json:
        say = self._say
        return table(
            say("told"), say("told_about"), (14, 22, 10, 8), self._sql.told(), say("nothing_told"),
            *(override(say(key), **looks.COUNT) for key in ("sent", "not_sent")),
            override(say("attempts"), decimals=1, custom__width=84),
            override(say("error"), custom__minWidth=140),
        )  # fmt: skip


BOARD: Final = frame.Board(UID, Alerts)
