"""The items that a capped letter names are found again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonepulse.processors.metering.dead_letters import item_ranges
from zonepulse.streams.cli.deadletters.capped import named_items


@given(st.dictionaries(st.integers(-1, 500), st.sampled_from(("late", "future", "unknown_meter"))))
def test_named_items_are_the_inverse_of_item_ranges(refused: dict[int, str]) -> None:
    items = sorted(refused.items())
    assert named_items(item_ranges(items)) == items


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"{bad", b'{"late": "x"}', b'{"late": "5-1"}', b'{"late": "0-99999999999"}', b'{"boredom": "1"}', b"\xff"]
)
def test_what_names_no_items_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError):
        named_items(value)
