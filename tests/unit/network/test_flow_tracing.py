"""Flow tracing by hand-made windows; tests/property compares it with a slow solution."""

import numpy as np
import pytest
from traced_networks import Case, Flow, Injection, solution

from zonepulse.processors.network.components import SINGLE
from zonepulse.processors.network.elimination import minimum_degree
from zonepulse.processors.network.flow_tracing import Network
from zonepulse.processors.network.tracing_arrays import Traced


def assert_solved(case: Case) -> Traced:
    traced, expected = case.trace(), solution(case)
    for name, numbers in traced._asdict().items():
        assert numbers.tolist() == getattr(expected, name), name
    return traced


def test_a_feeder_loses_at_the_intensity_of_its_sending_node() -> None:
    traced = assert_solved(Case(2, (Flow(0, 1, 1000, 900),), (Injection(0, 1000, 500),), ((1, 900),)))
    assert (traced.delivered.tolist(), traced.lost.tolist(), traced.withdrawn_carbon.tolist()) == ([450], [50], [450])


def test_meters_that_disagree_make_a_negative_loss_and_a_measured_imbalance() -> None:
    traced = assert_solved(Case(2, (Flow(0, 1, 900, 1000),), (Injection(0, 1000, 500),), ((1, 1300),)))
    assert traced.lost.tolist() == [-50]
    assert traced.imbalance.tolist() == [100, -300]
    assert traced.imbalance_carbon.tolist() == [50, -150]


def test_rounding_is_cumulative_in_the_order_of_items() -> None:
    traced = assert_solved(Case(1, (), (Injection(0, 3, 100),), ((0, 1), (0, 1), (0, 1))))
    assert traced.withdrawn_carbon.tolist() == [33, 33, 34]


def test_a_tie_line_that_turned_round_is_a_loop() -> None:
    flows = (Flow(0, 1, 60, 60), Flow(1, 0, 20, 20), Flow(1, 2, 50, 50))
    case = Case(3, flows, (Injection(0, 100, 90), Injection(1, 10, 0)), ((0, 60), (2, 50)))
    traced = assert_solved(case)
    network = case.network()
    network.trace(case.fill(network.window()))
    assert network.loops.tolist() == [0, 0, SINGLE]
    assert traced.is_known.all()


@pytest.mark.parametrize("rounds", [10, 10**6, 10**12])
def test_a_loop_is_the_same_whether_it_was_swept_or_eliminated_before(rounds: int) -> None:
    """Energy that goes round many times is eliminated; the plan for that is made when it is first needed."""
    flows = tuple(Flow(v, (v + 1) % 5, rounds, rounds - (v == 2)) for v in range(5))
    case = Case(5, flows, (Injection(0, 900, 500), Injection(3, 50, 1)), ((1, 400), (4, 500)))
    light = Case(5, tuple(Flow(f.tail, f.head, 10, 10) for f in flows), case.injections, case.withdrawals)
    network = case.network()
    light_first = network.trace(light.fill(network.window()))
    traced = network.trace(case.fill(network.window()))
    assert (len(network._plan.order) > 0) == (rounds > 10)
    assert traced.delivered.tolist() == assert_solved(case).delivered.tolist()
    assert network.trace(light.fill(network.window())).lost.tolist() == light_first.lost.tolist()


def test_two_loops_one_after_the_other() -> None:
    flows = tuple(Flow(a, b, 10 + a, 9 + b) for a, b in ((0, 1), (1, 0), (1, 2), (2, 3), (3, 4), (4, 2), (4, 5)))
    assert_solved(Case(6, flows, (Injection(0, 77, 1000), Injection(3, 5, 1)), ((2, 3), (5, 9))))


def test_what_is_unknown_spreads_downstream_and_no_further() -> None:
    flows = (Flow(0, 1, 50, 50), Flow(1, 2, 40, 40), Flow(3, 2, 10, 10), Flow(0, 3, 50, 50), Flow(1, 4, 0, 0))
    case = Case(5, flows, (Injection(0, 100, 80), Injection(1, 7, 0, is_known=False)), ((2, 50), (3, 40)))
    traced = assert_solved(case)
    assert traced.is_known.tolist() == [True, False, False, True, True]
    assert traced.untraced.tolist() == [0, 40, 8, 0, 0]
    assert traced.withdrawn_carbon.tolist() == [0, 32]


def test_an_unknown_flow_makes_the_node_that_it_feeds_unknown() -> None:
    traced = assert_solved(Case(3, (Flow(0, 1, 0, 0, is_known=False), Flow(1, 2, 5, 5)), (Injection(0, 9, 9), Injection(1, 5, 5))))
    assert traced.is_known.tolist() == [True, False, False]
    assert traced.imbalance_carbon[0] == 9


def test_a_node_that_gives_what_it_never_got_is_unknown() -> None:
    assert assert_solved(Case(2, (Flow(0, 1, 5, 5),), ())).is_known.tolist() == [False, False]


def test_a_loop_that_nothing_feeds_is_unknown() -> None:
    flows = (Flow(0, 1, 5, 5), Flow(1, 0, 5, 5), Flow(1, 2, 0, 0))
    assert assert_solved(Case(3, flows, ())).is_known.tolist() == [False, False, True]


def test_an_isolated_node_is_known_and_empty() -> None:
    traced = assert_solved(Case(1, (), ()))
    assert traced.is_known.tolist() == [True]
    assert (traced.throughput[0], traced.carbon[0]) == (0, 0)


def test_parallel_edges_add_up() -> None:
    flows = (Flow(0, 1, 7, 7), Flow(0, 1, 3, 2), Flow(1, 0, 2, 2), Flow(1, 0, 1, 1))
    assert_solved(Case(2, flows, (Injection(0, 20, 1000),), ((1, 6), (0, 13))))


def test_a_network_without_anything() -> None:
    network = Network(0, [], [], [], [])
    assert network.trace(network.window()).residual.tolist() == [0]


def test_results_are_written_into_arrays_that_are_given() -> None:
    case = Case(2, (Flow(0, 1, 5, 4),), (Injection(0, 9, 9),))
    network = case.network()
    into = network.result()
    into.delivered[:] = into.residual[:] = into.untraced[:] = 99
    assert network.trace(case.fill(network.window()), into) is into
    assert (into.delivered.tolist(), into.residual.tolist(), into.untraced.tolist()) == ([4], [0], [0, 0])


@pytest.mark.parametrize(("tail", "head"), [([0], [0]), ([0], [2]), ([-1], [0]), ([0, 1], [1])])
def test_what_is_no_network_is_refused(tail: list[int], head: list[int]) -> None:
    with pytest.raises(ValueError):
        Network(2, tail, head, [], [])


def test_elimination_begins_where_the_fewest_neighbours_are_and_ends_with_all_that_know_each_other() -> None:
    near = [{1}, {0, 2, 3, 4}, {1, 3, 4}, {1, 2, 4}, {1, 2, 3}]
    order, later = minimum_degree(near)
    assert order == [0, 1, 2, 3, 4]
    assert later == [{1}, {2, 3, 4}, {3, 4}, {4}, set()]


def test_a_path_fills_nothing() -> None:
    order, later = minimum_degree([{1}, {0, 2}, {1, 3}, {2}])
    assert sorted(order) == [0, 1, 2, 3]
    assert sum(len(found) for found in later) == 3


def test_the_sum_of_all_carbon_stays_within_int64() -> None:
    case = Case(2, (Flow(0, 1, 2**59, 2**59),), (Injection(0, 2**60, 2**52),), ((0, 2**58), (1, 2**59)))
    traced = assert_solved(case)
    assert traced.withdrawn_carbon.tolist() == [2**50, 2**51]
    assert traced.throughput.dtype == np.int64
