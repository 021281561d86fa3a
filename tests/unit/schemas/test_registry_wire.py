"""The registry on its topic comes back exactly as it was published."""

import json
import random
from fractions import Fraction
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zones import EXAMPLE

from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.wire import IncompleteVersion, by_version, from_entities, is_complete, split_key, to_entities
from zonepulse.schemas.zone_file.read import parse_zone

Strategy = st.SearchStrategy[Any]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
INTEGERS = st.integers(-(1 << 62), 1 << 62)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN: dict[object, Strategy] = {str: TEXT, int: INTEGERS, float: FLOATS, Fraction: st.fractions(), NoneType: st.none()}


def _of(hint: Any) -> Strategy:
    """Any value of a field's type."""
    if hint in PLAIN:
        return PLAIN[hint]
    inner = get_args(hint)
    if get_origin(hint) is Literal:
        return st.sampled_from(inner)
    if get_origin(hint) is dict:
        return st.dictionaries(_of(inner[0]), _of(inner[1]), max_size=2)
    if get_origin(hint) is tuple and Ellipsis not in inner:
        return st.tuples(*map(_of, inner))
    if get_origin(hint) is tuple:
        return st.lists(_of(inner[0]), max_size=2).map(tuple)
    if inner:
        return st.one_of(*map(_of, inner))
    return st.builds(hint, **{name: _of(field) for name, field in get_type_hints(hint).items()})


JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXT, lambda x: st.lists(x) | st.dictionaries(TEXT, x), max_leaves=4
)
registries = st.builds(
    Registry,
    **{name: _of(hint) for name, hint in get_type_hints(Registry).items() if name not in ("extra", "more")},
    extra=st.dictionaries(st.sampled_from(["subscribers", "x"]), JSON),
)


@settings(max_examples=60)
@given(registries, st.randoms(use_true_random=False))
def test_a_registry_comes_back_exactly_in_whatever_order_its_records_are_read(registry: Registry, order: random.Random) -> None:
    records = to_entities(registry)
    order.shuffle(records)
    assert from_entities(dict(records)) == registry


def test_the_example_comes_back_exactly() -> None:
    registry = parse_zone(EXAMPLE)
    assert from_entities(dict(to_entities(registry))) == registry


def test_a_key_names_version_kind_and_entity() -> None:
    keys = [key for key, _ in to_entities(parse_zone(EXAMPLE))]
    assert "0/meter/TC-0001-E1" in keys
    assert "0/meter_change/TC-0001-E1/1.8.0/1772590020000" in keys
    assert {"0/network/taicang", "0/contract/gec-1", "0/extra/subscribers"} <= set(keys)
    assert keys[-1] == "0/zone/taicang"
    assert len(keys) == len(set(keys))
    assert split_key("3/meter/a/b") == (3, "meter", "a/b")


def test_all_validities_of_a_meter_are_one_record() -> None:
    later = EXAMPLE.replace("    valid_to: null\n", "    valid_to: 2026-01-01\n").replace(
        "  - id: TC-0900-E1\n",
        """\
  - id: TC-0001-E1
    site: mill
    role: main
    registers: {"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}}
    valid_from: 2026-01-01
  - id: TC-0900-E1
""",
    )
    value = json.loads(dict(to_entities(parse_zone(later)))["0/meter/TC-0001-E1"])
    assert [fact["valid_from_ms"] for fact in value["facts"]] == [1514736000000, 1767196800000]


def test_numbers_are_kept_exactly_as_text() -> None:
    value = json.loads(dict(to_entities(parse_zone(EXAMPLE)))["0/factor/steelworks-gas-2026"])
    assert value["facts"][0]["kg_per_base"] == "10811/5000"


def test_the_same_registry_has_the_same_bytes() -> None:
    assert to_entities(parse_zone(EXAMPLE)) == to_entities(parse_zone(EXAMPLE))


def test_a_version_is_complete_with_its_last_record_only() -> None:
    records = to_entities(parse_zone(EXAMPLE))
    assert is_complete(dict(records))
    for missing in (0, 5, len(records) - 1):
        part = dict(records[:missing] + records[missing + 1 :])
        assert not is_complete(part)
        with pytest.raises(IncompleteVersion, match="no whole version"):
            from_entities(part)


def test_versions_of_a_topic_are_told_apart_and_tombstones_left_out() -> None:
    first, second = (to_entities(Registry(**{**_parts(EXAMPLE), "version": v})) for v in (1, 2))
    versions = by_version({**dict(first), **dict(second), "1/zone/taicang": None})
    assert versions[2] == dict(second)
    assert from_entities(versions[2]).version == 2
    assert not is_complete(versions[1])
    with pytest.raises(IncompleteVersion, match=r"\[1, 2\]"):
        from_entities({**dict(first), **dict(second)})


def _parts(text: str) -> dict[str, Any]:
    registry = parse_zone(text)
    return {name: getattr(registry, name) for name in registry.__slots__}
