"""Expressions, working hours and prices say what their plain twins say."""

import json
from datetime import date, timedelta
from math import isfinite
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from zone_strategies import CALENDARS, OF_ALL, TARIFFS, expressions
from zones import small, zone

from zonepulse.oracle.impact import of_energy
from zonepulse.oracle.rules import answer
from zonepulse.oracle.zone.hours import is_open
from zonepulse.oracle.zone.zone_file import read_registry
from zonepulse.processors.accounting.factor_table import FactorTable
from zonepulse.processors.detection.expressions import compile_expression
from zonepulse.processors.detection.working_hours import WorkingHours
from zonepulse.processors.ledger.impact import Impact
from zonepulse.schemas.factors.shipped import shipped_factors_csv
from zonepulse.schemas.registry.calendar import offsets_of
from zonepulse.schemas.registry.calendars import WEEKDAYS

VALUES = st.none() | st.sampled_from((0.0, 1.0, 100.0, -2.0, 1e308)) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.data(), st.lists(VALUES, min_size=len(OF_ALL), max_size=len(OF_ALL)))
def test_an_expression_says_what_its_twin_says(data: st.DataObject, values: list[float | None]) -> None:
    text = expressions(data.draw, OF_ALL, 4)
    look = dict(zip(OF_ALL, values, strict=True)).get
    assert all(value is None or isfinite(value) for value in values)
    if len(text) <= 500:
        assert compile_expression(text)(look) == answer(text, look)


@given(
    st.sampled_from(("UTC", "Asia/Shanghai", "Europe/Berlin", "America/St_Johns")),
    st.sets(st.sampled_from(WEEKDAYS)),
    st.tuples(st.integers(0, 95), st.integers(0, 95)).filter(lambda m: m[0] != m[1]),
    st.integers(-3, 3),
    st.integers(-3, 3),
    st.integers(-400, 400),
)
def test_working_hours_are_those_of_the_twin(
    timezone: str, days: set[str], quarters: tuple[int, int], holiday: int, workday: int, quarter: int
) -> None:
    at = date(2026, 10, 25)  # the clocks of Europe go back
    hours = [f"{q // 4:02}:{q % 4 * 15:02}" for q in quarters]
    off, on = (str(at + timedelta(days=n)) for n in (holiday, workday))
    dates = f"holidays: [{off}]" + (f", workdays: [{on}]" if off != on else "")
    text = f'calendars:\n  - {{id: c, days: [{", ".join(sorted(days))}], hours: ["{hours[0]}", "{hours[1]}"], {dates}}}\n'
    text = small(("timezone: Asia/Shanghai", f"timezone: {timezone}"), more=text)
    registry = zone(("timezone: Asia/Shanghai", f"timezone: {timezone}"), more=text[text.index("calendars:") :])
    twin = read_registry(text, shipped_factors_csv())
    start = 1_792_886_400_000 + quarter * 900_000
    mine = WorkingHours(registry.more["calendars"][0], offsets_of(timezone))
    assert ZoneInfo(timezone) == twin.policy.timezone
    assert mine.is_open(start) == is_open(twin.calendars["c"], start, twin)


@given(st.lists(st.sampled_from(range(5)), unique=True), st.sampled_from(("a", "b", "")), st.integers(-400, 400))
def test_what_energy_costs_is_what_the_twin_says(chosen: list[int], company: str, quarter: int) -> None:
    of_b = {**TARIFFS[1], "company": "b"}
    known = [
        TARIFFS[0],
        of_b,
        TARIFFS[2],
        {**TARIFFS[2], "id": "night", "calendar": "night"},
        {**of_b, "id": "b-day", "calendar": "day"},
    ]
    tree = {"calendars": CALENDARS, "tariffs": [known[i] for i in chosen]}
    text = "".join(f"{name}: {json.dumps(rows)}\n" for name, rows in tree.items() if rows)
    registry, twin = zone(more=text), read_registry(small(more=text), shipped_factors_csv())
    at_ms = 1_790_784_000_000 + quarter * 900_000
    assert Impact(registry, FactorTable(registry)).of_energy(1_234_567, company, at_ms) == of_energy(
        twin, 1_234_567, company, at_ms
    )
