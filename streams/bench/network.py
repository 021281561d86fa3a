"""`zonepulse bench network`: what tracing one window of a network costs, beside a sparse LU and a sweep in plain Python.

One thread, no servers; milliseconds are its CPU time, which other work on the machine hardly moves. The baselines get the same arrays
and find less: the LU only float intensities of all nodes (building its matrix included), the sweep the same integers for networks
without loops.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from zonepulse.processors.network.components import SINGLE
from zonepulse.processors.network.flow_tracing import Network
from zonepulse.processors.network.tracing_arrays import Window
from zonepulse.streams.bench.grids import SHAPES, Shape, edges_of, network_of, window_of
from zonepulse.streams.bench.ingest import machine
from zonepulse.streams.screen import count, print_facts, print_table

Solve = Callable[[Network, Window], object]


@dataclass(frozen=True, slots=True)
class Options:
    """`windows` different ones of each network, each traced `rounds` times (the baselines once)."""

    nodes: int
    windows: int
    rounds: int
    seed: int = 1


def run(options: Options, tell: Callable[[str], None]) -> dict[str, Any]:
    """Everything, as one JSON-ready object; `tell` hears what is being done."""
    found: dict[str, Any] = {
        "zonepulse": version("zonepulse"),
        "at": datetime.now(UTC),
        "machine": machine(),
        "options": asdict(options),
        "networks": {},
    }
    lu = sparse_lu()
    if lu is None:
        tell("SciPy is not installed (`make dev` brings it): no sparse LU to compare with")
    for shape in SHAPES:
        tell(f"{shape.name}: {shape.what}")
        found["networks"][shape.name] = _measure(shape, options, lu)
    found["machine"]["load_after"] = psutil.getloadavg()[0]
    return found


def _measure(shape: Shape, options: Options, lu: Solve | None) -> dict[str, Any]:
    rng = np.random.default_rng(options.seed)
    edges = edges_of(shape, options.nodes, rng)
    network = network_of(edges, options.nodes)
    windows = [window_of(shape, edges, network, rng) for _ in range(options.windows)]
    begun = time.perf_counter()
    into = network.trace(windows[0])
    first = time.perf_counter() - begun
    times = _times(lambda n, w: n.trace(w, into), network, windows, options.rounds)
    residuals = [network.trace(w, into).residual[0] for w in windows]
    loops = network.loops
    found: dict[str, Any] = {
        "nodes": options.nodes,
        "flows": int(np.count_nonzero(windows[-1].recv)),
        "nodes_in_loops": int(np.count_nonzero(loops != SINGLE)),
        "largest_loop": int(np.bincount(loops[loops != SINGLE], minlength=1).max()),
        "first_ms": 1000 * first,
        "best_ms": min(times),
        "median_ms": median(times),
        "residual_mg": int(max(residuals)),
    }
    baselines = {"sparse_lu": lu, "python_sweep": None if shape.returning else python_sweep}
    for name, solve in baselines.items():
        slow = _times(solve, network, windows, 1) if solve else None
        found[name] = {"best_ms": min(slow), "median_ms": median(slow), "over_ours": median(slow) / median(times)} if slow else None
    return found


def _times(solve: Solve, network: Network, windows: Sequence[Window], rounds: int) -> list[float]:
    """CPU milliseconds of each call, after one that warms up."""
    found = []
    for window in (*windows[:1], *list(windows) * rounds):
        begun = time.thread_time()
        solve(network, window)
        found.append(1000 * (time.thread_time() - begun))
    return found[1:]


def sparse_lu() -> Solve | None:
    """SciPy's `splu` of the whole network, if it is installed; the minimum degree of A' + A is its best order for large loops."""
    try:
        from scipy.sparse import coo_matrix, linalg
    except ImportError:
        return None

    def solve(network: Network, window: Window) -> NDArray[np.float64]:
        graph, nodes = network.graph, network.nodes
        entering = np.bincount(graph.injection_node, window.energy, nodes)
        carbon = np.bincount(graph.injection_node, window.carbon, nodes)
        total = entering + np.bincount(graph.head, window.recv, nodes)
        on = np.flatnonzero(window.recv)
        every = np.arange(nodes)
        rows, columns = np.concatenate([graph.head[on], every]), np.concatenate([graph.tail[on], every])
        values = np.concatenate([-window.recv[on].astype(np.float64), np.where(total > 0, total, 1.0)])
        matrix = coo_matrix((values, (rows, columns)), (nodes, nodes)).tocsc()
        found: NDArray[np.float64] = linalg.splu(matrix, permc_spec="MMD_AT_PLUS_A").solve(carbon)
        return found

    return solve


def python_sweep(network: Network, window: Window) -> dict[str, list[int]]:
    """Every share of a network without loops, in plain Python."""
    graph, nodes = network.graph, network.nodes
    send, recv, withdrawn = window.send.tolist(), window.recv.tolist(), window.withdrawn.tolist()
    heads, first, flows = graph.head.tolist(), graph.out_first.tolist(), graph.out_flows.tolist()
    item_first, items = graph.item_first.tolist(), graph.items.tolist()
    total, carbon, waits = [0] * nodes, [0] * nodes, [0] * nodes
    for v, energy, mg in zip(graph.injection_node.tolist(), window.energy.tolist(), window.carbon.tolist(), strict=True):
        total[v] += energy
        carbon[v] += mg
    for head, energy in zip(heads, recv, strict=True):
        total[head] += energy
        waits[head] += energy > 0
    found = {"delivered": [0] * len(send), "lost": [0] * len(send), "withdrawn_carbon": [0] * len(withdrawn)}
    ready = [v for v in range(nodes) if not waits[v]]
    while ready:
        v = ready.pop()
        weight = before = 0
        whole = total[v] or 1
        for f in flows[first[v] : first[v + 1]]:
            after = carbon[v] * (weight + recv[f]) // whole
            found["delivered"][f] = after - before
            weight += send[f]
            found["lost"][f] = carbon[v] * weight // whole - after
            if recv[f]:
                head = heads[f]
                carbon[head] += after - before
                waits[head] -= 1
                if not waits[head]:
                    ready.append(head)
            before = carbon[v] * weight // whole
        for k in items[item_first[v] : item_first[v + 1]]:
            weight += withdrawn[k]
            after = carbon[v] * weight // whole
            found["withdrawn_carbon"][k] = after - before
            before = after
    return found


def print_report(found: dict[str, Any]) -> None:
    """Everything that `--json` holds, for people."""
    machine = found["machine"]
    print_facts(
        [
            ("machine", f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}"),
            ("load", f"{machine['load_before']:.1f} before, {machine['load_after']:.1f} after"),
        ]
    )
    columns = ("network", "flows", "in loops", "best ms", "median ms", "sparse LU ms", "times", "Python ms", "times", "residual mg")
    rows = [
        (
            name, count(one["flows"]), count(one["nodes_in_loops"]), f"{one['best_ms']:.2f}", f"{one['median_ms']:.2f}",
            *_compared(one["sparse_lu"]), *_compared(one["python_sweep"]), one["residual_mg"],
        )
        for name, one in found["networks"].items()
    ]  # fmt: skip
    title = f"one window of {found['options']['nodes']:,} nodes on one core"
    print_table(columns, rows, title=title, right=columns[1:])


def _compared(baseline: dict[str, float] | None) -> tuple[str | None, str | None]:
    return (None, None) if baseline is None else (f"{baseline['best_ms']:.1f}", f"{baseline['over_ours']:.0f}")
