"""The dashboard *replay*: the runs, what was promoted, and what the chosen run would change."""

from typing import Final

from boards import frame, looks, variables
from boards.parts import Json, bars, lines, override, table, target
from zonepulse.streams.queries.limits import Limits
from zonepulse.streams.queries.replay_queries import ReplayQueries
from zonepulse.streams.queries.texts import Texts

UID: Final = "zp-replay"


class Replay:
    """The panels in one language, a method each; their order is the reading order."""

    def __init__(self, zone: Limits, say: Texts) -> None:
        self._zone, self._say, self._sql = zone, say, ReplayQueries(zone, say)

    def dashboard(self) -> Json:
        """All of it."""
        say, zone = self._say, self._zone
        panels = [self._runs(), self._promotions(), self._tables(), self._companies(), self._days(), self._intensity()]
        chosen = [variables.run(say), variables.zone(zone, say), variables.basis(say)]
        return frame.dashboard(UID, "replay_board", zone, say, chosen, panels) | {
            "time": {"from": "now-30d", "to": "now"},
            "refresh": "1m",
        }

    def _runs(self) -> Json:
        say = self._say
        return table(
            say("runs"), say("runs_about"), (0, 0, 14, 7), self._sql.runs(), say("no_run"),
            override(say("run"), custom__minWidth=130, links=[frame.drill(UID, say, say("compare_run"), run=say("run"))]),
            override(say("state_of"), custom__width=100),
            *(override(say(key), **looks.MOMENT) for key in ("from_time", "to_time", "begun", "ended")),
        )  # fmt: skip

    def _promotions(self) -> Json:
        say = self._say
        return table(
            say("promotions"), say("promotions_about"), (14, 0, 10, 7), self._sql.promotions(), say("no_promotion"),
            *(override(say(key), **looks.MOMENT) for key in ("from_time", "to_time", "since_when")),
        )  # fmt: skip

    def _tables(self) -> Json:
        say = self._say
        return table(
            say("run_tables"), say("run_tables_about"), (0, 7, 10, 6), self._sql.tables(), say("no_stretch"),
            *(override(say(key), **looks.COUNT) for key in ("rows_of_live", "rows_of_run")),
            override(say("energy_change"), **looks.ENERGY),
        )  # fmt: skip

    def _companies(self) -> Json:
        say = self._say
        return table(
            say("run_companies"), say("run_companies_about"), (10, 7, 14, 6), self._sql.companies(), say("no_stretch"),
            override(say("company"), custom__minWidth=130),
            *(override(say(key), **looks.TONNES) for key in ("of_live", "of_run", "change")),
            override(say("change_share"), **looks.CHANGE_CELL),
        )  # fmt: skip

    def _days(self) -> Json:
        say = self._say
        return bars(
            say("run_days"), say("run_days_about", timezone=self._zone.timezone), (0, 13, 10, 9), self._sql.days(), say("no_stretch"),
            stacked=False, unit="masst", decimals=3, interval="1d",
        )  # fmt: skip

    def _intensity(self) -> Json:
        say = self._say
        return lines(
            say("run_intensity"), say("run_intensity_about"), (10, 13, 14, 9), [target("A", self._sql.intensity(), series=True)],
            say("no_stretch"), unit="suffix:g/kWh", decimals=0, displayName="${__field.labels.series}", interval=f"{self._zone.window_s}s",
        )  # fmt: skip


BOARD: Final = frame.Board(UID, Replay)
