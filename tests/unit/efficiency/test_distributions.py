"""Distributions against scipy's, far into their tails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import fdtrc, stdtr, stdtrit

from zonepulse.processors.efficiency.distributions import t_quantile, two_sided_t, upper_f


@given(st.floats(-60, 60), st.integers(1, 2000))
def test_tails_of_t_are_scipy_s(t: float, free: int) -> None:
    assert two_sided_t(t, free) == pytest.approx(2 * stdtr(free, -abs(t)), rel=1e-9, abs=1e-290)


@given(st.floats(0, 5000), st.integers(1, 8), st.integers(1, 2000))
def test_tails_of_f_are_scipy_s(f: float, above: int, below: int) -> None:
    assert upper_f(f, above, below) == pytest.approx(fdtrc(above, below, f), rel=1e-8, abs=1e-290)


@given(st.integers(1, 2000))
def test_quantiles_are_scipy_s(free: int) -> None:
    assert t_quantile(0.1, free) == pytest.approx(stdtrit(free, 0.95), rel=1e-10)


def test_the_middle_and_the_ends() -> None:
    assert two_sided_t(0.0, 5) == 1.0 and upper_f(0.0, 2, 5) == 1.0
    assert two_sided_t(float("inf"), 5) == 0.0 and upper_f(float("inf"), 2, 5) == 0.0
