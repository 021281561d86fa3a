"""sub_above_main: sub meters that count more than their main meter (schemas/messages/alerts.py is the contract)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from zonepulse.processors.accounting.plan import USE_SIGN
from zonepulse.processors.accounting.window_sums import WindowSums
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.rules import Alert, windows_of
from zonepulse.processors.ledger.built_in.compared import Compared
from zonepulse.processors.ledger.impact import Impact
from zonepulse.processors.ledger.subjects import Count, Due, Named, OfParts, version_number, where_is
from zonepulse.schemas.carriers import ELECTRICITY
from zonepulse.schemas.registry.model import MeterVersion, Register
from zonepulse.schemas.units import MICRO, MS_PER_HOUR

PARTS: Final = 50
"""Of each side one part in so many may be error: 2 %, the widest class of static meters for active energy (IEC 62053-21:2020, class 2)."""
FOR_MS: Final = 24 * MS_PER_HOUR


@dataclass(slots=True)
class _State:
    """What is remembered of a family. Sums are micro-kWh."""

    excess: int = 0
    """PARTS x what the subs had above the main beyond the errors of both since that was last nothing; while raised the other way round."""
    run: int = 0
    """Windows in a row with such an excess."""
    since: int = 0
    """Start of the first of them, and what main and subs counted since."""
    main: int = 0
    sub: int = 0
    raised: tuple[int, int, int] | None = None
    """starts_at, and what main and subs had counted when it was raised."""


class _Family(OfParts):
    """A meter and those that name it as their main meter."""

    def __init__(self, named: Named, mains: frozenset[int], counts: Mapping[int, Count], length_ms: int) -> None:
        super().__init__(named, counts, length_ms)
        self.mains = mains
        """Its own channels."""
        self.state = _State()


class SubAboveMain(Compared):
    """The meter trees of a zone."""

    rule = "sub_above_main"

    def __init__(self, channels: Channels, impact: Impact) -> None:
        super().__init__(channels, impact)
        self._needed = windows_of(FOR_MS, self._length_ms)
        self._families = list(_families(channels))
        self._watch(self._families)

    def judge(self, first: int, last: int, due: Due, windows: WindowSums) -> Iterator[dict[str, Any]]:
        """As Compared has it."""
        for family in self._families:
            for start, tick, facts in family.ready(first, last, due, windows) if family.waits else ():
                main, sub = (
                    [value for channel, value in facts.parts if (channel in family.mains) == is_main] for is_main in (True, False)
                )
                if facts.cov == facts.expected and main and sub and self._moves(family.state, start, sum(main), sum(sub)):
                    yield self._toggled(family, tick)

    def _moves(self, state: _State, start: int, main: int, sub: int) -> bool:
        """Take in a window; whether the alert begins, or ends, with it."""
        error = abs(main) + abs(sub)
        more = PARTS * (sub - main) - error
        state.excess = max(0, state.excess + (more if state.raised is None else -more))
        if state.excess == 0:
            state.run = 0
            return False
        if state.run == 0:
            state.since, state.main, state.sub = start, 0, 0
        state.run, state.main, state.sub = state.run + 1, state.main + main, state.sub + sub
        return state.run >= self._needed

    def _toggled(self, family: _Family, tick: int) -> dict[str, Any]:
        state = family.state
        if state.raised is None:
            family.state = _State(raised=(state.since, state.main, state.sub))
            return self._row(family.named, family.state, None, tick)
        family.state = _State()
        return self._row(family.named, state, state.since, tick)

    def _row(self, named: Named, state: _State, ends_at: int | None, tick: int) -> dict[str, Any]:
        assert state.raised is not None
        starts_at, main, sub = state.raised
        where = named.where(starts_at)
        evidence = {"main_micro": main, "sub_micro": sub, "windows": self._needed}
        return Alert(
            self._zone, self.rule, named.labels, "warning", "raised" if ends_at is None else "resolved", starts_at, tick,
            evidence | self._impact.of_energy(sub - main, where.company, starts_at), ends_at, *where, value=(sub - main) / MICRO,
        ).row()  # fmt: skip

    @property
    def names(self) -> frozenset[str]:
        """As Compared has it."""
        return frozenset(family.named.name for family in self._families)

    def given_up(self, names: frozenset[str], applied: int) -> Iterator[dict[str, Any]]:
        """As Compared has it."""
        for family in self._families:
            if family.state.raised is not None and family.named.name not in names:
                yield self._row(family.named, family.state, applied * self._tick_ms, applied + 1)

    def held(self) -> list[Any]:
        """As Compared has it, by family."""
        return [
            [f.named.name, f.next_start, f.tick, f.pending(), s.excess, s.run, s.since, s.main, s.sub, s.raised]
            for f in self._families
            for s in (f.state,)
        ]

    def resume(self, held: Sequence[Any]) -> None:
        """As Compared has it."""
        found = {name: rest for name, *rest in held}
        for family in self._families:
            if (kept := found.get(family.named.name)) is not None:
                family.next_start, family.tick, pending, excess, run, since, main, sub, raised = kept
                family.resume(pending)
                family.state = _State(excess, run, since, main, sub, tuple(raised) if raised else None)


def _families(channels: Channels) -> Iterator[_Family]:
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
            yield _Family(named, own, counts, registry.zone.window_ms)


def _counting(meter: MeterVersion) -> list[Register]:
    return [register for register in meter.registers if register.carrier == ELECTRICITY and register.counts]
