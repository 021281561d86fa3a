"""No text called zone.yaml is more than a registry or a list of named mistakes. `make hunt` tries more."""

import random
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from zones import EXAMPLE, SMALL

from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.zone_file.read import parse_zone

TOKENS = [
    "&a ", "*a", "<<: *a", "<<: [*a, *a]", "!!binary ", "!!python/object/apply:os.system [x]", "!!set ", "!!float ", "!x ", "? ", "- ",
    ": ",
    "[", "]", "{", "}", "|", ">", "%YAML 9.9\n", "---\n", "...\n", "#", "\t", "\0", "\ufeff", "\u202e", '"\\e"', "'", '"', "\n", "  ",
    "~", "null", ".inf", "-.inf", ".nan", "1e400", "-0", "0x7f", "0o17", "1_0", "9" * 400, "1:30", "2026-02-30", "2026-01-01T00:00:00Z",
    "9999-12-31", "0001-01-01", "yes", "''", "[[[[[[", "{a: {a: {a: ", "\ud7ff",
]  # fmt: skip


def judge(text: str) -> None:
    try:
        parse_zone(text)
    except RegistryError as error:
        assert error.problems
        assert all(problem.what and problem.remedy for problem in error.problems)


@given(st.text(st.sampled_from("zone:{}[]&*a<- \n\"'|>%#?!,0.e"), max_size=60))
def test_any_text_is_a_registry_or_a_list_of_mistakes(text: str) -> None:
    judge(text)


def _put(rng: random.Random, lines: list[str]) -> None:
    at = rng.randrange(len(lines))
    cut = rng.randrange(len(lines[at]) + 1)
    lines[at] = lines[at][:cut] + rng.choice(TOKENS) + lines[at][cut + rng.randrange(3) :]


def _take(rng: random.Random, lines: list[str]) -> None:
    del lines[rng.randrange(len(lines))]
    lines.append("")


def _repeat(rng: random.Random, lines: list[str]) -> None:
    lines.insert(rng.randrange(len(lines)), rng.choice(lines))


def _value(rng: random.Random, lines: list[str]) -> None:
    at = rng.randrange(len(lines))
    key, colon, _ = lines[at].partition(":")
    lines[at] = key + colon + " " + rng.choice(TOKENS)


def _indent(rng: random.Random, lines: list[str]) -> None:
    at = rng.randrange(len(lines))
    lines[at] = " " * rng.randrange(6) + lines[at].lstrip()


CHANGES: list[Callable[[random.Random, list[str]], None]] = [_put, _put, _value, _take, _repeat, _indent]


@pytest.mark.parametrize("zone", [SMALL, EXAMPLE], ids=["small", "example"])
@given(st.integers(0, 2**63))
def test_a_changed_zone_is_a_registry_or_a_list_of_mistakes(zone: str, seed: int) -> None:
    rng, lines = random.Random(seed), zone.splitlines()
    for _ in range(rng.randint(1, 4)):
        rng.choice(CHANGES)(rng, lines)
    judge("\n".join(lines))


SHIPPED = yaml.safe_load(files("zonepulse.schemas").joinpath("examples", "zone.yaml").read_text("utf-8"))
STEERING = ("inputs", "budgets", "tariffs", "efficiency_networks", "weather")
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.dates() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3),
    max_leaves=5,
)


def replaced(node: Any, data: st.DataObject) -> Any:
    """A document with one of its nodes, at any depth, replaced by any value."""
    parts: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    at = data.draw(st.sampled_from([*parts, None]))
    if at is None:
        return data.draw(anything)
    copy = node.copy()
    copy[at] = replaced(node[at], data)
    return copy


@given(st.sampled_from(STEERING), st.data())
def test_a_zone_with_any_value_replaced_by_another_is_a_registry_or_a_list_of_mistakes(section: str, data: st.DataObject) -> None:
    parts = {name: SHIPPED[name] for name in ("zone", "companies")}
    judge(yaml.safe_dump(parts | {section: replaced(SHIPPED[section], data)}, allow_unicode=True))
