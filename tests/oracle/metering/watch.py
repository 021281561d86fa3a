"""The detectors on a channel's windows as their turns come: what is told, when, and the band that was expected."""

from dataclasses import dataclass, field
from math import isnan
from typing import Any, Final

from zonepulse.oracle.alerts import Transition, canonical, resolved
from zonepulse.oracle.detection import LIMITS, NAMES, Channel, Judged, slot_and_day, strictness
from zonepulse.oracle.metering.channel_alerts import ChannelAlerts

_TOLD: Final = {
    "reverse_flow": "critical", "wrong_unit": "critical", "wrong_ct": "critical", "zero_run": "warning", "off_hours": "warning",
    "night_use": "warning", "level_shift": "warning", "unusual": "warning", "record": "info",
}  # fmt: skip
"""Detector -> severity; of several at one window the first here is told."""
_GRAVER: Final = {"info": ("warning", "critical"), "warning": ("critical",), "critical": ()}
_DAY_MS: Final = 86_400_000


@dataclass
class Watch(ChannelAlerts):
    """Judges each measured window once, when its turn comes."""

    bands: list[dict[str, Any]] = field(default_factory=list)
    """Rows of table `expected`."""
    _channel: Channel | None = None
    _active: Transition | None = None
    _told: dict[str, Any] = field(default_factory=dict)
    """Evidence of what is active."""
    _beyond: float = 0.0
    _said: float = 0.0
    """Of that, what was said last."""

    def judge(self, window: int, value: int | None, quality: str, covered_ms: int, tick: int) -> None:
        """One window with its row as it is at its turn."""
        policy, facts = self.registry.policy, self._facts(window)
        if value is None or quality == "estimated" or covered_ms != policy.window_ms:
            return
        if not facts.detect:
            if self._active is not None:
                self._resolve(window, tick)
            return
        sign = -1 if facts.direction == "export" else 1
        seen = float(sign * value) / 1e6
        channel, found = self._judged(window, seen, facts.detect)
        low, high = sorted((sign * found.low, sign * found.high))
        if policy.keeps_expected and not isnan(low):
            where = {"zone": policy.zone, "company": facts.company, "meter": self.meter, "register": self.register}
            what = {
                "start": self._start_ms(window),
                "length_s": policy.window_ms // 1000,
                "low": low,
                "high": high,
                "revision": tick,
            }
            self.bands.append(where | what)
        new = next((name for name in _TOLD if name in found.raised and name in facts.detect), None)
        if self._active is not None:
            self._beyond += _outside(self._active["rule"], seen, found)
            is_graver = new is not None and _TOLD[new] in _GRAVER[self._active["severity"]]
            if is_graver or not found.firing & {*facts.detect}:
                self._resolve(window, tick)
            elif self._beyond != 0 and abs(self._beyond) >= 2 * abs(self._said):
                self._said = self._beyond
                self.transitions.append(self._now() | {"state": "updated", "revision": tick})
        if self._active is None and new is not None:
            self._beyond = self._said = _outside(new, seen, found)
            evidence = {
                "score": found.ratio[new],
                "windows": channel.windows - 1,
                "beyond_micro": sign * round(self._beyond * 1_000_000),
            }
            self._active = self._raised(
                new, self._start_ms(window), window, tick, evidence, sign * seen, severity=_TOLD[new],
                expected_low=None if isnan(low) else low, expected_high=None if isnan(high) else high,
            )  # fmt: skip
            self._told = evidence | {"register": self.register}

    def _judged(self, window: int, seen: float, names: frozenset[str]) -> tuple[Channel, Judged]:
        policy = self.registry.policy
        if self._channel is None:
            per_day = _DAY_MS // policy.window_ms
            tail = policy.alert_budget / (30 * per_day * len(NAMES))
            self._channel = Channel(per_day, tail, LIMITS, strictness(policy.alert_budget))
        self._channel.enabled = (*sorted(names), "stuck")
        return self._channel, self._channel.judge(*slot_and_day(self._start_ms(window), policy), seen)

    def _resolve(self, window: int, tick: int) -> None:
        self.transitions.append(resolved(self._now(), self._start_ms(window), tick))
        self._active = None

    def _now(self) -> Transition:
        """What is active, with what is beyond so far."""
        assert self._active is not None
        sign = -1 if self._facts(self._active["starts_at"] // self.registry.policy.window_ms).direction == "export" else 1
        return self._active | {"evidence": canonical(self._told | {"beyond_micro": sign * round(self._beyond * 1_000_000)})}


def _outside(rule: str, seen: float, found: Judged) -> float:
    """Beyond the band; of what lasts within it, from its middle; 0 where there is none."""
    if isnan(found.low):
        return 0.0
    if rule in ("level_shift", "night_use", "zero_run"):
        return seen - 0.5 * (found.low + found.high)
    return seen - found.high if seen > found.high else seen - found.low if seen < found.low else 0.0
