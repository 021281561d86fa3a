"""Blocks of interval rows of all partitions -> emissions, totals, intensity and alerts of a zone.

Tick k is applied, partitions in order, once every partition has closed it. Rows carry what they said before, so the ledger keeps sums per
(entity, window) and adds differences; repeats (after a restart of a sender) vanish. Everything it returns is a pure function of the rows.

Six clocks, none of them on the wall:

    ingest    a partition's largest Kafka timestamp so far (ms); moves with every record
      | a tick k is closed by the first record at or after k x tick_ms
    tick      closed last by a partition; `through[p]` here: partition p sends no further row of a tick up to it
      | the slowest partition, and zp.commands read so far
    applied   last tick in the sums: min(through); its number is the `revision` of the rows it changes
      | a window [start, start + length) becomes a row at the first tick at or after end + delay
    due       windows that have rows; a late reading revises them, as long as it is accepted
      | lateness: nothing that is accepted can reach the window any more
    settled   end + max(lateness, delay) has passed: contracts' and storages' parts are frozen (`windows.open_from` is behind it)
      | `horizon.reach_ms`: nothing can ask for the window any more
    horizon   behind it the sums are forgotten
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np

from zonepulse.processors.accounting.factor_table import FactorTable
from zonepulse.processors.accounting.plan import SCOPE, compile_accounts
from zonepulse.processors.accounting.posting import EMISSION, SERIES_VALUE, changed_series, post, remember
from zonepulse.processors.accounting.series import SeriesTable
from zonepulse.processors.accounting.window_sums import WindowSums
from zonepulse.processors.bases.bases import BASES
from zonepulse.processors.bases.basis import Given, Posted
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.flow import ROW, UNSET, Rows, new_rows
from zonepulse.processors.ledger.built_in.budget_burn import BudgetBurn
from zonepulse.processors.ledger.built_in.compared import Compared
from zonepulse.processors.ledger.built_in.power_factor import PowerFactor
from zonepulse.processors.ledger.built_in.pv_low import PvLow
from zonepulse.processors.ledger.built_in.sub_above_main import SubAboveMain
from zonepulse.processors.ledger.horizon import OldRows, reach_ms
from zonepulse.processors.ledger.impact import Impact
from zonepulse.processors.ledger.inhibition import Inhibition
from zonepulse.processors.ledger.life_cycle import OPS, LifeCycle
from zonepulse.processors.ledger.periods import PeriodSums
from zonepulse.processors.ledger.rows import Results, RowMaker, g_per_kwh
from zonepulse.processors.ledger.watches import Watches
from zonepulse.processors.metering.interval_rows import versions_of
from zonepulse.schemas.registry.model import FOREVER
from zonepulse.schemas.tables.results import EMISSIONS

COMPARED: Final[tuple[type[Compared], ...]] = (SubAboveMain, PvLow, PowerFactor)
"""Rules that compare channels. A new one is a file in built_in and its place here."""
UNKNOWN: Final = UNSET
"""Version of a waiting row that the registry version in use has no channel version for: it waits for the one that it was made with."""


@dataclass(slots=True)
class NoFactor:
    """State of the alert no_factor of one company and carrier: None while it is not raised."""

    starts_at: int | None = None


@dataclass(slots=True)
class _Made:
    """Rows made since results were last emitted: posting.EMISSION, posting.SERIES_VALUE and periods.PERIOD_SUM."""

    emissions: list[Rows] = field(default_factory=list)
    series: list[Rows] = field(default_factory=list)
    periods: list[Rows] = field(default_factory=list)


class Ledger:
    """The zone's sums. `offer` blocks in any order of partitions, `advance` applies every tick that all partitions have closed."""

    def __init__(self, channels: Channels) -> None:
        zone = channels.registry.zone
        self._length, self._tick_ms, self._delay = zone.window_ms, zone.tick_ms, zone.delay_ms
        self._settling = zone.window_ms + max(zone.lateness_ms, zone.delay_ms)
        self.through = np.full(channels.partitions, UNSET, np.int64)
        self.applied = UNSET
        self.final_start: int = FOREVER
        """Start of the last window of a finished file: behind it there are no rows."""
        self.floor: int = UNSET
        """Horizons do not go back behind it: that of the tick at which the registry version in use came."""
        self.old_rows = OldRows(zone.id, zone.tick_ms)
        self.progress: Callable[[], object] = lambda: None
        """Called after each piece of a long piece of work."""
        self.waiting: list[list[Rows]] = [[] for _ in range(channels.partitions)]
        """By partition; `version` as the registry version in use has it."""
        self.is_waiting_touched = True
        """Whether other rows wait than in the last snapshot."""
        self.alerts_frozen: int | None = None
        """Checksum of what the last snapshot has of rules and alerts."""
        self.candidates: list[tuple[int, int, dict[str, Any]]] = []
        """Alerts that intervals tasks propose: tick, partition and row, in the order they came."""
        self.no_factor: dict[tuple[str, ...], NoFactor] = {}
        self.inhibition, self.life = Inhibition(channels), LifeCycle(zone.tick_ms)
        self._made = _Made()
        self.announced: dict[int, dict[int, int]] = {}
        self.versions: dict[int, Channels] = {channels.registry.version: channels}
        """In force: the version in use and those announced."""
        self._compile(channels)

    def _compile(self, channels: Channels) -> None:
        """The plan and empty sums of a registry version."""
        self.channels, self.plan = channels, compile_accounts(channels)
        series = SeriesTable(self.plan)
        table = FactorTable(channels.registry)
        self.bases = tuple(basis(Given(channels, self.plan, series, table)) for basis in BASES)
        series.close()
        storages = [storage for basis in self.bases for storage in basis.storages]
        self.windows = WindowSums(self.plan, series.first, storages, self._length)
        self._periods = PeriodSums(channels.clock, self.plan, self.windows, self._tick_ms, self._delay)
        self._rows = RowMaker(channels, self.plan, self.bases)
        self._entries = self._entry_rows()
        self.impact = Impact(channels.registry, table)
        self.watches = Watches(channels, self.plan, self.impact)
        self.budgets = BudgetBurn(channels, self.plan)
        self.compared: tuple[Compared, ...] = tuple(rule(channels, self.impact) for rule in COMPARED)

    # --- input ----------------------------------------------------------------------------------------------------------------

    @property
    def waiting_rows(self) -> int:
        """Rows and proposed alerts that wait for partitions that are slower than their own."""
        return len(self.candidates) + sum(len(rows) for waiting in self.waiting for rows in waiting)

    def waits_for(self, partition: int) -> bool:
        """Whether no partition is slower: without more of this one nothing that waits can be applied."""
        return bool(self.through[partition] <= self.through.min())

    def announce(self, partition: int, channels: Channels) -> None:
        """A partition's rows are made with this registry version from here on; the ledger follows when all partitions have it."""
        version = channels.registry.version
        if version > self.channels.registry.version:
            self.versions[version] = channels
            self.announced.setdefault(version, {}).setdefault(partition, int(self.through[partition]))

    def offer(self, partition: int, rows: Rows, through: int | None, channels: Channels | None = None) -> int:
        """Rows of one partition (sorted by revision) and the last tick it has closed (None: more rows of this fetch follow); how many
        of them belong to ticks that are applied, and vanish. `channels`: what they were made with, if not what is in use."""
        fresh = rows[rows["revision"] > self.applied]
        if channels is not None and channels is not self.channels:
            fresh = self._mapped(fresh)
        if len(fresh):
            self.waiting[partition].append(fresh)
            self.is_waiting_touched = True
        if through is not None:
            self.through[partition] = max(int(self.through[partition]), through)
        return len(rows) - len(fresh)

    def offer_alerts(self, partition: int, rows: list[dict[str, Any]]) -> None:
        """Transitions of a partition's meters, each written with the tick that is its revision; a negative partition has no ticks: at
        once."""
        known = self.applied if partition >= 0 else UNSET
        self.candidates += [(r["revision"] if partition >= 0 else UNSET + 1, partition, r) for r in rows if r["revision"] > known]

    def advance(self) -> Results:
        """Apply every tick that all partitions have closed, each under the registry version that all of them had.

        A version is in use behind the last tick that some partition closed without it, wherever batches are cut."""
        results = Results()
        for version, ticks in sorted(self.announced.items()):
            if len(ticks) == len(self.through) and version > self.channels.registry.version:
                if (last := max(ticks.values())) > self.through.min():
                    break
                self._advance_to(last, results)
                self._emit(results)
                self._use(self.versions[version])
        self._advance_to(int(self.through.min()), results)
        self._emit(results)
        self.windows.pack()
        return results

    def _say(self, results: Results) -> None:
        """What comes of the alerts that were proposed since the last call, by the registry version in use."""
        proposed, results.proposed = [*map(self.impact.of_channel, self._take_alerts()), *results.proposed], []
        of_pipeline = [row for row in proposed if row["rule"].startswith(OPS)]
        let_by = self.inhibition.pass_to(self.applied, [row for row in proposed if not row["rule"].startswith(OPS)])
        results.alerts += self.life.pass_to(self.applied, of_pipeline + let_by, self._place_of)

    def _place_of(self, meter: str) -> Mapping[str, str]:
        """Site and gateway of a meter, by its last version."""
        found = [one for one in self.channels.registry.meters if one.id == meter][-1:] if meter else []
        return {"site": found[0].site, "gateway": found[0].gateway} if found else {}

    def horizon(self, tick: int) -> int:
        """Start of the earliest window that rows of this tick may change: by the longest reach of the registry versions in force then,
        but never before what an earlier tick gave up."""
        floor, reach = self.floor, reach_ms(self.channels.registry.zone)
        for at, version in sorted((min(ticks.values()), version) for version, ticks in self.announced.items()):
            if at < tick:
                floor = max(floor, at * self._tick_ms - reach)
                reach = max(reach, reach_ms(self.versions[version].registry.zone))
        return max(floor, tick * self._tick_ms - reach)

    def _take_alerts(self) -> list[dict[str, Any]]:
        """The proposed alerts of applied ticks, by tick and partition, repeats removed."""
        ready = [c for c in self.candidates if c[0] <= self.applied or c[1] < 0]
        if not ready:
            return []
        self.candidates = [c for c in self.candidates if c[0] > self.applied and c[1] >= 0]
        ready.sort(key=lambda c: c[:2])
        once = {(tick, p, row["fingerprint"], row["starts_at"], row["state"], row["revision"]): row for tick, p, row in ready}
        return list(once.values())

    def _use(self, channels: Channels) -> None:
        """Go on under another registry version: sums move to the accumulators of the same name, rules keep their state."""
        windows, plan, held, watches, budgets = self.windows, self.plan, self.held(), self.watches, self.budgets
        compared = self.compared
        self.floor = self.horizon(self.applied)
        version = channels.registry.version
        self.versions = {n: c for n, c in self.versions.items() if n >= version}
        self.announced = {n: ticks for n, ticks in self.announced.items() if n > version}
        self._compile(channels)
        self.waiting, self.is_waiting_touched = [self._known_now(waiting) for waiting in self.waiting], True
        self.windows.adopt(windows, plan, self.plan, self.progress)
        self.resume(held)
        self.watches.resume(watches.held())
        self.budgets.resume(budgets.held())
        for now, before in zip(self.compared, compared, strict=True):
            now.resume(before.held())
        given_up = [*watches.given_up(self.watches, self.applied), *self.inhibition.use(channels, self.applied)]
        given_up += budgets.given_up(self.budgets, self.applied)
        for now, before in zip(self.compared, compared, strict=True):
            given_up += before.given_up(now.names, self.applied)
        self.candidates += [(row["revision"], 0, row) for row in given_up]

    def held(self) -> dict[str, Any]:
        """What the bases hold, by name."""
        return {basis.name: basis.held() for basis in self.bases}

    def resume(self, held: Mapping[str, Any]) -> None:
        """Go on from what the bases held."""
        for basis in self.bases:
            if basis.name in held:
                basis.resume(held[basis.name])

    def _advance_to(self, last: int, results: Results) -> None:
        if last == UNSET or last <= self.applied:
            return
        rows = self._in_reach(self._take(last), last, results)
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
            self.progress()
        self._judge(first, last, results)
        self.applied = last

    def _take(self, last: int) -> Rows:
        """The waiting rows of ticks <= last, ordered by (tick, partition, channel, start), repeats removed."""
        chosen, order = [], []
        for partition, waiting in enumerate(self.waiting):
            if not waiting:
                continue
            rows = np.concatenate(waiting)
            ready = (rows["revision"] <= last) & (rows["version"] != UNKNOWN)
            self.waiting[partition] = [rows[~ready]] if not ready.all() else []
            self.is_waiting_touched |= bool(ready.any())
            chosen.append(rows[ready])
            order.append(np.full(int(ready.sum()), partition))
        if not chosen:
            return new_rows(ROW, 0)
        rows, partitions = np.concatenate(chosen), np.concatenate(order)
        rank = np.lexsort((rows["start"], rows["channel"], partitions, rows["revision"]))
        rows = rows[rank]
        again = np.zeros(len(rows), bool)
        again[1:] = (np.diff(rows["revision"]) == 0) & (np.diff(rows["channel"]) == 0) & (np.diff(rows["start"]) == 0)
        return rows[~again].view(np.recarray)

    def _mapped(self, rows: Rows) -> Rows:
        """Rows with the channel versions of the registry version in use; UNKNOWN where only one that is announced can have any."""
        rows = rows.copy().view(np.recarray)
        known = np.flatnonzero(rows["channel"] < len(self.channels.names))
        rows["version"] = UNKNOWN
        found = versions_of(rows["channel"][known], rows["start"][known], self.channels)
        first = self.channels.first[rows["channel"][known]]
        rows["version"][known] = np.where(found >= first, found, UNKNOWN if self.announced else first)
        return rows

    def _known_now(self, waiting: list[Rows]) -> list[Rows]:
        """What waits for one partition under a version that is new in use. Rows of applied ticks had to wait for it: they count from the
        first tick that it is in use, several of one window as one step."""
        if not waiting:
            return []
        rows = self._mapped(np.concatenate(waiting))
        next_tick = self.applied + 1
        if not (rows["revision"] < next_tick).any():
            return [rows]
        rows = rows[np.lexsort((rows["revision"], rows["start"], rows["channel"], rows["revision"] > next_tick))]
        n = int((rows["revision"] <= next_tick).sum())
        early = rows[:n]
        is_first = np.ones(n, bool)
        is_first[1:] = (np.diff(early["channel"]) != 0) | (np.diff(early["start"]) != 0)
        first = np.flatnonzero(is_first)
        steps = early[np.append(first[1:], n) - 1]
        for name in ("was_val", "was_est", "was_cov"):
            steps[name] = early[name][first]
        steps["revision"] = next_tick
        return [steps.view(np.recarray), rows[n:].view(np.recarray)]

    def _in_reach(self, rows: Rows, last: int, results: Results) -> Rows:
        """The rows whose windows are not behind the horizon of their tick, and the entries that are due by `last`."""
        ticks, of_row = np.unique(rows["revision"], return_inverse=True)
        horizons = np.array([self.horizon(tick) for tick in ticks.tolist()], np.int64)
        is_old = rows["start"] < horizons[of_row] if len(rows) else np.zeros(0, bool)
        old = rows[is_old]
        results.too_old += len(old)
        _, first, counts = np.unique(old["revision"], return_index=True, return_counts=True)
        for row, n in zip(old[first], counts.tolist(), strict=True):
            names = {name: self._rows.label(name, int(row["version"])) for name in ("meter", "register")}
            results.proposed += self.old_rows.refuse(int(row["revision"]), {**names, "start": int(row["start"]), "rows": n})
        results.proposed += self.old_rows.pass_to(last)
        return self._with_entries(rows[~is_old].view(np.recarray), last)

    # --- manual entries -------------------------------------------------------------------------------------------------------

    def _entry_rows(self) -> Rows:
        """Rows of the registry's manual entries, each at the tick at which its window is first due."""
        entries, rows = self.channels.registry.entries, new_rows(ROW, len(self.channels.registry.entries))
        for i, entry in enumerate(entries):
            start = entry.at_ms // self._length * self._length
            rows[i].version, rows[i].start, rows[i].revision = len(self.channels.versions) + i, start, self._due(start)
            rows[i].val, rows[i].cov = entry.value_micro, self._length
        return rows

    def _with_entries(self, rows: Rows, last: int) -> Rows:
        """`rows` and, before those of the same tick, the entries that are due by `last`."""
        mine = self._entries
        due = mine[(mine["revision"] <= last) & (mine["revision"] > self.applied) & (mine["start"] <= self.final_start)]
        if not len(due):
            return rows
        both = np.concatenate([due, rows])
        return both[np.argsort(both["revision"], kind="stable")].view(np.recarray)

    # --- posting --------------------------------------------------------------------------------------------------------------

    def _apply(self, rows: Rows, tick: int, results: Results) -> None:
        windows = self.windows
        self._settle(tick)
        windows.forget(self._periods.day_begin(self.horizon(tick)))
        rows = self._bounded(rows, tick, results)
        if not len(rows):
            return
        starts = np.ascontiguousarray(rows["start"])
        slots = windows.pages.slots(starts)
        self._look_again_from(int(starts.min()))
        series = windows.base_series
        before = new_rows(SERIES_VALUE, min(3 * len(rows) * series, series * len(np.unique(slots))) + 1)
        n = remember(windows.plan, windows.sums, rows, slots, tick, before, self._length)
        emissions = new_rows(EMISSION, len(rows))
        emissions = emissions[: post(windows.plan, windows.sums, rows, slots, emissions)]
        self.watches.take(rows, emissions)
        for one in self.compared:
            one.take(rows)
        emissions = emissions[emissions["changed"] == 1]
        after = new_rows(SERIES_VALUE, n + 1)
        after = after[: changed_series(windows.plan, windows.sums, before, n, after, self._length, tick)]
        self._made.series.append(after)
        self._made.emissions.append(emissions)
        posted = Posted(rows, slots, after, tick)
        said = {basis.name: basis.update(posted, windows) for basis in self.bases}
        self._made.series += (by_bases := windows.take_made())
        self._made.periods += self._periods.again([after, *by_bases], tick)
        self._judge_factors(emissions, {name: one.bought for name, one in said.items()}, tick, results)
        results.proposed += [alert for one in said.values() for alert in one.alerts]

    def _bounded(self, rows: Rows, tick: int, results: Results) -> Rows:
        """Rows above the bound that proves the zone's sums are not booked, as if they were missing; `ops_sum_refused` names them. One that
        was refused before and has nothing now either says nothing new."""
        most = self.plan.postings["most"][rows["version"]]
        refused, was_refused = rows["val"] > most, rows["was_val"] > most
        if not (refused.any() or was_refused.any()):
            return rows
        kept = rows.copy()
        for name in ("val", "est", "cov"):
            kept[name][refused] = 0
            kept[f"was_{name}"][was_refused] = 0
        for row, limit in zip(rows[refused], most[refused], strict=True):
            meter, register = (self._rows.label(name, int(row["version"])) for name in ("meter", "register"))
            labels = {"meter": meter, "register": register}
            evidence = {"energy_micro": int(row["val"]), "limit_micro": int(limit), **labels}
            zone, start = self.channels.registry.zone.id, int(row["start"])
            results.proposed.append(
                Alert(zone, "ops_sum_refused", labels, "critical", "raised", start, tick, evidence, meter=meter).row()
            )
        return kept[~was_refused | (kept["cov"] > 0)].view(np.recarray)

    def _settle(self, tick: int) -> None:
        """Windows settle whose last regular tick, at end + lateness (or delay, if longer), lies before this one."""
        open_from = (((tick - 1) * self._tick_ms - self._settling) // self._length + 1) * self._length
        for start in self.windows.settle_until(open_from):
            for basis in self.bases:
                basis.settle(self.windows.pages.slot(start), self.windows)

    def _emit(self, results: Results) -> None:
        """Everything that was made since the last call, as batches."""
        self._say(results)
        made, self._made = self._made, _Made()
        if made.emissions:
            results.add(EMISSIONS.name, self._rows.emissions(np.concatenate(made.emissions).view(np.recarray)))
        if made.series:
            values = np.concatenate(made.series).view(np.recarray)
            self._rows.series(values, results)
        if made.periods:
            self._rows.periods(np.concatenate(made.periods).view(np.recarray), results)

    # --- alerts ---------------------------------------------------------------------------------------------------------------

    def _judge_factors(
        self, emissions: Rows, bought: Mapping[str, Sequence[tuple[str, int, bool]]], tick: int, results: Results
    ) -> None:
        """no_factor: energy without a factor, once per company and carrier, and once for each other basis."""
        all_have = all(has for rows in bought.values() for *_, has in rows)
        if not self.no_factor and not (emissions["factor"] == 0).any() and all_have:
            return
        seen: dict[tuple[str, ...], tuple[list[int], list[int]]] = {}
        for version, start, cov, factor in zip(*(emissions[name] for name in ("version", "start", "cov", "factor")), strict=True):
            key = (self._rows.label("company", version), self._rows.label("carrier", version))
            without, with_factor = seen.setdefault(key, ([], []))
            if factor == 0 and cov > 0:
                without.append(int(start))
            elif factor != 0:
                with_factor.append(int(start))
        for basis, rows in bought.items():
            for company, start, has_factor in rows:
                seen.setdefault((company, "electricity", basis), ([], []))[has_factor].append(start)
        for name, (without, with_factor) in sorted(seen.items()):
            state = self.no_factor.get(name) or NoFactor()
            later = [s for s in with_factor if state.starts_at is not None and s > state.starts_at]
            if state.starts_at is None and without:
                state.starts_at = min(without)
                self.no_factor[name] = state
                results.proposed.append(self._factor_alert(name, state.starts_at, None, tick))
            elif later and state.starts_at is not None:
                results.proposed.append(self._factor_alert(name, state.starts_at, min(later), tick))
                del self.no_factor[name]

    def _factor_alert(self, key: tuple[str, ...], starts_at: int, ends_at: int | None, tick: int) -> dict[str, Any]:
        state = "raised" if ends_at is None else "resolved"
        labels = dict(zip(("company", "carrier", "basis"), key, strict=False))
        evidence = {name: text for name, text in labels.items() if name != "company"}
        zone = self.channels.registry.zone.id
        return Alert(zone, "no_factor", labels, "critical", state, starts_at, tick, evidence, ends_at, labels["company"]).row()

    def _judge(self, first: int, last: int, results: Results) -> None:
        """Sum the periods and judge the windows that are ready at ticks first..last, between which nothing changes."""
        if last < first:
            return
        due = self._periods.due(first, last)
        self._made.periods += due
        results.alerts += self.budgets.take(due)
        results.proposed += self.watches.judge(first, last, self._due, self.windows)
        for one in self.compared:
            results.proposed += one.judge(first, last, self._due, self.windows)
        for basis in self.bases:
            results.proposed += basis.judge(first, last, self._due, self.windows)

    def _look_again_from(self, start: int) -> None:
        """A window may have come to exist."""
        for basis in self.bases:
            basis.look_again_from(start)
        self.watches.look_again_from(start)

    def _due(self, start: int) -> int:
        return -(-(start + self._length + self._delay) // self._tick_ms)


__all__ = ["SCOPE", "Ledger", "NoFactor", "Results", "g_per_kwh"]
