"""A sample stream is a pure function of its seed, arrives in order and counts its faults truthfully."""

from dataclasses import replace

import numpy as np
import pytest

from zonepulse.schemas.messages.readings import REASONS, decode
from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.streams.demo.sample import Sample, known_changes, make_sample
from zonepulse.streams.demo.sample_series import MS_PER_DAY, MS_PER_WEEK, Series, Stretch, amounts_of, clean_rows, plan_of

UNTIL_MS = 1_795_000_000_000
HOURS = 8 * 7 * 24


def counter(meter: str = "A-1", register: str = "1.8.0", **changes: object) -> Series:
    amount = np.round(1 + np.sin(np.arange(HOURS)) ** 2, 3)
    plain = Series(meter, register, "gw-1", "single", "cumulative", "kWh", MS_PER_HOUR, 0, amount, 3, modulus=100_000.0)
    return replace(plain, **changes)  # type: ignore[arg-type]


def zone() -> list[Series]:
    counters = [counter(f"A-{i}", key=f"gw-{i % 3}", form=("single", "array", "arrow")[i % 3]) for i in range(9)]
    return [
        *counters,
        counter("B-1", kind="interval", modulus=None, key="gw-1", form="array"),
        counter("C-1", kind="power", modulus=None, unit="W", key="gw-2", form="arrow"),
    ]


def rows_of(sample: Sample, meter: str, register: str = "1.8.0") -> list[tuple[int, float]]:
    found = [r for r in sample.readings.to_pylist() if r["meter"] == meter and r["register"] == register]
    return [(int(r["ts"].timestamp() * 1000), r["value"]) for r in found]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() -> None:
    one, two, other = (make_sample(zone(), UNTIL_MS, 20, seed) for seed in (1, 1, 2))
    assert (one.key, one.value, one.faults, one.changes) == (two.key, two.value, two.faults, two.changes)
    assert one.arrival_ms.tolist() == two.arrival_ms.tolist()
    assert one.value != other.value


def test_records_are_in_order_of_arrival_and_none_arrives_after_the_end() -> None:
    sample = make_sample(zone(), UNTIL_MS, 20, 1)
    assert len(sample.key) == len(sample.value) == len(sample.arrival_ms)
    assert (np.diff(sample.arrival_ms) >= 0).all()
    assert sample.arrival_ms[-1] <= UNTIL_MS


def test_without_faults_the_advances_are_the_energy_of_the_source() -> None:
    series = counter()
    sample = make_sample([series], UNTIL_MS, 30, 5, faults=False)
    values = [value for _, value in rows_of(sample, "A-1")]
    source = amounts_of(series, Stretch(UNTIL_MS, 30, 0))[: len(values) - 1].sum()
    assert values[-1] - values[0] == pytest.approx(source, abs=1e-6)
    assert sample.faults == {}


def test_a_multiplier_cuts_less_than_one_last_digit_of_the_register() -> None:
    series = counter(multiplier=200.0, decimals=4, modulus=1_000_000.0)
    values = [value for _, value in rows_of(make_sample([series], UNTIL_MS, 30, 5, faults=False), "A-1")]
    source = amounts_of(series, Stretch(UNTIL_MS, 30, 0))[: len(values) - 1].sum()
    assert 0 <= source - (values[-1] - values[0]) * 200 < 0.02 + 1e-6


def test_every_value_keeps_its_weekday_and_hour_on_the_zones_local_time() -> None:
    offset_ms = 8 * MS_PER_HOUR
    series = counter("B-1", kind="interval", amount=np.arange(HOURS, dtype=np.float64), modulus=None)
    for ts, value in rows_of(make_sample([series], UNTIL_MS, 28, 1, utc_offset_ms=offset_ms, faults=False), "B-1"):
        assert (ts + offset_ms - (value + 1) * MS_PER_HOUR) % MS_PER_WEEK == 0


def test_where_the_source_has_nothing_there_is_no_reading() -> None:
    amount = counter().amount.copy()
    amount[::24] = np.nan
    times = [ts for ts, _ in rows_of(make_sample([counter(amount=amount)], UNTIL_MS, 10, 1, faults=False), "A-1")]
    assert {ts // MS_PER_HOUR % 24 for ts in times[1:]} == set(range(24)) - {1}


def test_a_counter_that_rolls_over_loses_nothing() -> None:
    series, stretch = counter(), Stretch(UNTIL_MS, 20, 0)
    plan = plan_of([series], stretch, np.random.default_rng(3), faults=True)
    values = clean_rows([series], stretch, plan)[0]["value"]
    assert plan.rolling == {0}
    assert (np.diff(values) < 0).sum() == 1
    assert (np.diff(values) % 100_000).sum() == pytest.approx(amounts_of(series, stretch).sum(), abs=0.001)


@pytest.mark.parametrize("seed", range(5))
def test_faults_are_counted_as_a_reader_of_the_stream_finds_them(seed: int) -> None:
    sample = make_sample(zone(), UNTIL_MS, 40, seed)
    found: dict[str, int] = {}
    good = 0
    for i, value in enumerate(sample.value):
        decoded = decode(value, dict(sample.headers.get(i, ())).get("content-type"))
        for j, reason in enumerate(decoded.reason):
            name = REASONS[reason] or _unknown(decoded.meter[j], decoded.register[j])
            name = name or _beyond(decoded.value[j], decoded.unit[j], decoded.ts[j], decoded.meter[j])
            name = name or _untimely(decoded.ts[j], int(sample.arrival_ms[i]))
            found[name] = found.get(name, 0) + 1
            good += reason == 0
    del found[""]
    assert found == sample.dead_letters
    assert good == sample.readings.num_rows


KNOWN = {s.meter for s in zone()}


def _unknown(meter: str, register: str) -> str:
    return "unknown_meter" if meter not in KNOWN else "unknown_register" if register != "1.8.0" else ""


def _beyond(value: float, unit: str | None, ts: int, meter: str) -> str:
    if unit not in (None, "kWh", "W"):
        return "unit_mismatch"
    if abs(value) * 1e6 >= 2**53:
        return "out_of_range"
    return "off_grid" if meter == "B-1" and ts % MS_PER_HOUR else ""


def _untimely(ts: int, arrival_ms: int) -> str:
    if ts - arrival_ms > 300_000:
        return "future"
    return "late" if arrival_ms - ts > 2 * MS_PER_HOUR else ""


def test_a_recorded_exchange_closes_both_counters_at_its_time() -> None:
    sample = make_sample([counter(), counter("A-2")], UNTIL_MS, 20, 3)
    changes = known_changes([counter(), counter("A-2")], UNTIL_MS, 20, 3)
    assert sample.changes == changes
    assert len(changes) == sample.faults["swap_recorded"] == 1
    before = max((r for r in rows_of(sample, changes[0].meter) if r[0] <= changes[0].at_ms), key=lambda r: r[0])
    after = min((r for r in rows_of(sample, changes[0].meter) if r[0] > changes[0].at_ms), key=lambda r: r[0])
    assert 0 <= changes[0].old_final - before[1] < 2
    assert 0 <= after[1] - changes[0].new_initial < 2


def test_every_form_of_record_occurs_and_blocks_say_so_in_their_header() -> None:
    sample = make_sample(zone(), UNTIL_MS, 10, 1)
    assert {bytes(v[:1]) for i, v in enumerate(sample.value) if i not in sample.headers} == {b"{", b"["}
    assert {v[:4] for i, v in enumerate(sample.value) if i in sample.headers} == {b"\xff\xff\xff\xff"}
    lone = next(i for i, v in enumerate(sample.value) if v.startswith(b'{"meter": "A-0"'))
    assert sample.key[lone] == b"gw-0"


def test_a_stretch_longer_than_the_sources_is_refused() -> None:
    with pytest.raises(ValueError, match="days is 365; the series fill 1 to 364"):
        make_sample([counter()], UNTIL_MS, 365, 1)


def test_a_series_of_broken_weeks_and_a_counter_without_modulus_are_refused() -> None:
    with pytest.raises(ValueError, match="no whole weeks"):
        counter(amount=np.zeros(25))
    with pytest.raises(ValueError, match="without modulus"):
        counter(modulus=None)


def test_one_day_is_enough_for_a_sample() -> None:
    assert len(make_sample(zone(), UNTIL_MS, 1, 1)) > 0
    assert Stretch(UNTIL_MS, 1, 0).start_ms >= UNTIL_MS - MS_PER_DAY
