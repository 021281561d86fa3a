"""How the same thing looks on every dashboard: shares, masses, ages, qualities, severities."""

from typing import Any, Final

from boards.parts import (
    ACT,
    CORRECTED,
    NOTHING,
    OK,
    UNKNOWN,
    WATCH,
    Json,
    cell,
    fixed,
    limits,
    override,
    thresholds,
    value_mappings,
)
from zonepulse.streams.queries.limits import COMPLETE, COMPLETE_WATCH, ESTIMATED_ACT, ESTIMATED_WATCH, Limits
from zonepulse.streams.queries.texts import Texts
from zonepulse.streams.queries.zone_live_queries import NOTHING_AT_ALL, QUALITIES, SEVERITIES

SEVERITY_COLOURS: Final = (ACT, WATCH, OK)
QUALITY_COLOURS: Final = (OK, CORRECTED, WATCH, ACT)
FULL: Final = {"complete": f"{COMPLETE:.0%}"}
"""For texts that name the share from which a window is complete."""
TONNES: Final[Json] = {"unit": "masst", "decimals": 3, "noValue": NOTHING, "custom__width": 96}
ENERGY: Final[Json] = {"unit": "kwatth", "decimals": 1, "noValue": NOTHING, "custom__width": 104}
SHARE: Final[Json] = {"unit": "percentunit", "decimals": 1, "noValue": NOTHING, "custom__width": 84}
COUNT: Final[Json] = {"unit": "short", "decimals": 0, "noValue": NOTHING, "custom__width": 84}
MOMENT: Final[Json] = {"unit": "dateTimeAsIso", "noValue": NOTHING, "custom__width": 150}
COMPLETE_STEPS: Final = thresholds((UNKNOWN, None), (ACT, 0), (WATCH, COMPLETE), (OK, COMPLETE_WATCH))
ESTIMATED_STEPS: Final = limits(UNKNOWN, OK, ESTIMATED_WATCH, ESTIMATED_ACT)
CHANGE_STEPS: Final = thresholds((UNKNOWN, None), (OK, -9), ("text", -0.02), (WATCH, 0.1), (ACT, 0.3))
COMPLETE_TILE: Final[Json] = {"unit": "percentunit", "thresholds": COMPLETE_STEPS}
ESTIMATED_TILE: Final[Json] = {"unit": "percentunit", "thresholds": ESTIMATED_STEPS}
_WEAK: Final[Json] = {**SHARE, "color": {"mode": "thresholds"}, "custom__cellOptions": cell("color-background")}
COMPLETE_CELL: Final[Json] = {
    **_WEAK,
    "thresholds": thresholds((UNKNOWN, None), (ACT, 0), (WATCH, COMPLETE), ("transparent", COMPLETE_WATCH)),
}
ESTIMATED_CELL: Final[Json] = {**_WEAK, "thresholds": limits("transparent", None, ESTIMATED_WATCH, ESTIMATED_ACT)}
CHANGE_CELL: Final[Json] = {
    **SHARE,
    "decimals": 0,
    "color": {"mode": "thresholds"},
    "custom__cellOptions": cell("color-text"),
    "thresholds": CHANGE_STEPS,
}
AGAINST_CELL: Final[Json] = {**CHANGE_CELL, "custom__width": 98}
"""A change under a title of two words."""
PART: Final[Json] = {**SHARE, "decimals": 0, "custom__width": 62}
FEW: Final[Json] = {**COUNT, "custom__width": 70}
AGE: Final[Json] = {"unit": "s", "decimals": 0, "custom__width": 82}
NAME: Final[Json] = {"custom__width": 140}
MASS_GAUGE: Final[Json] = {
    **TONNES, "decimals": 2, "color": fixed(OK), "min": 0, "fieldMinMax": True, "custom__width": 130,
    "custom__cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
}  # fmt: skip
SPARKLINE: Final[Json] = {
    "custom__minWidth": 90,
    "custom__cellOptions": {
        "type": "sparkline", "drawStyle": "line", "lineWidth": 1, "fillOpacity": 15, "showPoints": "never", "hideValue": True,
    },
}  # fmt: skip
HIDDEN: Final[Json] = {"custom__hideFrom__viz": True}


def age_tile(zone: Limits) -> Json:
    """How old the newest value is; its limits are the zone's own delays."""
    return {"unit": "s", "decimals": 0, "thresholds": limits(UNKNOWN, OK, zone.quiet_s, zone.blind_s)}


def severity_cell(say: Texts) -> Json:
    """A severity as a coloured word."""
    known = [(key, say(key), colour) for key, colour in zip(SEVERITIES, SEVERITY_COLOURS, strict=True)]
    return {"custom__width": 84, "custom__cellOptions": cell("color-background"), "mappings": value_mappings(known)}


def alert_cells(say: Texts) -> list[Json]:
    """The columns of a list of alerts, but whose it is and where."""
    return [
        override(say("severity"), **severity_cell(say)),
        override(say("what"), custom__minWidth=130, custom__wrapText=True),
        override(say("impact_t"), **TONNES),
        *(override(say(key), custom__width=90, noValue=NOTHING, decimals=2) for key in ("value", "from_value", "to_value")),
        *(override(say(key), **MOMENT) for key in ("begun", "ended")),
        *(override(key, **HIDDEN) for key in ("company_id", "meter_id")),
    ]


def quality_states(say: Texts) -> list[Json]:
    """The numbers of a quality timeline as coloured words."""
    states = [(str(i), say(QUALITIES[i]), colour) for i, colour in enumerate(QUALITY_COLOURS)]
    return value_mappings([*states, (str(NOTHING_AT_ALL), say("no_window_at_all"), UNKNOWN)])


def timeline(label: str, mappings: list[Json]) -> dict[str, Any]:
    """`fieldConfig` and options of a state timeline whose lines are named by a label."""
    defaults = {
        "displayName": f"${{__field.labels.{label}}}", "mappings": mappings, "color": {"mode": "fixed", "fixedColor": UNKNOWN},
        "thresholds": thresholds((UNKNOWN, None)), "custom": {"fillOpacity": 85, "lineWidth": 0, "spanNulls": False},
    }  # fmt: skip
    options = {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"}, "rowHeight": 0.85, "mergeValues": True, "showValue": "never", "alignValue": "left",
    }  # fmt: skip
    return {"fieldConfig": {"defaults": defaults, "overrides": []}, "options": options}
