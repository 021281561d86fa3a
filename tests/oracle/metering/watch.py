"""The detectors on a channel's windows as their turns come: what is told, when, and the band that was expected."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isnan
from typing import Any, Final

from zonepulse.oracle.alerts import Transition, canonical, resolved
from zonepulse.oracle.detection import LIMITS, NAMES, Channel, Judged, at_ms, slot_and_day, strictness
from zonepulse.oracle.metering.channel_alerts import ChannelAlerts
from zonepulse.oracle.zone.registry import Facts, Policy

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
    _part: dict[int, int] = field(default_factory=dict)
    """Windows, and what they hold, of the stretch that is being gathered."""

    @property
    def is_slow(self) -> bool:
        """Whether any version of the register sends less often than a window lasts."""
        facts = self.registry.channels[self.meter, self.register]
        return any(stretch_ms(one, self.registry.policy) != self.registry.policy.window_ms for one in facts)

    def judge(self, window: int, value: int | None, quality: str, covered_ms: int, tick: int) -> None:
        """One window with its row as it is at its turn."""
        if value is not None and quality != "estimated" and covered_ms == self.registry.policy.window_ms:
            self._see(window, window, value, tick)

    def take(self, window: int, value: int, tick: int) -> None:
        """The next covered window of a slow register: the last of a stretch is judged with all of it."""
        policy, facts = self.registry.policy, self._facts(window)
        length = stretch_ms(facts, policy)
        if not facts.detect or length is None or length == policy.window_ms:
            self._see(window, window, value, tick)
            return
        number = self._stretch(window, facts, length)
        self._part = {w: v for w, v in self._part.items() if self._stretch(w, facts, length) == number} | {window: value}
        if self._stretch(window + 1, facts, length) == number:
            return
        first, part = window + 1 - length // policy.window_ms, self._part
        self._part = {}
        if len(part) * policy.window_ms == length and facts.valid_from_ms <= self._start_ms(first):
            self._see(first, window, sum(part.values()), tick)

    def _stretch(self, window: int, facts: Facts, length_ms: int) -> int:
        wall = at_ms(self._start_ms(window)).astimezone(self.registry.policy.timezone).replace(tzinfo=None)
        return ((wall - datetime(1970, 1, 1)) // timedelta(milliseconds=1) - facts.offset_ms) // length_ms

    def _see(self, first: int, window: int, value: int, tick: int) -> None:
        """What was used from window `first` to `window`."""
        policy, facts = self.registry.policy, self._facts(window)
        if not facts.detect or stretch_ms(facts, policy) is None:
            if self._active is not None:
                self._resolve(window, tick)
            return
        length_ms = (window + 1 - first) * policy.window_ms
        if self._channel is not None and self._channel.per_day != _DAY_MS // length_ms:
            self._channel = None
            if self._active is not None:
                self._resolve(first, tick)
        sign = -1 if facts.direction == "export" else 1
        seen = float(sign * value) / 1e6
        channel, found = self._judged(first, length_ms, seen, facts.detect)
        low, high = sorted((sign * found.low, sign * found.high))
        if policy.keeps_expected and not isnan(low):
            where = {"zone": policy.zone, "company": facts.company, "meter": self.meter, "register": self.register}
            what = {
                "start": self._start_ms(first),
                "length_s": length_ms // 1000,
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
                self._resolve(first, tick)
            elif self._beyond != 0 and abs(self._beyond) >= 2 * abs(self._said):
                self._said = self._beyond
                self.transitions.append(self._now() | {"state": "updated", "revision": tick})
        if self._active is None and new is not None:
            self._beyond = self._said = _outside(new, seen, found)
            evidence = {
                "score": found.ratio[new],
                "windows": channel.windows - 1,
                "beyond_micro": sign * round(self._beyond * 1_000_000),
            } | ({} if length_ms == policy.window_ms else {"length_s": length_ms // 1000})
            self._active = self._raised(
                new, self._start_ms(first), first, tick, evidence, sign * seen, severity=_TOLD[new],
                expected_low=None if isnan(low) else low, expected_high=None if isnan(high) else high,
            )  # fmt: skip
            self._told = evidence | {"register": self.register}

    def _judged(self, window: int, length_ms: int, seen: float, names: frozenset[str]) -> tuple[Channel, Judged]:
        policy = self.registry.policy
        if self._channel is None:
            per_day = _DAY_MS // length_ms
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


def stretch_ms(facts: Facts, policy: Policy) -> int | None:
    """The shortest part of a day that is whole windows and no shorter than the register's period; None where a day is too short."""
    parts = [_DAY_MS // n for n in range(_DAY_MS // policy.window_ms, 0, -1) if _DAY_MS % n == 0]
    return next((ms for ms in parts if ms % policy.window_ms == 0 and ms >= facts.period_ms), None)


def _outside(rule: str, seen: float, found: Judged) -> float:
    """Beyond the band; of what lasts within it, from its middle; 0 where there is none."""
    if isnan(found.low):
        return 0.0
    if rule in ("level_shift", "night_use", "zero_run"):
        return seen - 0.5 * (found.low + found.high)
    return seen - found.high if seen > found.high else seen - found.low if seen < found.low else 0.0
