"""The faults that the demo plants: where they are, and that everything else stays what was measured."""

import numpy as np
import pytest
from numpy.typing import NDArray

from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.streams.demo.carbon import LINE_LOSS
from zonepulse.streams.demo.data import UTC_OFFSET_MS, load_series
from zonepulse.streams.demo.planted import SHOWN_DAYS, TAUGHT_DAYS, Planted, planted
from zonepulse.streams.demo.sample_series import MS_PER_DAY, Series, Stretch, amounts_of

DAYS = TAUGHT_DAYS + SHOWN_DAYS
UNTIL_MS = 1_764_000_000_000 // MS_PER_HOUR * MS_PER_HOUR
END_MS = UNTIL_MS + 7 * MS_PER_DAY
STRETCH = Stretch(END_MS, DAYS + 7, UTC_OFFSET_MS)
FAULTS = {fault.kind: fault for fault in planted(UNTIL_MS, END_MS, DAYS, 2026)}


def amounts(faults: tuple[Planted, ...]) -> dict[tuple[str, str], NDArray[np.float64]]:
    return {(s.meter, s.register): amounts_of(s, STRETCH) for s in load_series(faults)}


def inside(fault: Planted, series: Series) -> NDArray[np.bool_]:
    begin = STRETCH.start_ms + np.arange((STRETCH.until_ms - STRETCH.start_ms) // series.period_ms) * series.period_ms
    found: NDArray[np.bool_] = (begin >= fault.begin_ms) & (begin < fault.end_ms)
    return found


@pytest.fixture(scope="module")
def series() -> dict[tuple[str, str], Series]:
    return {(s.meter, s.register): s for s in load_series()}


@pytest.fixture(scope="module")
def measured() -> dict[tuple[str, str], NDArray[np.float64]]:
    return amounts(())


def test_they_lie_in_the_last_two_weeks_by_the_seed_and_a_short_sample_has_none() -> None:
    assert planted(UNTIL_MS, UNTIL_MS, DAYS - 1, 2026) == ()
    kinds = ["leak", "night_load", "stuck_meter", "dead_pv_string"]
    chosen = [planted(UNTIL_MS, UNTIL_MS, DAYS, seed) for seed in range(50)]
    assert all([fault.kind for fault in faults] == kinds for faults in chosen)
    assert all(UNTIL_MS - SHOWN_DAYS * MS_PER_DAY <= f.begin_ms < f.end_ms <= UNTIL_MS for faults in chosen for f in faults)
    assert len({faults[3].meter for faults in chosen}) > 10 and len({faults[0].begin_ms for faults in chosen}) > 10
    assert planted(UNTIL_MS, UNTIL_MS, DAYS, 7) == planted(UNTIL_MS, UNTIL_MS, DAYS, 7)


@pytest.mark.parametrize("kind", FAULTS)
def test_nothing_changes_but_its_meter_and_what_shows_it_while_it_lasts(
    kind: str, series: dict[tuple[str, str], Series], measured: dict[tuple[str, str], NDArray[np.float64]]
) -> None:
    fault, changed = FAULTS[kind], set()
    for channel, amount in amounts((fault,)).items():
        differs = np.nan_to_num(amount) != np.nan_to_num(measured[channel])
        assert not differs[~inside(fault, series[channel])].any(), channel
        changed |= {channel[0]} if differs.any() else set()
    assert fault.meter in changed and changed <= {fault.meter, *fault.shows}


def test_a_leak_flows_all_the_time_through_the_feeder_and_its_losses(
    series: dict[tuple[str, str], Series], measured: dict[tuple[str, str], NDArray[np.float64]]
) -> None:
    leak = FAULTS["leak"]._replace(meter="TC-0101-E1", shows=("TC-0901-E1", "TC-0102-B1", "TC-0900-E1"))
    found, channel, feeder = amounts((leak,)), ("TC-0101-E1", "1.8.0"), ("TC-0901-E1", "1.8.0")
    more = (found[channel] - measured[channel])[inside(leak, series[channel])]
    assert more.min() > 0 and np.ptp(more) < 1e-9
    assert np.allclose(found[feeder] - measured[feeder], (found[channel] - measured[channel]) * (1 + LINE_LOSS))


def test_a_night_load_grows_from_night_to_night_and_days_stay(
    series: dict[tuple[str, str], Series], measured: dict[tuple[str, str], NDArray[np.float64]]
) -> None:
    fault, channel = FAULTS["night_load"], (FAULTS["night_load"].meter, "1.8.0")
    more = np.nan_to_num(amounts((fault,))[channel] - measured[channel])
    local_h = (STRETCH.start_ms + UTC_OFFSET_MS + np.arange(len(more)) * series[channel].period_ms) // MS_PER_HOUR
    assert not more[local_h % 24 >= 5].any()
    nights = [more[(local_h // 24 == night) & (local_h % 24 == 2)].max() for night in np.unique(local_h // 24)[1:-1]]
    assert nights[0] == 0 < nights[-1] and np.diff(nights).min() >= -1e-9


def test_a_dead_roof_is_taken_from_the_grid(measured: dict[tuple[str, str], NDArray[np.float64]]) -> None:
    fault = FAULTS["dead_pv_string"]
    roof, home = (fault.meter, "2.8.0"), fault.meter.replace("P1", "E1")
    found = amounts((fault,))
    lost = measured[roof] - found[roof]
    assert lost.sum() > 0
    net, before = (one[home, "1.8.0"] - one[home, "2.8.0"] for one in (found, measured))
    assert np.allclose(net - before, lost)


def test_a_stuck_meter_repeats_one_value_and_its_feeder_knows_better(
    series: dict[tuple[str, str], Series], measured: dict[tuple[str, str], NDArray[np.float64]]
) -> None:
    fault = FAULTS["stuck_meter"]
    found, channel = amounts((fault,)), (fault.meter, fault.register)
    at = np.flatnonzero(inside(fault, series[channel]))
    assert 30 <= len(at) < 45 and set(found[channel][at]) == {measured[channel][at[0] - 1]}
    assert np.array_equal(found["TC-0902-E1", "1.8.0"], measured["TC-0902-E1", "1.8.0"])
