"""Milliseconds of a window of 5,000 nodes, by the networks of `zonepulse bench network`."""

from typing import Any

import numpy as np
import pytest

from zonepulse.streams.bench.grids import SHAPES, Shape, edges_of, network_of, window_of

NODES = 5_000


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_one_window(benchmark: Any, shape: Shape) -> None:
    rng = np.random.default_rng(1)
    edges = edges_of(shape, NODES, rng)
    network = network_of(edges, NODES)
    window = window_of(shape, edges, network, rng)
    into = network.result()
    traced = benchmark.pedantic(lambda: network.trace(window, into), warmup_rounds=1, rounds=20)
    assert traced.is_known.all()
