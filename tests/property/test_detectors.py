"""The channel detectors equal their plain twins, whatever comes; what is not yet there changes nothing, nor does how it is split."""

import random
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zonepulse.oracle import detection as oracle
from zonepulse.processors.detection.channel.state import ALERT_BUDGET, DETECTORS, LIMITS, NAMES, new_channel, settings
from zonepulse.processors.detection.channel.step import JUDGED, judge_windows
from zonepulse.processors.flow import new_rows

FAULTS = ("none", "spike", "zero", "stuck", "reverse", "shift", "night", "gap", "closed", "unit", "ct")


@st.composite
def loads(draw: st.DrawFn) -> Any:
    """A load of some weeks, as (windows a day, slots, days, values); it may have a fault in its second half."""
    per_day = draw(st.sampled_from((24, 48)))
    weeks = draw(st.integers(1, 8))
    fault = draw(st.sampled_from(FAULTS))
    chance = random.Random(draw(st.integers(0, 2**32)))
    noise, digits, closed = draw(st.sampled_from((0.0, 0.01, 0.3))), draw(st.integers(0, 6)), fault == "closed"
    count = weeks * 7 * per_day
    begin, length = count // 2 + draw(st.integers(0, count // 4)), draw(st.integers(1, count // 4))
    values = np.empty(count)
    for i in range(count):
        hour = i * 24 // per_day
        base = 10.0 if 7 <= hour % 24 < 19 and hour % 168 < 120 else (0.0 if closed else 2.0)
        values[i] = round(base * (1 + chance.gauss(0, noise)), digits)
        if begin <= i < begin + length:
            night = 6.0 if hour % 24 < 5 else 0.0
            values[i] = {"spike": 9 * values[i], "zero": 0.0, "stuck": 7.25, "reverse": -values[i], "shift": 1.5 * values[i],
                         "night": values[i] + night, "gap": float("nan"), "closed": 12.0,
                         "unit": 0.001 * values[i], "ct": 2 * values[i]}.get(fault, values[i])  # fmt: skip
    index = np.arange(count)
    return per_day, index * 24 // per_day % 168, 700_000 + index // per_day, values


def _judge(load: Any, strictness: float, cuts: tuple[int, ...] = ()) -> tuple[Any, bytes]:
    per_day, slots, days, values = load
    state, out = new_channel(), new_rows(JUDGED, len(values))
    edges = [0, *sorted(cuts), len(values)]
    for a, b in pairwise(edges):
        judge_windows(state, settings(per_day, strictness), slots[a:b], days[a:b], values[a:b], out[a:b])
    return out, state.tobytes()


def _names(bits: int) -> set[str]:
    return {name for d, name in enumerate(NAMES) if bits >> d & 1}


@given(loads(), st.sampled_from((0.1, 0.5, 1.0)))
def test_core_equals_oracle(load: Any, strictness: float) -> None:
    out, _ = _judge(load, strictness)
    per_day, slots, days, values = load
    twin = oracle.Channel(per_day, ALERT_BUDGET / (30 * per_day * DETECTORS), dict(zip(NAMES, LIMITS, strict=True)), strictness)
    for i in range(len(values)):
        expected = twin.judge(int(slots[i]), int(days[i]), float(values[i]))
        assert dict(zip(NAMES, out["ratio"][i].tolist(), strict=True)) == expected.ratio
        assert out["score"][i] == expected.score
        assert (_names(out["firing"][i]), _names(out["raised"][i])) == (expected.firing, expected.raised)
        np.testing.assert_array_equal([out["low"][i], out["high"][i]], [expected.low, expected.high])


@given(loads(), st.data())
def test_any_split_gives_the_same(load: Any, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(load[3])), max_size=6))
    whole, parts = _judge(load, 1.0), _judge(load, 1.0, tuple(cuts))
    assert (whole[0].tobytes(), whole[1]) == (parts[0].tobytes(), parts[1])


@given(loads(), st.data())
def test_a_hidden_future_changes_nothing(load: Any, data: st.DataObject) -> None:
    seen = data.draw(st.integers(0, len(load[3])))
    known = (load[0], *(column[:seen] for column in load[1:]))
    other = (*load[:3], np.concatenate([load[3][:seen], -3.0 * load[3][seen:] - 1.0]))
    first = _judge(known, 1.0)[0].tobytes()
    assert _judge(load, 1.0)[0][:seen].tobytes() == first
    assert _judge(other, 1.0)[0][:seen].tobytes() == first


@given(loads())
def test_habits_are_judged_after_two_weeks_only(load: Any) -> None:
    out, _ = _judge(load, 0.1)
    assert not out["raised"][np.cumsum(~np.isnan(load[3])) <= 14 * load[0]].any()
