"""The dashboard *meter*: can a meter be believed?"""

from typing import Final

from boards import frame, looks, variables
from boards.parts import NOTHING, UNKNOWN, WATCH, Json, fixed, limits, lines, matching, override, panel, table, target, tiles
from zonepulse.streams.queries.alert_queries import AlertQueries
from zonepulse.streams.queries.limits import Limits
from zonepulse.streams.queries.meter_queries import MeterQueries
from zonepulse.streams.queries.texts import Texts

UID: Final = "zp-meter"
_ITS_ALERTS: Final = "meter = ${meter:singlequote}"


class Meter:
    """The panels in one language, a method each; their order is the reading order."""

    def __init__(self, zone: Limits, say: Texts) -> None:
        self._zone, self._say, self._sql = zone, say, MeterQueries(zone, say)
        self._step = f"{zone.window_s}s"

    def dashboard(self) -> Json:
        """All of it."""
        say, zone = self._say, self._zone
        panels = [
            self._belief(),
            self._alerts(),
            self._power(),
            self._quality(),
            self._neighbours(),
            self._windows(),
            self._letters(),
        ]
        chosen = [variables.run(say), variables.zone(zone, say), variables.meter(say)]
        return frame.dashboard(UID, "meter_board", zone, say, chosen, panels)

    def _belief(self) -> Json:
        say = self._say
        some = limits("text", "text", 1, None)
        return tiles(
            say("belief"), say("belief_about"), (0, 0, 12, 4), self._sql.belief(),
            override(say("complete"), **looks.COMPLETE_TILE),
            override(say("estimated"), **looks.ESTIMATED_TILE),
            override(say("newest_value"), **looks.age_tile(self._zone)),
            override(say("alerts_of_it"), decimals=0, thresholds=some),
            override(say("letters"), decimals=0, thresholds=some),
            size=22,
        )  # fmt: skip

    def _alerts(self) -> Json:
        say = self._say
        sql = AlertQueries(self._zone, say).listed(_ITS_ALERTS)
        return table(
            say("meter_alerts"), say("meter_alerts_about"), (12, 0, 12, 8), sql, say("no_alert_in_range"),
            *looks.alert_cells(say),
            *(override(say(key), **looks.HIDDEN) for key in ("who", "place")),
        )  # fmt: skip

    def _power(self) -> Json:
        say = self._say
        return lines(
            say("meter_power"), say("meter_power_about"), (0, 8, 14, 8),
            [target("A", self._sql.power(), series=True), target("B", self._sql.expected(), series=True)], say("no_window"),
            *(matching(f".* {say(f'expected_{end}')}", color=fixed(UNKNOWN), custom__lineWidth=1) for end in ("low", "high")),
            matching(f".*\\\\({say('estimated')}\\\\)", color=fixed(WATCH), custom__lineStyle={"fill": "dash", "dash": [6, 4]}),
            unit="short", decimals=2, displayName="${__field.labels.series}", interval=self._step,
        )  # fmt: skip

    def _quality(self) -> Json:
        say = self._say
        return panel(
            "state-timeline", say("meter_quality"), say("meter_quality_about"), (0, 4, 12, 4),
            [target("A", self._sql.quality(), series=True)], interval=self._step,
            **looks.timeline("channel", looks.quality_states(say)),
        )  # fmt: skip

    def _neighbours(self) -> Json:
        say = self._say
        return table(
            say("neighbours"), say("neighbours_about"), (14, 8, 10, 8), self._sql.neighbours(), say("no_window"),
            override(say("meter"), custom__minWidth=120, links=[frame.drill(UID, say, say("open_meter"), meter=say("meter"))]),
            override(say("amount"), decimals=1, noValue=NOTHING),
            override(say("vs_before"), **looks.CHANGE_CELL),
            override(say("complete"), **looks.COMPLETE_CELL),
        )  # fmt: skip

    def _windows(self) -> Json:
        say = self._say
        return table(
            say("meter_windows"), say("meter_windows_about"), (0, 16, 14, 10), self._sql.windows(), say("no_window"),
            override("time", displayName=say("window"), custom__width=150),
            *(override(say(key), decimals=6, noValue=NOTHING) for key in ("amount", "estimated_amount")),
            override(say("covered"), unit="s", decimals=0),
            override(say("revision"), custom__width=100, decimals=0),
        )  # fmt: skip

    def _letters(self) -> Json:
        say = self._say
        return table(
            say("meter_letters"), say("meter_letters_about"), (14, 16, 10, 10), self._sql.letters(), say("no_rejected"),
            override("time", displayName=say("arrived"), custom__width=150),
            override(say("sent_text"), custom__minWidth=160),
        )  # fmt: skip


BOARD: Final = frame.Board(UID, Meter)
