"""The arrays of flow tracing: what can flow where, what flowed in a window, and what it carried (interface: flow_tracing.py)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Graph(NamedTuple):
    """What can flow where (i4). Flows and withdrawals of node i by index: `out_flows[out_first[i]:out_first[i + 1]]`, likewise `items`."""

    tail: NDArray[np.int32]
    head: NDArray[np.int32]
    out_first: NDArray[np.int32]
    out_flows: NDArray[np.int32]
    injection_node: NDArray[np.int32]
    withdrawal_node: NDArray[np.int32]
    item_first: NDArray[np.int32]
    items: NDArray[np.int32]


class Window(NamedTuple):
    """What flowed in one window: micro-kWh and mg (i8), all >= 0; `is_*_known` are bool, and what is not known is 0.

    By flow: `send` at the tail, `recv` at the head. By injection: `energy` and its `carbon`, 0 where energy is 0. By withdrawal:
    `withdrawn`.
    """

    send: NDArray[np.int64]
    recv: NDArray[np.int64]
    is_flow_known: NDArray[np.bool_]
    energy: NDArray[np.int64]
    carbon: NDArray[np.int64]
    is_injection_known: NDArray[np.bool_]
    withdrawn: NDArray[np.int64]


class Traced(NamedTuple):
    """What it carried, i8.

    By flow: `delivered` and `lost` mg. By withdrawal: `withdrawn_carbon` mg. By node: `throughput` micro-kWh (injections and what
    arrives), `carbon` mg that came in, `is_known` (bool), `imbalance` micro-kWh (throughput minus all that leaves) and its
    `imbalance_carbon` mg, both signed, and `untraced` mg: what came into an unknown node, from known nodes and injections. An unknown
    node passes no carbon on: the numbers of what leaves it, and its `carbon` and `imbalance_carbon`, are 0 and mean null; the energy
    that is not traced is its throughput. `residual[0]` mg is what the rounding of loops left over, summed without sign.
    """

    delivered: NDArray[np.int64]
    lost: NDArray[np.int64]
    withdrawn_carbon: NDArray[np.int64]
    throughput: NDArray[np.int64]
    carbon: NDArray[np.int64]
    is_known: NDArray[np.bool_]
    imbalance: NDArray[np.int64]
    imbalance_carbon: NDArray[np.int64]
    untraced: NDArray[np.int64]
    residual: NDArray[np.int64]


class Scratch(NamedTuple):
    """Working space by node: `leaving` (i8, sum of all weights that leave, which bounds any part of it), in loops x (f8) and
    `intensity` (i8, x times Q).
    """

    leaving: NDArray[np.int64]
    intensity: NDArray[np.int64]
    x: NDArray[np.float64]
