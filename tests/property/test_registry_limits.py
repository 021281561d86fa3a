"""Every number that zone.yaml accepts fits every column and array that it is written to; every other one is named with its line."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.registry.wire import by_version, from_entities, to_entities
from zonepulse.schemas.values import EARLIEST_MS, LATEST_MS
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.clickhouse.registry_rows import registry_rows

NUMBERS = (
    "0", "1", "-1", "0.5", "2024", "1e9", "1e-9", "1e18", "1e19", "9007199254740992", "9223372036854775807", "9223372036854775808",
    "1180591620717411303424", "1e60", "1e99", "1e-99", f"{'9' * 50}e99", ".5", "2147483648", "4294967296", "0.1234567890123456789",
)  # fmt: skip
TIMES = (
    '"0001-01-01"', '"1899-12-31"', '"1900-01-01"', '"1969-12-31T23:45:00Z"', '"2026-01-01"', '"2262-04-12"', '"2299-12-31"',
    '"2300-01-01"', '"9999-12-31"', '"9999-12-31T23:59:59.999Z"', "null",
)  # fmt: skip
DURATIONS = ("0s", "1s", "15m", "1h", "7d", "999999999s", "999999999d")
USUAL: dict[str, tuple[str, tuple[str, ...]]] = {
    "employees": ("5", NUMBERS), "multiplier": ("1", NUMBERS), "modulus": ("100000", NUMBERS), "max_power": ("100", NUMBERS),
    "ef": ("0", NUMBERS), "factor": ("0.5", NUMBERS), "data_year": ("2024", NUMBERS), "step1": ("0.4", NUMBERS), "step2": ("0.5", NUMBERS),
    "ncv": ("0.04", NUMBERS), "carbon": ("0.015", NUMBERS), "oxidation": ("0.99", NUMBERS), "efficiency": ("0.9", NUMBERS),
    "kwh": ("10", NUMBERS), "g_per_kwh": ("100", NUMBERS), "mwh": ("3", NUMBERS),
    "contract_ef": ("0", NUMBERS), "vintage": ("2026", NUMBERS),
    "hour": ("2", NUMBERS), "ppa_ef": ("0.01", NUMBERS), "kg": ("1.5", NUMBERS), "above": ("1", NUMBERS), "n_confirm": ("3", NUMBERS),
    "old_final": ("10", NUMBERS), "new_initial": ("0", NUMBERS), "mass": ("100", NUMBERS), "pressure": ("0.8", NUMBERS),
    "reference": ("84", NUMBERS), "made_ef": ("0", NUMBERS),
    "meter_from": ('"2024-01-01"', TIMES), "meter_to": ("null", TIMES), "factor_from": ('"2024-01-01"', TIMES),
    "factor_to": ("null", TIMES), "series_from": ('"2026-01-01"', TIMES), "edge_from": ("null", TIMES), "edge_to": ("null", TIMES),
    "contract_from": ('"2026-01-01"', TIMES), "contract_to": ('"2027-01-01"', TIMES), "hourly_from": ('"2026-01-01"', TIMES),
    "at": ('"2026-02-03"', TIMES), "occurred": ("null", TIMES), "changed_at": ('"2026-01-05"', TIMES),
    "step": ("1h", DURATIONS), "hourly_step": ("1h", DURATIONS), "period": ("15m", DURATIONS), "max_gap": ("7d", DURATIONS),
    "lateness": ("2h", DURATIONS), "delay": ("1m", DURATIONS), "future": ("5m", DURATIONS), "idle": ("10s", DURATIONS),
    "for": ("15m", DURATIONS), "window": ("15m", DURATIONS), "tick": ("1m", DURATIONS), "boundary": ("60s", DURATIONS),
}  # fmt: skip
ZONE = """\
zone:
  {{id: z, timezone: Asia/Shanghai, factor_regions: [X, CN], gwp: AR5, window: {window}, tick: {tick}, lateness: {lateness}, delay: {delay},
   future: {future}, idle: {idle}, max_gap: {max_gap}, vee: {{n_confirm: {n_confirm}, boundary_tolerance: {boundary}}}}}
companies:
  - {{id: a, employees: {employees}}}
sites:
  - {{id: s, company: a, node: n}}
meters:
  - id: M
    site: s
    role: main
    valid_from: {meter_from}
    valid_to: {meter_to}
    registers:
      "1.8.0": {{carrier: electricity, direction: import, kind: cumulative, unit: kWh, multiplier: {multiplier}, modulus: {modulus},
                 max_power: {max_power}, period: {period}}}
  - {{id: T, site: s, role: main, registers: {{q: {{carrier: steam, direction: consumption, kind: cumulative, unit: t, max_power: {mass},
      steam: {{pressure_mpa: {pressure}, temperature_c: null, reference_kj_per_kg: {reference}}}}}}}}}
  - {{id: P, site: s, role: production, registers: {{n: {{carrier: "product:part", direction: generation, kind: cumulative, unit: piece,
      max_power: 10, ef: {made_ef}}}}}}}
  - {{id: B, site: s, role: storage, registers: {{
      c: {{carrier: electricity, direction: charge, kind: cumulative, unit: kWh, max_power: 10}},
      d: {{carrier: electricity, direction: discharge, kind: cumulative, unit: kWh, max_power: 10}}}}}}
  - {{id: S, site: s, role: generation, registers: {{g: {{carrier: electricity, direction: generation, kind: cumulative, unit: kWh,
      max_power: 10, ef: {ef}}}}}}}
meter_changes:
  - {{meter: M, register: "1.8.0", at: {changed_at}, old_final: {old_final}, new_initial: {new_initial}}}
factors:
  - {{id: f, activity: grid_electricity, region: X, value: {factor}, unit: kgCO2/kWh, data_year: {data_year}, source: s,
     valid_from: {factor_from}, valid_to: {factor_to}}}
  - {{id: g, activity: acetylene, region: Y, unit: tCO2/t, source: s, series: {{from: {series_from}, step: {step},
     values: [{step1}, {step2}]}}}}
  - {{id: h, activity: tyres, region: Y, unit: kgCO2/kg, source: s, valid_from: 2024-01-01,
     fuel: {{ncv: {ncv}, carbon: {carbon}, oxidation: {oxidation}}}}}
  - {{id: i, activity: steam, region: X, value: 0.1, unit: tCO2/GJ, source: s, valid_from: 2020-01-01}}
network:
  nodes: [n, o]
  edges:
    - {{id: e, from: n, to: o, meter_from: M, valid_from: {edge_from}, valid_to: {edge_to}}}
  sources:
    - {{node: n, kind: storage, meter: B, efficiency: {efficiency}, initial: {{kwh: {kwh}, g_per_kwh: {g_per_kwh}}}}}
    - {{node: n, kind: pv, meter: S}}
contracts:
  - {{id: c, company: a, kind: gec, mwh: {mwh}, ef: {contract_ef}, vintage: {vintage},
     valid_from: {contract_from}, valid_to: {contract_to}}}
  - {{id: p, company: a, kind: ppa, ef: {ppa_ef}, hourly: {{from: {hourly_from}, step: {hourly_step}, values: [{hour}, null, 1]}},
     valid_from: 2026-01-01, valid_to: 2027-01-01}}
entries:
  - {{id: e, company: a, carrier: "refrigerant:R-410A", kg: {kg}, at: {at}, occurred: {occurred}, by: me, reason: leak}}
rules:
  - {{id: r, on: zone, when: {{indicator: energy_kwh, above: {above}}}, for: {for}}}
"""


def zone_text(changed: dict[str, str]) -> str:
    return ZONE.format(**{name: usual for name, (usual, _) in USUAL.items()} | changed)


def check(text: str) -> None:
    try:
        registry = parse_zone(text)
    except RegistryError as refused:
        assert all(p.line > 0 and p.what and p.remedy for p in refused.problems), refused
        return
    for name, table in registry_rows(registry):
        for column in table.columns:
            if pa.types.is_timestamp(column.type):
                bounds = pc.min_max(column.cast(pa.int64())).as_py()
                assert all(v is None or EARLIEST_MS <= v <= LATEST_MS for v in bounds.values()), (name, bounds)
    wire = dict(to_entities(registry))
    assert from_entities(next(iter(by_version(wire).values()))) == registry
    Ledger(compile_registry(registry, 2))


@pytest.mark.parametrize("name", USUAL)
def test_each_number_at_its_limits_fits_or_is_named(name: str) -> None:
    for value in USUAL[name][1]:
        check(zone_text({name: value}))


def test_the_usual_numbers_are_accepted() -> None:
    parse_zone(zone_text({}))


@given(st.dictionaries(st.sampled_from(sorted(USUAL)), st.integers(0, 30), min_size=1, max_size=5))
def test_several_numbers_at_their_limits_fit_or_are_named(chosen: dict[str, int]) -> None:
    check(zone_text({name: USUAL[name][1][n % len(USUAL[name][1])] for name, n in chosen.items()}))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"employees": "1180591620717411303424"}, "companies[0].employees: '1180591620717411303424' is more than any count"),
        ({"meter_to": '"9999-12-31"'}, "meters[0].valid_to: '9999-12-31' is not between 1900 and 2299"),
        ({"factor": "1e60"}, "factors[0].value: 1e+60 kg CO2e per kWh does not fit 64 bits"),
        ({"step2": "1e60"}, "factors[1].series: 1e+60 kg CO2e per kg does not fit 64 bits"),
        ({"ncv": f"{'9' * 50}e99", "carbon": f"{'9' * 50}e99", "oxidation": "1"}, "factors[2].fuel"),
        ({"contract_ef": "1e60", "mwh": "0"}, "contracts[0].ef: 1e+60 kg CO2e per kWh does not fit 64 bits"),
        ({"step": "999999999d"}, "factors[1].series"),
        ({"made_ef": "1e60"}, "meters[2].registers.n.ef: 1e+60 kg CO2e"),
    ],
)
def test_what_fits_no_column_is_named_with_line_key_value_and_remedy(changed: dict[str, str], told: str) -> None:
    with pytest.raises(RegistryError) as refused:
        parse_zone(zone_text(changed))
    assert told in str(refused.value)
    assert all(p.line > 0 for p in refused.value.problems)
