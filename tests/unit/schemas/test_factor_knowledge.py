"""The factor table as it was known on a day."""

from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zones import zone

from zonepulse.processors.accounting.factor_table import FactorTable
from zonepulse.schemas.factors.knowledge import as_known, is_known, published_day, with_published
from zonepulse.schemas.factors.shipped import load_factors, shipped_factors_csv
from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.registry.model import FOREVER, Factor
from zonepulse.schemas.registry.wire import decode_factor, encode_factor
from zonepulse.schemas.zone_file.publication import parse_publication

SHIPPED = load_factors(shipped_factors_csv(), "Asia/Shanghai")
START_MS = 1_767_196_800_000  # 2026-01-01T00:00+08:00
YEAR_MS = 365 * 86_400_000
DAYS = st.sampled_from(
    ["2024-04-11", "2024-04-12", "2024-12-25", "2024-12-26", "2025-06-01", "2025-12-31", "2026-07-01", "2030-01-01"]
)


def ids(factors: tuple[Factor, ...], prefix: str) -> list[tuple[str, bool]]:
    return [(f.id, f.valid_to_ms == FOREVER) for f in factors if f.id.startswith(prefix)]


def test_a_factor_goes_on_until_its_successor_is_published() -> None:
    js = "grid-cn-js-loc"
    assert ids(as_known(SHIPPED, "2024-04-11"), js) == []
    assert ids(as_known(SHIPPED, "2024-04-12"), js) == [(f"{js}-2021", True)]
    assert ids(as_known(SHIPPED, "2025-12-30"), js) == [(f"{js}-2021", False), (f"{js}-2022", True)]
    assert ids(as_known(SHIPPED, "2025-12-31"), js) == [(f"{js}-2021", False), (f"{js}-2022", False), (f"{js}-2023", True)]


def test_a_series_without_a_later_factor_stays_closed() -> None:
    ets = ids(as_known(SHIPPED, "2024-01-01"), "grid-cn-ets")
    assert ets == [("grid-cn-ets-2015", False), ("grid-cn-ets-2021", False), ("grid-cn-ets-2022", False)]


def test_a_zone_may_look_up_what_was_known() -> None:
    now, then = (FactorTable(zone(("id: z,", f"id: z, {extra}"))) for extra in ("", "factors_as_of: 2025-12-30,"))
    found = [table.location("electricity", "a", "kWh", START_MS) for table in (now, then)]
    assert [(f.factor_id, f.factor_mg) for f in found if f] == [("grid-cn-js-loc-2023", 582_700), ("grid-cn-js-loc-2022", 597_800)]


def test_a_day_before_every_factor_leaves_none() -> None:
    with pytest.raises(RegistryError, match="no factor of 'grid_electricity'"):
        zone(("id: z,", "id: z, factors_as_of: 2024-01-01,"))
    with pytest.raises(RegistryError, match=r"zone.factors_as_of: '2024-13-01' is no date; write one such as 2026-01-31"):
        zone(("id: z,", "id: z, factors_as_of: 2024-13-01,"))


def test_own_factors_are_known_since_they_were_published_or_always() -> None:
    own = "  - {id: %s, activity: lng, company: a, value: 1, unit: tCO2/t, valid_from: %s, source: x%s}\n"
    text = "factors:\n" + own % ("o1", "2020-01-01, valid_to: 2025-01-01", "") + own % ("o2", "2025-01-01", ", published: 2025")
    before, after = (zone(("id: z,", f"id: z, factors_as_of: {day},"), more=text).factors for day in ("2025-12-30", "2025-12-31"))
    assert ids(before, "o") == [("o1", True)]
    assert ids(after, "o") == [("o1", False), ("o2", True)]


@pytest.mark.parametrize(
    ("published", "day"),
    [
        ("2025-12-31", "2025-12-31"),
        ("2025", "2025-12-31"),
        ("2025-06", "2025-06-31"),
        ("2025-06-01T08:00+08:00", "2025-06-01"),
        ("soon", "9999-12-31"),
    ],
)
def test_a_publication_counts_from_the_last_day_that_it_may_mean(published: str, day: str) -> None:
    assert published_day(published) == day


def test_what_does_not_say_when_it_was_published_is_always_known() -> None:
    assert is_known(replace(SHIPPED[0], published=""), "1900-01-01")


@st.composite
def tables(draw: st.DrawFn) -> list[Factor]:
    """Series whose validities follow one another, each published on some day."""
    out = []
    for region in draw(st.lists(st.sampled_from(["A", "B"]), unique=True)):
        for year in range(draw(st.integers(0, 4))):
            published = draw(st.sampled_from(["", "2024-04-12", "2024-12-26", "2025-12-31", "2027"]))
            start, end = year * YEAR_MS, (year + 1) * YEAR_MS
            factor = Factor(
                f"{region}{year}", "grid_electricity", region, "", "location", Fraction(year), "kgCO2/kWh", "kWh", Fraction(year), None,
                published, start, end, "s", "", "H",
            )  # fmt: skip
            out.append(factor)
        if out and draw(st.booleans()):
            out[-1] = replace(out[-1], valid_to_ms=FOREVER)
    return draw(st.permutations(out))


@given(tables(), DAYS)
def test_nothing_unpublished_is_known_and_nothing_is_known_twice_at_a_time(table: list[Factor], day: str) -> None:
    known = as_known(table, day)
    assert [f.id for f in known] == [f.id for f in table if is_known(f, day)]
    series = defaultdict(list)
    for factor in known:
        series[factor.region].append(factor)
    for group in series.values():
        group.sort(key=lambda f: f.valid_from_ms)
        assert all(one.valid_to_ms <= other.valid_from_ms for one, other in pairwise(group))


@given(tables(), DAYS, DAYS)
def test_knowledge_only_grows_and_is_the_same_however_it_is_asked(table: list[Factor], one: str, other: str) -> None:
    early, late = sorted((one, other))
    assert {f.id for f in as_known(table, early)} <= {f.id for f in as_known(table, late)}
    assert as_known(as_known(table, late), early) == as_known(table, early)
    assert as_known(as_known(table, early), late) == as_known(table, early)
    assert as_known(table, "9999-12-31") == tuple(table)


@given(tables(), DAYS)
def test_only_the_newest_known_one_is_changed_and_only_its_end(table: list[Factor], day: str) -> None:
    before = {f.id: f for f in table}
    for factor in as_known(table, day):
        was = before[factor.id]
        later = [f for f in table if f.region == was.region and f.valid_from_ms > was.valid_from_ms]
        if factor != was:
            assert factor == replace(was, valid_to_ms=FOREVER)
            assert later and not any(is_known(f, day) for f in later)
        elif later and not any(is_known(f, day) for f in later):
            assert was.valid_to_ms == FOREVER


def published(name: str, day: str, start: str, end: str) -> str:
    return (
        f"  - {{id: {name}, activity: lng, company: a, value: 2, unit: tCO2/t, valid_from: {start}, valid_to: {end}, source: x,"
        f" published: {day}}}\n"
    )


def test_a_publication_stands_in_the_place_of_its_series_from_its_day_on() -> None:
    base = "  - {id: base, activity: lng, company: a, value: 1, unit: tCO2/t, valid_from: 2020-01-01, source: x}\n"
    registry = zone(more="factors:\n" + base)
    text = (
        "factors:\n" + published("y24", "2025-06", "2024-01-01", "2025-01-01") + published("q4", "2026", "2024-10-01", "2025-01-01")
    )
    publications = parse_publication(text, registry, ())

    def pieces(day: str) -> list[tuple[str, str, str]]:
        found = [f for f in with_published(registry.factors, publications, day) if f.activity == "lng" and f.company == "a"]
        return [(f.id, at(f.valid_from_ms), at(f.valid_to_ms)) for f in sorted(found, key=lambda f: f.valid_from_ms)]

    def at(ms: int) -> str:
        return "" if ms == FOREVER else str(datetime.fromtimestamp(ms / 1000, ZoneInfo("Asia/Shanghai")).date())

    assert pieces("2025-06-29") == [("base", "2020-01-01", "")]
    behind = ("base", "2025-01-01", "")
    assert pieces("2025-12-30") == [("base", "2020-01-01", "2024-01-01"), ("y24", "2024-01-01", "2025-01-01"), behind]
    assert pieces("2026-12-31") == [
        ("base", "2020-01-01", "2024-01-01"), ("y24", "2024-01-01", "2024-10-01"), ("q4", "2024-10-01", "2025-01-01"), behind,
    ]  # fmt: skip
    assert [decode_factor(encode_factor(factor)) for factor in publications] == list(publications)
