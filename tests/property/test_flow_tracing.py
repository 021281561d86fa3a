import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from traced_networks import Case, Flow, Injection, cases, solution

from zonepulse.processors.network.flow_tracing import Network
from zonepulse.processors.network.shares import Q, floor_share, rounded, scaled
from zonepulse.processors.network.tracing_arrays import Traced

SHAPES = pytest.mark.parametrize("shape", ["tree", "acyclic", "loop", "any"])


def fields_of(traced: Traced) -> dict[str, list[int]]:
    return {name: numbers.tolist() for name, numbers in traced._asdict().items()}


def leaving_carbon(traced: Traced) -> int:
    return int(traced.withdrawn_carbon.sum() + traced.lost.sum() + traced.imbalance_carbon.sum() + traced.untraced.sum())


@given(st.integers(0, 2**52), st.integers(-(2**60), 2**60), st.integers(1, 2**60))
def test_a_share_is_the_floor_of_the_exact_quotient(carbon: int, weight: int, total: int) -> None:
    assume(abs(carbon * weight // total) < 2**62)
    assert floor_share(carbon, weight, total) == carbon * weight // total


@given(st.integers(0, 2**52), st.integers(1, 2**60), st.data())
def test_a_share_of_a_part_is_exact_next_to_every_whole_number(carbon: int, total: int, data: st.DataObject) -> None:
    target = data.draw(st.integers(0, carbon))
    weight = max(0, min(total, target * total // max(carbon, 1) + data.draw(st.integers(-2, 2))))
    assert floor_share(carbon, weight, total) == carbon * weight // total


@given(st.integers(0, 2**61), st.integers(-(2**60), 2**60))
def test_products_with_an_intensity_are_exact(x: int, weight: int) -> None:
    assume(abs(x * weight) < 2**61 * Q)
    assert scaled(x, weight) == divmod(x * weight, Q)
    assert rounded(x, weight) == (2 * x * weight + Q) // (2 * Q)


@SHAPES
@given(data=st.data())
def test_carbon_is_conserved_to_the_milligram(shape: str, data: st.DataObject) -> None:
    case = data.draw(cases(shape, limit=data.draw(st.sampled_from([10, 10**6, 10**12, 2**50]))))
    traced = case.trace()
    assert leaving_carbon(traced) == case.known_carbon
    assert traced.throughput.sum() == sum(i.energy for i in case.injections) + sum(f.recv for f in case.flows)


@SHAPES
@given(data=st.data())
def test_the_numbers_are_those_of_the_slow_solution(shape: str, data: st.DataObject) -> None:
    case = data.draw(cases(shape))
    expected = solution(case)
    assume(not expected.is_doubtful)
    traced = fields_of(case.trace())
    assert traced == {name: getattr(expected, name) for name in traced}


@given(cases("loop", limit=10**9, is_all_known=True))
def test_a_loop_leaves_a_residual_of_rounding_only(case: Case) -> None:
    traced = case.trace()
    assert traced.residual[0] <= 1 + traced.throughput.sum() // Q


@SHAPES
@given(data=st.data())
def test_intensities_do_not_depend_on_the_order_of_nodes_and_flows(shape: str, data: st.DataObject) -> None:
    case = data.draw(cases(shape))
    place = data.draw(st.permutations(range(case.nodes)))
    flows = data.draw(st.permutations([Flow(place[f.tail], place[f.head], f.send, f.recv, f.is_known) for f in case.flows]))
    injections = data.draw(st.permutations([Injection(place[i.node], i.energy, i.carbon, i.is_known) for i in case.injections]))
    withdrawals = data.draw(st.permutations([(place[node], energy) for node, energy in case.withdrawals]))
    moved = Case(case.nodes, tuple(flows), tuple(injections), tuple(withdrawals)).trace()
    traced, items = case.trace(), 4 * len(case.flows) + len(case.withdrawals) + case.nodes
    assert traced.is_known.tolist() == moved.is_known[place].tolist()
    assert traced.throughput.tolist() == moved.throughput[place].tolist()
    for v in range(case.nodes):
        # each share on the way is rounded to 1 mg, each intensity of a loop to 1 / Q
        slack = items * (1 + int(traced.residual[0] + moved.residual[0]) + traced.throughput.sum() // Q)
        assert abs(traced.carbon[v] - moved.carbon[place[v]]) <= slack


@given(st.lists(cases(), min_size=2, max_size=4))
def test_a_trace_depends_on_nothing_before_it(windows: list[Case]) -> None:
    """Networks of the same flows, traced one after another in the same buffers."""
    first = windows[0]
    network = first.network()
    window, into = network.window(), network.result()
    for factor in (3, 1, 0, 1):
        scaled_case = Case(
            first.nodes,
            tuple(Flow(f.tail, f.head, f.send * factor, f.recv * (factor > 1 or k % 2), f.is_known) for k, f in enumerate(first.flows)),
            tuple(Injection(i.node, i.energy * factor, i.carbon * factor, i.is_known) for i in first.injections),
            tuple((node, energy * factor) for node, energy in first.withdrawals),
        )  # fmt: skip
        reused = fields_of(network.trace(scaled_case.fill(window), into))
        assert reused == fields_of(scaled_case.trace())


@given(st.integers(2, 40), st.integers(0, 40), st.integers(1, 2**20))
def test_a_loop_is_solved_exactly_however_much_circulates(nodes: int, bits: int, carbon: int) -> None:
    """One micro-kWh comes in and goes out again, 2^bits go round: everything has the intensity of what came in."""
    flows = [Flow(v, (v + 1) % nodes, 2**bits, 2**bits + (v == 0)) for v in range(nodes)]
    traced = Case(nodes, tuple(flows), (Injection(0, 1, carbon),), ((1, 2),)).trace()
    assert traced.is_known.all()
    exact = carbon * traced.throughput
    assert (abs(traced.carbon - exact) <= exact * 2.0**-46 + traced.throughput / Q + 1).all()
    assert leaving_carbon(traced) == carbon


def test_flows_that_end_where_they_begin_are_refused() -> None:
    with pytest.raises(ValueError, match="flow 1 ends where it begins"):
        Network(2, [0, 1], [1, 1], [], [])


def test_nodes_beyond_the_network_are_refused() -> None:
    with pytest.raises(ValueError, match="not in 0 to 1"):
        Network(2, [0], [2], [], [])


def test_numbers_that_no_column_holds_make_a_node_unknown() -> None:
    traced = Case(2, (Flow(0, 1, 2**50, 2**50),), (Injection(0, 1, 2**40),)).trace()
    assert traced.is_known.tolist() == [False, False]
    assert traced.untraced.tolist() == [2**40, 0]


def test_kernels_give_int64() -> None:
    traced = Case(1, (), (Injection(0, 5, 7),)).trace()
    assert {a.dtype for name, a in traced._asdict().items() if name != "is_known"} == {np.dtype(np.int64)}
