"""What a company pays for without using it: reactive energy, and contracts that deliver when it does not draw. Pure."""

from collections.abc import Mapping
from math import hypot
from typing import Final, NamedTuple

import numpy as np

from zonepulse.processors.advice.hours import HOUR_MS, MOST_WINDOWS, Absent, Advice, Floats, Hours, Said, Window

_HUNDREDTH: Final = 0.01
_LEAST_MONTHS: Final = 11


class PowerFactorRule(NamedTuple):
    """A contract's: below this power factor each hundredth costs so many percent of the month's bill for energy."""

    least: float
    percent: float


def power_factor(
    months: Mapping[str, tuple[float, float]], cny_per_kwh: Mapping[str, float | None], rule: PowerFactorRule | None
) -> Advice | Absent:  # fmt: skip
    """`months`: active kWh and reactive kvarh of each."""
    kind = "power_factor"
    if len(months) < _LEAST_MONTHS:
        return Absent(kind, Said("few_reactive", (len(months),)))
    rows = [
        {
            "month": month,
            "kwh": kwh,
            "kvarh": kvarh,
            "power_factor": kwh / hypot(kwh, kvarh) if kwh > 0 else 0.0,
            "cny_per_kwh": cny_per_kwh.get(month),
        }
        for month, (kwh, kvarh) in sorted(months.items())
    ]
    if rule is None:
        lowest = min(rows, key=lambda row: float(row["power_factor"] or 0))
        return Absent(kind, Said("no_rule", (float(lowest["power_factor"] or 0), str(lowest["month"]))))
    cny: float | None = 0.0
    for row in rows:
        below = max(0.0, rule.least - float(row["power_factor"] or 0)) / _HUNDREDTH
        price = row["cny_per_kwh"]
        row["cny"] = None if price is None else float(row["kwh"] or 0) * float(price) * rule.percent / 100 * below
        cny = None if cny is None or row["cny"] is None else cny + float(row["cny"])
    if all(float(row["power_factor"] or 0) >= rule.least for row in rows):
        return Absent(kind, Said("none_below", (rule.least,)))
    return Advice(
        kind,
        0.0,
        0.0,
        cny,
        "high",
        Said("billed"),
        {
            "least": rule.least,
            "percent": rule.percent,
            "months": rows,
        },
    )


def unmatched(hours: Hours, contracted_kwh: Floats, residual_g_per_kwh: float | None) -> Advice | Absent:
    """Contracts with hours: what lapsed while the company drew elsewhere. `contracted_kwh`: of all of them in each hour."""
    kind = "unmatched_contracts"
    if (absent := hours.too_few(kind)) is not None:
        return absent
    known = np.isfinite(hours.import_kwh)
    drawn, offered = np.where(known, hours.import_kwh, 0.0), np.where(known, contracted_kwh, 0.0)
    if not offered.any():
        return Absent(kind, Said("no_profile"))
    matched = np.minimum(np.maximum(drawn, 0.0), offered)
    lapsed, open_kwh = offered - matched, np.maximum(drawn, 0.0) - matched
    movable = float(min(lapsed.sum(), open_kwh.sum()))
    parts = {"contracted_kwh": offered, "drawn_kwh": np.maximum(drawn, 0.0), "matched_kwh": matched, "lapsed_kwh": lapsed,
             "unmatched_kwh": open_kwh}  # fmt: skip
    if not movable:
        return Absent(kind, Said("all_matched"))
    top = np.argsort(-lapsed, kind="stable")[:MOST_WINDOWS]
    return Advice(
        kind,
        movable,
        None if residual_g_per_kwh is None else movable * residual_g_per_kwh / 1000,
        None,
        "medium",
        Said("at_most"),
        {
            **{name: float(values.sum()) for name, values in parts.items()},
            "score": float(matched.sum() / max(1e-9, float(np.maximum(drawn, 0.0).sum()))),
            "residual_g_per_kwh": residual_g_per_kwh,
            "by_month": hours.by_month(known, **parts),
        },
        tuple(Window(hours.start_ms(int(i)), hours.start_ms(int(i)) + HOUR_MS, float(lapsed[i])) for i in top if lapsed[i] > 0),
    )
