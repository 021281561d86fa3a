"""Where to read on in a log of which some was read that has to be read again."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest
from faust.types import TP

from zonepulse.streams.kafka.log_facts import Ends
from zonepulse.streams.kafka.log_guard import LogMoved, LogView, Loss, Note, Order, begin_at, is_moved

BLOCKS = TP("zp.intervals", 0)


def view(start: int, end: int, orders: Mapping[TP, Order] = MappingProxyType({})) -> LogView:
    return LogView("zp.ledger", {BLOCKS: Ends(start, end, end)}, {"zp.intervals": "id"}, {BLOCKS: 50}, {}, orders)


def test_it_goes_on_where_what_is_to_be_read_again_begins() -> None:
    note = Note("id", 7, read_to=90)
    assert begin_at(view(0, 100), BLOCKS, 50, note) == (50, None)
    assert begin_at(view(60, 100), BLOCKS, 50, note) == (60, Loss(BLOCKS, 50, 60, None))
    assert begin_at(view(60, 100), BLOCKS, 50, Note("id", 7)) == (60, Loss(BLOCKS, 50, 60, 7))


def test_a_log_that_ends_before_what_was_read_of_it_has_lost_its_end() -> None:
    note = Note("id", 7, read_to=90)
    assert not is_moved(view(0, 90), BLOCKS, 50, note)
    with pytest.raises(LogMoved, match="ends at offset 89, but the state of ledger goes on at 90"):
        begin_at(view(0, 89), BLOCKS, 50, note)
    accepted = view(0, 89, {BLOCKS: Order("accept", "id", 50)})
    assert is_moved(accepted, BLOCKS, 50, note)
    assert begin_at(accepted, BLOCKS, 50, note) == (50, None)
