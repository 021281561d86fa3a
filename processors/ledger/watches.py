"""What the registry's rules judge: the zone, companies and nodes by their series, sites, meters and registers by their channels' rows.

How a subject takes its windows is in subjects.py, what is known of one in window_facts.py.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from zonepulse.processors.accounting.plan import (
    BEARING,
    INTENSITY,
    USE,
    USE_SIGN,
    ZONE_USE,
    AggregationPlan,
    Interval,
    counted_flow,
    merged,
    without,
)
from zonepulse.processors.accounting.series import (
    CO2E,
    COV,
    ENERGY,
    EST,
    EXISTS,
    EXPECTED,
    FLAGS,
    HAS_CO2E,
    HAS_ENERGY,
    LOCATION,
    NODE_INTENSITY,
)
from zonepulse.processors.accounting.window_sums import WindowSums
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.own_history import OwnHistory, of_text, text_of
from zonepulse.processors.detection.rules import Alert, Excess, Judge, RuleState, Transition
from zonepulse.processors.detection.working_hours import WorkingHours
from zonepulse.processors.flow import Rows
from zonepulse.processors.ledger.impact import Impact
from zonepulse.processors.ledger.subjects import Count, Due, Named, OfChannels, OfSeries, Subject, Where, version_number, where_is
from zonepulse.processors.ledger.window_facts import Facts, excess, grams, indicator
from zonepulse.schemas.registry.calendar import offsets_of
from zonepulse.schemas.registry.calendars import CALENDARS
from zonepulse.schemas.registry.model import MeterVersion, Registry, Rule
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.rules.scopes import Scope, is_on, names_on
from zonepulse.schemas.units import MICRO

_OF_CHANNELS: Final[tuple[Scope, ...]] = ("site", "meter", "register")
_STATE: Final = (
    "breaches",
    "first_breach",
    "clears",
    "first_clear",
    "active_since",
    "raised_at",
    "facts",
    "excess",
    "told",
    "band",
)


class Watches:
    """The subjects of one registry version's rules; what they hold goes on to the next."""

    def __init__(self, channels: Channels, plan: AggregationPlan, impact: Impact) -> None:
        registry = channels.registry
        self._impact = impact
        self._zone, self._length_ms = registry.zone.id, registry.zone.window_ms
        self._channels, self._plan = channels, plan
        own_history = OwnHistory(channels)
        self._judges = [
            (rule, Judge(rule, self._length_ms, hours, own_history if rule.unusual else None))
            for rule, hours in _with_hours(registry)
        ]
        of_channels = {str(rule.on) for rule in registry.rules if rule.on in _OF_CHANNELS}
        counts = _counts(channels, of_channels) if of_channels else {}
        self.subjects: list[Subject] = [*self._of_zone_and_companies(), *self._of_nodes()]
        for scope in _OF_CHANNELS:
            for name, named in _named(channels, scope) if scope in of_channels else ():
                if (judges := self._on(scope, name)) and counts[scope].get(name):
                    self.subjects.append(OfChannels(named, judges, counts[scope][name], self._length_ms))
        self._of_version: dict[int, list[OfChannels]] = defaultdict(list)
        for subject in self.subjects:
            if isinstance(subject, OfChannels):
                for version in subject.counts:
                    self._of_version[version].append(subject)
        self._is_watched = np.zeros(len(plan.postings), bool)
        self._is_watched[list(self._of_version)] = True

    def take(self, rows: Rows, emissions: Rows) -> None:
        """The rows of a tick, and the emissions rows that they made: those of channels that subjects are judged by."""
        if not self._of_version:
            return
        mine, bearing = rows[self._is_watched[rows["version"]]], emissions[self._is_watched[emissions["version"]]]
        known = bearing[bearing["has_co2e"] == 1]
        co2e = dict(zip(zip(known["version"].tolist(), known["start"].tolist(), strict=True), known["co2e"].tolist(), strict=True))
        columns = (mine[name].tolist() for name in ("version", "channel", "start", "val", "est", "cov"))
        for version, channel, start, val, est, cov in zip(*columns, strict=True):
            for subject in self._of_version[version]:
                subject.take(version, channel, start, (val, est, cov, co2e.get((version, start))))

    def look_again_from(self, start: int) -> None:
        """A window may have come to exist."""
        for subject in self.subjects:
            subject.look_again_from(start)

    def judge(self, first: int, last: int, due: Due, windows: WindowSums) -> list[dict[str, Any]]:
        """Alerts of the windows that are ready at ticks first..last, between which nothing changes."""
        found: list[dict[str, Any]] = []
        for subject in self.subjects:
            if isinstance(subject, OfChannels) and not subject.waits:
                continue
            for start, tick, facts in subject.ready(first, last, due, windows):
                found += self._judged(subject, start, tick, facts)
        return found

    def _judged(self, subject: Subject, start: int, tick: int, facts: Facts) -> Iterator[dict[str, Any]]:
        for judge, state in subject.rules:
            moved = judge.judge(
                state, start, partial(_look, facts, self._length_ms), partial(excess, judge.rule.indicator, facts, self._length_ms)
            )
            if moved is not None:
                yield self._row(judge, subject.named, moved, tick)

    def given_up(self, later: "Watches", applied: int) -> Iterator[dict[str, Any]]:
        """What ends, behind tick `applied`, the alerts of rules and subjects that the watches of a later registry version do not have."""
        known = {(s.named.scope, s.named.name, judge.rule.id) for s in later.subjects for judge, _ in s.rules}
        for subject in self.subjects:
            named = subject.named
            for judge, state in subject.rules:
                if state.active_since is not None and (named.scope, named.name, judge.rule.id) not in known:
                    ends_at = applied * self._channels.registry.zone.tick_ms
                    moved = Transition(
                        "resolved", state.active_since, ends_at, state.raised_at, state.facts, state.excess, state.band
                    )
                    yield self._row(judge, named, moved, applied + 1)

    def _row(self, judge: Judge, named: Named, moved: Transition, tick: int) -> dict[str, Any]:
        rule = judge.rule
        more: dict[str, Any] = {"site": named.name} if named.scope == "site" else {}
        more |= {"register": named.labels["register"]} if named.scope == "register" else {}
        where, (micro, mg) = named.where(moved.starts_at), moved.excess
        if micro is not None:
            more |= self._impact.of_energy(micro, where.company, moved.starts_at)
        evidence = {**judge.evidence(), **moved.facts, **more}
        return Alert(
            self._zone, rule.id, named.labels, rule.severity, moved.state, moved.starts_at, tick, evidence, moved.ends_at,
            *where, moved.value, *(moved.band if rule.unusual else (rule.below, rule.above)), None if mg is None else mg / MICRO,
        ).row()  # fmt: skip

    def held(self) -> list[list[Any]]:
        """By subject what a snapshot keeps, as JSON."""
        return [
            [
                s.named.scope, s.named.name, s.next_start, s.tick, s.pending(),
                [[j.rule.id, *_kept(state)] for j, state in s.rules],
            ]
            for s in self.subjects
        ]  # fmt: skip

    def resume(self, held: Sequence[Any]) -> None:
        """Go on from what was held; subjects and rules that are not there any more are left out."""
        found = {(scope, name): rest for scope, name, *rest in held}
        for subject in self.subjects:
            if (kept := found.get((subject.named.scope, subject.named.name))) is None:
                continue
            subject.next_start, subject.tick, pending, rules = kept
            subject.resume(pending)
            states = {rule: _state(*kept) for rule, *kept in rules}
            subject.rules = [(judge, states.get(judge.rule.id, state)) for judge, state in subject.rules]

    # --- subjects ---------------------------------------------------------------------------------------------------------------

    def _on(self, scope: Scope, name: str) -> list[Judge]:
        return [judge for rule, judge in self._judges if rule.on == scope and is_on(rule, name)]

    def _of_zone_and_companies(self) -> Iterator[Subject]:
        plan = self._plan
        power = plan.carriers.index("electricity")
        columns = (plan.series[name].tolist() for name in ("kind", "entity_kind", "entity", "carrier", "scope", "basis"))
        bearing = dict[int, int]()
        judged, scopes, zone_use = dict[tuple[int, int], int](), defaultdict[tuple[int, int], list[int]](list), -1
        for i, (kind, entity_kind, entity, of, scope, basis) in enumerate(zip(*columns, strict=True)):
            if kind == (INTENSITY if entity_kind else USE) and of == power:
                judged.setdefault((entity_kind, entity), i)
            if kind == BEARING and of == power and not entity_kind:
                bearing[entity] = i
            if kind == ZONE_USE:
                zone_use = i
            if of == 0 and scope > 0 and basis == LOCATION:
                scopes[entity_kind, entity].append(i)
        for entity, company in enumerate(["", *(c.id for c in self._channels.registry.companies)]):
            judges = self._on("company", company) if company else self._on("zone", self._zone)
            at = (int(not company), entity)
            if judges and at in judged:
                read = _series_reader(
                    judged[at], judged[at] if company else zone_use, scopes[at], bearing.get(entity, -1) if company else None
                )
                labels = {"company": company} if company else {}
                yield OfSeries(
                    Named("company" if company else "zone", company or self._zone, labels, _same(Where(company))), judges, read
                )

    def _of_nodes(self) -> Iterator[Subject]:
        plan = self._plan
        kinds, columns = plan.entity_kinds, (plan.series[name].tolist() for name in ("kind", "entity_kind", "entity"))
        intensity, imbalance = dict[str, int](), dict[str, int]()
        for i, (kind, entity_kind, entity) in enumerate(zip(*columns, strict=True)):
            if kind == NODE_INTENSITY:
                intensity[plan.entities[entity]] = i
            elif kinds[entity_kind] == "imbalance":
                imbalance[plan.entities[entity]] = i
        for node in self._channels.registry.network.nodes:
            if judges := self._on("node", node):
                labels = {"node": node}
                yield OfSeries(
                    Named("node", node, labels, _same(Where(node=node))), judges, _node_reader(intensity[node], imbalance[node])
                )


def _kept(state: RuleState) -> list[Any]:
    history = None if state.history is None else text_of(state.history)
    return [[getattr(state, name) for name in _STATE], list(state.past.items()), history]


def _state(values: Sequence[Any], past: Sequence[Any], history: str | None) -> RuleState:
    found = dict(zip(_STATE, values, strict=True))
    told = {"excess": Excess(*found["excess"]), "band": tuple(found["band"])}
    return RuleState(**(found | told), past=dict(past), history=None if history is None else of_text(history))


def _same(where: Where) -> Callable[[int], Where]:
    return lambda at: where


def _valued(row: Any) -> tuple[int, int] | None:
    if not row["has_energy"] or not row["has_co2e"] or row["energy"] <= 0:
        return None
    return int(row["co2e"]), int(row["energy"])


def _series_reader(judged: int, use: int, scopes: Sequence[int], bearing: int | None) -> Callable[[WindowSums, int], Facts | None]:
    """Of the zone or a company: what its windows are judged by, its use of electricity, its scopes, and a company's import."""

    def read(windows: WindowSums, start: int) -> Facts | None:
        row = windows.read_one(judged, start)
        if not row["exists"]:
            return None
        used = row if use == judged else windows.read_one(use, start)
        known = [int(v["co2e"]) for v in (windows.read_one(series, start) for series in scopes) if v["has_co2e"]]
        energy, co2e = (int(row[name]) if row[f"has_{name}"] else None for name in ("energy", "co2e"))
        return Facts(
            cov=int(row["cov"]),
            expected=int(row["expected"]),
            energy=int(used["energy"]) if used["has_energy"] else None,
            co2e=sum(known) if known else None,
            g_per_kwh=grams(energy, co2e),
            share=None if energy is None else (int(row["est"]), energy),
            rate=_valued(row) if bearing is None else _valued(windows.read_one(bearing, start)) if bearing >= 0 else None,
        )

    return read


def _look(facts: Facts, length_ms: int, name: str) -> float | None:
    return indicator(name, facts, length_ms)


def _node_reader(intensity: int, imbalance: int) -> Callable[[WindowSums, int], Facts | None]:
    """Of a node, by its imbalance."""

    def read(windows: WindowSums, start: int) -> Facts | None:
        slot = windows.pages.slot(start)  # first: opening a page may replace the sums
        balance = windows.emitted_of(slot, imbalance)
        if not balance[FLAGS] & EXISTS:
            return None
        row = windows.emitted_of(slot, intensity)
        energy = row[ENERGY] if row[FLAGS] & HAS_ENERGY else None
        co2e = row[CO2E] if row[FLAGS] & HAS_CO2E else None
        return Facts(
            cov=balance[COV],
            expected=balance[EXPECTED],
            energy=energy,
            co2e=co2e,
            g_per_kwh=grams(energy, co2e),
            imbalance=balance[ENERGY] if balance[FLAGS] & HAS_ENERGY else None,
            share=None if energy is None else (row[EST], energy),
            rate=None if energy is None or co2e is None or energy <= 0 else (co2e, energy),
        )

    return read


def _with_hours(registry: Registry) -> Iterator[tuple[Rule, WorkingHours | None]]:
    """Each rule with the hours of its calendar."""
    offsets = registry.zone.utc_offsets or offsets_of(registry.zone.timezone)
    hours = {calendar.id: WorkingHours(calendar, offsets) for calendar in entities_of(registry, CALENDARS)}
    for rule in registry.rules:
        yield rule, hours[rule.calendar] if rule.calendar else None


def _counts(channels: Channels, scopes: set[str]) -> dict[str, dict[str, dict[int, Count]]]:
    """Scope -> name -> channel version -> how it counts."""
    registry = channels.registry
    validity: dict[str, list[Interval]] = defaultdict(list)
    for meter in registry.meters:
        validity[meter.id].append((meter.valid_from_ms, meter.valid_to_ms))
    found: dict[str, dict[str, dict[int, Count]]] = {scope: defaultdict(dict) for scope in _OF_CHANNELS}
    for meter in registry.meters:
        span = (meter.valid_from_ms, meter.valid_to_ms)
        holes = merged(validity.get(meter.parent, [])) if meter.role == "sub" and meter.parent else []
        for register in meter.registers:
            version = version_number(channels, meter, register)
            is_power = register.carrier == "electricity"
            sign = USE_SIGN[register.direction] if is_power else 0
            if "register" in scopes:
                found["register"][f"{meter.id}/{register.id}"][version] = Count([span], int(is_power))
            if "meter" in scopes and register.counts:
                found["meter"][meter.id][version] = Count([span], sign)
            if "site" in scopes and meter.role != "boundary" and counted_flow(meter.role, register) is not None:
                found["site"][meter.site][version] = Count(without(span, holes), sign)
    return found


def _named(channels: Channels, scope: str) -> Iterator[tuple[str, Named]]:
    """Sites, meters or registers by name."""
    registry = channels.registry
    sites = {site.id: site for site in registry.sites}
    versions: dict[str, list[MeterVersion]] = defaultdict(list)
    for meter in registry.meters:
        versions[meter.id].append(meter)

    if scope == "site":
        for name, site in sites.items():
            yield name, Named("site", name, {"site": name}, _same(Where(site.company, node=site.node)))
    elif scope == "meter":
        for name in names_on("meter", registry):
            yield name, Named("meter", name, {"meter": name}, partial(where_is, versions[name], sites))
    else:
        for meter_id, register_id in dict.fromkeys((m.id, r.id) for m in registry.meters for r in m.registers):
            labels = {"meter": meter_id, "register": register_id}
            named = Named("register", f"{meter_id}/{register_id}", labels, partial(where_is, versions[meter_id], sites))
            yield named.name, named
