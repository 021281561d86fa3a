"""The dashboard *park indicators*: where do the zone and its companies stand?"""

from typing import Any, Final

from boards import frame, looks, variables
from boards.parts import (
    ACT,
    NOTHING,
    OK,
    UNKNOWN,
    Json,
    cell,
    fixed,
    limits,
    lines,
    matching,
    override,
    table,
    target,
    tiles,
    value_mappings,
)
from zonepulse.streams.queries.limits import Limits
from zonepulse.streams.queries.park_queries import VERDICTS, ParkQueries
from zonepulse.streams.queries.texts import Texts

UID: Final = "zp-park"


class Park:
    """The panels in one language, a method each; their order is the reading order."""

    def __init__(self, zone: Limits, say: Texts) -> None:
        self._zone, self._say, self._sql = zone, say, ParkQueries(zone, say)

    def dashboard(self) -> Json:
        """All of it."""
        say, zone = self._say, self._zone
        panels = [self._known(), self._core(), self._of_zone(), self._of_companies()]
        chosen = [variables.run(say), variables.zone(zone, say), variables.period(say), variables.companies(say)]
        return frame.dashboard(UID, "park_board", zone, say, chosen, panels) | {
            "time": {"from": "now-1y", "to": "now"},
            "refresh": "5m",
        }

    def _known(self) -> Json:
        say = self._say
        plain = limits(UNKNOWN, "text", None, None)
        return tiles(
            say("park_known"), say("park_known_about"), (0, 0, 10, 8), self._sql.known(),
            override(say("verdict_met"), decimals=0, thresholds=limits(UNKNOWN, OK, None, None)),
            override(say("verdict_missed"), decimals=0, thresholds=limits(UNKNOWN, OK, None, 1)),
            override(say("without_verdict"), decimals=0, thresholds=plain),
            override(say("not_computable"), decimals=0, thresholds=limits(UNKNOWN, OK, 1, None)),
            override(say("summed_until"), unit="dateTimeAsIso", thresholds=plain),
            size=22,
        )  # fmt: skip

    def _core(self) -> Json:
        say = self._say
        return lines(
            say("park_core"), say("park_core_about"), (10, 0, 14, 8), [target("A", self._sql.core(), series=True)], say("no_indicator"),
            matching(say("bound"), color=fixed(ACT), custom__lineWidth=1, custom__lineStyle={"fill": "dash", "dash": [2, 4]}),
            unit="suffix:tCO₂/tce", decimals=2, displayName="${__field.labels.series}", interval="1d", custom={"showPoints": "always"},
        )  # fmt: skip

    def _cells(self) -> list[Json]:
        say = self._say
        number: dict[str, Any] = {"decimals": 3, "noValue": NOTHING, "custom__width": 92}
        colours = {"met": OK, "missed": ACT}
        words = value_mappings([(verdict, say(f"verdict_{verdict}"), colours.get(verdict, UNKNOWN)) for verdict in VERDICTS])
        return [
            override(say("indicator"), custom__minWidth=220, custom__wrapText=True),
            override(say("value"), **number),
            override(say("gap"), **number),
            *(override(say(key), custom__width=100) for key in ("unit", "gap_unit")),
            override(say("bound"), custom__width=80),
            override(say("verdict"), custom__width=130, custom__cellOptions=cell("color-text"), mappings=words),
            override(say("complete"), **looks.COMPLETE_CELL),
            override(say("estimated"), **looks.ESTIMATED_CELL),
            override(say("not_computable"), custom__minWidth=240, custom__wrapText=True),
        ]

    def _of_zone(self) -> Json:
        say = self._say
        return table(
            say("park_zone"), say("park_zone_about"), (0, 8, 24, 11), self._sql.zone(), say("no_indicator"),
            override(say("indicator_set"), custom__width=190), *self._cells(),
        )  # fmt: skip

    def _of_companies(self) -> Json:
        say = self._say
        return table(
            say("park_companies"), say("park_companies_about"), (0, 19, 24, 10), self._sql.companies(), say("no_indicator"),
            override(say("company"), **looks.NAME), *self._cells(),
        )  # fmt: skip


BOARD: Final = frame.Board(UID, Park)
