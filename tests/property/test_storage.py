import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from zonepulse.processors.network.storage import EMPTY, NOTHING, Inventory, Lot, Method, Passage, valuation, value

ENERGY = st.one_of(st.integers(0, 3 * EMPTY), st.integers(0, 10**12))
CARBON = st.one_of(st.integers(0, 9), st.integers(0, 10**12))
METHOD: st.SearchStrategy[Method] = st.sampled_from(["average", "fifo"])
EFFICIENCY = st.fractions(Fraction(1, 100), Fraction(1), max_denominator=1000)
LOTS = st.lists(st.tuples(st.integers(1, 10**9), CARBON), max_size=4)


class StorageLife(RuleBasedStateMachine):
    """Whatever a storage is put through, all carbon is accounted for, and it can be told and read again."""

    @initialize(method=METHOD, efficiency=EFFICIENCY, energy=ENERGY, carbon=CARBON)
    def begin(self, method: Method, efficiency: Fraction, energy: int, carbon: int) -> None:
        self.inventory = Inventory(method, efficiency, [Lot(energy, carbon)] if energy else [])
        self.carbon_in, self.carbon_out = self.inventory.held.carbon, 0

    @rule(energy=ENERGY)
    def discharge(self, energy: int) -> None:
        before = self.inventory.held
        carbon = self.inventory.discharge(energy)
        assert 0 <= carbon <= before.carbon
        assert self.inventory.held.energy == before.energy - min(energy, before.energy)
        self.carbon_out += carbon

    @rule()
    def write_off(self) -> None:
        before = self.inventory.held
        lost = self.inventory.write_off()
        assert lost == (before if before.energy < EMPTY else NOTHING)
        self.carbon_out += lost.carbon

    @rule(energy=ENERGY, carbon=CARBON)
    def charge(self, energy: int, carbon: int) -> None:
        before = self.inventory.held
        self.carbon_out += self.inventory.charge(energy, carbon)
        self.carbon_in += carbon
        stored = self.inventory.held.energy - before.energy
        assert stored <= energy * self.inventory.efficiency < stored + 1

    @rule(energy=st.integers(-(10**12), 10**12), carbon=st.integers(-(10**12), 10**12))
    def adjust(self, energy: int, carbon: int) -> None:
        before = self.inventory.held
        loose = self.inventory.adjust(energy, carbon)
        after = self.inventory.held
        assert after.energy == max(0, before.energy + energy)
        assert after.carbon + loose == max(0, before.carbon + carbon)
        assert loose == 0 or after == NOTHING
        self.carbon_in += after.carbon + loose - before.carbon
        self.carbon_out += loose

    @invariant()
    def carbon_is_conserved(self) -> None:
        assert self.carbon_in == self.carbon_out + self.inventory.held.carbon
        assert all(lot.energy >= 0 and lot.carbon >= 0 and lot != NOTHING for lot in self.inventory.lots)
        assert self.inventory.method == "fifo" or len(self.inventory.lots) <= 1

    @invariant()
    def facts_tell_it_all(self) -> None:
        facts = json.loads(json.dumps(self.inventory.to_facts()))
        assert Inventory.from_facts(self.inventory.method, self.inventory.efficiency, facts) == self.inventory


TestStorageLife = StorageLife.TestCase


@given(LOTS.filter(bool), st.integers(0, 10**9), st.integers(0, 10**9))
def test_an_average_discharge_has_the_intensity_of_what_is_held(lots: list[tuple[int, int]], first: int, second: int) -> None:
    inventory = Inventory("average")
    for energy, carbon in lots:
        inventory.charge(energy, carbon)
    for energy in (first, second):
        held = inventory.held
        expected = 0 if energy == 0 else held.carbon if energy >= held.energy else held.carbon * energy // held.energy
        assert inventory.discharge(energy) == expected


@given(LOTS, st.integers(0, 10**10))
def test_fifo_gives_the_oldest_lots_first(lots: list[tuple[int, int]], energy: int) -> None:
    inventory = Inventory("fifo")
    for lot in lots:
        inventory.charge(*lot)
    carbon, left = 0, energy
    for has, mg in lots:
        taken = min(left, has)
        carbon += mg * taken // has
        left -= taken
    assert inventory.discharge(energy) == carbon
    assert inventory.held.energy == sum(has for has, _ in lots) - (energy - left)


@given(METHOD, LOTS)
def test_a_copy_lives_its_own_life(method: Method, lots: list[tuple[int, int]]) -> None:
    inventory = Inventory.from_facts(method, Fraction(1), lots[:1] if method == "average" else lots)
    copy = inventory.copy()
    copy.charge(5 * EMPTY, 7)
    copy.discharge(EMPTY)
    assert inventory.to_facts() == [list(lot) for lot in inventory.lots] == [list(lot) for lot in lots][: len(inventory.lots)]


@given(METHOD, LOTS, st.integers(1, 10**10))
def test_a_settled_discharge_that_did_not_change_is_worth_the_same(
    method: Method, lots: list[tuple[int, int]], energy: int
) -> None:
    inventory = Inventory(method)
    for lot in lots:
        inventory.charge(*lot)
    before = inventory.copy()
    carbon = inventory.discharge(energy)
    assert value(valuation(before, energy, carbon), energy) == carbon


@pytest.mark.parametrize(("method", "expected"), [("average", (5000, 60)), ("fifo", (2000, 10))])
def test_a_settled_window_without_discharge_is_valued_by_what_it_would_have_taken(method: Method, expected: Lot) -> None:
    inventory = Inventory(method)
    inventory.charge(2000, 10)
    inventory.charge(3000, 50)
    pair = valuation(inventory, 0, 0)
    assert pair == expected
    assert value(pair, 1000) == expected[1] * 1000 // expected[0]
    assert value(valuation(Inventory(method), 0, 0), 1000) == 0


def test_losses_of_a_charge_concentrate_its_carbon() -> None:
    inventory = Inventory("average", Fraction(9, 10))
    inventory.charge(10_000, 900)
    assert inventory.held == (9000, 900)
    assert inventory.discharge(4500) == 450


def test_what_is_left_below_a_watt_hour_is_written_off() -> None:
    inventory = Inventory("fifo", Fraction(1), [Lot(400, 3), Lot(599, 4)])
    assert inventory.write_off() == (999, 7)
    assert inventory.lots == []
    inventory.charge(1000, 1)
    assert inventory.write_off() == NOTHING


def test_a_charge_that_is_all_loss_is_written_off_or_mixed_in() -> None:
    fifo, average = Inventory("fifo", Fraction(1, 2)), Inventory("average", Fraction(1, 2))
    assert (fifo.charge(1, 5), fifo.lots) == (5, [])
    assert (average.charge(1, 5), average.lots) == (0, [(0, 5)])
    assert average.discharge(0) == 0
    assert average.write_off() == (0, 5)


def test_the_difference_of_a_revised_window_is_what_it_would_have_left_more() -> None:
    inventory = Inventory("average", Fraction(9, 10))
    before, after = Passage(charged=100, charged_carbon=50), Passage(200, 90, discharged=30, discharged_carbon=12)
    assert inventory.difference(before, after) == (90 - 30, 40 - 12)
    assert inventory.difference(after, after) == (0, 0)


def test_a_negative_adjustment_takes_from_the_oldest_lots() -> None:
    inventory = Inventory("fifo", Fraction(1), [Lot(1000, 10), Lot(2000, 40)])
    assert inventory.adjust(-1500, -5) == 0
    assert inventory.lots == [(1500, 45)]
    assert inventory.adjust(-2000, 8) == 53
    assert inventory.lots == []
