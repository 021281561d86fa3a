"""Any text ends in a registry or in named mistakes, in time and memory linear in its length: bombs, nesting, numbers, words, ids."""

import gc
import time
from collections.abc import Callable

import pytest
from zone_sizes import many_channels
from zones import EXAMPLE, small, zone

from zonepulse.schemas.checks.notices import identifiers, notices
from zonepulse.schemas.problems import MOST_PROBLEMS, RegistryError
from zonepulse.schemas.zone_file.bounds import MAX_BYTES, MAX_WRITTEN, TooLarge, check_bounds
from zonepulse.schemas.zone_file.read import parse_zone


def refusal(text: str) -> RegistryError:
    with pytest.raises(RegistryError) as error:
        parse_zone(text)
    return error.value


def aliases(levels: int, section: str = "subscribers") -> str:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{x: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, levels)]
    return "zone: {id: z, timezone: UTC}\n" + "\n".join(lines) + f"\n{section}: [*a{levels - 1}]\n"


def merges(levels: int) -> str:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, levels)]
    return "zone: {id: z, timezone: UTC}\n" + "\n".join(lines) + f"\ncompanies: [*a{levels - 1}]\n"


@pytest.mark.parametrize("bomb", [aliases(9), aliases(40), merges(9), merges(40)], ids=["9", "40", "merge 9", "merge 40"])
def test_aliases_of_aliases_are_named_where_they_explode(bomb: str) -> None:
    (problem,) = refusal(bomb).problems
    assert problem.what == "its aliases stand for many more values than are written"
    assert problem.line > 1 and problem.remedy


@pytest.mark.parametrize("start", ["[", "{a: ", "- ", "? ", "zone: [", "[{a: "])
def test_nesting_is_named_and_ends_no_process(start: str) -> None:
    (problem,) = refusal(start * 100_000).problems
    assert problem.what == "it is nested more than 50 levels deep"


def test_an_alias_that_is_used_often_is_allowed() -> None:
    shared = "{carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 100, period: 15m}"
    meters = "".join(f"  - {{id: m{i}, site: s, role: main, registers: *r}}\n" for i in range(2_000))
    text = f"""
zone: {{id: z, timezone: UTC, factor_regions: [CN]}}
companies: [{{id: c}}]
sites: [{{id: s, company: c}}]
gateways: [{{id: g, site: s}}]
meters:
  - {{id: first, site: s, role: main, registers: &r {{"1.8.0": {shared}}}}}
{meters}""".replace("zone: {id: z,", "zone: {id: z, key: meter,")
    assert len(parse_zone(text).meters) == 2_001


def test_a_hundred_thousand_channels_are_within_the_bounds_and_three_times_as_many_are_not() -> None:
    assert len(parse_zone(many_channels(2_000)).meters) == 1_000
    check_bounds(many_channels(10_000), MAX_WRITTEN // 10)
    assert len(many_channels(100_000)) < MAX_BYTES
    (problem,) = refusal(many_channels(300_000)).problems
    assert problem.what == "it is longer than 32,000,000 characters" and problem.remedy


def test_values_without_number_are_named_before_any_is_kept() -> None:
    check_bounds("a: [" + "1," * 97 + "]", 100)
    with pytest.raises(TooLarge, match="more than 100 values are written in it"):
        check_bounds("a: [" + "1," * 98 + "]", 100)


def test_twice_the_channels_take_at_most_three_times_as_long() -> None:
    parse_zone(many_channels(100))
    once = seconds(parse_zone, many_channels(2_000))
    assert seconds(parse_zone, many_channels(4_000)) < 3 * once


@pytest.mark.parametrize("digits", [61, 6_000, 1_000_000])
def test_a_number_of_many_digits_is_refused_in_a_short_line(digits: int) -> None:
    for section in (
        "companies: [{id: c, employees: %s}]",
        "subscribers: [%s]",
        "entries: [{id: e, company: c, carrier: x, kg: %s}]",
    ):
        text = "zone: {id: z, timezone: UTC}\n" + section % ("9" * digits)
        try:
            parse_zone(text)
        except RegistryError as error:
            assert all(len(str(problem)) < 400 for problem in error.problems)


def test_only_the_first_mistakes_are_told_and_that_is_said() -> None:
    problems = refusal("zone: {id: z, timezone: UTC}\n" + "".join(f"wrong{i}: 1\n" for i in range(5 * MOST_PROBLEMS))).problems
    assert len(problems) == MOST_PROBLEMS + 1
    assert "only the first 1000 mistakes are told" in str(problems[0])


def seconds(judge: Callable[[str], object], text: str) -> float:
    gc.collect()
    gc.disable()  # what other tests left in memory is looked at again and again otherwise
    try:
        begun = time.process_time()
        judge(text)
        return time.process_time() - begun
    finally:
        gc.enable()


HOSTILE = {
    "unknown keys": lambda n: "zone: {id: z}\n" + "".join(f"k{i}: 1\n" for i in range(n // 8)),
    "one long word": lambda n: f"zone: {{id: z, timezone: {'x' * n}}}",
    "one long key": lambda n: f"{'k' * n}: 1\nzone: {{id: z}}",
    "a long key with children": lambda n: f"zone: {{id: z}}\n{'k' * (n // 2)}: [{'1, ' * (n // 6)}]",
    "a long list": lambda n: f"zone: {{id: z}}\nsubscribers: [{'1, ' * (n // 3)}]",
    "duplicate keys": lambda n: "zone: {id: z}\n" + "a: 1\n" * (n // 5),
    "digits": lambda n: f"zone: {{id: z}}\ncompanies: [{{id: c, employees: {'9' * n}}}]",
    "empty companies": lambda n: "zone: {id: z, timezone: UTC}\ncompanies: [" + "{}, " * (n // 4) + "]",
}


@pytest.mark.large
@pytest.mark.parametrize("name", HOSTILE)
def test_twice_the_text_takes_at_most_three_times_as_long(name: str) -> None:
    make = HOSTILE[name]
    refusal(make(1_000))
    once = min(seconds(refusal, make(100_000)) for _ in range(3))
    assert min(seconds(refusal, make(200_000)) for _ in range(3)) < 3 * once + 0.25


# Identifiers


@pytest.mark.parametrize("good", ["1-0:1.8.0*255", "TC-0042-E1", "Zähler 7", "园区-01", "a/b", "_x", "*", "7"])
def test_usual_identifiers(good: str) -> None:
    assert good in identifiers(zone(("id: M\n", f'id: "{good}"\n')))


@pytest.mark.parametrize(
    "bad", ["=cmd|calc", "+1", "-x", "@a", ".hidden", "../../x", "<script>", "a' OR 1=1 --", "a\\x1b[2J", " a", "a "]
)
def test_identifiers_that_other_programs_would_run_are_refused(bad: str) -> None:
    text = EXAMPLE.replace("id: steelworks\n", f'id: "{bad}"\n')
    assert text != EXAMPLE
    assert "identifier" in str(refusal(text)) or "control characters" in str(refusal(text))


@pytest.mark.parametrize("bad", ["a b", "a/b", "a*"])
def test_a_zone_itself_has_the_narrower_alphabet(bad: str) -> None:
    assert "no zone's identifier" in str(refusal(EXAMPLE.replace("id: taicang", f'id: "{bad}"')))


def test_an_identifier_that_exists_stays_valid_with_a_notice() -> None:
    text = small(("{id: a}", '{id: "a & b"}'), ("company: a,", 'company: "a & b",'))
    assert "no identifier" in str(refusal(text))
    registry = parse_zone(text, known_ids=frozenset({"a & b"}))
    assert "a & b" in identifiers(registry)
    assert any("'a & b' would be refused if it were new" in str(notice) for notice in notices(registry))


def test_names_have_no_control_characters() -> None:
    assert "control characters" in str(refusal(EXAMPLE.replace("Steelworks Ltd", '"A\\e[2J"')))
