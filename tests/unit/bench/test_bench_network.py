"""The networks of `bench network` are what they say, and its baselines find what tracing finds."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from zonepulse.processors.network.components import SINGLE
from zonepulse.streams.bench.grids import SHAPES, Shape, edges_of, network_of, window_of
from zonepulse.streams.bench.network import python_sweep, sparse_lu
from zonepulse.streams.cli.main import app

NODES = 60
EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


@EVERY_SHAPE
def test_every_node_balances_and_nothing_is_unknown(shape: Shape) -> None:
    rng = np.random.default_rng(1)
    edges = edges_of(shape, NODES, rng)
    network = network_of(edges, NODES)
    window = window_of(shape, edges, network, rng)
    back = window.recv[len(edges) :]
    balance = np.bincount(edges[:, 0], back, NODES) - np.bincount(edges[:, 1], back, NODES)
    traced = network.trace(window)
    assert traced.is_known.all()
    assert traced.imbalance.tolist() == balance.tolist()
    assert (network.loops != SINGLE).any() == (shape.returning > 0)
    if not shape.ties:
        assert np.bincount(edges[:, 1], minlength=NODES).max() == 1


@EVERY_SHAPE
def test_baselines_find_the_same(shape: Shape) -> None:
    rng = np.random.default_rng(2)
    edges = edges_of(shape, NODES, rng)
    network = network_of(edges, NODES)
    window = window_of(shape, edges, network, rng)
    traced = network.trace(window)
    lu = sparse_lu()
    assert lu is not None
    assert np.allclose(lu(network, window) * traced.throughput, traced.carbon, rtol=1e-6, atol=1e3)  # type: ignore[operator]
    if not shape.returning:
        for name, numbers in python_sweep(network, window).items():
            assert numbers == getattr(traced, name).tolist()


@pytest.mark.parametrize("form", [["--json"], []])
def test_the_command_tells_what_a_window_costs(form: list[str]) -> None:
    result = CliRunner().invoke(app, ["bench", "network", "--nodes", "20", "--windows", "1", "--rounds", "1", *form])
    assert result.exit_code == 0, result.output
    if form:
        found = json.loads(result.stdout)
        assert [*found["networks"]] == [shape.name for shape in SHAPES]
        assert all(one["best_ms"] > 0 and one["sparse_lu"]["best_ms"] > 0 for one in found["networks"].values())
    else:
        assert "one window of 20 nodes" in result.stdout
