"""The sample zone of the demo: reads its zone.yaml and measured series from the installed package and makes its stream of readings.

Whose measurements they are, and what was done to them, is told in deploy/demo/SOURCES.md.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zonepulse.schemas.messages.partitioner import partition_key
from zonepulse.schemas.registry.model import MeterChange, MeterVersion, Register, Registry
from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.demo import given
from zonepulse.streams.demo.carbon import Measured, derived, sections
from zonepulse.streams.demo.planted import SHOWN_DAYS, TAUGHT_DAYS, Planted, Planter
from zonepulse.streams.demo.sample import Sample, known_changes, make_sample
from zonepulse.streams.demo.sample_series import MS_PER_WEEK, Form, Series, Stretch

DEFAULT_DAYS: Final = TAUGHT_DAYS + SHOWN_DAYS
DEFAULT_SEED: Final = 2026
UTC_OFFSET_MS: Final = 8 * MS_PER_HOUR
"""Asia/Shanghai, which has no summer time."""
THERM_M3: Final = (100_000 / 1036 * 0.028316846592) * (14.73 * 6.894757293168 / 101.325) * (293.15 / 288.70555555555556)
"""m3 at 20 C and 101.325 kPa in one therm: 1036 Btu a cubic foot at 60 F and 14.73 psi (EIA, Heat Content of Natural Gas Consumed,
Illinois 2020), brought to 20 C as an ideal gas."""
PV_KW: Final = (4, 4, 4, 5, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5)
"""Installed photovoltaics of the 17 homes (CityLearn's schema.json, nominal_power)."""

_WEEKS: Final = 52
_FORMS: Final[dict[str, Form]] = {"gw-bakery-1": "array", "gw-garden-a": "array", "gw-garden-b": "arrow"}
"""How gateways send; the others send a record a reading."""
_SENDS_UNIT: Final = frozenset({"office-tower", "gw-tea-1", "gw-garden-b"})
_SENDS_SEQ: Final = frozenset({"gw-mill-1"})


def demo_zone_yaml(until_ms: int, days: int = DEFAULT_DAYS, seed: int = DEFAULT_SEED, planted: Sequence[Planted] = ()) -> str:
    """The sample zone's zone.yaml with the meter exchange that `demo_sample` of the same arguments makes and that is on record.

    Where faults are planted its windows are an hour long: most of these meters send each hour, and what they sent is measured then.
    """
    text, homes = _zone_template(), _Table("citylearn2022.parquet")
    if planted:
        text = text.replace("\n  window: 15m\n", "\n  window: 60m\n")
    changes = known_changes(load_series(planted), until_ms, days, seed, utc_offset_ms=UTC_OFFSET_MS)
    stretch = Stretch(until_ms, days, UTC_OFFSET_MS)
    filled = {"meter_changes": "".join(_change_line(c) for c in changes), "inputs": given.inputs(stretch)}
    filled |= {"budgets": given.budgets(stretch)} | sections(
        homes.measured(homes["grid_kgco2_per_kwh"], 5),
        homes.measured(homes["solar_w_per_kw_01"], 1),
        _measured()["TC-0201-E1", "1.8.0"],
        stretch,
    )
    for section, lines in filled.items():
        head, _, tail = text.partition(f"\n{section}: []")
        text = f"{head}\n{section}:\n{lines}{tail.partition(chr(10))[2]}" if lines else text
    return text + given.network(stretch)


def demo_sample(
    until_ms: int,
    days: int = DEFAULT_DAYS,
    seed: int = DEFAULT_SEED,
    *,
    faults: bool = True,
    arrived: tuple[int, int] | None = None,
    planted: Sequence[Planted] = (),
) -> Sample:
    """The records that reach the sample zone in the `days` before `until_ms` (1 to 364). The same arguments give the same bytes.

    `arrived` (after, by) leaves those that arrive in between; see make_sample.
    """
    return make_sample(load_series(planted), until_ms, days, seed, utc_offset_ms=UTC_OFFSET_MS, faults=faults, arrived=arrived)


def load_series(planted: Sequence[Planted] = ()) -> tuple[Series, ...]:
    """The series of every register of the sample zone, in the order of its zone.yaml."""
    registry = parse_zone(_zone_template())
    periods = {(m.id, r.id): r.period_ms for m in registry.meters for r in m.registers}
    planter = Planter(planted, periods, UTC_OFFSET_MS)
    measured = planter.flows(_measured())
    measured = planter.told(measured | dict(derived(measured, periods)))
    return tuple(
        _series(registry, meter, register, measured[meter.id, register.id])
        for meter in registry.meters
        for register in meter.registers
    )


def _zone_template() -> str:
    return (files("zonepulse.deploy") / "demo" / "zone.yaml").read_text("utf-8")


def _change_line(change: MeterChange) -> str:
    at = datetime.fromtimestamp(change.at_ms / 1000, UTC).isoformat()
    return (
        f'  - {{meter: {change.meter}, register: "{change.register}", at: "{at}", '
        f"old_final: {change.old_final!r}, new_initial: {change.new_initial!r}}}\n"
    )


def _series(registry: Registry, meter: MeterVersion, register: Register, measured: Measured) -> Series:
    key = partition_key(registry.zone, meter)
    return Series(
        meter=meter.id,
        register=register.id,
        key=key,
        form=_FORMS.get(key, "single"),
        kind=register.kind,
        unit=register.unit,
        period_ms=register.period_ms,
        start_local_ms=measured.start_local_ms,
        amount=measured.amount,
        decimals=measured.decimals,
        multiplier=float(register.multiplier),
        modulus=None if register.modulus is None else float(register.modulus),
        sends_unit=key in _SENDS_UNIT,
        sends_seq=key in _SENDS_SEQ,
    )


def _measured() -> dict[tuple[str, str], Measured]:
    """(meter, register) -> its measurements."""
    return dict([*_mill_and_office(), *_small_companies(), *_homes()])


def _mill_and_office() -> Iterator[tuple[tuple[str, str], Measured]]:
    steel = _Table("steel_uci851.parquet", MS_PER_HOUR // 4)
    for register, column in (("1.8.0", "import_kwh"), ("3.8.0", "lagging_kvarh"), ("4.8.0", "leading_kvarh")):
        yield ("TC-0101-E1", register), steel.measured(steel[column], 4)
    office = _Table("office_pyedautils.parquet", MS_PER_HOUR // 4)
    yield ("TC-0201-E1", "1.8.0"), office.measured(office["import_kwh"], 4)


def _small_companies() -> Iterator[tuple[tuple[str, str], Measured]]:
    il, uk = _Table("opendsm_il.parquet"), _Table("opendsm_uk.parquet")
    yield ("TC-0301-E1", "1.8.0"), il.measured(il["il_electricity_cdd_hdd_kwh"], 2)
    yield ("TC-0301-G1", "7-0:3.0.0"), il.measured(il["il_gas_hdd_only_therm"] * THERM_M3, 3)
    yield ("TC-0302-E1", "1.8.0"), il.measured(il["il_electricity_cdd_only_kwh"], 2)
    yield ("TC-0302-G1", "7-0:3.0.0"), il.measured(il["il_gas_intercept_only_therm"] * THERM_M3, 3)
    yield ("TC-0303-E1", "1.8.0"), uk.measured(uk["uk_electricity_kwh"], 3)
    yield ("TC-0303-G1", "7-0:3.0.0"), uk.measured(uk["uk_gas_kwh"], 3)


def _homes() -> Iterator[tuple[tuple[str, str], Measured]]:
    """Import and export are what is left of an hour's load and an hour's generation; a home's own use never reaches its meter."""
    homes = _Table("citylearn2022.parquet")
    for number, kw in enumerate(PV_KW, 1):
        solar_w = homes[f"solar_w_per_kw_{number:02}"] * kw
        surplus_kwh = solar_w / 1000 - homes[f"load_kwh_{number:02}"]
        yield (f"TC-04{number:02}-E1", "1.8.0"), homes.measured(np.maximum(-surplus_kwh, 0.0), 3)
        yield (f"TC-04{number:02}-E1", "2.8.0"), homes.measured(np.maximum(surplus_kwh, 0.0), 3)
        if number < len(PV_KW):
            yield (f"TC-04{number:02}-P1", "2.8.0"), homes.measured(solar_w / 1000, 3)
        else:
            yield (f"TC-04{number:02}-P1", "2.7.0"), homes.measured(solar_w, 0)


class _Table:
    """A file of measurements on an even grid of its wall clock, cut to whole weeks; NaN where the file has no row."""

    def __init__(self, name: str, period_ms: int = MS_PER_HOUR) -> None:
        with (files("zonepulse.deploy") / "demo" / name).open("rb") as file:
            self._table: pa.Table = pq.read_table(file)
        start = self._table["start"].cast(pa.int64()).to_numpy()
        self._start_ms = int(start[0])
        self._slot = (start - start[0]) // period_ms
        self._length = _WEEKS * MS_PER_WEEK // period_ms

    def __getitem__(self, column: str) -> NDArray[np.float64]:
        amount = np.full(max(self._length, int(self._slot[-1]) + 1), np.nan)
        amount[self._slot] = self._table[column].to_numpy()
        return amount[: self._length]

    def measured(self, amount: NDArray[np.float64], decimals: int) -> Measured:
        """A column of this table, or what was made of it, as the measurements of a channel."""
        return Measured(self._start_ms, amount, decimals)
