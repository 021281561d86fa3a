"""The arrays of flow tracing: what can flow where, what flowed in a window, and what it carried (interface: flow_tracing.py)."""

from typing import Any, NamedTuple


class Graph(NamedTuple):
    """What can flow where (i4). Flows and withdrawals of node i by index: `out_flows[out_first[i]:out_first[i + 1]]`, likewise `items`."""

    tail: Any
    head: Any
    out_first: Any
    out_flows: Any
    injection_node: Any
    withdrawal_node: Any
    item_first: Any
    items: Any


class Window(NamedTuple):
    """What flowed in one window: micro-kWh and mg (i8), all >= 0; `is_*_known` are bool, and what is not known is 0.

    By flow: `send` at the tail, `recv` at the head. By injection: `energy` and its `carbon`, 0 where energy is 0. By withdrawal:
    `withdrawn`.
    """

    send: Any
    recv: Any
    is_flow_known: Any
    energy: Any
    carbon: Any
    is_injection_known: Any
    withdrawn: Any


class Traced(NamedTuple):
    """What it carried, i8.

    By flow: `delivered` and `lost` mg. By withdrawal: `withdrawn_carbon` mg. By node: `throughput` micro-kWh (injections and what
    arrives), `carbon` mg that came in, `is_known` (bool), `imbalance` micro-kWh (throughput minus all that leaves) and its
    `imbalance_carbon` mg, both signed, and `untraced` mg: what came into an unknown node, from known nodes and injections. An unknown
    node passes no carbon on: the numbers of what leaves it, and its `carbon` and `imbalance_carbon`, are 0 and mean null; the energy
    that is not traced is its throughput. `residual[0]` mg is what the rounding of loops left over, summed without sign.
    """

    delivered: Any
    lost: Any
    withdrawn_carbon: Any
    throughput: Any
    carbon: Any
    is_known: Any
    imbalance: Any
    imbalance_carbon: Any
    untraced: Any
    residual: Any


class Scratch(NamedTuple):
    """Working space by node: `leaving` (i8, sum of all weights that leave, which bounds any part of it), in loops x (f8) and
    `intensity` (i8, x times Q).
    """

    leaving: Any
    intensity: Any
    x: Any
