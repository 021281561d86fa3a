"""Blocks of interval rows of all partitions -> emissions, totals, intensity and alerts of a zone.

Tick k is applied, partitions in order, once every partition has closed it. Rows carry what they said before, so the ledger keeps sums per
(entity, window) and adds differences; repeats (after a restart of a sender) vanish. Everything it returns is a pure function of the rows.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa

from zonepulse.processors.accounts import BASES, ENTITY_KINDS, INTENSITY, SCOPE, USE, Accounts, compile_accounts
from zonepulse.processors.blocks import alert_batch, coded, constant, table_batch, times, version_labels, versions_of
from zonepulse.processors.book_pages import BookPages
from zonepulse.processors.channels import Channels
from zonepulse.processors.layout import ROW, UNSET, Records, records
from zonepulse.processors.posting import EMISSION, HAS_CO2E, LINE_VALUE, Books, Chart, changed_lines, post, read_line, remember
from zonepulse.processors.rules import Alert, RuleState, evaluate
from zonepulse.schemas.registry import Rule
from zonepulse.schemas.results import ALERTS, EMISSIONS, TOTALS
from zonepulse.schemas.results import INTENSITY as INTENSITY_TABLE
from zonepulse.schemas.units import MICRO, MS_PER_HOUR

_SETTLE_MS: Final = MS_PER_HOUR
"""How much time passes between two looks for pages to be packed."""


@dataclass(slots=True)
class _Subject:
    """What rules judge: the zone or a company, window by window."""

    company: str
    line: int
    scope_lines: list[int]
    rules: list[tuple[Rule, RuleState]]
    next_start: int = UNSET
    tick: int = UNSET
    unseen: int = UNSET
    """Windows before it, from `next_start` on, do not exist for this subject; not part of its state."""


@dataclass(slots=True)
class NoFactor:
    """State of the alert no_factor of one company and carrier: None while it is not raised."""

    starts_at: int | None = None


@dataclass(slots=True)
class _Made:
    """Rows made since results were last emitted: posting.EMISSION and posting.LINE_VALUE records."""

    emissions: list[Records] = field(default_factory=list)
    lines: list[Records] = field(default_factory=list)


@dataclass(slots=True)
class Results:
    """Rows that one advance made: batches by table name (only tables with rows) and alert rows as dicts."""

    batches: dict[str, list[pa.RecordBatch]] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, batch: pa.RecordBatch) -> None:
        """Keep a batch that has rows."""
        if batch.num_rows:
            self.batches.setdefault(name, []).append(batch)

    def tables(self, zone: str) -> dict[str, pa.Table]:
        """One table a name, alerts included."""
        out = {name: pa.Table.from_batches(found).unify_dictionaries() for name, found in self.batches.items()}
        if self.alerts:
            out[ALERTS.name] = pa.Table.from_batches([alert_batch(self.alerts, zone)])
        return out


def chart_of(accounts: Accounts) -> Chart:
    """What kernels read of the chart of accounts."""
    return Chart(
        accounts.accounts, accounts.lines, accounts.line_first, accounts.line_cells, accounts.line_signs, accounts.cell_first,
        accounts.cell_lines, accounts.guard_first, accounts.guard_bounds, accounts.expected_first, accounts.expected,
        accounts.factor_first, accounts.factors, accounts.zone_factor,
    )  # fmt: skip


class Ledger:
    """The zone's books. `offer` blocks in any order of partitions, `advance` applies every tick that all partitions have closed."""

    def __init__(self, channels: Channels) -> None:
        self.channels = channels
        self.accounts = compile_accounts(channels)
        self._chart = chart_of(self.accounts)
        zone = channels.registry.zone
        self._length, self._tick_ms, self._delay = zone.window_ms, zone.tick_ms, zone.delay_ms
        self.through = np.full(channels.partitions, UNSET, np.int64)
        self.applied = UNSET
        self._waiting: list[list[Records]] = [[] for _ in range(channels.partitions)]
        self._pages = BookPages(self._new_books)
        self._settled = UNSET
        self._no_factor: dict[tuple[str, str], NoFactor] = {}
        self._subjects = self._make_subjects()
        self._made = _Made()
        self._announced: dict[int, dict[int, int]] = {}
        self._versions: dict[int, Channels] = {channels.registry.version: channels}

    # --- input ----------------------------------------------------------------------------------------------------------------

    def announce(self, partition: int, channels: Channels) -> None:
        """A partition's rows are made with this registry version from here on; the ledger follows when all partitions have it."""
        version = channels.registry.version
        if version > self.channels.registry.version:
            self._versions[version] = channels
            self._announced.setdefault(version, {}).setdefault(partition, int(self.through[partition]))

    def offer(self, partition: int, rows: Records, through: int | None) -> None:
        """Rows of one partition (sorted by revision) and the last tick it has closed (None: more rows of this fetch follow)."""
        fresh = rows[rows["revision"] > self.applied]
        if len(fresh):
            self._waiting[partition].append(fresh)
        if through is not None:
            self.through[partition] = max(int(self.through[partition]), through)

    def advance(self) -> Results:
        """Apply every tick that all partitions have closed, each under the registry version that all of them had."""
        results = Results()
        for version, ticks in sorted(self._announced.items()):
            if len(ticks) == len(self.through) and version > self.channels.registry.version:
                self._advance_to(min(max(ticks.values()), int(self.through.min())), results)
                self._emit(results)
                self._use(self._versions[version])
                del self._announced[version]
        self._advance_to(int(self.through.min()), results)
        self._emit(results)
        self._settle()
        return results

    def _use(self, channels: Channels) -> None:
        """Go on under another registry version: sums move to the cells of the same name, rules keep their state."""
        before = self.accounts
        states = {(s.company, r.id): (s, state) for s in self._subjects for r, state in s.rules}
        self.channels, self.accounts = channels, compile_accounts(channels)
        self._chart = chart_of(self.accounts)
        new = {name: i for i, name in enumerate(self.accounts.cells)}
        kept = ((old, new[name]) for old, name in enumerate(before.cells) if name in new)
        self._pages = self._pages.rebuilt(self._new_books, kept, self._settled)
        self._subjects = self._make_subjects()
        for subject in self._subjects:
            for i, (rule, _) in enumerate(subject.rules):
                if (subject.company, rule.id) in states:
                    was, state = states[subject.company, rule.id]
                    subject.rules[i] = (rule, state)
                    subject.next_start, subject.tick = was.next_start, was.tick

    def _advance_to(self, last: int, results: Results) -> None:
        if last == UNSET or last <= self.applied:
            return
        rows = self._take(last)
        first = self.applied + 1 if self.applied != UNSET else (int(rows["revision"][0]) if len(rows) else last)
        edges = [0, *(np.flatnonzero(np.diff(rows["revision"])) + 1), len(rows)]
        for start, stop in pairwise(edges):
            if stop == start:
                continue
            tick = int(rows["revision"][start])
            self._judge(first, tick - 1, results)
            self._apply(rows[start:stop], tick, results)
            self._judge(tick, tick, results)
            first = tick + 1
        self._judge(first, last, results)
        self.applied = last

    def _take(self, last: int) -> Records:
        """The waiting rows of ticks <= last, ordered by (tick, partition, channel, start), repeats removed."""
        chosen, order = [], []
        for partition, waiting in enumerate(self._waiting):
            if not waiting:
                continue
            rows = np.concatenate(waiting)
            ready = rows["revision"] <= last
            self._waiting[partition] = [rows[~ready]] if not ready.all() else []
            chosen.append(rows[ready])
            order.append(np.full(int(ready.sum()), partition))
        if not chosen:
            return records(ROW, 0)
        rows, partitions = np.concatenate(chosen), np.concatenate(order)
        rank = np.lexsort((rows["start"], rows["channel"], partitions, rows["revision"]))
        rows = rows[rank]
        again = np.zeros(len(rows), bool)
        again[1:] = (np.diff(rows["revision"]) == 0) & (np.diff(rows["channel"]) == 0) & (np.diff(rows["start"]) == 0)
        rows = rows[~again & (rows["channel"] < len(self.channels.names))].view(np.recarray)
        if len(self._versions) > 1:
            rows["version"] = versions_of(rows["channel"], rows["start"], self.channels)
        return rows

    # --- posting --------------------------------------------------------------------------------------------------------------

    def _new_books(self, slots: int) -> Books:
        cells, lines = len(self.accounts.cells), len(self.accounts.lines)
        return Books(
            np.zeros((slots, cells, HAS_CO2E + 1), np.int64), np.zeros((slots, cells), np.int8),
            np.full((slots, lines), UNSET, np.int64), np.zeros(slots, np.int64),
        )  # fmt: skip

    @property
    def _books(self) -> Books:
        return self._pages.books

    def _settle(self) -> None:
        if self.applied != UNSET and self._settled_before() >= self._settled + _SETTLE_MS:
            self._settled = self._settled_before()
            self._pages.settle(self._settled)

    def _settled_before(self) -> int:
        """Windows before it are behind what a reading in time can normally revise: a known advance is booked back to max_gap."""
        zone = self.channels.registry.zone
        return self.applied * self._tick_ms - zone.max_gap_ms - zone.lateness_ms - self._delay - 2 * self._length

    def _apply(self, rows: Records, tick: int, results: Results) -> None:
        starts = np.ascontiguousarray(rows["start"])
        slots = self._pages.slots(starts)
        self._look_again_from(int(starts.min()))
        lines = len(self.accounts.lines)
        before = records(LINE_VALUE, min(3 * len(rows) * lines, lines * len(np.unique(slots))) + 1)
        n = remember(self._chart, self._books, rows, slots, tick, before, self._length)
        emissions = records(EMISSION, len(rows))
        emissions = emissions[: post(self._chart, self._books, rows, slots, emissions)]
        after = records(LINE_VALUE, n + 1)
        self._made.lines.append(after[: changed_lines(self._chart, self._books, before, n, after, self._length, tick)])
        self._made.emissions.append(emissions[emissions["changed"] == 1])
        self._judge_factors(emissions, tick, results)

    def _emit(self, results: Results) -> None:
        """Everything that was made since the last call, as batches."""
        made, self._made = self._made, _Made()
        if made.emissions:
            self._emit_emissions(np.concatenate(made.emissions).view(np.recarray), results)
        if made.lines:
            changed = np.concatenate(made.lines).view(np.recarray)
            lines = self.accounts.lines[changed["line"]]
            is_intensity = lines["kind"] == INTENSITY
            results.add(TOTALS.name, self._totals_batch(changed[~is_intensity], lines[~is_intensity]))
            results.add(INTENSITY_TABLE.name, self._intensity_batch(changed[is_intensity]))

    def _emit_emissions(self, made: Records, results: Results) -> None:
        n = len(made)
        missing = made["cov"] == 0
        labels = version_labels(self.channels, np.ascontiguousarray(made["version"]), ("company", "meter", "register"))
        columns: dict[str, Any] = labels | {
            "zone": constant(self.channels.registry.zone.id, n),
            "start": times(np.ascontiguousarray(made["start"])),
            "length_s": pa.array(np.full(n, self._length // 1000, np.int32)),
            "scope": pa.array(made["scope"].astype(np.int32)),
            "basis": constant("location", n),
            "energy_micro": pa.array(np.ascontiguousarray(made["val"]), mask=missing),
            "co2e_mg": pa.array(np.ascontiguousarray(made["co2e"]), mask=made["has_co2e"] == 0),
            "estimated_micro": pa.array(np.where(missing, 0, made["est"])),
            "factor_id": coded(np.ascontiguousarray(made["factor"]), pa.array(self.accounts.factor_ids, pa.string())),
            "rung": coded(np.ascontiguousarray(made["rung"]), pa.array(self.accounts.rungs, pa.string())),
            "revision": pa.array(np.ascontiguousarray(made["tick"])),
        }
        results.add(EMISSIONS.name, table_batch(EMISSIONS, columns))

    def _window_columns(self, values: Records) -> dict[str, Any]:
        n = len(values)
        return {
            "zone": constant(self.channels.registry.zone.id, n),
            "start": times(self._books.start[values["slot"]]),
            "length_s": pa.array(np.full(n, self._length // 1000, np.int32)),
            "energy_micro": pa.array(np.ascontiguousarray(values["energy"]), mask=values["has_energy"] == 0),
            "co2e_mg": pa.array(np.ascontiguousarray(values["co2e"]), mask=values["has_co2e"] == 0),
            "covered_ms": pa.array(np.ascontiguousarray(values["cov"])),
            "expected_ms": pa.array(np.ascontiguousarray(values["expected"])),
            "revision": pa.array(np.ascontiguousarray(values["tick"])),
        }

    def _totals_batch(self, values: Records, lines: Records) -> pa.RecordBatch:
        def texts(name: str, known: list[str] | tuple[str, ...]) -> pa.Array:
            return coded(np.ascontiguousarray(lines[name]), pa.array(known, pa.string()))

        columns = self._window_columns(values) | {
            "entity_kind": texts("entity_kind", ENTITY_KINDS),
            "entity": texts("entity", self.accounts.entities),
            "carrier": texts("carrier", self.accounts.carriers),
            "scope": pa.array(lines["scope"].astype(np.int32)),
            "basis": texts("basis", BASES),
            "estimated_micro": pa.array(np.ascontiguousarray(values["est"])),
        }
        return table_batch(TOTALS, columns)

    def _intensity_batch(self, values: Records) -> pa.RecordBatch:
        n = len(values)
        columns = self._window_columns(values) | {
            "node": constant("", n),
            "basis": constant("location", n),
            "g_per_kwh": pa.array([g_per_kwh(v) for v in values], pa.float64()),
            "estimated_share": pa.array([int(v["est"]) / int(v["energy"]) if v["energy"] else 0.0 for v in values], pa.float64()),
        }
        return table_batch(INTENSITY_TABLE, columns)

    # --- alerts ---------------------------------------------------------------------------------------------------------------

    def _judge_factors(self, emissions: Records, tick: int, results: Results) -> None:
        """no_factor: energy without a factor, once per (company, carrier)."""
        unresolved = emissions["factor"] == 0
        if not self._no_factor and not unresolved.any():
            return
        seen: dict[tuple[str, str], tuple[list[int], list[int]]] = {}
        for version, start, cov, factor in zip(*(emissions[name] for name in ("version", "start", "cov", "factor")), strict=True):
            key = (self.channels.label("company", version), self.channels.label("carrier", version))
            without, with_factor = seen.setdefault(key, ([], []))
            if factor == 0 and cov > 0:
                without.append(int(start))
            elif factor != 0:
                with_factor.append(int(start))
        for key, (without, with_factor) in sorted(seen.items()):
            state = self._no_factor.get(key) or NoFactor()
            later = [s for s in with_factor if state.starts_at is not None and s > state.starts_at]
            if state.starts_at is None and without:
                state.starts_at = min(without)
                self._no_factor[key] = state
                results.alerts.append(self._factor_alert(key, state.starts_at, None, tick))
            elif later and state.starts_at is not None:
                results.alerts.append(self._factor_alert(key, state.starts_at, min(later), tick))
                del self._no_factor[key]

    def _factor_alert(self, key: tuple[str, str], starts_at: int, ends_at: int | None, tick: int) -> dict[str, Any]:
        company, carrier = key
        state = "raised" if ends_at is None else "resolved"
        labels = {"company": company, "carrier": carrier}
        zone = self.channels.registry.zone.id
        alert = Alert(zone, "no_factor", labels, "critical", state, starts_at, tick, {"carrier": carrier}, ends_at, company)
        return alert.row()

    def _make_subjects(self) -> list[_Subject]:
        lines, subjects = self.accounts.lines, []
        for entity, company in enumerate(["", *(c.id for c in self.channels.registry.companies)]):
            rules = [(r, RuleState()) for r in self.channels.registry.rules if r.on == ("company" if company else "zone")]
            mine = [i for i, line in enumerate(lines) if line["entity"] == entity and line["entity_kind"] == int(not company)]
            power = self.accounts.carriers.index("electricity")
            judged = [i for i in mine if lines["kind"][i] == (USE if company else INTENSITY) and lines["carrier"][i] == power]
            scopes = [i for i in mine if lines["carrier"][i] == 0 and lines["scope"][i] > 0]
            if rules and judged:
                subjects.append(_Subject(company, judged[0], scopes, rules))
        return subjects

    def _judge(self, first: int, last: int, results: Results) -> None:
        """Judge the windows that are ready at ticks first..last, between which nothing changes."""
        if last < first:
            return
        for subject in self._subjects:
            self._judge_subject(subject, first, last, results)

    def _judge_subject(self, subject: _Subject, first: int, last: int, results: Results) -> None:
        starts = self._pages.starts
        for at in range(bisect_left(starts, max(subject.next_start, subject.unseen)), len(starts)):
            start = starts[at]
            value = self._read(subject.line, start)
            if not value["exists"]:
                continue
            subject.unseen = start
            tick = max(first, subject.tick, self._due(start))
            if value["cov"] != value["expected"]:
                tick = max(tick, self._due(start + self._length))
            if tick > last:
                return
            subject.next_start, subject.tick = start + 1, tick
            self._evaluate(subject, start, tick, results)
        subject.unseen = starts[-1] + 1 if starts else UNSET

    def _look_again_from(self, start: int) -> None:
        """A window may have come to exist."""
        for subject in self._subjects:
            subject.unseen = min(subject.unseen, start)

    def _due(self, start: int) -> int:
        return -(-(start + self._length + self._delay) // self._tick_ms)

    def _read(self, line: int, start: int) -> Any:
        value = records(LINE_VALUE)
        read_line(self._chart, self._books, line, self._pages.slot(start), self._length, value[0])
        return value[0]

    def _evaluate(self, subject: _Subject, start: int, tick: int, results: Results) -> None:
        for rule, state in subject.rules:
            moved = evaluate(rule, state, start, self._indicator(subject, rule.indicator, start), self._length)
            if moved is None:
                continue
            labels = {"company": subject.company} if subject.company else {}
            zone = self.channels.registry.zone.id
            alert = Alert(
                zone, rule.id, labels, rule.severity, moved.state, moved.starts_at, tick, {"indicator": rule.indicator},
                moved.ends_at, subject.company, value=moved.value, expected_low=rule.below, expected_high=rule.above,
            )  # fmt: skip
            results.alerts.append(alert.row())

    def _indicator(self, subject: _Subject, name: str, start: int) -> float | None:
        if name == "g_per_kwh":
            return g_per_kwh(self._read(subject.line, start))
        if name == "co2e_kg":
            found = [self._read(line, start) for line in subject.scope_lines]
            known = [int(v["co2e"]) for v in found if v["has_co2e"]]
            return sum(known) / MICRO if known else None
        use = self._read(self._use_line(subject), start)
        if not use["has_energy"]:
            return None
        over_ms = self._length if name == "power_kw" else MS_PER_HOUR
        return int(use["energy"]) * MS_PER_HOUR / (MICRO * over_ms)

    def _use_line(self, subject: _Subject) -> int:
        if subject.company:
            return subject.line
        lines = self.accounts.lines
        power = self.accounts.carriers.index("electricity")
        zone_use = (lines["entity_kind"] == 1) & (lines["carrier"] == power) & (lines["scope"] == 0) & (lines["kind"] != INTENSITY)
        return int(np.flatnonzero(zone_use)[0])


def g_per_kwh(value: Any) -> float | None:
    """1000 co2e_mg / energy_micro as the float64 nearest the exact ratio; None at 0 or when either is unknown."""
    if not value["has_energy"] or not value["has_co2e"] or value["energy"] == 0:
        return None
    return 1000 * int(value["co2e"]) / int(value["energy"])


__all__ = ["SCOPE", "Ledger", "Results", "g_per_kwh"]
