"""One window of the network: what the terms of a topology add up to, and the series that are emitted of it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.accounting.posting import COV, EST, VAL
from zonepulse.processors.accounting.series import EXISTS, HAS_CO2E, HAS_ENERGY, emitted
from zonepulse.processors.accounting.window_sums import WindowSums
from zonepulse.processors.flow import Rows
from zonepulse.processors.network.topology import Ints, Topology
from zonepulse.schemas.units import MICRO

Bools = NDArray[np.bool_]


class Sums:
    """Every term of a topology in one window: value (`signed`, and `val` not below 0), estimated, covered ms, and registers `n`."""

    def __init__(self, acc: NDArray[np.int64], topology: Topology) -> None:
        mine, signs, first = acc[topology.accumulators], topology.signs, topology.first
        self.signed = _by_term(mine[:, VAL] * signs, first)
        self.val = np.maximum(self.signed, 0)
        self.est = _by_term(mine[:, EST] * signs, first)
        self.cov = _by_term(mine[:, COV], first)
        self.n = np.diff(first)


class Flows:
    """By flow: both ends in micro-kWh, the one that is missing taken from the other."""

    def __init__(self, sums: Sums, topology: Topology) -> None:
        r, s = topology.recv, topology.send
        has_recv, has_send = sums.cov[r] > 0, sums.cov[s] > 0
        self.recv = np.where(has_recv, sums.val[r], np.where(has_send, sums.val[s], 0))
        self.send = np.where(has_send, sums.val[s], self.recv)
        self.recv_est = np.where(has_recv, sums.est[r], np.where(has_send, sums.est[s], 0))
        self.send_est = np.where(has_send, sums.est[s], self.recv_est)
        self.n, self.cov = sums.n[r] + sums.n[s], sums.cov[r] + sums.cov[s]
        self.is_known = (self.n == 0) | has_recv | has_send


class SeriesWriter:
    """Gathers what is to be emitted of one window."""

    def __init__(self, length_ms: int) -> None:
        self._length = length_ms
        self._series: list[Ints] = []
        self._values: list[Ints] = []

    def __call__(
        self,
        series: Ints,
        energy: Ints,
        co2e: Ints,
        has_energy: Bools,
        has_co2e: Bools,
        est: Ints,
        cov: Ints,
        n: Ints,
    ) -> None:
        """One value a series; co2e is null where energy is, estimated is clamped to the energy, `n` registers are expected to cover."""
        has_co2e = has_co2e & has_energy
        known = np.where(has_energy, energy, 0)
        flags = EXISTS + HAS_ENERGY * has_energy + HAS_CO2E * has_co2e
        est = np.where(has_energy, np.clip(est, 0, np.maximum(known, 0)), 0)
        values = np.stack([known, np.where(has_co2e, co2e, 0), est, cov, n * self._length, flags], axis=1)
        self._series.append(series)
        self._values.append(values)

    def one(self, series: int, energy: int | None, co2e: int | None) -> None:
        """A single series without registers."""
        self._series.append(np.array([series]))
        self._values.append(np.array([emitted(energy, co2e)], np.int64))

    def commit(self, slot: int, windows: WindowSums, tick: int) -> Rows:
        """Say it; what is new of it."""
        series = np.concatenate(self._series)
        return windows.commit_series(series, np.full(len(series), slot), np.concatenate(self._values), tick)


def co2e_mg(value_micro: Any, factor_mg: Any) -> Any:
    """round-half-up(value x factor / 1e6) of arrays (i8) with values >= 0."""
    value_micro = np.maximum(value_micro, 0)
    whole = value_micro // MICRO
    return whole * factor_mg + ((value_micro - whole * MICRO) * factor_mg + MICRO // 2) // MICRO


def _by_term(values: Ints, first: Ints) -> Ints:
    total = np.concatenate([[0], np.cumsum(values)])
    return total[first[1:]] - total[first[:-1]]
