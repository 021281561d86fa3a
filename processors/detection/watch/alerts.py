"""Transitions of the detectors as rows of table `alerts`."""

from math import isnan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.detection.transitions import version_of_alert
from zonepulse.processors.detection.watch.state import DECLARED
from zonepulse.processors.flow import UNSET, Rows
from zonepulse.schemas.units import MICRO

_STATES: Final = ("resolved", "raised", "updated")
"""By state.RESOLVED, RAISED, UPDATED."""


def found_rows(found: Rows, channel_of: NDArray[np.int64], channels: Channels) -> list[dict[str, Any]]:
    """One row for each transition; of several of one alert in one tick the last. `channel_of[watch]` is a channel's number."""
    last: dict[tuple[int, ...], tuple[Any, str]] = {}
    for f in found:
        key, state = tuple(int(f[name]) for name in ("watch", "detector", "starts_at", "tick")), _STATES[int(f["state"])]
        is_new = key in last and last[key][1] == "raised" and state == "updated"
        last[key] = (f, "raised" if is_new else state)
    return [_row(f, state, int(channel_of[int(f["watch"])]), channels) for f, state in last.values()]


def _row(f: Any, state: str, channel: int, channels: Channels) -> dict[str, Any]:
    zone, detector = channels.registry.zone, DECLARED[int(f["detector"])]
    meter, register = channels.names[channel]
    version = version_of_alert(channels, channel, int(f["starts_at"]))
    sign = int(channels.versions[version]["sign"])
    low, high = sorted((sign * float(f["low"]), sign * float(f["high"])))
    length_ms = int(channels.versions[version]["stretch"])
    evidence = {
        "beyond_micro": sign * round(float(f["beyond"]) * MICRO),
        "register": register,
        "score": float(f["ratio"]),
        "windows": int(f["windows"]),
    } | ({} if length_ms == zone.window_ms else {"length_s": length_ms // 1000})
    return Alert(
        zone.id, detector.id, {"meter": meter, "register": register}, detector.severity, state,
        int(f["starts_at"]), int(f["tick"]), evidence, ends_at=None if f["ends_at"] == UNSET else int(f["ends_at"]),
        company=channels.label("company", version), meter=meter, node=channels.label("node", version), value=sign * float(f["value"]) + 0.0,
        expected_low=None if isnan(low) else low, expected_high=None if isnan(high) else high,
    ).row()  # fmt: skip
