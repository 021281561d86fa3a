"""The dashboard *energy flow*: where carbon goes through the network, what the storages hold, and what does not add up."""

from typing import Any, Final

from boards import frame, variables
from boards.parts import ACT, NOTHING, OK, TOOLTIP, WATCH, Json, fields, legend, override, panel, target, thresholds
from zonepulse.streams.queries.carbon_queries import CarbonQueries
from zonepulse.streams.queries.limits import Limits
from zonepulse.streams.queries.texts import Texts

UID: Final = "zp-energy-flow"
_TABLE: Final[Json] = {"showHeader": True, "cellHeight": "sm"}
_PLAIN: Final = thresholds(("text", None))
_LINE: Final[Json] = {"drawStyle": "line", "lineWidth": 2, "fillOpacity": 0, "showPoints": "never", "spanNulls": False}


class EnergyFlow:
    """The panels in one language, a method each; their order is the reading order."""

    def __init__(self, zone: Limits, say: Texts) -> None:
        self._zone, self._say, self._sql = zone, say, CarbonQueries(zone, say)

    def dashboard(self) -> Json:
        """All of it."""
        say, zone = self._say, self._zone
        panels = [self._picture(), self._nodes(), self._flows(), self._storage(), self._imbalance()]
        return frame.dashboard(UID, "energy_flow", zone, say, [variables.run(say), variables.zone(zone, say)], panels)

    def _picture(self) -> Json:
        say = self._say
        return panel(
            "nodeGraph", say("picture"), say("picture_about"), (0, 0, 12, 12),
            [target("nodes", self._sql.picture_nodes()), target("edges", self._sql.picture_edges())],
            fieldConfig=fields(unit="string", noValue=say("no_network"), thresholds=_PLAIN),
            options={"nodes": {}, "edges": {}, "zoomMode": "cooperative"},
        )  # fmt: skip

    def _flows(self) -> Json:
        say = self._say
        energy: dict[str, Any] = {"unit": "kwatth", "decimals": 1, "noValue": NOTHING, "custom__width": 92}
        mass: dict[str, Any] = {"unit": "masst", "decimals": 3, "noValue": NOTHING, "custom__width": 92}
        return panel(
            "table", say("flows"), say("flows_about"), (0, 12, 24, 9), [target("A", self._sql.flows())],
            fieldConfig=fields(
                override(say("way"), custom__minWidth=140),
                override(say("edge"), custom__width=90),
                override(say("energy"), **energy),
                override(say("carbon"), **mass),
                override(say("g_per_kwh"), decimals=0, noValue=NOTHING, custom__width=72),
                override(say("back"), **energy),
                override(say("back_carbon"), **mass),
                override(say("lost"), **energy),
                override(say("lost_share"), unit="percentunit", decimals=1, noValue=NOTHING, custom__width=72,
                         custom__cellOptions={"type": "color-text"}, color={"mode": "thresholds"},
                         thresholds=thresholds(("text", None), (ACT, -9), ("text", -0.001), (WATCH, 0.05))),
                override(say("lost_carbon"), **mass),
                noValue=say("no_network"), thresholds=_PLAIN, custom={"align": "auto"},
            ),
            options=_TABLE,
        )  # fmt: skip

    def _series(self, key: str, about: str, place: tuple[int, int, int, int], sql: str, unit: str, **custom: Any) -> Json:
        """Lines by place. Gaps stay open."""
        say = self._say
        return panel(
            "timeseries", say(key), say(about), place, [target("A", sql, series=True)],
            fieldConfig=fields(
                unit=unit, decimals=1, noValue=say("no_network"), displayName="${__field.labels.place}",
                color={"mode": "palette-classic"}, thresholds=thresholds((OK, None)), custom={**_LINE, **custom},
            ),
            options={"legend": legend("list", "bottom"), "tooltip": TOOLTIP}, interval=f"{self._zone.window_s}s",
        )  # fmt: skip

    def _nodes(self) -> Json:
        return self._series("nodes", "nodes_about", (12, 0, 12, 12), self._sql.node_intensity(), "suffix:g/kWh")

    def _storage(self) -> Json:
        return self._series(
            "storage_held", "storage_held_about", (0, 21, 12, 8), self._sql.storage(), "kwatth", fillOpacity=20, axisSoftMin=0
        )

    def _imbalance(self) -> Json:
        return self._series(
            "imbalance", "imbalance_about", (12, 21, 12, 8), self._sql.imbalance(), "kwatt", axisSoftMin=0, axisSoftMax=0
        )


BOARD: Final = frame.Board(UID, EnergyFlow)
