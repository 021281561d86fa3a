"""The registry compiled to arrays: versions in order of time, series, partitions, known changes."""

import numpy as np
import pytest
from small_logs import IMPORT, meter, zone_text

from zonepulse.processors.channels.table import RegistryTooLarge, compile_registry, energy_of
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.zone_file.read import parse_zone

EDGE = "2026-03-04T12:00:00+00:00"


def compiled(*meters: dict[str, object], partitions: int = 1, **sections: object):  # type: ignore[no-untyped-def]
    """The channels of a zone of these meters."""
    return compile_registry(parse_zone(zone_text(*meters, **sections)), partitions)  # type: ignore[arg-type]


def two(first: dict[str, object], second: dict[str, object], **later: object) -> list[dict[str, object]]:
    """A meter in two versions, the later one first in the file."""
    return [{**meter(second), "valid_from": EDGE, **later}, {**meter(first), "valid_to": EDGE}]


@pytest.mark.parametrize(
    ("change", "series"),
    [({}, 1), ({"period": "1h"}, 1), ({"max_power": 9}, 1), ({"multiplier": 2}, 2), ({"unit": "MWh"}, 1), ({"modulus": 9}, 2),
     ({"kind": "interval"}, 2)],
)  # fmt: skip
def test_a_series_ends_where_multiplier_modulus_or_kind_change(change: dict[str, object], series: int) -> None:
    channels = compiled(*two(IMPORT, {**IMPORT, **change}))
    assert len(np.unique(channels.versions["series"])) == series
    assert np.all(np.diff(channels.versions["valid_from"]) > 0)


def test_channel_numbers_of_an_earlier_registry_are_kept() -> None:
    before = compiled(meter(IMPORT, "b"))
    after = compile_registry(parse_zone(zone_text(meter(IMPORT, "a"), meter(IMPORT, "b"))), 1, before.names)
    assert after.names[: len(before.names)] == before.names
    assert after.index[("a", "r")] == 1


def test_a_channel_lives_in_every_partition_that_a_version_of_it_names() -> None:
    channels = compiled(*two(IMPORT, IMPORT, site="s2"), partitions=5, zone={"key": "site"})
    homes = {partition_of("s1", 5), partition_of("s2", 5)}
    assert {p for p in range(5) if len(channels.partition_channels(p))} == homes


def test_the_two_sides_of_a_change_are_counted_as_their_own_versions_count() -> None:
    change = {"meter": "m", "register": "r", "at": EDGE, "old_final": 3, "new_initial": 5}
    channels = compiled(*two(IMPORT, {**IMPORT, "multiplier": 10}), meter_changes=[change])
    assert channels.changes[:, 1:].tolist() == [[3_000_000, 50_000_000]]
    assert channels.change_first.tolist() == [0, 1]


def test_a_decimal_multiplier_is_a_fraction_and_floors() -> None:
    assert energy_of(2.0000005, 1e6, 1, 3) == 666_666
    assert energy_of(-0.000001, 1e6, 1, 3) == -1


def test_a_multiplier_of_too_many_digits_is_refused() -> None:
    registry = parse_zone(zone_text(meter({**IMPORT, "multiplier": 1.123456789})))
    assert compile_registry(registry, 1).versions["den"].tolist() == [10**9]
    assert issubclass(RegistryTooLarge, ValueError)
