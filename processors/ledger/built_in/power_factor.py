"""power_factor: a meter that draws much reactive beside its active energy (schemas/messages/alerts.py is the contract)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from math import hypot
from typing import Any, Final

from zonepulse.processors.accounting.plan import USE_SIGN
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.ledger.built_in.two_sides import Sides, State, TwoSided
from zonepulse.processors.ledger.impact import Impact
from zonepulse.processors.ledger.subjects import Count, Named, version_number, where_is
from zonepulse.schemas.carriers import ELECTRICITY
from zonepulse.schemas.registry.model import MeterVersion
from zonepulse.schemas.units import MICRO, MS_PER_HOUR

LIMIT: Final = 0.9
"""Industry of more than 160 kVA pays more below it (China, 水电财字〔1983〕215号); other customers have lower ones, and none is above."""
WINDOWS: Final = 4
LEAST_PARTS: Final = 20
"""Below one part in so many of max_power a factor says nothing."""
REACTIVE: Final = "reactive"


class _Meter(Sides):
    """A meter's registers of active energy beside those of reactive."""

    def __init__(self, named: Named, ones: frozenset[int], counts: Mapping[int, Count], length_ms: int, most: int) -> None:
        super().__init__(named, ones, counts, length_ms)
        self.most = most
        """What max_power lets through in a window, micro-kWh."""


class PowerFactor(TwoSided):
    """The meters that count active and reactive energy."""

    rule = "power_factor"

    def __init__(self, channels: Channels, impact: Impact) -> None:
        super().__init__(channels, impact)
        self._meters = {meter.named.name: meter for meter in _meters(channels)}
        self._subjects = list(self._meters.values())
        self._watch(self._subjects)

    def _moves(self, subject: Sides, start: int, one: int, other: int) -> bool:
        """As TwoSided has it."""
        if LEAST_PARTS * one < self._meters[subject.named.name].most:
            return False
        state, is_low = subject.state, 19 * one * one < 81 * other * other
        if is_low == (state.raised is not None):
            subject.state = State(raised=state.raised)
            return False
        return state.take(start, one, other) >= WINDOWS

    def _row(self, subject: Sides, raised: tuple[int, int, int], ends_at: int | None, tick: int) -> dict[str, Any]:
        """As TwoSided has it."""
        (starts_at, active, reactive), named = raised, subject.named
        return Alert(
            self._zone, self.rule, named.labels, "warning", "raised" if ends_at is None else "resolved", starts_at, tick,
            {"active_micro": active, "reactive_micro": reactive, "windows": WINDOWS}, ends_at, *named.where(starts_at),
            value=active / hypot(active, reactive), expected_low=LIMIT,
        ).row()  # fmt: skip


def _meters(channels: Channels) -> Iterator[_Meter]:
    registry = channels.registry
    sites = {site.id: site for site in registry.sites}
    of: dict[str, list[MeterVersion]] = defaultdict(list)
    for meter in registry.meters:
        of[meter.id].append(meter)
    for name, versions in of.items():
        counting = [(m, r) for m in versions for r in m.registers if r.counts and r.carrier in (ELECTRICITY, REACTIVE)]
        active = [r for _, r in counting if r.carrier == ELECTRICITY]
        if not active or len(active) == len(counting):
            continue
        counts = {
            version_number(channels, m, r): Count([(m.valid_from_ms, m.valid_to_ms)], USE_SIGN[r.direction]) for m, r in counting
        }
        most = max(round(r.max_power * MICRO) for r in active) * registry.zone.window_ms // MS_PER_HOUR
        ones = frozenset(channels.index[name, r.id] for r in active)
        named = Named("meter", name, {"meter": name}, partial(where_is, versions, sites))
        yield _Meter(named, ones, counts, registry.zone.window_ms, most)
