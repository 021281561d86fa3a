"""What the ledger made, as Arrow batches of the result tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zonepulse.processors.accounting.plan import INTENSITY, AggregationPlan
from zonepulse.processors.accounting.series import MARKET_EMISSION, MARKET_INTENSITY, NODE_INTENSITY
from zonepulse.processors.bases.basis import Basis
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.flow import Rows
from zonepulse.processors.metering.interval_rows import alert_batch, coded, constant, table_batch, times
from zonepulse.schemas.tables.results import (
    ALERT_EVENTS,
    ALERTS,
    EMISSIONS,
    PERIOD_INTENSITY,
    PERIOD_TOTALS,
    PERIODS,
    TOTALS,
    Table,
)
from zonepulse.schemas.tables.results import INTENSITY as INTENSITY_TABLE


@dataclass(slots=True)
class Results:
    """Rows that one advance made: batches by table name (only tables with rows) and alert rows as dicts."""

    batches: dict[str, list[pa.RecordBatch]] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    proposed: list[dict[str, Any]] = field(default_factory=list)
    """What the ledger's rules say, before any of it is an alert."""
    too_old: int = 0
    """Interval rows of windows behind the horizon, which were not applied."""

    def add(self, name: str, batch: pa.RecordBatch) -> None:
        """Keep a batch that has rows."""
        if batch.num_rows:
            self.batches.setdefault(name, []).append(batch)

    def tables(self, zone: str) -> dict[str, pa.Table]:
        """One table a name, alerts and their events included."""
        out = {name: pa.Table.from_batches(found).unify_dictionaries() for name, found in self.batches.items()}
        if self.alerts:
            out[ALERTS.name] = out[ALERT_EVENTS.name] = pa.Table.from_batches([alert_batch(self.alerts, zone)])
        return out


class RowMaker:
    """Makes the batches under one registry version."""

    def __init__(self, channels: Channels, plan: AggregationPlan, bases: Sequence[Basis]) -> None:
        self._channels, self._plan, self._bases = channels, plan, {basis.name: basis for basis in bases}
        self._zone, self._length_s = channels.registry.zone.id, channels.registry.zone.window_ms // 1000
        entries = channels.registry.entries
        self._labels = {
            "company": _with(channels, "company", [e.company for e in entries]),
            "carrier": _with(channels, "carrier", [e.carrier for e in entries]),
            "meter": _with(channels, "meter", ["" for _ in entries]),
            "register": _with(channels, "register", [e.id for e in entries]),
        }

    def label(self, name: str, version: int) -> str:
        """A label of a channel version or, behind those, of a manual entry."""
        codes, texts = self._labels[name]
        return str(texts[int(codes[version])])

    def emissions(self, made: Rows) -> pa.RecordBatch:
        """Of channels and entries, posting.EMISSION."""
        n, missing = len(made), made["cov"] == 0
        versions = np.ascontiguousarray(made["version"])
        labels = {name: coded(self._labels[name][0][versions], self._labels[name][1]) for name in ("company", "meter", "register")}
        return self._emissions_batch(
            labels
            | {
                "start": times(np.ascontiguousarray(made["start"])),
                "scope": pa.array(made["scope"].astype(np.int32)),
                "basis": constant("location", n),
                "energy_micro": pa.array(np.ascontiguousarray(made["val"]), mask=missing),
                "co2e_mg": pa.array(np.ascontiguousarray(made["co2e"]), mask=made["has_co2e"] == 0),
                "estimated_micro": pa.array(np.where(missing, 0, made["est"])),
                "factor_id": coded(np.ascontiguousarray(made["factor"]), pa.array(self._plan.factor_ids, pa.string())),
                "rung": coded(np.ascontiguousarray(made["rung"]), pa.array(self._plan.rungs, pa.string())),
                "revision": pa.array(np.ascontiguousarray(made["tick"])),
            }
        )

    def series(self, values: Rows, results: Results) -> None:
        """Of series, posting.SERIES_VALUE."""
        series = self._plan.series[values["series"]]
        kind = series["kind"]
        is_intensity = np.isin(kind, (INTENSITY, MARKET_INTENSITY, NODE_INTENSITY))
        is_emission = kind == MARKET_EMISSION
        is_total = ~is_intensity & ~is_emission
        results.add(TOTALS.name, self._totals(values[is_total], series[is_total]))
        results.add(INTENSITY_TABLE.name, self._intensity(values[is_intensity], series[is_intensity]))
        results.add(EMISSIONS.name, self._bought(values[is_emission], series[is_emission]))

    def periods(self, sums: Rows, results: Results) -> None:
        """Of periods, periods.PERIOD_SUM."""
        series = self._plan.series[sums["series"]]
        is_intensity = np.isin(series["kind"], (INTENSITY, MARKET_INTENSITY, NODE_INTENSITY))
        results.add(PERIOD_TOTALS.name, self._period_batch(PERIOD_TOTALS, sums[~is_intensity], series[~is_intensity]))
        results.add(PERIOD_INTENSITY.name, self._period_batch(PERIOD_INTENSITY, sums[is_intensity], series[is_intensity]))

    def _period_batch(self, table: Table, sums: Rows, series: Rows) -> pa.RecordBatch:
        columns = self._values(sums) | {
            "period": coded(np.ascontiguousarray(sums["period"]), pa.array(PERIODS, pa.string())),
            "local_start": times(np.ascontiguousarray(sums["local_start"])),
            "length_s": pa.array(((sums["end"] - sums["start"]) // 1000).astype(np.int32)),
            "estimated_micro": pa.array(np.ascontiguousarray(sums["est"])),
            "valued_micro": pa.array(np.ascontiguousarray(sums["valued"])),
        }
        named = self._of_totals(series) if table is PERIOD_TOTALS else self._of_intensity(series)
        return table_batch(table, columns | named)

    def _of_totals(self, series: Rows) -> dict[str, Any]:
        return {
            "entity_kind": self._texts(series, "entity_kind", self._plan.entity_kinds),
            "entity": self._texts(series, "entity", self._plan.entities),
            "carrier": self._texts(series, "carrier", self._plan.carriers),
            "scope": pa.array(series["scope"].astype(np.int32)),
            "basis": self._texts(series, "basis", self._plan.bases),
        }

    def _of_intensity(self, series: Rows) -> dict[str, Any]:
        nodes = [self._plan.entities[one["entity"]] if one["kind"] == NODE_INTENSITY else "" for one in series]
        return {"node": pa.array(nodes, pa.string()).dictionary_encode(), "basis": self._texts(series, "basis", self._plan.bases)}

    def _values(self, values: Rows) -> dict[str, Any]:
        return {
            "zone": constant(self._zone, len(values)),
            "start": times(np.ascontiguousarray(values["start"])),
            "length_s": pa.array(np.full(len(values), self._length_s, np.int32)),
            "energy_micro": pa.array(np.ascontiguousarray(values["energy"]), mask=values["has_energy"] == 0),
            "co2e_mg": pa.array(np.ascontiguousarray(values["co2e"]), mask=values["has_co2e"] == 0),
            "covered_ms": pa.array(np.ascontiguousarray(values["cov"])),
            "expected_ms": pa.array(np.ascontiguousarray(values["expected"])),
            "revision": pa.array(np.ascontiguousarray(values["tick"])),
        }

    def _texts(self, series: Rows, name: str, known: list[str] | tuple[str, ...]) -> pa.Array:
        return coded(np.ascontiguousarray(series[name]), pa.array(known, pa.string()))

    def _totals(self, values: Rows, series: Rows) -> pa.RecordBatch:
        columns = self._values(values) | {"estimated_micro": pa.array(np.ascontiguousarray(values["est"]))}
        return table_batch(TOTALS, columns | self._of_totals(series))

    def _intensity(self, values: Rows, series: Rows) -> pa.RecordBatch:
        columns = self._values(values) | {
            "g_per_kwh": pa.array([g_per_kwh(v) for v in values], pa.float64()),
            "estimated_share": pa.array([int(v["est"]) / int(v["energy"]) if v["energy"] else 0.0 for v in values], pa.float64()),
        }
        return table_batch(INTENSITY_TABLE, columns | self._of_intensity(series))

    def _bought(self, values: Rows, series: Rows) -> pa.RecordBatch:
        of_basis = [self._bases[self._plan.bases[basis]] for basis in series["basis"].tolist()]
        origins = [basis.origin(int(v["series"]), int(v["start"])) for basis, v in zip(of_basis, values, strict=True)]
        columns = self._values(values) | {
            "company": self._texts(series, "entity", self._plan.entities),
            "meter": constant("", len(values)),
            "register": self._texts(series, "carrier", self._plan.carriers),
            "scope": pa.array(series["scope"].astype(np.int32)),
            "basis": self._texts(series, "basis", self._plan.bases),
            "estimated_micro": pa.array(np.ascontiguousarray(values["est"])),
            "factor_id": pa.array([factor for factor, _ in origins], pa.string()).dictionary_encode(),
            "rung": pa.array([rung for _, rung in origins], pa.string()).dictionary_encode(),
        }
        return self._emissions_batch(columns)

    def _emissions_batch(self, columns: dict[str, Any]) -> pa.RecordBatch:
        n = len(columns["revision"])
        same = {"zone": constant(self._zone, n), "length_s": pa.array(np.full(n, self._length_s, np.int32))}
        return table_batch(EMISSIONS, columns | same)


def _with(channels: Channels, name: str, more: list[str]) -> tuple[NDArray[np.int64], pa.Array]:
    """Codes and texts of a label of all channel versions, those of the manual entries behind them."""
    texts = channels.texts[name].to_pylist()
    codes = np.concatenate([channels.labels[name], np.arange(len(texts), len(texts) + len(more))]).astype(np.int64)
    return codes, pa.array([*texts, *more], pa.string())


def g_per_kwh(value: Any) -> float | None:
    """1000 co2e_mg / energy_micro as the float64 nearest the exact ratio; None at 0 or when either is unknown."""
    if not value["has_energy"] or not value["has_co2e"] or value["energy"] == 0:
        return None
    return 1000 * int(value["co2e"]) / int(value["energy"])
