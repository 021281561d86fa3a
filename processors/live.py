"""The live view: power, mix and intensity from the newest segments. Provisional by nature: floats, no revisions, outside replay.

Partitions send power per accumulator (accounting/plan.py: entity, carrier, flow), `LiveView` adds them up into rows of table `live`.
"""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from zonepulse.processors.accounting.factor_table import FactorTable
from zonepulse.processors.accounting.plan import USE_SIGN, AggregationPlan, compile_accounts
from zonepulse.processors.channels.table import CUMULATIVE, INTERVAL, MARGIN_MS_PER_HOUR, Channels
from zonepulse.processors.channels.versions import version_of
from zonepulse.processors.kernel import kernel
from zonepulse.processors.metering.interval_rows import constant, table_batch, times, versions_of
from zonepulse.processors.metering.partition import Partition
from zonepulse.processors.metering.registers import energy_micro, energy_within
from zonepulse.processors.metering.state import GONE, IMPOSSIBLE
from zonepulse.schemas.carriers import ELECTRICITY, scope_of
from zonepulse.schemas.tables.results import LIVE

MS_PER_HOUR = 3_600_000
STALE_PERIODS: Final = 2
PARTIAL: Final = pa.schema(
    [
        pa.field("entity", pa.string(), False),
        pa.field("carrier", pa.string(), False),
        pa.field("flow", pa.string(), False),
        pa.field("power", pa.float64(), False),
        pa.field("reporting", pa.int64(), False),
        pa.field("expected", pa.int64(), False),
    ]
)
"""Power of an accumulator's reporting channels in base units per hour."""


@kernel
def segment_power(t0: int, e0: int, t1: int, e1: int, version: Any) -> float:
    """Mean power between two readings of a register, in base units per hour; NaN when it is not plausible."""
    advance = e1 - e0
    if advance < 0 and version.modulus >= 0:
        advance += version.modulus
    if t1 <= t0 or advance < 0:
        return np.nan
    if version.power >= 0 and advance > energy_within(version.power, max(t1 - t0, version.period), MARGIN_MS_PER_HOUR):
        return np.nan
    return advance * (MS_PER_HOUR / 1e6) / (t1 - t0)


@kernel
def power_of(state: Any, facts: Any, place: int, channel: int, now: int) -> float:
    """Newest power of a channel in base units per hour; NaN when it has none or was silent for 2 periods."""
    versions = facts.versions[facts.first[channel] : facts.first[channel] + facts.count[channel]]
    ch, head = state.channels[place], state.heads[place]
    last, before = -1, -1
    for i in range(ch.past, ch.held):
        if not state.pool[ch.ring + i].meta & (GONE | IMPOSSIBLE):
            last, before = ch.ring + i, last
    ts = head.ts if last < 0 else state.pool[last].ts
    v = version_of(versions, ts)
    if v < 0 or (last < 0 and head.kind != CUMULATIVE) or now - ts > STALE_PERIODS * versions[v].period:
        return np.nan
    if last < 0:
        return head.seg_adv * (MS_PER_HOUR / 1e6) / head.seg_ms if head.seg_ms > 0 else np.nan
    e = energy_micro(state.pool[last].reg, versions[v])
    if versions[v].kind == INTERVAL:
        return e * (MS_PER_HOUR / 1e6) / versions[v].period
    if versions[v].kind != CUMULATIVE:
        return e / 1e6
    if before >= 0:
        return segment_power(state.pool[before].ts, energy_micro(state.pool[before].reg, versions[v]), ts, e, versions[v])
    return segment_power(head.ts, head.e, ts, e, versions[v]) if head.kind == CUMULATIVE else np.nan


@kernel
def powers(state: Any, facts: Any, globals_: Any, now: int, out: Any) -> None:
    """`power_of` every channel of a partition; out has shape (channels,)."""
    for place in range(len(globals_)):
        out[place] = power_of(state, facts, place, globals_[place], now)


class PartialSums:
    """Sums of one partition's channels per accumulator, for one registry version."""

    def __init__(self, channels: Channels) -> None:
        self.channels = channels
        self.plan: AggregationPlan = compile_accounts(channels)

    def batch(self, partition: Partition) -> pa.RecordBatch:
        """The partial block of a partition at its own ingest time (schema PARTIAL)."""
        now = partition.ingest
        power = np.full(len(partition.globals), np.nan)
        powers(partition.state, partition.facts, partition.globals, now, power)
        versions = versions_of(partition.globals, np.full(len(power), now), self.channels)
        valid = self.channels.versions["valid_to"][versions] > now
        accumulators = len(self.plan.accumulators)
        total, reporting, expected = np.zeros(accumulators), np.zeros(accumulators, np.int64), np.zeros(accumulators, np.int64)
        known = ~np.isnan(power)
        for field in ("company_accumulator", "zone_accumulator"):
            accumulator = self.plan.postings[field][versions]
            counts = valid & (accumulator >= 0)
            np.add.at(expected, accumulator[counts], 1)
            np.add.at(reporting, accumulator[counts & known], 1)
            np.add.at(total, accumulator[counts & known], power[counts & known])
        used = np.flatnonzero(expected)
        names = [self.plan.accumulators[i] for i in used]
        columns = [pa.array([name[k] for name in names], pa.string()) for k in range(3)]
        return pa.RecordBatch.from_arrays(
            [*columns, pa.array(total[used]), pa.array(reporting[used]), pa.array(expected[used])], schema=PARTIAL
        )


class LiveView:
    """Adds the newest partial block of every partition up to rows of table `live`."""

    def __init__(self, channels: Channels) -> None:
        self._newest: dict[int, tuple[int, dict[tuple[str, str, str], tuple[float, int, int]]]] = {}
        self._read_by(channels)

    def use(self, channels: Channels) -> None:
        """Go on under a later registry version; sums that partitions make under one before it are read by this one."""
        if channels.registry.version > self.channels.registry.version:
            self._read_by(channels)

    def _read_by(self, channels: Channels) -> None:
        self.channels = channels
        self._factors = FactorTable(channels.registry)
        self._base = {r.carrier: r.base_unit for m in channels.registry.meters for r in m.registers}

    def offer(self, partition: int, at_ms: int, batch: pa.RecordBatch) -> None:
        """The newest sums of one partition."""
        rows = batch.to_pylist()
        accumulators = {(r["entity"], r["carrier"], r["flow"]): (r["power"], r["reporting"], r["expected"]) for r in rows}
        self._newest[partition] = (at_ms, accumulators)

    @property
    def is_silent(self) -> bool:
        """Whether meters are expected and none of them reports."""
        sums = [s for _, accumulators in self._newest.values() for s in accumulators.values()]
        return bool(sums) and any(s[2] for s in sums) and not any(s[1] for s in sums)

    def rows(self) -> pa.RecordBatch | None:
        """Zone and companies now; None before the first block."""
        if not self._newest:
            return None
        at = max(at for at, _ in self._newest.values())
        accumulators: dict[str, dict[tuple[str, str], tuple[float, int, int]]] = {}
        for _, found in self._newest.values():
            for (entity, *name), (power, reporting, expected) in found.items():
                mine = accumulators.setdefault(entity, {})
                p, r, e = mine.get((name[0], name[1]), (0.0, 0, 0))
                mine[name[0], name[1]] = (p + power, r + reporting, e + expected)
        entities = ["zone", *(f"company:{c.id}" for c in self.channels.registry.companies)]
        rows = [self._row(entity, at, accumulators.get(entity, {})) for entity in entities]
        return self._batch([r for r in rows if r["expected"]], at)

    def _row(self, entity: str, at: int, mine: dict[tuple[str, str], tuple[float, int, int]]) -> dict[str, Any]:
        power = {flow: s for (carrier, flow), s in mine.items() if carrier == "electricity"}
        reports = any(r for _, r, _ in power.values())
        kind, _, name = entity.partition(":")
        drawn = self._drawn(power)
        made = sum(power[f][0] for f in ("generation",) if f in power)
        kg_per_h, electric_kg = self._emissions(name, at, mine, drawn)
        return {
            "kind": kind, "entity": name or self.channels.registry.zone.id,
            "power_kw": self._use(power, drawn) if reports else None,
            "g_per_kwh": 1000 * electric_kg / (drawn + made) if reports and electric_kg is not None and drawn + made > 0 else None,
            "co2e_kg_per_h": kg_per_h, "reporting": sum(r for _, r, _ in mine.values()), "expected": sum(e for _, _, e in mine.values()),
        }  # fmt: skip

    @staticmethod
    def _drawn(power: dict[str, tuple[float, int, int]]) -> float:
        if "boundary_import" in power:
            return power["boundary_import"][0]
        net = power.get("import", (0.0, 0, 0))[0] - power.get("export", (0.0, 0, 0))[0]
        return max(0.0, net)

    @staticmethod
    def _use(power: dict[str, tuple[float, int, int]], drawn: float) -> float:
        if "boundary_import" in power:
            rest = {f: s for f, s in power.items() if f in ("generation", "charge", "discharge")}
            exported = power.get("boundary_export", (0.0, 0, 0))[0]
            return drawn - exported + sum(USE_SIGN[f] * s[0] for f, s in rest.items())
        return sum(USE_SIGN[f] * s[0] for f, s in power.items() if f in USE_SIGN)

    def _emissions(
        self, company: str, at: int, mine: dict[tuple[str, str], tuple[float, int, int]], drawn: float
    ) -> tuple[float | None, float | None]:
        """(kg CO2e per hour of everything, of electricity drawn); None where nothing is known."""
        total, electric = None, None
        for (carrier, flow), (power, reporting, _) in mine.items():
            is_drawn = carrier == ELECTRICITY and flow in ("import", "boundary_import")
            if not reporting or not scope_of(carrier) or not (is_drawn or flow == "consumption"):
                continue
            found = self._factors.location(carrier, company, self._base.get(carrier, "kWh"), at)
            if found is None:
                continue
            kg = found.factor_mg / 1e6 * ((power if company else drawn) if is_drawn else power)
            electric = kg if is_drawn else electric
            total = (total or 0.0) + kg
        return total, electric

    def _batch(self, rows: list[dict[str, Any]], at: int) -> pa.RecordBatch:
        n = len(rows)
        columns: dict[str, Any] = {
            "zone": constant(self.channels.registry.zone.id, n),
            "entity_kind": pa.array([r["kind"] for r in rows], pa.string()).dictionary_encode(),
            "entity": pa.array([r["entity"] for r in rows], pa.string()).dictionary_encode(),
            "at": times(np.full(n, at)),
            "reporting": pa.array([r["reporting"] for r in rows], pa.uint32()),
            "expected": pa.array([r["expected"] for r in rows], pa.uint32()),
        }
        for name in ("power_kw", "g_per_kwh", "co2e_kg_per_h"):
            columns[name] = pa.array([r[name] for r in rows], pa.float64())
        return table_batch(LIVE, columns)
