"""zone.yaml: everything that the example shows is read exactly, and every mistake is told with its place and remedy."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zones import EXAMPLE, SNAPSHOTS, small, zone

from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.registry.lookup import RegistryIndex
from zonepulse.schemas.registry.model import ALWAYS, FOREVER
from zonepulse.schemas.values import BadValue, parse_decimal, parse_duration_ms, parse_instant_ms
from zonepulse.schemas.zone_file.read import parse_zone

SHANGHAI = ZoneInfo("Asia/Shanghai")


def _refusal(text: str) -> str:
    with pytest.raises(RegistryError) as error:
        parse_zone(text)
    return str(error.value)


def test_the_example_is_read_unchanged() -> None:
    registry = parse_zone(EXAMPLE)
    policy = registry.zone
    assert (policy.id, policy.key, policy.factor_regions) == ("taicang", "gateway", ("CN-JS", "CN-EAST", "CN"))
    assert (policy.window_ms, policy.tick_ms, policy.live_ms, policy.delay_ms) == (900_000, 60_000, 5_000, 60_000)
    assert (policy.lateness_ms, policy.future_ms, policy.idle_ms, policy.max_gap_ms) == (7_200_000, 300_000, 10_000, 604_800_000)
    assert (policy.n_confirm, policy.boundary_tolerance_ms) == (3, 60_000)
    assert [s.company for s in registry.sites] == ["steelworks", ""]
    mill, grid = registry.meters
    active, reactive = mill.registers
    assert (active.base_unit, active.scale, active.multiplier, active.modulus, active.max_power) == ("kWh", 10**6, 40, 10**6, 2500)
    assert (reactive.base_unit, reactive.modulus, reactive.max_power, reactive.period_ms) == ("kvarh", None, 2000, 900_000)
    assert grid.registers[0].scale == 10**9
    assert (mill.valid_from_ms, mill.valid_to_ms) == (parse_instant_ms("2018-01-01T00:00:00+08:00", SHANGHAI), FOREVER)
    (change,) = registry.meter_changes
    assert (change.old_final, change.new_initial, change.at_ms) == (812345.6, 3.2, 1_772_590_020_000)
    assert registry.factors[-1].value == Fraction("2.1622")
    (rule,) = registry.rules
    assert (rule.on, rule.above, rule.clear_below, rule.for_ms, rule.keep_firing_ms) == ("zone", 450.0, 430.0, 1_800_000, 900_000)
    assert set(registry.extra) == {"subscribers"}


def test_all_that_is_optional_has_its_default() -> None:
    policy = zone().zone
    assert (policy.window_ms, policy.tick_ms, policy.live_ms, policy.delay_ms) == (900_000, 60_000, 5_000, 60_000)
    assert (policy.lateness_ms, policy.future_ms, policy.idle_ms, policy.max_gap_ms) == (7_200_000, 300_000, 10_000, 604_800_000)
    assert (policy.key, policy.n_confirm, policy.boundary_tolerance_ms, policy.name) == ("gateway", 3, 60_000, {"en": "z"})
    register = zone(("id: z,", "id: z, window: 30m,")).meters[0].registers[0]
    assert (register.multiplier, register.period_ms, register.ef_kg) == (1, 1_800_000, 0)
    assert zone().companies[0].name == {"en": "a"}


def test_a_file_full_of_mistakes_reports_each_with_its_remedy() -> None:
    text = (SNAPSHOTS / "bad_zone.yaml").read_text(encoding="utf-8")
    with pytest.raises(RegistryError) as error:
        parse_zone(text, file="bad_zone.yaml")
    assert f"{error.value}\n" == (SNAPSHOTS / "bad_zone.txt").read_text(encoding="utf-8")
    assert all(p.remedy and p.line for p in error.value.problems)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "zone.yaml:1: the file is empty; begin with `zone:`"),
        ("sites: []", "zone.yaml:1: `zone` is missing; begin with `zone:`"),
        ("- a", "zone.yaml:1: a list is no mapping; write `key: value`"),
        ("zone:\n\tid: z", "zone.yaml:2: no valid YAML: found character that cannot start any token; mend this line"),
        ("zone: {id: z\nsites: []", "zone.yaml:2: no valid YAML"),
        ("a: 1\n---\nb: 2", "zone.yaml:2: no valid YAML"),
        ("zone: \x00", "zone.yaml:1: no valid YAML: "),
        ("zone: \ud800", "zone.yaml:1: no valid YAML: "),
        ("zone: &a {<<: *a}", "zone.yaml:1: zone: a merge key that merges its own mapping; write the values out"),
        ("zone: [1]", "zone.yaml:1: zone: a list is no mapping"),
        ("zone: {id: z}", "zone.yaml:1: zone: `timezone` is missing; add `timezone: Asia/Shanghai`"),
    ],
)
def test_a_file_that_is_no_zone_at_all_is_told_so(text: str, message: str) -> None:
    assert _refusal(text).startswith(message) or message in _refusal(text)


NASTY = (
    "null",
    "[]",
    "{}",
    "''",
    "-1",
    "1e999",
    "2026-02-30",
    "*x",
    "&x",
    "!!python/object:os.system",
    "{a: 1, a: 2}",
    "yes",
    "\\",
    "💡",
    "- ",
)


@pytest.mark.large
@settings(max_examples=300)
@given(st.data())
def test_whatever_is_written_is_read_or_refused_with_reasons(data: st.DataObject) -> None:
    words = re.split(r"(\s+|[{}\[\],:])", EXAMPLE)
    for _ in range(data.draw(st.integers(1, 3))):
        i = data.draw(st.integers(0, len(words) - 1))
        words[i] = data.draw(st.sampled_from(NASTY) | st.sampled_from(words))
    try:
        parse_zone("".join(words))
    except RegistryError as error:
        assert all(p.what and p.remedy for p in error.problems)


def test_numbers_are_exactly_what_is_written() -> None:
    register = zone(("max_power: 1000000", "multiplier: 0.1, max_power: 1234.5678901, modulus: 1.0e+6")).meters[0].registers[0]
    assert (register.multiplier, register.max_power, register.modulus) == (Fraction(1, 10), Fraction("1234.5678901"), 10**6)


def test_a_register_of_generation_may_carry_its_own_emissions() -> None:
    generation = zone(("role: main", "role: generation"), ("direction: import", "direction: generation, ef: 0.025"))
    assert generation.meters[0].registers[0].ef_kg == Fraction(1, 40)


def test_gas_is_counted_at_its_reference() -> None:
    def gas(unit: str) -> Fraction:
        changed = zone(
            ("carrier: electricity, direction: import", "carrier: natural_gas, direction: consumption"), ("unit: kWh", unit)
        )
        return changed.meters[0].registers[0].scale

    assert gas("unit: m3, reference: 20C") == Fraction(27315, 29315) * 10**6
    assert gas("unit: m3, reference: 0C") == gas("unit: Nm3") == 10**6


def test_versions_of_a_meter_are_ordered_and_found_by_time() -> None:
    earlier = """\
  - id: M
    site: s2
    role: main
    registers: {"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: MWh, max_power: 1000000}}
    valid_to: 2024-01-01
"""
    registry = zone(more=earlier)
    index = RegistryIndex(registry)
    one, other = index.versions("M")
    assert registry.meters == (one, other)
    assert (one.valid_from_ms, one.valid_to_ms, index.company_of(one)) == (ALWAYS, other.valid_from_ms, "b")
    assert (index.company_of(other), index.node_of(other), index.site_of(other).id) == ("a", "n", "s")
    edge = other.valid_from_ms
    assert [index.version_at("M", t) for t in (edge - 1, edge)] == [one, other]
    assert index.versions("unknown") == () and index.version_at("unknown", edge) is None


def test_anchors_and_merge_keys_save_writing() -> None:
    merged = zone(
        ("    registers:\n", "    registers: &common\n"),
        more="  - id: M2\n    site: s\n    role: main\n"
        '    registers: {<<: *common, "9": {carrier: water, direction: consumption, kind: interval, unit: L, max_power: 1000000}}\n',
    )
    assert [r.id for r in merged.meters[1].registers] == ["9", "1.8.0"]


def test_an_alias_that_contains_itself_is_refused() -> None:
    assert "zone.yaml:16: subscribers[0]: a list is no mapping" in _refusal(small(more="subscribers:\n  - &a [*a]\n"))


def test_subscribers_are_carried_as_json_has_them() -> None:
    extra = zone(more="subscribers:\n  - {id: desk, to: [channel:ops], quiet: ['22:00', '07:00']}\n").extra
    (carried,) = extra["subscribers"]
    assert (carried["id"], carried["to"], carried["quiet_from_min"], carried["quiet_to_min"]) == (
        "desk",
        ["channel:ops"],
        1320,
        420,
    )


def test_the_digest_is_that_of_the_text() -> None:
    assert zone().sha256 == hashlib.sha256(small().encode()).hexdigest()


def test_another_factor_table_may_be_given() -> None:
    table = "id,activity,region,basis,value,unit,data_year,published,valid_from,valid_to,source,source_url,confidence\n"
    row = "only,grid_electricity,CN,location,0.4,kgCO2/kWh,2025,2026-01-01,2020-01-01,,s,,H\n"
    assert [f.id for f in parse_zone(small(), factors_csv=table + row).factors] == ["only"]
    with pytest.raises(RegistryError, match="no factor of 'grid_electricity' exists; add a factor"):
        parse_zone(small(), factors_csv=table)


@given(st.integers(0, 10**6), st.sampled_from("smhd"))
def test_a_duration_is_its_number_of_units(number: int, unit: str) -> None:
    assert parse_duration_ms(f"{number}{unit}") == number * {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}[unit]


@pytest.mark.parametrize("text", ["15", "15 m", "1.5h", "-1m", "15min", "PT15M", "", "٣m"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(BadValue, match="is no duration; write a whole number"):
        parse_duration_ms(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_a_decimal_is_exact(value: object) -> None:
    assert parse_decimal(f"{value:f}") == Fraction(str(value))


@pytest.mark.parametrize("text", ["0123", "1,5", "1_000", "0x10", ".inf", ".nan", "1e999", "", "1 000", "12:30", "٣"])
def test_anything_else_is_no_decimal(text: str) -> None:
    with pytest.raises(BadValue, match="is no decimal number"):
        parse_decimal(text)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_an_instant_is_the_same_in_every_offset(local: datetime, minutes: int) -> None:
    sign, (h, m) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    expected = (local - timedelta(minutes=minutes)).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_instant_ms(f"{local.isoformat()}{sign}{h:02}:{m:02}", SHANGHAI) == expected // timedelta(milliseconds=1)


def test_a_date_begins_in_the_zones_time() -> None:
    assert parse_instant_ms("2026-01-01", SHANGHAI) == parse_instant_ms("2025-12-31T16:00Z", SHANGHAI)
    assert parse_instant_ms("2026-07-01", ZoneInfo("Europe/Berlin")) == parse_instant_ms("2026-06-30 22:00:00 +00:00", SHANGHAI)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-03-04T10:07:00", r"no offset; write which one is meant, such as 2026-03-04T10:07:00\+08:00"),
        ("2026-02-30", "day is out of range"),
        ("04.03.2026", "write a date such as"),
        ("20260304", "write a date such as"),
        ("2026-03-04T25:00Z", "hour must be in"),
    ],
)
def test_a_time_that_is_not_exact_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadValue, match=message):
        parse_instant_ms(text, SHANGHAI)


def test_a_register_without_max_power_is_refused_and_told_how_to_find_one() -> None:
    with pytest.raises(RegistryError) as error:
        zone((", max_power: 1000000", ""))
    (problem,) = error.value.problems
    assert str(problem).startswith('zone.yaml:13: meters[0].registers."1.8.0": `max_power` is missing; no reading can be')
    assert all(word in problem.remedy for word in ("in kW", "fuse", "transformer", "pipe"))
