"""What a dashboard takes from the zone's registry: where its colours change and how old a number may be."""

from dataclasses import dataclass
from typing import Final

from zonepulse.schemas.registry.model import Registry, Rule, Text

MS_PER_SECOND: Final = 1000

COMPLETE: Final = 0.9
"""A window counts as complete when its meters cover at least this share of the time they should; the rest is provisional."""
COMPLETE_WATCH: Final = 0.97
ESTIMATED_WATCH: Final = 0.1
ESTIMATED_ACT: Final = 0.25
"""Shares of the energy that is estimated."""
LATE_WATCH: Final = 40
LATE_ACT: Final = 200
"""Readings a day refused as late."""
STORE_S: Final = 60
"""What the ledger and the store may need beyond the zone's own delays."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Durations in seconds, intensities in g CO2e per kWh (None where the zone has no such rule)."""

    zone: str
    zone_name: Text
    timezone: str
    window_s: int
    blind_s: int
    """No value for this long: nobody knows how the zone is."""
    quiet_s: int
    """No value for this long: something is slower than it should be."""
    slowest_s: int
    """A window this old has been reported by the slowest meter."""
    watch_g: float | None
    act_g: float | None
    intensity_rules: tuple[Rule, ...]
    """The rules behind `watch_g` and `act_g`."""
    rule_texts: dict[str, Text]
    """Rule id -> its text in the registry."""


def limits_of(registry: Registry) -> Limits:
    """The limits of one zone. A severity's limit is the lowest `above` of its zone rules on g_per_kwh; `info` colours nothing."""
    zone = registry.zone
    window_s = zone.window_ms // MS_PER_SECOND
    settle_s = (zone.delay_ms + 2 * zone.tick_ms + zone.idle_ms) // MS_PER_SECOND + STORE_S
    periods_s = [r.period_ms // MS_PER_SECOND for m in registry.meters for r in m.registers] or [window_s]
    beat_s = max(window_s, min(periods_s))
    watch, act = (_lowest(registry, severity) for severity in ("warning", "critical"))
    return Limits(
        zone=zone.id,
        zone_name=zone.name,
        timezone=zone.timezone,
        window_s=window_s,
        blind_s=2 * beat_s + settle_s,
        quiet_s=beat_s + settle_s,
        slowest_s=max(periods_s) + window_s + settle_s,
        watch_g=watch.above if watch else None,
        act_g=act.above if act else None,
        intensity_rules=tuple(rule for rule in (watch, act) if rule),
        rule_texts={rule.id: rule.text for rule in registry.rules},
    )


def _lowest(registry: Registry, severity: str) -> Rule | None:
    found = [
        (rule.above, rule.id, rule)
        for rule in registry.rules
        if rule.on == "zone" and rule.indicator == "g_per_kwh" and rule.severity == severity and rule.above is not None
    ]
    return min(found)[2] if found else None
