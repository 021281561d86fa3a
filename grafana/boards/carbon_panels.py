"""The panels of *zone live* that show where carbon goes: network, storages, contracts, and what each kilogram is made of."""

from typing import Any, Final

from boards.parts import ACT, NOTHING, OK, TOOLTIP, WATCH, Json, fields, fixed, legend, override, panel, target, thresholds
from zonepulse.streams.queries.carbon_queries import CarbonQueries
from zonepulse.streams.queries.limits import Limits
from zonepulse.streams.queries.texts import Texts

_TABLE: Final[Json] = {"showHeader": True, "cellHeight": "sm"}
_PLAIN: Final = thresholds(("text", None))
_LINE: Final[Json] = {"drawStyle": "line", "lineWidth": 2, "fillOpacity": 0, "showPoints": "never", "spanNulls": False}


class CarbonPanels:
    """The panels in one language, a method each, below the evidence."""

    def __init__(self, zone: Limits, say: Texts) -> None:
        self._zone, self._say, self._sql = zone, say, CarbonQueries(zone, say)

    def panels(self) -> list[Json]:
        """In reading order."""
        return [self._flows(), self._nodes(), self._storage(), self._imbalance(), self._contracts(), self._explain()]

    def _flows(self) -> Json:
        say = self._say
        energy: dict[str, Any] = {"unit": "kwatth", "decimals": 1, "noValue": NOTHING, "custom__width": 92}
        mass: dict[str, Any] = {"unit": "masst", "decimals": 3, "noValue": NOTHING, "custom__width": 92}
        return panel(
            "table", say("flows"), say("flows_about"), (0, 26, 14, 9), [target("A", self._sql.flows())],
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
        return self._series("nodes", "nodes_about", (14, 26, 10, 9), self._sql.node_intensity(), "suffix:g/kWh")

    def _storage(self) -> Json:
        return self._series(
            "storage_held", "storage_held_about", (0, 35, 7, 8), self._sql.storage(), "kwatth", fillOpacity=20, axisSoftMin=0
        )

    def _imbalance(self) -> Json:
        return self._series(
            "imbalance", "imbalance_about", (7, 35, 7, 8), self._sql.imbalance(), "kwatt", axisSoftMin=0, axisSoftMax=0
        )

    def _contracts(self) -> Json:
        say = self._say
        share: dict[str, Any] = {"unit": "percentunit", "decimals": 1, "noValue": NOTHING, "min": 0, "max": 1, "color": fixed(OK)}
        gauge = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        return panel(
            "table", say("contracts"), say("contracts_about"), (14, 35, 10, 8), [target("A", self._sql.contracts())],
            fieldConfig=fields(
                override(say("company"), custom__width=130),
                override(say("contract"), custom__minWidth=110),
                override(say("kind"), custom__width=72, noValue=NOTHING),
                override(say("matched"), unit="kwatth", decimals=1, noValue=NOTHING, custom__width=96),
                override(say("of_import"), custom__width=110, custom__cellOptions=gauge, **share),
                override(say("score"), custom__width=110, custom__cellOptions=gauge, **share),
                noValue=say("no_contract"), thresholds=_PLAIN, custom={"align": "auto"},
            ),
            options=_TABLE,
        )  # fmt: skip

    def _explain(self) -> Json:
        say = self._say
        widths = {"company": 130, "carrier": 96, "scope": 52, "basis": 76, "unit": 56, "rung": 76, "published": 92, "confidence": 64,
                  "quality_of": 86, "method": 96, "covered": 72, "revision": 92, "factor_id": 130}  # fmt: skip
        numbers: dict[str, Any] = {"noValue": NOTHING, "custom__width": 92}
        return panel(
            "table", say("explain"), say("explain_about"), (0, 43, 24, 10), [target("A", self._sql.explain())],
            fieldConfig=fields(
                override("time", displayName=say("window"), custom__width=150),
                override(say("amount"), decimals=4, **numbers),
                override(say("factor"), decimals=6, **numbers),
                override(say("mass"), decimals=6, **numbers),
                override(say("register"), custom__width=150, noValue=NOTHING),
                override(say("source"), custom__minWidth=160),
                *(override(say(key), custom__width=width, **({"unit": "s"} if key == "covered" else {})) for key, width in widths.items()),
                noValue=say("no_window"), thresholds=_PLAIN, custom={"align": "auto", "filterable": True},
            ),
            options=_TABLE,
        )  # fmt: skip
