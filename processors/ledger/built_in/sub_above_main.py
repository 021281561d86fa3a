"""sub_above_main: sub meters that count more than their main meter (schemas/messages/alerts.py is the contract)."""

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from zonepulse.processors.accounting.plan import USE_SIGN
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.rules import Alert, windows_of
from zonepulse.processors.ledger.built_in.two_sides import Sides, TwoSided
from zonepulse.processors.ledger.impact import Impact
from zonepulse.processors.ledger.subjects import Count, Named, version_number, where_is
from zonepulse.schemas.carriers import ELECTRICITY
from zonepulse.schemas.registry.model import MeterVersion, Register
from zonepulse.schemas.units import MICRO, MS_PER_HOUR

PARTS: Final = 50
"""Of each side one part in so many may be error: 2 %, the widest class of static meters for active energy (IEC 62053-21:2020, class 2)."""
FOR_MS: Final = 24 * MS_PER_HOUR


class SubAboveMain(TwoSided):
    """The meter trees of a zone."""

    rule = "sub_above_main"

    def __init__(self, channels: Channels, impact: Impact) -> None:
        super().__init__(channels, impact)
        self._needed = windows_of(FOR_MS, self._length_ms)
        self._subjects = list(_families(channels))
        self._watch(self._subjects)

    def _moves(self, subject: Sides, start: int, one: int, other: int) -> bool:
        """As TwoSided has it. `excess`: PARTS x what the subs had above the main beyond the errors of both since that was last nothing;
        while raised the other way round."""
        state, error = subject.state, abs(one) + abs(other)
        more = PARTS * (other - one) - error
        state.excess = max(0, state.excess + (more if state.raised is None else -more))
        if state.excess == 0:
            state.run = 0
            return False
        return state.take(start, one, other) >= self._needed

    def _row(self, subject: Sides, raised: tuple[int, int, int], ends_at: int | None, tick: int) -> dict[str, Any]:
        """As TwoSided has it."""
        (starts_at, main, sub), named = raised, subject.named
        where = named.where(starts_at)
        evidence = {"main_micro": main, "sub_micro": sub, "windows": self._needed}
        return Alert(
            self._zone, self.rule, named.labels, "warning", "raised" if ends_at is None else "resolved", starts_at, tick,
            evidence | self._impact.of_energy(sub - main, where.company, starts_at), ends_at, *where, value=(sub - main) / MICRO,
        ).row()  # fmt: skip


def _families(channels: Channels) -> Iterator[Sides]:
    """Each main meter with its subs, by their counting registers of electricity. Left out is a main meter that also counts what leaves, or
    on whose site something else feeds in: then its subs may use more than it counts."""
    registry = channels.registry
    sites = {site.id: site for site in registry.sites}
    fed = {m.site for m in registry.meters if m.role in ("generation", "production", "storage") and _counting(m)}
    of: dict[str, tuple[list[MeterVersion], list[MeterVersion]]] = defaultdict(lambda: ([], []))
    for meter in registry.meters:
        of[meter.id][0].append(meter)
        if meter.role == "sub" and meter.parent:
            of[meter.parent][1].append(meter)
    for name, (mains, subs) in of.items():
        if not subs or any(m.site in fed or any(USE_SIGN[r.direction] < 0 for r in _counting(m)) for m in mains):
            continue
        counts = {
            version_number(channels, m, r): Count([(m.valid_from_ms, m.valid_to_ms)], USE_SIGN[r.direction])
            for m in (*mains, *subs)
            for r in _counting(m)
        }
        own = frozenset(channels.index[name, r.id] for m in mains for r in _counting(m))
        if own:
            named = Named("meter", name, {"meter": name}, partial(where_is, tuple(mains), sites))
            yield Sides(named, own, counts, registry.zone.window_ms)


def _counting(meter: MeterVersion) -> list[Register]:
    return [register for register in meter.registers if register.carrier == ELECTRICITY and register.counts]
